// Which nodes should hold which group: the control group and each set (place), and the next safe
// change on the way there (next_step). Functions of what the control group knows and of what the
// groups' leaders report; the node that leads the control group calls both again and again, so
// nothing has to be remembered and a half-done move is simply gone on with. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cluster/control/model.h"
#include "core/base/tagged.h"

namespace causeway::placement {

// Voters of each group, ascending.
using Placement = std::map<GroupId, std::vector<NodeId>>;

// The voters each group of the model should have: voters_per_set of the nodes that have the role
// core and are not draining (all of them if they are fewer; as they are now if there is none). Two
// such nodes differ by at most one in the number of groups they hold. Groups stay where they are as
// far as that allows: a node that joins takes over only its share. Deterministic.
Placement place(const control::Model& model);

// A group as its leader knows it.
struct GroupStatus {
    GroupId group;
    std::vector<NodeId> voters;
    std::vector<NodeId> learners;
    NodeId leader;                  // 0: not known; then nothing is done.
    bool changing = false;          // A change of the configuration is not committed yet.
    std::vector<NodeId> caught_up;  // Members whose log is close to the leader's end.
    std::vector<NodeId> alive;      // Members and nodes of the cluster the leader hears from.
};

enum class StepKind : std::uint8_t {
    kAddLearner,     // `node` becomes a learner
    kPromote,        // the learner `node` becomes a voter
    kRemove,         // the voter `node` goes
    kRemoveLearner,  // the learner `node` goes
    kTransfer,       // leadership goes to `node`; nothing else changes
};

struct Step {
    GroupId group;
    StepKind kind;
    NodeId node;
    bool operator==(const Step&) const = default;
};

// At most one step per group, towards place(). Each is a change of one server («Raft thesis §4.1»)
// after which a majority of the voters is alive. A node comes as a learner, is promoted when it has
// caught up, and only then does another go; a leader hands over before it goes. No step: the group
// is where it should be, or has to wait.
std::vector<Step> next_step(const control::Model& model, const std::vector<GroupStatus>& actual);

}  // namespace causeway::placement
