// One set on this node: its replica, and, while it leads, everything a leader does: it takes the
// commands of the gateways' streams, routes publishes through the rules, refuses what the disk has
// no room for, proposes the steps that let time pass, and declares silent gateways dead.
//
// group.cc the replica and who leads · commands.cc what becomes of commands · exchange.cc the
// streams to other sets · snapshots.cc the state for replicas that lag behind the log.
// Deterministic; core loop only.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>

#include "cluster/node/ports.h"
#include "cluster/node/queue_declaration.h"
#include "core/message/router.h"
#include "core/replica/replica.h"
#include "core/replica/snapshot_receiver.h"

namespace causeway::node {

// What all groups of a node share. Belongs to Core, which keeps it true.
struct NodeView {
    Clock& clock;
    Router& router;
    Ports& ports;
    NodeId self;
    bool disk_low = false;
    // Wall clock less boot clock, of the node in the middle; 0: no majority was within 10 s of it
    // for a day.
    std::uint64_t wall_at_boot_ms = 0;
    StateLimits limits;
    std::vector<QueueDeclaration> queues;
    SlotMap slots;
    std::map<GroupId, LeaderIs> leaders;  // of every set, as far as known
    absl::btree_set<std::string> ready_queues{};  // the other nodes are told at the next tick
    // Records changed in sets led here; told at the next tick.
    struct Changed {
        Index index;
        absl::btree_set<std::string> keys;
        bool all = false;  // too many to name
    };
    std::map<GroupId, Changed> changed_records{};
};

// Who speaks: a gateway loop, of the node whose random number and boot these are.
struct Speaker {
    NodeId node;
    std::uint64_t uuid = 0;
    std::uint64_t boot = 0;
};

struct GroupCounters {
    std::uint64_t commands = 0;
    std::uint64_t publishes = 0;
    std::uint64_t unlogged = 0;
    std::uint64_t refused_disk = 0;
    std::uint64_t detached_commands = 0;  // of an attachment that a newer one replaced
    std::uint64_t gateways_down = 0;
};

class Group final : public replica::ReplicaPorts {
public:
    Group(const replica::ReplicaOptions& options, const raft::Start& start,
          const raft::LogReader& reader, NodeView& view, const state::Machine& machine);

    [[nodiscard]] GroupId id() const { return options_.group; }
    replica::Replica& replica() { return replica_; }
    [[nodiscard]] const replica::Replica& replica() const { return replica_; }
    [[nodiscard]] bool serving() const { return serving_; }
    [[nodiscard]] const GroupCounters& counters() const { return counters_; }
    // Who leads as far as the replica knows: 0 nobody.
    [[nodiscard]] LeaderIs leader() const;
    [[nodiscard]] MonoMs serving_since() const { return serving_since_; }

    void tick(MonoMs now);
    void drain();
    void on_applied(replica::Applied& applied);

    // From gateway loops.
    void take(const Speaker& from, const wire::OpenStream& open);
    void take(const Speaker& from, const wire::AttachStream& attach);
    void take(const Speaker& from, wire::Commands& commands);
    void take(const Speaker& from, wire::ReadRecords& read);

    // Between replicas (snapshots.cc).
    void step(raft::Message message);
    void take(const Speaker& from, wire::SnapshotChunk& chunk);
    void take(const Speaker& from, const wire::SnapshotAck& ack);
    void on_peer_reset(NodeId peer);
    void on_snapshot_opened(Index applied);
    void on_snapshot_piece(NodeId to, replica::TransferId transfer,
                           const replica::SnapshotPiece& piece);
    void on_snapshot_added(replica::TransferId transfer, std::uint64_t number, bool added);
    void on_snapshot_installed();
    // The log may be compacted up to here and no further.
    [[nodiscard]] Index compaction_limit() const;

    // Between sets.
    void take(const Speaker& from, wire::PeerItems& items);
    void take(const wire::PeerItemsAck& ack);

    // Effect: proposes a command of the node's own; dropped when this node does not lead.
    void propose(std::string_view command);
    void propose_queues();
    void declare_dead(StreamId stream);
    void beat();
    void check_time();

    // Effect: while held this replica votes and does not stand for election.
    void hold(bool held);
    // Effect: proposes something that changes nothing, so that there is an entry behind the last.
    void nudge() { propose_step(); }
    // Nothing of the leader's waits to be committed or applied.
    [[nodiscard]] bool idle() const;
    // The state comes over as a whole, or is being put in place.
    [[nodiscard]] bool receives_snapshot() const {
        return receiver_.busy() || replica_.installing();
    }

    // ReplicaPorts.
    void append(GroupId group, std::uint64_t seq, wal::Batch batch) override;
    void apply(GroupId group, std::vector<raft::Entry> entries) override;
    void send(GroupId group, const raft::Message& message) override;
    void send_snapshot(GroupId group, raft::Message message) override;
    void install(GroupId group, const raft::SnapshotMeta& meta) override;
    void on_role(GroupId group, bool serving) override;

private:
    using Done = absl::AnyInvocable<void(const CommandResult&)>;
    struct Attached {
        // Of the process that attached: attachments of one are numbered upwards.
        std::uint64_t uuid = 0;
        std::uint64_t boot = 0;
        wire::Attachment attachment = 0;
        StreamId stream = 0;

        [[nodiscard]] bool newer_than(const Speaker& from, wire::Attachment other) const {
            return uuid == from.uuid &&
                   (boot > from.boot || (boot == from.boot && attachment > other));
        }
    };
    // The stream of this set to another one, as far as this leader has got.
    struct Exchange {
        std::uint64_t acked = 0;  // applied there up to here
        std::uint64_t sent = 0;
        MonoMs sent_at = 0;
        bool reading = false;
        bool more = false;  // there was something new meanwhile
    };
    // The snapshot this leader can send: one reader, for all followers that need it.
    struct Offer {
        enum class State : std::uint8_t { kNone, kOpening, kOpen, kOffered };
        State state = State::kNone;
        Index applied;
        MonoMs used_at = 0;
    };
    // snapshots.cc
    void tick_snapshots(MonoMs now);
    void settle_offer(MonoMs now);
    void close_offer();
    void read_next(NodeId to, replica::SnapshotSender& sender);
    void perform(replica::SnapshotReceiver::Actions& actions);
    // exchange.cc
    void pump(GroupId set);
    void send_items(replica::PeerRead& read);
    void send_unlogged(std::vector<state::UnloggedPeers>& all);
    void retry_exchanges(MonoMs now);
    void propose_layout();

    void note_changed(std::vector<std::string>& keys);
    void refuse(const Speaker& from, wire::LoopId loop, wire::Attachment attachment);
    void take_command(std::string_view command, StreamId stream);
    void take_unlogged(wire::Commands& commands);
    void route_unlogged(std::string_view command);
    void propose_step();
    void propose_selves();
    void propose_self(const state::SelfItem& item);
    std::uint64_t route_self(const state::SelfItem& item);
    std::uint64_t route_event(const state::SelfItem& item);
    // What apply decides by: the limits, and the events that the rules ask for.
    void propose_limits();
    [[nodiscard]] SetMs now();

    replica::ReplicaOptions options_;
    NodeView& view_;
    replica::Replica replica_;
    bool serving_ = false;
    bool held_ = false;
    MonoMs serving_since_ = 0;
    // The newest attachment of each gateway loop, by {node, loop}.
    absl::flat_hash_map<std::pair<NodeId, wire::LoopId>, Attached> attached_;
    absl::flat_hash_map<std::uint64_t, Done> waiting_;  // of the leader's own commands
    std::uint64_t next_seq_ = 1;
    Offer offer_;
    std::map<NodeId, replica::SnapshotSender> senders_;
    std::uint32_t transfers_ = 0;
    replica::SnapshotReceiver receiver_{replica::SnapshotReceiverOptions{}};
    NodeId receiving_from_;
    std::optional<raft::SnapshotMeta> stepped_snapshot_;  // given to raft in this turn
    std::map<GroupId, Exchange> exchanges_;
    MonoMs handed_over_at_ = 0;  // because the log stalls or there is no time
    MonoMs had_time_at_ = 0;     // see Replica::lacks_time()
    MonoMs started_at_ = 0;
    bool step_under_way_ = false;
    SetMs step_at_ = 0;  // 0: no timer
    StateLimits applied_limits_;
    std::deque<state::SelfItem> self_items_;  // to be proposed; as many as the state has
    std::optional<StateLimits> proposed_limits_;  // by this leader
    GroupCounters counters_;
    std::string scratch_;
    std::string outputs_;
};

}  // namespace causeway::node
