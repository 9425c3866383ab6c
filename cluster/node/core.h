// The heart of a node: the replicas it holds, what it says to the other nodes, and which node leads
// each set, for its gateway loops. Everything comes in as an event and leaves through Ports, so
// that the same code runs on threads and sockets (runtime.h) and in the simulator.
//
// Deterministic: time comes from the Clock of its NodeView, chance from the seeds of the groups.
// Core loop only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "cluster/control/model.h"
#include "cluster/node/group.h"
#include "cluster/node/ports.h"

namespace causeway::node {

// The control group's end on this node (control.h), as Core sees it: what concerns the group, and
// what a node hears of others. Core loop.
class ControlEnd {
public:
    virtual ~ControlEnd() = default;
    virtual void on_tick() = 0;
    virtual void end_turn() = 0;
    virtual void on_appended(std::uint64_t seq) = 0;
    // For the control group, or for a set this node does not hold.
    virtual void step(GroupId group, raft::Message message) = 0;
    virtual void take(NodeId from, wire::SnapshotChunk& chunk) = 0;
    virtual void take(NodeId from, const wire::SnapshotAck& ack) = 0;
    virtual void on_ping(NodeId from, const wire::Ping& ping) = 0;
    // Effect: names the control group in a ping if it is led here.
    virtual void add_led(wire::Ping& ping) const = 0;
    virtual void on_connected(NodeId peer) = 0;
    virtual void on_disconnected(NodeId peer) = 0;
    virtual void on_peer_down(NodeId peer) = 0;
};

struct CoreOptions {
    NodeId self;
    std::uint64_t uuid = 0;  // random, of the data directory
    std::uint64_t boot = 0;
    std::vector<GroupId> sets;  // of the whole cluster
    std::size_t nodes = 1;      // of the whole cluster
    SlotMap slots;
    MonoMs ping_ms = 500;
    MonoMs gateway_silence_ms = 8'000;  // rule 9: then it is declared dead
    MonoMs gateway_gone_ms = 2'000;     // ... after its connection was closed
};

class Core {
public:
    Core(const CoreOptions& options, Clock& clock, Router& router, Ports& ports);

    // Effect: the node holds a replica of this set. Before the first event, or later.
    Group& add_group(const replica::ReplicaOptions& options, const raft::Start& start,
                     const raft::LogReader& reader, const state::Machine& machine);
    [[nodiscard]] Group* group(GroupId id);
    [[nodiscard]] const std::map<GroupId, std::unique_ptr<Group>>& groups() const {
        return groups_;
    }
    [[nodiscard]] NodeView& view() { return view_; }
    // Effect: what concerns the control group goes there. Before the first event; without it
    // nothing of the kind is known. It must outlive this object.
    void attach(ControlEnd& control) { control_ = &control; }
    // Effect: so many nodes hold sets.
    void set_nodes(std::size_t nodes) { options_.nodes = nodes; }
    // The random number of a peer's data directory as it said itself; 0: not heard yet.
    [[nodiscard]] std::uint64_t uuid_of(NodeId peer) const;
    // The peer spoke a moment ago.
    [[nodiscard]] bool hears(NodeId peer) const;
    [[nodiscard]] const CoreOptions& options() const { return options_; }

    // --- events --------------------------------------------------------------------------------

    // Every 10 ms of the boot clock; after a stall once.
    void on_tick();
    void on_appended(GroupId group, std::uint64_t seq);
    void on_applied(replica::Applied& applied);
    void on_frame(NodeId from, wire::Frame& frame);
    // From a gateway loop of this node, for `message.to`.
    void on_loop(FromLoop& message);
    // A gateway loop of this node was made: it is told who leads.
    void on_new_loop(wire::LoopId loop);
    // The way out to a peer is open, or was reset with all that was under way.
    void on_connected(NodeId peer);
    void on_disconnected(NodeId peer);
    // The peer's way to us: who it is, and that it was reset.
    void on_peer_up(NodeId peer, std::uint64_t uuid, std::uint64_t boot);
    void on_peer_down(NodeId peer);
    // The answer to Ports' list_streams, every second while the set is led here.
    void on_streams(GroupId group, const std::vector<state::LiveStream>& streams);

    // The answers to what Ports was asked about snapshots.
    void on_snapshot_opened(GroupId group, Index applied);
    void on_snapshot_piece(GroupId group, NodeId to, replica::TransferId transfer,
                           const replica::SnapshotPiece& piece);
    void on_snapshot_added(GroupId group, replica::TransferId transfer, std::uint64_t number,
                           bool added);
    void on_snapshot_installed(GroupId group);

    // Effect: performs what all groups ask for. Once at the end of each turn with any event.
    void end_turn();

    [[nodiscard]] LeaderIs leader_of(GroupId set) const;

private:
    struct Peer {
        std::uint64_t uuid = 0;
        std::uint64_t boot = 0;
        bool up = false;  // their way to us
        MonoMs heard_at = 0;
        MonoMs down_at = 0;
        std::uint64_t wall_ms = 0;  // as of pinged_at
        MonoMs pinged_at = 0;
    };

    void take(NodeId from, wire::RaftFrame& frame);
    void take(NodeId from, wire::OpenStream& open);
    void take(NodeId from, wire::AttachStream& attach);
    void take(NodeId from, wire::Commands& commands);
    void take(NodeId from, wire::StreamOpened& opened);
    void take(NodeId from, wire::Welcome& welcome);
    void take(NodeId from, wire::StreamRefused& refused);
    void take(NodeId from, wire::StreamNews& news);
    void take(NodeId from, wire::Ping& ping);
    void take(NodeId from, wire::SnapshotChunk& chunk);
    void take(NodeId from, wire::SnapshotAck& ack);
    void take(NodeId from, wire::PeerItems& items);
    void take(NodeId from, wire::PeerItemsAck& ack);
    void take(NodeId, wire::QueuesReady& ready);
    void take(NodeId from, wire::ReadRecords& read);
    void take(NodeId, wire::RecordsRead& read);
    void take(NodeId, wire::RecordsChanged& changed);
    void take(NodeId, wire::Call&) {}
    void take(NodeId, wire::Reply&) {}

    template <typename Message>
    void to_group(NodeId from, Message& message);
    [[nodiscard]] Speaker speaker(NodeId node) const;
    void learn_leader(const LeaderIs& leader);
    void ping();
    void compare_clocks();
    void watch_gateways();
    void tell_ready_queues();
    void tell_changed_records();

    CoreOptions options_;
    NodeView view_;
    ControlEnd* control_ = nullptr;
    std::map<GroupId, std::unique_ptr<Group>> groups_;
    std::map<NodeId, Peer> peers_;
    MonoMs pinged_at_ = 0;
    MonoMs watched_at_ = 0;
    MonoMs agreed_at_ = 0;  // a majority of the clocks
    bool ping_due_ = false;  // who leads has changed
};

}  // namespace causeway::node
