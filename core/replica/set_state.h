// The applied side of one replica: its state machine, the last outputs by log index, and, while
// this replica leads, where the outputs of each gateway stream go.
//
// Outputs are a function of the log, so every replica has the same. Each keeps the newest in a
// ring; a gateway loop that lost its leader attaches to the next one with the index it has received
// and is given what is behind it. So no delivery or result hangs on the life of one node.
//
// Deterministic, without thread or I/O of its own. Used by one thread: the apply thread of the set,
// or a simulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "core/message/output.h"
#include "core/raft/types.h"
#include "core/state/machine.h"
#include "core/state/peers.h"

namespace causeway::replica {

// A gateway loop, of this node or another.
struct GatewayAddress {
    NodeId node;
    std::uint32_t loop = 0;
    bool operator==(const GatewayAddress&) const = default;
};
// Numbers the tries of a gateway loop to reach a leader; the newest wins.
using Attachment = std::uint64_t;

struct Route {
    GatewayAddress address;
    Attachment attachment = 0;
};

// The answer to ReadPeer.
struct PeerRead {
    GroupId set;
    state::PeerBatch batch;
};

// What apply tells the loop that drives the replica.
struct Applied {
    GroupId group;
    // Somebody waits for it: else it is only told how far apply has come.
    bool urgent = false;
    Index index;
    SetMs time = 0;
    SetMs next_timer = 0;  // 0: none
    bool has_work = false;
    StateLimits limits;
    std::vector<CommandResult> leader;  // results of the leader's own commands
    std::vector<state::SelfItem> self_items;
    std::vector<std::string> ready_queues;
    std::vector<std::string> ready_sinks;
    std::vector<GroupId> ready_peers;  // sets there are new items for
    std::vector<state::UnloggedPeers> unlogged_peers;
    std::vector<PeerRead> peer_reads;
    std::vector<std::string> changed_records;  // keys
};

enum class AttachRefusal : std::uint8_t {
    kGap,   // outputs behind the index received are no longer kept
    kDead,  // the stream was declared dead, or never was
};

// Where a SetState puts what it has for others. On its thread.
class SetSink {
public:
    virtual ~SetSink() = default;
    // After each batch; may be moved from.
    virtual void on_applied(Applied& applied) = 0;
    virtual void on_opened(GroupId group, const Route& to, StreamId stream, Index index) = 0;
    virtual void on_welcome(GroupId group, const Route& to, std::uint64_t applied_seq) = 0;
    virtual void on_refused(GroupId group, const Route& to, AttachRefusal why) = 0;
    // One entry's outputs for one stream, or none (null): nothing up to `upto` is missing.
    virtual void on_news(GroupId group, const Route& to, Index upto,
                         std::shared_ptr<const StreamOutputs> outputs) = 0;
    // The answer to ReadRecords.
    virtual void on_records(GroupId group, const Route& to, std::uint64_t question,
                            RecordsFound found) = 0;
};

// What a SetState is asked to do, in order.
struct ApplyEntries {
    std::vector<raft::Entry> entries;
};
// Framed kPublish commands of one gateway stream, QoS 0: delivered, not logged.
struct ApplyUnlogged {
    StreamId stream = 0;
    SharedBytes frames;
    Term term;  // in which the leader took them
};
// The replica began to lead (again), or ceased to.
struct Serve {
    bool serving = false;
};
// The leader applied HELLO for this loop.
struct OpenRoute {
    Route route;
    StreamId stream = 0;
};
struct AttachRoute {
    Route route;
    StreamId stream = 0;
    Index received;
};
// Reads items of the stream to another set; the answer is in Applied::peer_reads.
struct ReadPeer {
    GroupId set;
    std::uint64_t after = 0;
    std::uint64_t bytes_max = 0;
};
// A gateway loop reads records of the set it is attached to.
struct ReadRecords {
    Route route;
    std::uint64_t question = 0;  // comes back
    RecordQuery query;
};
// QoS 0 publishes another set has for the connections of this one.
struct UnloggedFromPeer {
    SharedBytes frames;
};
// Says to every attached gateway that nothing is missing, so that it knows its leader lives.
struct Beat {};
using Work = std::variant<ApplyEntries, ApplyUnlogged, Serve, OpenRoute, AttachRoute, ReadPeer,
                          ReadRecords, UnloggedFromPeer, Beat>;

struct RingLimits {
    std::size_t bytes_max = 16U << 20;
    SetMs age_ms_max = 10'000;  // a gateway that heard nothing for 5 s has given its sessions up
};

// QoS 0 publishes and their deliveries between two looks at what else there is to do: one message
// may be for every session there is.
inline constexpr std::size_t kUnloggedSlice = 4096;

class SetState {
public:
    // `machine` is loaded.
    SetState(GroupId group, std::unique_ptr<state::Machine> machine, SetSink& sink,
             const RingLimits& limits, std::size_t unlogged_slice = kUnloggedSlice);

    void take(Work& work);
    // Effect: hands out a slice of the QoS 0 publishes that wait, commits what was applied and
    // reports it. Once after each batch of work. True: QoS 0 still waits; call it again soon.
    bool finish();

    // Effect: another state takes the place of this one: a snapshot was installed. What was kept is
    // forgotten.
    void replace(std::unique_ptr<state::Machine> machine);
    // Effect: lets go of the state and its table; nothing but replace() may follow.
    void drop() { machine_.reset(); }

    [[nodiscard]] state::Machine& machine() { return *machine_; }
    [[nodiscard]] std::size_t ring_bytes() const { return ring_bytes_; }

private:
    struct Kept {
        Index index;
        SetMs time = 0;
        std::size_t bytes = 0;
        std::shared_ptr<const StreamOutputs> outputs;
    };

    void perform(ApplyEntries& work);
    void perform(ApplyUnlogged& work);
    void perform(Serve& work);
    void perform(OpenRoute& work);
    void perform(AttachRoute& work);
    void perform(ReadPeer& work);
    void perform(ReadRecords& work);
    void perform(UnloggedFromPeer& work);
    void perform(Beat&);
    // QoS 0 publishes that were taken and not handed out yet, as many as the gateways' windows let.
    struct Unlogged {
        StreamId stream = 0;  // 0: from another set
        SharedBytes frames;
        Term term;
        std::size_t done = 0;  // bytes
    };
    void perform_unlogged_slice();
    void publish_unlogged(std::string_view command, const Unlogged& from);
    void hand_out_unlogged();
    void report();
    void publish(Index index, std::size_t entry_bytes);
    void keep(Index index, std::size_t bytes, const std::shared_ptr<const StreamOutputs>& outputs);
    void trim();
    void forget(const StreamOutputs& outputs, Index index);

    GroupId group_;
    std::unique_ptr<state::Machine> machine_;
    SetSink& sink_;
    RingLimits limits_;
    state::Outputs outputs_;
    Applied news_;
    std::deque<Unlogged> unlogged_;
    std::size_t unlogged_slice_;
    bool touched_ = false;
    bool serving_ = false;
    std::map<StreamId, Route> routes_;  // in order: what is sent must not hang on chance
    std::deque<Kept> ring_;
    std::size_t ring_bytes_ = 0;
    Index ring_from_;                               // outputs at or below it were never kept
    absl::flat_hash_map<StreamId, Index> trimmed_;  // newest output of the stream let go
};

}  // namespace causeway::replica
