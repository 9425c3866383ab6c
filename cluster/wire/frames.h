// What nodes say to each other, as values. A frame is u32 size, u8 type, fields (codec.h); unknown
// types and trailing fields are skipped, so that nodes of two versions can talk. Between two nodes
// frames arrive in order, each once, or the connection is reset and everything under way is gone;
// every protocol here survives that. The same values travel inside a node, between its gateway
// loops and its core loop. Plain data; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/tagged.h"
#include "core/base/time.h"
#include "core/message/output.h"
#include "core/message/records.h"
#include "core/raft/types.h"

namespace causeway::wire {

// A gateway loop of a node.
using LoopId = std::uint32_t;
// One try of a gateway loop to reach the leader of a set: larger at each try, so that what an older
// one still sends is told apart. The newest wins.
using Attachment = std::uint64_t;

// --- replicas ----------------------------------------------------------------------------------

struct RaftFrame {
    GroupId group;
    raft::Message message;
};

// One chunk of the state a raft::InstallSnapshot names; that message itself follows the last one.
struct SnapshotChunk {
    GroupId group;
    raft::SnapshotMeta meta;
    std::uint64_t transfer = 0;  // of the sender; a new number is a new snapshot
    std::uint64_t number = 0;    // 0, 1, 2, …
    bool last = false;
    SharedBytes bytes;  // with its own checksum inside
};
// `next` is the number of the chunk wanted next; a sender whose connection was reset goes on there.
struct SnapshotAck {
    GroupId group;
    std::uint64_t transfer = 0;
    std::uint64_t next = 0;
    bool refused = false;  // damaged or not wanted: begin again or give up
};

// --- a gateway loop to the leader of a set (session protocol, rules 1 to 3) ---------------------

// HELLO: a stream for this loop. The node and its boot are those of the connection.
struct OpenStream {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
};
// ATTACH: go on with a stream behind the outputs received.
struct AttachStream {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    StreamId stream = 0;
    Index received;
};
struct Commands {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    StreamId stream = 0;
    std::string frames;    // framed, numbered commands
    std::string unlogged;  // framed QoS 0 publishes
};

// --- the leader of a set to a gateway loop ------------------------------------------------------

struct StreamOpened {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    StreamId stream = 0;
    Index index;  // outputs behind this entry follow
};
// WELCOME: every command up to `applied` was applied; send the rest again. What became of those not
// answered yet follows as outputs.
struct Welcome {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    std::uint64_t applied = 0;
};
struct StreamRefused {
    enum class Reason : std::uint8_t {
        kNotLeader,  // ask `leader`, or when it is 0 whoever leads next
        kGap,        // the outputs behind `received` are gone: the stream is lost
        kDead,       // the stream was declared dead
    };
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    Reason reason = Reason::kNotLeader;
    NodeId leader;
};
// A question about records of the set, answered from what its leader has applied; not logged.
struct ReadRecords {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    std::uint64_t question = 0;  // comes back
    RecordQuery query;
};
struct RecordsRead {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    std::uint64_t question = 0;
    RecordsFound found;
};
struct StreamNews {
    GroupId set;
    LoopId loop = 0;
    Attachment attachment = 0;
    Index upto;             // nothing for this stream up to here is missing after this
    StreamOutputs outputs;  // may be empty
    std::uint64_t unlogged_dropped = 0;
};

// --- nodes -------------------------------------------------------------------------------------

struct Led {
    GroupId group;
    Term term;
    Index applied;
};
// Every 500 ms, and at once when `led` changes.
struct Ping {
    std::uint64_t wall_ms = 0;
    std::vector<Led> led;  // groups whose leader the sender is and that take commands
};

// Items of the stream between two sets, from the leader of `from` to the leader of `to`.
struct PeerItems {
    GroupId from;
    GroupId to;
    std::uint64_t first = 0;  // number of the first item; 0: QoS 0 publishes, which have none
    std::string items;        // core/message/peer.h; publishes: framed
    Term term;                // of the leader that sends; publishes: in which it took them
};
// `accepted`: every item up to here was applied by `to`.
struct PeerItemsAck {
    GroupId from;
    GroupId to;
    std::uint64_t accepted = 0;
};

// Queues of sets the sender leads that got something to receive: a hint, which may be lost.
struct QueuesReady {
    std::vector<std::string> queues;
};

// Records of a set the sender leads that have changed, at or before `index` of its log: for the
// gateway loops of the receiver. No keys: any of the set may have.
struct RecordsChanged {
    GroupId set;
    Index index;
    std::vector<std::string> keys;
};

// A question to a node and its answer, matched by `id`; for what is rare: joining, control, queues
// of another node's sets.
struct Call {
    std::uint64_t id = 0;
    std::string method;
    std::string body;
};
struct Reply {
    std::uint64_t id = 0;
    bool ok = true;
    std::string body;  // of an error: one line
};

using Frame = std::variant<RaftFrame, SnapshotChunk, SnapshotAck, OpenStream, AttachStream,
                           Commands, StreamOpened, Welcome, StreamRefused, StreamNews, Ping,
                           PeerItems, PeerItemsAck, Call, Reply, QueuesReady, ReadRecords,
                           RecordsRead, RecordsChanged>;

}  // namespace causeway::wire
