// The control group on this node: its replica, if the node holds one, with the control machine as
// its applied side, and the newest control state this node has heard of. It is small and applied on
// the core loop at once; its snapshot is one value.
//
// Deterministic; core loop only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "cluster/control/machine.h"
#include "cluster/node/control_image.h"
#include "cluster/node/ports.h"
#include "core/replica/replica.h"
#include "core/replica/snapshot_receiver.h"

namespace causeway::node {

// What the control group asks of the outside, beside Ports. Every call returns at once.
class ControlPorts {
public:
    virtual ~ControlPorts() = default;
    // Effect: the image takes the place of the one before, durably; Control::on_saved then.
    virtual void save_control(ControlImage image) = 0;
    // The cluster looks like this from now on.
    virtual void control_changed(const std::shared_ptr<const control::Model>& model) = 0;
    // A leader sends entries of a group this node has never held: Control::hold or Core::add_group.
    virtual void open_group(GroupId group) = 0;
    // Effect: answers a call of another node.
    virtual void reply(std::uint64_t connection, const wire::Reply& reply) = 0;
};

using SharedModel = std::shared_ptr<const control::Model>;

class ControlGroup final : public replica::ReplicaPorts {
public:
    // The outcome apply decided, or nullopt: not known, ask again.
    using Done = absl::AnyInvocable<void(const std::optional<control::Outcome>&)>;

    ControlGroup(NodeId self, Clock& clock, Ports& ports, ControlPorts& control);

    // Effect: this node holds a replica; `machine` is what it has applied, durably.
    void hold(const replica::ReplicaOptions& options, const raft::Start& start,
              const raft::LogReader& reader, control::Machine machine);
    // Effect: what another node knows is what is known here, if it is newer; kept on the disk.
    void adopt(control::Machine machine);

    // Null: not held.
    [[nodiscard]] replica::Replica* replica() { return replica_.get(); }
    [[nodiscard]] const replica::Replica* replica() const { return replica_.get(); }
    [[nodiscard]] bool serving() const { return serving_; }
    // The newest known.
    [[nodiscard]] const control::Machine& newest() const { return *newest_; }
    [[nodiscard]] const control::Model& model() const { return newest_->model(); }

    // Effect: proposes; `done` is called in a later turn. Precondition: serving().
    void propose(const control::Command& command, Done done);

    void tick();
    void drain();
    void step(raft::Message message);
    void on_appended(std::uint64_t seq);
    void take(NodeId from, wire::SnapshotChunk& chunk);
    void take(NodeId from, const wire::SnapshotAck& ack);
    void on_peer_reset(NodeId peer);
    void on_peer_down(NodeId peer);
    void on_saved(Index applied, bool replica);

    // ReplicaPorts.
    void append(GroupId group, std::uint64_t seq, wal::Batch batch) override;
    void apply(GroupId group, std::vector<raft::Entry> entries) override;
    void send(GroupId group, const raft::Message& message) override;
    void send_snapshot(GroupId group, raft::Message message) override;
    void install(GroupId group, const raft::SnapshotMeta& meta) override;
    void on_role(GroupId group, bool serving) override;

private:
    struct Waiting {
        Index index;
        Term term;
        Done done;
    };
    struct Offer {
        std::unique_ptr<StateReader> reader;
        MonoMs used_at = 0;
    };

    bool apply_committed();
    void install_received();
    void answer(const raft::Entry& entry, const control::Outcome& outcome);
    void publish(control::Machine machine);
    void save(std::string origin);
    void compact();
    void tick_snapshots();
    void offer_snapshot();
    void send_pieces(replica::SnapshotSender& sender);
    void perform(replica::SnapshotReceiver::Actions& actions);

    NodeId self_;
    Clock& clock_;
    Ports& ports_;
    ControlPorts& control_;
    std::unique_ptr<replica::Replica> replica_;
    control::Machine machine_;                        // what the replica has applied
    std::shared_ptr<const control::Machine> newest_;  // never null
    bool serving_ = false;
    std::vector<raft::Entry> committed_;  // not applied yet
    std::deque<Waiting> waiting_;         // proposed and not applied, by index

    bool saving_ = false;
    Index saved_;
    MonoMs changed_at_ = 0;  // 0: everything is saved

    Offer offer_;
    std::map<NodeId, replica::SnapshotSender> senders_;
    std::uint32_t transfers_ = 0;
    replica::SnapshotReceiver receiver_{replica::SnapshotReceiverOptions{}};
    NodeId receiving_from_;
    std::optional<StateTaker> taking_;
    std::optional<raft::SnapshotMeta> stepped_;     // given to raft in this turn
    std::optional<raft::SnapshotMeta> to_install_;  // by raft, and not saved yet
};

}  // namespace causeway::node
