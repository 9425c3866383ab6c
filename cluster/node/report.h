// What a node says of itself and of the groups it holds when another asks: the answer to the call
// «report». The leader of the control group acts on it, and `causeway cluster status` shows it.
// Plain data; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/control/model.h"
#include "core/replica/replica.h"

namespace causeway::node {

// A member of a group as the leader knows it.
struct MemberReport {
    NodeId id;
    Index match;             // its log is the leader's up to here
    bool caught_up = false;  // close to the leader's end
    bool refilled = false;   // by a snapshot that is under way
    bool heard = false;      // the leader's node hears it
    bool operator==(const MemberReport&) const = default;
};

struct GroupReport {
    GroupId group;
    bool leads = false;
    NodeId leader;  // as far as known
    Term term;
    Index commit;
    Index applied;
    Index last;
    Index configuration_at;  // where the configuration in force came with
    bool settled = false;    // raft::Raft::configuration_settled(), on the leader
    std::vector<NodeId> voters;
    std::vector<NodeId> learners;
    std::vector<MemberReport> members;  // on the leader only
    bool operator==(const GroupReport&) const = default;
};

struct NodeReport {
    NodeId id;
    std::string name;
    std::string version;  // of the program
    std::uint64_t boot = 0;
    bool disk_low = false;
    Index control_applied;           // of the control state it knows
    std::uint64_t rules_active = 0;  // version its router evaluates; 0: its own files
    std::vector<GroupReport> groups;
    bool operator==(const NodeReport&) const = default;
};

std::string encode(const NodeReport& report);
// nullopt: damaged. Fields not known are skipped.
std::optional<NodeReport> decode_report(std::string_view bytes);

// A member is close to the leader's end when it holds the configuration in force, and so all that
// was there when it came, and no more entries than this are missing.
inline constexpr std::uint64_t kCaughtUpEntries = 256;

// `hears(NodeId)` says of a member whether this node hears it.
template <typename Hears>
GroupReport report_of(GroupId group, const replica::Replica& replica, Hears hears) {
    const raft::Status raft = replica.status();
    GroupReport report;
    report.group = group;
    report.leads = replica.raft().leads();
    report.leader = raft.soft_state.leader;
    report.term = raft.term;
    report.commit = raft.commit;
    report.applied = raft.applied;
    report.last = raft.last;
    report.configuration_at = replica.raft().configuration_index();
    report.settled = replica.raft().configuration_settled();
    report.voters.assign(raft.configuration.voters.begin(), raft.configuration.voters.end());
    report.learners.assign(raft.configuration.learners.begin(), raft.configuration.learners.end());
    if (!report.leads) {
        return report;
    }
    for (const raft::PeerStatus& peer : raft.peers) {
        const bool self = peer.id == replica.raft().id();
        const bool refilled = !self && peer.state == raft::ProgressState::kSnapshot;
        const bool close = peer.match.value() + kCaughtUpEntries >= raft.last.value() &&
                           peer.match >= report.configuration_at;
        report.members.push_back(MemberReport{peer.id, self ? raft.last : peer.match,
                                              self || (!refilled && close), refilled,
                                              self || hears(peer.id)});
    }
    return report;
}

}  // namespace causeway::node
