// Frames as bytes: docs/formats/wire.md says how. A frame is u32 size, u8 type, fields. Encoding
// appends to a string, so that a turn's frames for one peer are one write; decoding never copies a
// raft payload, a snapshot chunk, a topic or a message body: they are slices of the frame's bytes
// and keep them alive. Pure; called by cluster/node and cluster/link on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "cluster/wire/frames.h"
#include "core/base/bytes.h"

namespace causeway::wire {

// Type and fields, without the size itself.
inline constexpr std::size_t kFrameBytesMax = std::size_t{64} * 1024 * 1024;
inline constexpr std::size_t kFrameHeadBytes = 5;

// Numbers are never used twice for different things.
enum class FrameType : std::uint8_t {
    kHello = 1,  // hello.h
    kRaft = 2,
    kSnapshotChunk = 3,
    kSnapshotAck = 4,
    kOpenStream = 5,
    kAttachStream = 6,
    kCommands = 7,
    kStreamOpened = 8,
    kWelcome = 9,
    kStreamRefused = 10,
    kStreamNews = 11,
    kPing = 12,
    kPeerItems = 13,
    kPeerItemsAck = 14,
    kCall = 15,
    kReply = 16,
    kQueuesReady = 17,
    kReadRecords = 18,
    kRecordsRead = 19,
    kRecordsChanged = 20,
};

// Effect: appends the whole frame. Preconditions: it stays within kFrameBytesMax; configurations
// are well formed (raft::well_formed), since nothing else can be decoded.
void append(const RaftFrame& frame, std::string& out);
void append(const SnapshotChunk& frame, std::string& out);
void append(const SnapshotAck& frame, std::string& out);
void append(const OpenStream& frame, std::string& out);
void append(const AttachStream& frame, std::string& out);
void append(const Commands& frame, std::string& out);
void append(const StreamOpened& frame, std::string& out);
void append(const Welcome& frame, std::string& out);
void append(const StreamRefused& frame, std::string& out);
void append(const StreamNews& frame, std::string& out);
// `head` without its outputs, which are somebody else's: `outputs` instead.
void append(const StreamNews& head, const StreamOutputs& outputs, std::string& out);
void append(const Ping& frame, std::string& out);
void append(const PeerItems& frame, std::string& out);
void append(const PeerItemsAck& frame, std::string& out);
void append(const Call& frame, std::string& out);
void append(const Reply& frame, std::string& out);
void append(const QueuesReady& frame, std::string& out);
void append(const ReadRecords& frame, std::string& out);
void append(const RecordsRead& frame, std::string& out);
void append(const RecordsChanged& frame, std::string& out);
void append(const Frame& frame, std::string& out);

// Whether decode() knows frames of this type. Others are skipped: a later version sent them.
[[nodiscard]] bool is_known(std::uint8_t type);

// `body`: the fields of one frame, as FrameReader hands them out. Nothing if the type is not known
// or the fields are malformed: short, a count beyond what is there, a value out of its range, a
// delivery of a message that is not in the frame. What a later version added at the end is ignored.
std::optional<Frame> decode(std::uint8_t type, const SharedBytes& body);

}  // namespace causeway::wire
