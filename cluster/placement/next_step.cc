// See place.h: one safe change at a time.
#include <algorithm>
#include <optional>
#include <utility>

#include "cluster/placement/place.h"

namespace causeway::placement {
namespace {

bool contains(const std::vector<NodeId>& ids, NodeId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

class Stepper {
public:
    Stepper(const GroupStatus& status, const std::vector<NodeId>& target)
        : status_(status), target_(target) {}

    std::optional<Step> step() const {
        if (!status_.leader || status_.changing || target_.empty()) {
            return std::nullopt;
        }
        if (const auto unwanted = first_not_in(status_.learners, target_)) {
            return make(StepKind::kRemoveLearner, *unwanted);
        }
        // One voter more than wanted for the time of a move; a second one only when nobody may go
        // because too many of the others are dead.
        if (status_.voters.size() > target_.size()) {
            if (const auto out = leave()) {
                return out;
            }
        }
        if (const auto in = arrive()) {
            return in;
        }
        return first_not_in(target_, status_.voters) ? std::nullopt : leave();
    }

private:
    // Learners first: they cost nothing while they catch up. One at a time.
    std::optional<Step> arrive() const {
        for (const NodeId id : status_.learners) {
            if (contains(status_.caught_up, id) && contains(status_.alive, id) &&
                has_quorum_with(id)) {
                return make(StepKind::kPromote, id);
            }
        }
        for (const NodeId id : target_) {
            if (status_.learners.empty() && !contains(status_.voters, id) &&
                contains(status_.alive, id)) {
                return make(StepKind::kAddLearner, id);
            }
        }
        return std::nullopt;
    }

    // The dead go first: they count against every majority.
    std::optional<Step> leave() const {
        std::optional<NodeId> out;
        for (const NodeId id : status_.voters) {
            if (!contains(target_, id) && (!out || !contains(status_.alive, id)) &&
                has_quorum_without(id)) {
                out = id;
            }
        }
        if (!out) {
            return std::nullopt;
        }
        if (*out != status_.leader) {
            return make(StepKind::kRemove, *out);
        }
        for (const NodeId id : target_) {
            if (contains(status_.voters, id) && contains(status_.alive, id) &&
                contains(status_.caught_up, id)) {
                return make(StepKind::kTransfer, id);
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] bool has_quorum_with(NodeId id) const {
        return is_quorum(alive_voters() + contains(status_.alive, id), status_.voters.size() + 1);
    }
    [[nodiscard]] bool has_quorum_without(NodeId id) const {
        return status_.voters.size() > 1 &&
               is_quorum(alive_voters() - contains(status_.alive, id), status_.voters.size() - 1);
    }
    static bool is_quorum(std::size_t alive, std::size_t voters) { return alive > voters / 2; }
    [[nodiscard]] std::size_t alive_voters() const {
        return static_cast<std::size_t>(
            std::count_if(status_.voters.begin(), status_.voters.end(),
                          [&](NodeId id) { return contains(status_.alive, id); }));
    }
    static std::optional<NodeId> first_not_in(const std::vector<NodeId>& ids,
                                              const std::vector<NodeId>& others) {
        const auto found =
            std::find_if(ids.begin(), ids.end(), [&](NodeId id) { return !contains(others, id); });
        return found == ids.end() ? std::nullopt : std::optional(*found);
    }
    [[nodiscard]] Step make(StepKind kind, NodeId node) const {
        return {.group = status_.group, .kind = kind, .node = node};
    }

    const GroupStatus& status_;
    const std::vector<NodeId>& target_;
};

}  // namespace

std::vector<Step> next_step(const control::Model& model, const std::vector<GroupStatus>& actual) {
    // What the leaders report is newer than what the control group was told.
    control::Model now = model;
    for (const GroupStatus& status : actual) {
        const auto group = now.groups.find(status.group);
        if (group != now.groups.end() && status.leader) {
            group->second.voters = status.voters;
            group->second.learners = status.learners;
        }
    }
    const Placement targets = place(now);
    std::vector<Step> steps;
    for (const GroupStatus& status : actual) {
        const auto target = targets.find(status.group);
        if (target == targets.end()) {
            continue;
        }
        if (const auto step = Stepper(status, target->second).step()) {
            steps.push_back(*step);
        }
    }
    return steps;
}

}  // namespace causeway::placement
