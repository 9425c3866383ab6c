// What a node's core asks of the outside, with a real implementation (runtime.h: threads, log,
// links) and a simulated one. Every call returns at once; what it leads to comes back later as an
// event of Core, in the order given at each call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/node/streams.h"
#include "cluster/wire/frames.h"
#include "core/replica/set_state.h"
#include "core/replica/snapshot_transfer.h"
#include "core/wal/types.h"

namespace causeway::node {

class Ports {
public:
    virtual ~Ports() = default;
    // Effect: appends to the node's log, in order; Core::on_appended(group, seq) when it is synced,
    // unless seq is 0.
    virtual void append(GroupId group, std::uint64_t seq, wal::Batch batch) = 0;
    // Effect: hands work to the set's state, in order per set; Core::on_applied after each batch.
    virtual void apply(GroupId group, replica::Work work) = 0;
    // Effect: Core::on_streams with the living streams of the set.
    virtual void list_streams(GroupId group) = 0;
    // --- snapshots of a set's state, where waiting is allowed, in order with apply() ------------
    // Effect: a reader of the state as it is then; Core::on_snapshot_opened.
    virtual void open_snapshot(GroupId group) = 0;
    virtual void close_snapshot(GroupId group) = 0;
    // Effect: reads one chunk; Core::on_snapshot_piece. Between open and close.
    virtual void read_snapshot(GroupId group, NodeId to, replica::TransferId transfer,
                               const state::SnapshotPosition& at) = 0;
    // Effect: what was taken so far is dropped; `begin`: another one is taken from now on.
    virtual void take_snapshot(GroupId group, bool begin) = 0;
    // Effect: adds one chunk; Core::on_snapshot_added.
    virtual void add_snapshot(GroupId group, replica::TransferId transfer, std::uint64_t number,
                              const SharedBytes& bytes) = 0;
    // Effect: what was taken becomes the state; Core::on_snapshot_installed when it is durable.
    virtual void install_snapshot(GroupId group, const raft::SnapshotMeta& meta) = 0;
    // Effect: sends to another node; lost when there is no connection. In order per node.
    virtual void send(NodeId to, const wire::Frame& frame) = 0;
    // Effect: tells one gateway loop of this node, or all of them. In order.
    virtual void tell_loop(wire::LoopId loop, ToLoop message) = 0;
    virtual void tell_loops(const ToLoop& message) = 0;
    // Names of queues and sinks that got something, on the node that leads.
    // Or on any node that was told so; none: any queue may have, look.
    virtual void queues_ready(std::vector<std::string> queues) = 0;
    virtual void sinks_ready(GroupId set, std::vector<std::string> sinks) = 0;
    // This node began to lead the set and takes commands, or ceased to.
    virtual void role_changed(GroupId set, bool serving) = 0;
};

}  // namespace causeway::node
