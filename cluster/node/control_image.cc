#include "cluster/node/control_image.h"

#include <algorithm>
#include <utility>

#include "cluster/node/whole_file.h"
#include "core/base/encoding.h"
#include "core/base/hash.h"

namespace causeway::node {
namespace {

constexpr std::string_view kControlFile = "control";
constexpr std::string_view kMembershipFile = "membership";
constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kChecksumBytes = 8;
// Of a record in a chunk: small, so that heartbeats do not wait behind it.
constexpr std::size_t kRecordBytes = 32U << 10;

std::string seal(std::string bytes) {
    ByteWriter(bytes).u64(hash64(bytes));
    return bytes;
}

// What is under a checksum that holds.
std::optional<std::string_view> unseal(std::string_view bytes) {
    if (bytes.size() < kChecksumBytes) {
        return std::nullopt;
    }
    const std::string_view sealed = bytes.substr(0, bytes.size() - kChecksumBytes);
    ByteReader checksum(bytes.substr(sealed.size()));
    return checksum.u64() == hash64(sealed) ? std::optional(sealed) : std::nullopt;
}

tl::unexpected<Error> damaged(std::string_view file) {
    return fail("the file " + std::string(file) +
                " in the data directory is damaged: causeway cluster repair says how to refill "
                "this node");
}

}  // namespace

std::string encode(const ControlImage& image) {
    std::string out;
    ByteWriter writer(out);
    writer.u8(kFormat);
    writer.u8(image.replica ? 1 : 0);
    writer.u64(image.applied.value());
    writer.string(image.origin);
    writer.string(image.state);
    return seal(std::move(out));
}

Result<std::optional<ControlImage>> load_control(wal::Disk& disk) {
    auto bytes = read_whole(disk, kControlFile);
    if (!bytes) {
        return tl::unexpected(bytes.error());
    }
    if (!*bytes) {
        return std::nullopt;
    }
    const auto sealed = unseal(**bytes);
    ByteReader reader(sealed.value_or(""));
    const std::uint8_t format = reader.u8();
    ControlImage image;
    image.replica = reader.u8() == 1;
    image.applied = Index(reader.u64());
    image.origin = reader.string();
    image.state = reader.string();
    if (!reader.done() || format != kFormat) {
        return damaged(kControlFile);
    }
    return image;
}

Result<std::optional<Membership>> load_membership(wal::Disk& disk) {
    auto bytes = read_whole(disk, kMembershipFile);
    if (!bytes) {
        return tl::unexpected(bytes.error());
    }
    if (!*bytes) {
        return std::nullopt;
    }
    const auto sealed = unseal(**bytes);
    ByteReader reader(sealed.value_or(""));
    const std::uint8_t format = reader.u8();
    Membership membership;
    membership.self = NodeId(reader.u64());
    membership.joined = reader.u8() == 1;
    if (!reader.done() || format != kFormat || !membership.self) {
        return damaged(kMembershipFile);
    }
    return membership;
}

Result<> store_control(wal::Disk& disk, std::string_view encoded) {
    return write_whole(disk, kControlFile, encoded);
}

Result<> store_membership(wal::Disk& disk, const Membership& membership) {
    std::string out;
    ByteWriter writer(out);
    writer.u8(kFormat);
    writer.u64(membership.self.value());
    writer.u8(membership.joined ? 1 : 0);
    return write_whole(disk, kMembershipFile, seal(std::move(out)));
}

// --- chunks ------------------------------------------------------------------------------------

state::SnapshotPosition StateReader::position() const {
    std::string key;
    ByteWriter(key).key_u64(at_);
    return {number_, std::move(key)};
}

void StateReader::seek(const state::SnapshotPosition& position) {
    number_ = position.number;
    at_ = position.key.empty() ? 0 : ByteReader(position.key).key_u64();
}

bool StateReader::next(std::string& chunk, std::size_t bytes_max) {
    chunk.clear();
    state::ChunkWriter writer(chunk, number_++, bytes_max);
    while (at_ < state_.size()) {
        std::string key;
        ByteWriter(key).key_u64(at_);
        const std::size_t size = std::min(kRecordBytes, state_.size() - at_);
        if (!writer.add(key, std::string_view(state_).substr(at_, size))) {
            break;
        }
        at_ += size;
    }
    writer.seal();
    return at_ < state_.size();
}

bool StateTaker::add(std::string_view chunk) {
    return sequence_
        .take(chunk, [this](std::string_view, std::string_view value) { state_ += value; })
        .has_value();
}

}  // namespace causeway::node
