// The codec's raft messages and snapshot meta data; see codec.h and docs/formats/wire.md.
#include <utility>
#include <variant>

#include "cluster/wire/fields.h"
#include "core/raft/configuration.h"

namespace causeway::wire {
namespace {

// Numbers on the wire, whatever the order of raft::Message's variant.
enum class BodyKind : std::uint8_t {
    kVoteRequest = 1,
    kVoteResponse = 2,
    kAppendRequest = 3,
    kAppendResponse = 4,
    kHeartbeat = 5,
    kHeartbeatResponse = 6,
    kInstallSnapshot = 7,
    kTimeoutNow = 8,
};

constexpr std::uint8_t kPre = 1;
constexpr std::uint8_t kTransfer = 2;
constexpr std::uint8_t kGranted = 2;
constexpr std::size_t kEntryBytesMin = 4;

BodyKind kind_of(const raft::VoteRequest&) { return BodyKind::kVoteRequest; }
BodyKind kind_of(const raft::VoteResponse&) { return BodyKind::kVoteResponse; }
BodyKind kind_of(const raft::AppendRequest&) { return BodyKind::kAppendRequest; }
BodyKind kind_of(const raft::AppendResponse&) { return BodyKind::kAppendResponse; }
BodyKind kind_of(const raft::Heartbeat&) { return BodyKind::kHeartbeat; }
BodyKind kind_of(const raft::HeartbeatResponse&) { return BodyKind::kHeartbeatResponse; }
BodyKind kind_of(const raft::InstallSnapshot&) { return BodyKind::kInstallSnapshot; }
BodyKind kind_of(const raft::TimeoutNow&) { return BodyKind::kTimeoutNow; }

std::uint8_t flags_of(bool first, std::uint8_t first_bit, bool second, std::uint8_t second_bit) {
    return static_cast<std::uint8_t>((first ? first_bit : 0) | (second ? second_bit : 0));
}

void write(const raft::VoteRequest& request, ByteWriter& out) {
    out.varint(request.last_index.value());
    out.varint(request.last_term.value());
    out.u8(flags_of(request.pre, kPre, request.transfer, kTransfer));
}
void read(FieldReader& in, raft::VoteRequest& request) {
    in.number(request.last_index);
    in.number(request.last_term);
    const std::uint8_t flags = in.byte();
    request.pre = (flags & kPre) != 0;
    request.transfer = (flags & kTransfer) != 0;
}

void write(const raft::VoteResponse& response, ByteWriter& out) {
    out.u8(flags_of(response.pre, kPre, response.granted, kGranted));
}
void read(FieldReader& in, raft::VoteResponse& response) {
    const std::uint8_t flags = in.byte();
    response.pre = (flags & kPre) != 0;
    response.granted = (flags & kGranted) != 0;
}

void write(const raft::AppendRequest& request, ByteWriter& out) {
    out.varint(request.prev_index.value());
    out.varint(request.prev_term.value());
    out.varint(request.commit.value());
    out.varint(request.entries.size());
    for (const raft::Entry& entry : request.entries) {
        out.varint(entry.term.value());
        out.varint(entry.index.value());
        out.u8(static_cast<std::uint8_t>(entry.kind));
        out.string(entry.payload.view());
    }
}
void read(FieldReader& in, raft::AppendRequest& request) {
    in.number(request.prev_index);
    in.number(request.prev_term);
    in.number(request.commit);
    request.entries.resize(in.count(kEntryBytesMin));
    for (raft::Entry& entry : request.entries) {
        in.number(entry.term);
        in.number(entry.index);
        in.enumerator(entry.kind, raft::EntryKind::kConfiguration);
        in.shared(entry.payload);
    }
}

void write(const raft::AppendResponse& response, ByteWriter& out) {
    out.varint(response.index.value());
    out.u8(response.rejected ? 1 : 0);
    out.varint(response.hint_index.value());
    out.varint(response.hint_term.value());
}
void read(FieldReader& in, raft::AppendResponse& response) {
    in.number(response.index);
    in.flag(response.rejected);
    in.number(response.hint_index);
    in.number(response.hint_term);
}

void write(const raft::Heartbeat&, ByteWriter&) {}
void read(FieldReader&, raft::Heartbeat&) {}

void write(const raft::HeartbeatResponse& response, ByteWriter& out) {
    out.varint(response.commit.value());
}
void read(FieldReader& in, raft::HeartbeatResponse& response) { in.number(response.commit); }

void write(const raft::InstallSnapshot& snapshot, ByteWriter& out) {
    write_meta(snapshot.meta, out);
}
void read(FieldReader& in, raft::InstallSnapshot& snapshot) { read_meta(in, snapshot.meta); }

void write(const raft::TimeoutNow&, ByteWriter&) {}
void read(FieldReader&, raft::TimeoutNow&) {}

template <typename Body>
void read_body(FieldReader& in, raft::Message& message) {
    read(in, message.body.emplace<Body>());
}

void read_body_of(BodyKind kind, FieldReader& in, raft::Message& message) {
    switch (kind) {
        case BodyKind::kVoteRequest:
            return read_body<raft::VoteRequest>(in, message);
        case BodyKind::kVoteResponse:
            return read_body<raft::VoteResponse>(in, message);
        case BodyKind::kAppendRequest:
            return read_body<raft::AppendRequest>(in, message);
        case BodyKind::kAppendResponse:
            return read_body<raft::AppendResponse>(in, message);
        case BodyKind::kHeartbeat:
            return read_body<raft::Heartbeat>(in, message);
        case BodyKind::kHeartbeatResponse:
            return read_body<raft::HeartbeatResponse>(in, message);
        case BodyKind::kInstallSnapshot:
            return read_body<raft::InstallSnapshot>(in, message);
        case BodyKind::kTimeoutNow:
            return read_body<raft::TimeoutNow>(in, message);
    }
    in.fail();
}

}  // namespace

void write_meta(const raft::SnapshotMeta& meta, ByteWriter& out) {
    out.varint(meta.index.value());
    out.varint(meta.term.value());
    out.string(raft::encode(meta.configuration).view());
}

void read_meta(FieldReader& in, raft::SnapshotMeta& meta) {
    in.number(meta.index);
    in.number(meta.term);
    auto configuration = raft::decode_configuration(in.view());
    if (!configuration) {
        in.fail();
        return;
    }
    meta.configuration = std::move(*configuration);
}

void write_fields(const RaftFrame& frame, ByteWriter& out) {
    out.varint(frame.group.value());
    out.varint(frame.message.from.value());
    out.varint(frame.message.to.value());
    out.varint(frame.message.term.value());
    std::visit(
        [&out](const auto& body) {
            out.u8(static_cast<std::uint8_t>(kind_of(body)));
            write(body, out);
        },
        frame.message.body);
}

void read_fields(FieldReader& in, RaftFrame& frame) {
    in.number(frame.group);
    in.number(frame.message.from);
    in.number(frame.message.to);
    in.number(frame.message.term);
    read_body_of(static_cast<BodyKind>(in.byte()), in, frame.message);
}

}  // namespace causeway::wire
