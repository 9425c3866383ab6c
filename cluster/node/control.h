// The control group at work on this node: brings commands to whoever leads it, answers the calls of
// other nodes, fetches the control state where no replica brings it, and, on the leader, sees to
// the cluster (steward.h).
//
// control.cc the turn, the state, the leader's work · control_calls.cc calls and requests.
// Deterministic; core loop only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "cluster/node/calls.h"
#include "cluster/node/cluster_view.h"
#include "cluster/node/control_group.h"
#include "cluster/node/core.h"

namespace causeway::node {

struct ControlOptions {
    NodeId self;
    std::uint64_t uuid = 0;
    std::uint64_t boot = 0;
    std::string name;     // of this node
    std::string address;  // ADDRESS:PORT where others reach it
    control::Roles roles;
    std::string version;  // of the program
    std::string cluster;
    // Those the cluster begins with, in order of their ids 1, 2, 3 …; empty on a node that joined.
    struct Founder {
        std::string name;
        std::string address;
        control::Roles roles;
    };
    std::vector<Founder> founders;
    std::uint32_t sets = 1;
    std::uint32_t voters_per_set = 3;
    MonoMs balance_ms = 30'000;  // 0: leaderships are not spread
};

// The name of a data directory among the nodes: its random number.
std::string uuid_text(std::uint64_t uuid);

class Control final : public ControlEnd {
public:
    Control(const ControlOptions& options, Core& core, Clock& clock, Ports& ports,
            ControlPorts& control);

    [[nodiscard]] ControlGroup& group() { return group_; }
    [[nodiscard]] const control::Model& model() const { return group_.model(); }
    // Effect: what the disk held is known, and who may lead is settled. Once, before any event.
    void begin();
    // Whether a node that shows this name, id and data directory is the one we know. A wiped disk
    // has another number, so what it says is not heard: it once said things it has forgotten.
    [[nodiscard]] bool belongs(NodeId id, std::uint64_t uuid) const;

    // --- from Core -----------------------------------------------------------------------------
    void on_tick() override;
    void end_turn() override;
    void on_appended(std::uint64_t seq) override { group_.on_appended(seq); }
    void step(GroupId group, raft::Message message) override;
    void take(NodeId from, wire::SnapshotChunk& chunk) override { group_.take(from, chunk); }
    void take(NodeId from, const wire::SnapshotAck& ack) override { group_.take(from, ack); }
    void on_ping(NodeId from, const wire::Ping& ping) override;
    void add_led(wire::Ping& ping) const override;
    void on_connected(NodeId peer) override;
    void on_disconnected(NodeId peer) override;
    void on_peer_down(NodeId peer) override { group_.on_peer_down(peer); }

    // --- from ControlPorts and the links -------------------------------------------------------
    void on_saved(Index applied, bool replica) { group_.on_saved(applied, replica); }
    // Effect: the cluster looks otherwise: who may lead, how many nodes there are.
    void on_changed();
    // `from` 0: a node that joins; `name` and `uuid` are what its certificate and hello say.
    void on_call(std::uint64_t connection, NodeId from, std::string_view name, std::uint64_t uuid,
                 const wire::Call& call);
    void on_reply(NodeId from, const wire::Reply& reply) { calls_.on_reply(from, reply); }

    // --- from an operator ----------------------------------------------------------------------
    using Answered = absl::AnyInvocable<void(Answer)>;
    // Effect: the command is applied, by way of the leader, within 5 s.
    void propose(const control::Command& command, Answered answered);
    // Effect: asks the leader of the set to hand over to a voter of it.
    void transfer(GroupId group, NodeId to, Answered answered);
    // Effect: asks every node. At most 1 s.
    void view(absl::AnyInvocable<void(ClusterView)> take);
    void set_rules_active(std::uint64_t version);

private:
    struct Proposal {
        control::Command command;
        Answered answered;
        MonoMs until = 0;
        bool under_way = false;
    };

    [[nodiscard]] NodeId leader() const;
    [[nodiscard]] MonoMs now() const { return clock_.mono_ms(); }
    [[nodiscard]] NodeReport own_report() const;
    void lead();
    void create();
    void ask_all();
    void record();
    void order(const Order& order);
    void perform(const Order& order, Answered answered);
    [[nodiscard]] Answer change(const Order& order, replica::Replica& replica,
                                const GroupReport& report) const;
    void fetch(NodeId from);
    void keep_own_entry();
    void nudge();
    void settle_elections();
    void try_proposals();
    void try_proposal(std::uint64_t id);
    void finish(std::uint64_t id, Answer answer);
    void on_join(std::uint64_t connection, std::string_view name, std::uint64_t uuid,
                 const wire::Call& call);
    void reply(std::uint64_t connection, std::uint64_t id, const Answer& answer);

    ControlOptions options_;
    Core& core_;
    Clock& clock_;
    Ports& ports_;
    ControlPorts& control_;
    ControlGroup group_;
    Calls calls_;
    Balance balance_;
    LeaderIs led_;  // the control group, as its leader says itself
    std::uint64_t rules_active_ = 0;

    // The leader's.
    bool creating_ = false;
    struct Heard {
        NodeReport report;
        MonoMs at = 0;
    };
    std::map<NodeId, Heard> heard_;
    MonoMs asked_at_ = 0;
    std::map<GroupId, MonoMs> recording_;
    std::map<GroupId, MonoMs> ordered_;

    bool fetching_ = false;
    Index behind_;  // what the leader had applied a ping ago and is not known here
    MonoMs kept_at_ = 0;
    MonoMs nudged_at_ = 0;
    std::map<std::uint64_t, Proposal> proposals_;
    std::uint64_t next_proposal_ = 1;
};

}  // namespace causeway::node
