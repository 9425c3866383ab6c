#include "core/state/snapshot.h"

#include <optional>

#include "core/base/encoding.h"
#include "core/base/hash.h"

namespace causeway::state {
namespace {

constexpr std::uint8_t kChunkVersion = 1;
constexpr std::size_t kChecksumBytes = 8;

std::size_t varint_bytes(std::uint64_t value) {
    std::size_t bytes = 1;
    while (value >>= 7) {
        ++bytes;
    }
    return bytes;
}

// Behind the checksum and the number; checksum, version, records and their order are checked.
struct Opened {
    std::uint64_t number = 0;
    std::string_view records;
    std::optional<std::string_view> first;
    std::string_view last;
};

Result<Opened> open_chunk(std::string_view chunk) {
    ByteReader in(chunk);
    const std::uint64_t checksum = in.u64();
    if (in.failed() || checksum != hash64(in.rest())) {
        return fail("a damaged chunk");
    }
    const std::uint8_t version = in.u8();
    Opened opened;
    opened.number = in.varint();
    opened.records = in.rest();
    if (in.failed() || version != kChunkVersion) {
        return fail("a chunk of an unknown version");
    }
    while (!in.at_end()) {
        const std::string_view key = in.string();
        in.string();
        if (in.failed() || (opened.first && key <= opened.last)) {
            return fail("a malformed chunk");
        }
        opened.first = opened.first.value_or(key);
        opened.last = key;
    }
    return opened;
}

}  // namespace

ChunkWriter::ChunkWriter(std::string& out, std::uint64_t number, std::size_t bytes_max)
    : out_(out), bytes_max_(bytes_max) {
    out_.clear();
    ByteWriter writer(out_);
    writer.u64(0);
    writer.u8(kChunkVersion);
    writer.varint(number);
    head_bytes_ = out_.size();
}

bool ChunkWriter::add(std::string_view key, std::string_view value) {
    const std::size_t bytes =
        varint_bytes(key.size()) + key.size() + varint_bytes(value.size()) + value.size();
    if (out_.size() > head_bytes_ && out_.size() + bytes > bytes_max_) {
        return false;
    }
    ByteWriter writer(out_);
    writer.string(key);
    writer.string(value);
    return true;
}

void ChunkWriter::seal() {
    std::string checksum;
    ByteWriter(checksum).u64(hash64(std::string_view(out_).substr(kChecksumBytes)));
    out_.replace(0, kChecksumBytes, checksum);
}

Result<std::uint64_t> check_chunk(std::string_view chunk) {
    return open_chunk(chunk).map([](const Opened& opened) { return opened.number; });
}

Result<> ChunkSequence::take(std::string_view chunk, Visitor visitor) {
    const auto opened = open_chunk(chunk);
    if (!opened) {
        return fail(opened.error().message);
    }
    if (opened->number != taken_ ||
        (opened->first && has_records_ && *opened->first <= last_key_)) {
        return fail("a chunk that does not follow the one before");
    }
    ByteReader in(opened->records);
    while (!in.at_end()) {
        const std::string_view key = in.string();
        visitor(key, in.string());
    }
    if (opened->first) {
        has_records_ = true;
        last_key_ = opened->last;
    }
    ++taken_;
    return {};
}

}  // namespace causeway::state
