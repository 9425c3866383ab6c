#include "core/wal/format.h"

#include <charconv>
#include <cstdio>
#include <utility>

#include "core/base/check.h"
#include "core/base/encoding.h"
#include "core/base/hash.h"

namespace causeway::wal {
namespace {

constexpr std::size_t kBufferAlign = 4096;
constexpr std::size_t kHeaderCheckAt = 8;
constexpr std::size_t kLengthAt = 12;
constexpr std::size_t kBatchAt = 16;
constexpr std::size_t kLsnAt = 24;
constexpr std::size_t kTermAt = 32;
constexpr std::size_t kIndexAt = 40;
constexpr std::size_t kEpochAt = 48;
constexpr std::size_t kGroupAt = 52;
constexpr std::size_t kOrdinalAt = 56;
constexpr std::size_t kKindAt = 60;
constexpr std::size_t kFlagsAt = 61;
constexpr std::size_t kZeroAt = 62;
constexpr std::uint8_t kLastBit = 0x80;

template <typename T>
void store(char* at, T value) {
    std::memcpy(at, &value, sizeof(T));
}
template <typename T>
T load(const char* at) {
    T value{};
    std::memcpy(&value, at, sizeof(T));
    return value;
}

Kind kind_at(const char* record) {
    return static_cast<Kind>(load<std::uint8_t>(record + kKindAt) & ~kLastBit & 0xFF);
}

// A segment's first record must be readable without knowing whose log it is: it says so.
std::uint64_t seed_of(const char* record, std::uint64_t log_id) {
    return kind_at(record) == Kind::kSegment ? 0 : log_id;
}

std::uint32_t header_check(const char* record, std::uint64_t seed) {
    return static_cast<std::uint32_t>(hash64({record + kLengthAt, kHeaderBytes - kLengthAt}, seed));
}

}  // namespace

std::string LogError::text() const {
    return file.empty() ? message : file + " offset " + std::to_string(offset) + ": " + message;
}

char* RecordBuffer::extend(std::size_t size) {
    if (size_ + size > capacity_) {
        const std::size_t capacity = align_up((size_ + size) * 2, kBufferAlign);
        std::unique_ptr<char, Free> memory(
            static_cast<char*>(std::aligned_alloc(kBufferAlign, capacity)));
        CW_CHECK(memory != nullptr, "out of memory");
        if (size_ > 0) {
            std::memcpy(memory.get(), memory_.get(), size_);
        }
        memory_ = std::move(memory);
        capacity_ = capacity;
    }
    char* at = memory_.get() + size_;
    if (size > 0) {
        std::memset(at, 0, size);
    }
    size_ += size;
    return at;
}

void RecordBuffer::prepend(std::string_view front) {
    if (front.empty()) {
        return;
    }
    const std::size_t held = size_;
    extend(front.size());
    std::memmove(memory_.get() + front.size(), memory_.get(), held);
    std::memcpy(memory_.get(), front.data(), front.size());
}

void put_record(RecordBuffer& out, const RecordHeader& header, std::string_view payload) {
    char* at = out.extend(record_bytes(payload.size()));
    store(at + kLengthAt, static_cast<std::uint32_t>(payload.size()));
    store(at + kTermAt, header.term);
    store(at + kIndexAt, header.index);
    store(at + kEpochAt, header.epoch);
    store(at + kGroupAt, header.group);
    store(at + kKindAt, static_cast<std::uint8_t>(header.kind));
    store(at + kFlagsAt, header.flags);
    if (!payload.empty()) {
        std::memcpy(at + kHeaderBytes, payload.data(), payload.size());
    }
}

std::uint64_t seal(char* bytes, std::size_t size, std::uint64_t batch, std::uint64_t first_lsn,
                   std::uint64_t log_id) {
    std::uint32_t ordinal = 0;
    for (std::size_t at = 0; at < size; ++ordinal) {
        char* record = bytes + at;
        const auto length = load<std::uint32_t>(record + kLengthAt);
        at += record_bytes(length);
        CW_CHECK(at <= size);
        const bool last = at == size;
        store(record + kBatchAt, batch);
        store(record + kLsnAt, first_lsn + ordinal);
        store(record + kOrdinalAt, ordinal);
        const auto kind = static_cast<std::uint8_t>(kind_at(record));
        store(record + kKindAt, static_cast<std::uint8_t>(kind | (last ? kLastBit : 0)));
        const std::uint64_t seed = seed_of(record, log_id);
        store(record + kHeaderCheckAt, header_check(record, seed));
        store(record,
              hash64({record + kHeaderCheckAt, kHeaderBytes - kHeaderCheckAt + length}, seed));
    }
    return ordinal;
}

std::optional<RecordHeader> decode_header(std::string_view bytes, std::uint64_t log_id) {
    if (bytes.size() < kHeaderBytes) {
        return std::nullopt;
    }
    const char* record = bytes.data();
    const auto kind = static_cast<std::uint8_t>(kind_at(record));
    if (kind == 0 || kind > kKindMax || load<std::uint16_t>(record + kZeroAt) != 0 ||
        load<std::uint32_t>(record + kHeaderCheckAt) !=
            header_check(record, seed_of(record, log_id))) {
        return std::nullopt;
    }
    RecordHeader header;
    header.length = load<std::uint32_t>(record + kLengthAt);
    header.batch = load<std::uint64_t>(record + kBatchAt);
    header.lsn = load<std::uint64_t>(record + kLsnAt);
    header.term = load<std::uint64_t>(record + kTermAt);
    header.index = load<std::uint64_t>(record + kIndexAt);
    header.epoch = load<std::uint32_t>(record + kEpochAt);
    header.group = load<std::uint32_t>(record + kGroupAt);
    header.ordinal = load<std::uint32_t>(record + kOrdinalAt);
    header.kind = static_cast<Kind>(kind);
    header.last = (load<std::uint8_t>(record + kKindAt) & kLastBit) != 0;
    header.flags = load<std::uint8_t>(record + kFlagsAt);
    return header;
}

std::optional<RecordView> decode_record(std::string_view bytes, std::uint64_t log_id) {
    const auto header = decode_header(bytes, log_id);
    if (!header || header->length > bytes.size() - kHeaderBytes) {
        return std::nullopt;
    }
    const std::string_view covered =
        bytes.substr(kHeaderCheckAt, kHeaderBytes - kHeaderCheckAt + header->length);
    if (load<std::uint64_t>(bytes.data()) != hash64(covered, seed_of(bytes.data(), log_id))) {
        return std::nullopt;
    }
    return RecordView{*header, bytes.substr(kHeaderBytes, header->length)};
}

std::string encode_segment_head(const SegmentHead& head) {
    std::string out;
    ByteWriter writer(out);
    writer.u32(head.version);
    writer.u32(head.seq);
    writer.u64(head.log_id);
    writer.u64(head.block_bytes);
    return out;
}

std::optional<SegmentHead> decode_segment_head(std::string_view payload) {
    ByteReader reader(payload);
    SegmentHead head;
    head.version = reader.u32();
    head.seq = reader.u32();
    head.log_id = reader.u64();
    head.block_bytes = reader.u64();
    return reader.failed() ? std::nullopt : std::optional(head);
}

std::string segment_name(std::uint32_t seq) {
    char name[32];
    std::snprintf(name, sizeof(name), "wal-%08x.log", seq);
    return name;
}

std::optional<std::uint32_t> parse_segment_name(std::string_view name) {
    std::uint32_t seq = 0;
    if (name.size() == 16 && name.starts_with("wal-")) {
        std::from_chars(name.data() + 4, name.data() + 12, seq, 16);
    }
    return seq != 0 && name == segment_name(seq) ? std::optional(seq) : std::nullopt;
}

}  // namespace causeway::wal
