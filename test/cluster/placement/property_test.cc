// A cluster that lives: nodes join, are drained, die, come back and are removed at random, while
// the steps are carried out by groups that take their time. At every step a majority of the voters
// is alive and one server changes; when the world is quiet, everything is where it should be.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <set>

#include "core/base/random.h"
#include "test/cluster/placement/support.h"

namespace causeway::placement::test {
namespace {

struct Group {
    std::set<NodeId> voters;
    std::set<NodeId> learners;
    std::set<NodeId> caught_up;
    NodeId leader;
    std::optional<Step> doing;
};

class World {
public:
    explicit World(std::uint64_t seed)
        : random_(seed),
          model_(cluster(3, static_cast<std::uint32_t>(1 + random_.below(12)))),
          next_id_(4) {
        for (const auto& [group, members] : model_.groups) {
            groups_[group].voters = {NodeId(1), NodeId(2), NodeId(3)};
            groups_[group].leader = NodeId(1 + random_.below(3));
        }
        for (std::uint64_t id = 1; id <= 3; ++id) {
            alive_.insert(NodeId(id));
        }
    }

    void restless(int events) {
        for (int i = 0; i < events && !testing::Test::HasFailure(); ++i) {
            if (random_.chance(1, 12)) {
                disturb();
            }
            turn();
        }
    }

    // Everybody is alive again; nothing else happens.
    void quiet() {
        for (const auto& [id, node] : model_.nodes) {
            alive_.insert(id);
        }
        for (int i = 0; i < 3000 && !testing::Test::HasFailure(); ++i) {
            turn();
            if (settled()) {
                break;
            }
        }
        ASSERT_TRUE(settled()) << "it never comes to rest";
        const Placement placement = place(reported());
        std::map<NodeId, std::size_t> held = loads(placement);
        for (const auto& [id, node] : model_.nodes) {
            if (node.draining) {
                EXPECT_EQ(held[id], 0U) << "a drain ends with nothing on the node";
            }
        }
        for (const auto& [id, group] : groups_) {
            EXPECT_EQ(Ids(group.voters.begin(), group.voters.end()), placement.at(id));
            EXPECT_TRUE(group.learners.empty());
        }
    }

    std::uint64_t steps = 0;
    std::uint64_t drained = 0;
    std::uint64_t removed = 0;

private:
    // The control group hears of configurations late, so the model may be behind.
    void turn() {
        elect();
        catch_up();
        for (auto& [id, group] : groups_) {
            if (group.doing && random_.chance(1, 3)) {
                carry_out(id, group);
            }
            if (random_.chance(1, 3)) {
                model_.groups[id].voters.assign(group.voters.begin(), group.voters.end());
                model_.groups[id].learners.assign(group.learners.begin(), group.learners.end());
            }
        }
        std::set<GroupId> seen;
        for (const Step& step : next_step(model_, statuses())) {
            EXPECT_TRUE(seen.insert(step.group).second) << "two steps at once for one group";
            Group& group = groups_.at(step.group);
            EXPECT_FALSE(group.doing.has_value()) << "one change before the other is committed";
            group.doing = step;
            ++steps;
        }
    }

    void elect() {
        for (auto& [id, group] : groups_) {
            if (alive_.contains(group.leader) && group.voters.contains(group.leader)) {
                continue;
            }
            group.leader = NodeId(0);
            for (const NodeId voter : group.voters) {
                if (alive_.contains(voter) && has_quorum(group)) {
                    group.leader = voter;
                }
            }
            if (random_.chance(1, 2)) {
                group.doing.reset();  // The change was lost with its leader, or not.
            }
        }
    }

    void catch_up() {
        for (auto& [id, group] : groups_) {
            for (const auto& members : {group.voters, group.learners}) {
                for (const NodeId member : members) {
                    if (alive_.contains(member) && random_.chance(1, 3)) {
                        group.caught_up.insert(member);
                    }
                }
            }
        }
    }

    void carry_out(GroupId id, Group& group) {
        const Step step = *group.doing;
        if (!group.leader || !has_quorum(group)) {
            return;
        }
        group.doing.reset();
        switch (step.kind) {
            case StepKind::kAddLearner:
                EXPECT_FALSE(group.voters.contains(step.node));
                EXPECT_TRUE(group.learners.insert(step.node).second);
                group.caught_up.erase(step.node);
                break;
            case StepKind::kPromote:
                EXPECT_EQ(group.learners.erase(step.node), 1U);
                EXPECT_TRUE(group.voters.insert(step.node).second);
                break;
            case StepKind::kRemove:
                EXPECT_NE(step.node, group.leader);
                EXPECT_EQ(group.voters.erase(step.node), 1U);
                break;
            case StepKind::kRemoveLearner:
                EXPECT_EQ(group.learners.erase(step.node), 1U);
                break;
            case StepKind::kTransfer:
                EXPECT_TRUE(group.voters.contains(step.node));
                group.leader = step.node;
                break;
        }
        EXPECT_FALSE(group.voters.empty());
        EXPECT_LE(group.voters.size(), 5U);
        EXPECT_TRUE(has_quorum(group)) << "group " << id.value() << " lost its majority";
    }

    // What was asked for with these alive is carried out before anybody else dies, or the majority
    // may be lost by the death and not by the step.
    void disturb() {
        const bool busy = std::any_of(groups_.begin(), groups_.end(),
                                      [](const auto& item) { return item.second.doing; });
        const NodeId id = any_node();
        switch (random_.below(6)) {
            case 0:
                if (model_.nodes.size() < 8) {
                    add_node(model_, next_id_);
                    alive_.insert(NodeId(next_id_++));
                }
                return;
            case 1:
            case 2:
                if (undrained() > 1 || model_.nodes.at(id).draining) {
                    model_.nodes.at(id).draining = !model_.nodes.at(id).draining;
                    ++drained;
                }
                return;
            case 3:
                if (!busy && alive_.size() + 1 > model_.nodes.size()) {
                    alive_.erase(id);
                }
                return;
            case 4:
                alive_.insert(id);
                return;
            default:
                if (model_.nodes.size() > 1 && !is_member(id) && model_.nodes.at(id).draining) {
                    model_.nodes.erase(id);
                    alive_.erase(id);
                    ++removed;
                }
                return;
        }
    }

    NodeId any_node() {
        auto node = model_.nodes.begin();
        std::advance(node, static_cast<std::ptrdiff_t>(random_.below(model_.nodes.size())));
        return node->first;
    }
    [[nodiscard]] std::size_t undrained() const {
        return static_cast<std::size_t>(
            std::count_if(model_.nodes.begin(), model_.nodes.end(),
                          [](const auto& item) { return !item.second.draining; }));
    }
    [[nodiscard]] bool is_member(NodeId id) const {
        return std::any_of(groups_.begin(), groups_.end(), [&](const auto& item) {
            return item.second.voters.contains(id) || item.second.learners.contains(id) ||
                   (item.second.doing && item.second.doing->node == id);
        });
    }
    [[nodiscard]] bool has_quorum(const Group& group) const {
        const auto count = std::count_if(group.voters.begin(), group.voters.end(),
                                         [&](NodeId id) { return alive_.contains(id); });
        return static_cast<std::size_t>(count) > group.voters.size() / 2;
    }
    [[nodiscard]] std::vector<GroupStatus> statuses() const {
        std::vector<GroupStatus> out;
        for (const auto& [id, group] : groups_) {
            out.push_back({.group = id,
                           .voters = {group.voters.begin(), group.voters.end()},
                           .learners = {group.learners.begin(), group.learners.end()},
                           .leader = group.leader,
                           .changing = group.doing.has_value(),
                           .caught_up = {group.caught_up.begin(), group.caught_up.end()},
                           .alive = {alive_.begin(), alive_.end()}});
        }
        return out;
    }
    [[nodiscard]] control::Model reported() const {
        control::Model model = model_;
        for (const auto& [id, group] : groups_) {
            model.groups[id].voters.assign(group.voters.begin(), group.voters.end());
        }
        return model;
    }
    bool settled() const {
        return std::none_of(groups_.begin(), groups_.end(),
                            [](const auto& item) { return item.second.doing; }) &&
               next_step(model_, statuses()).empty() && all_caught_up();
    }
    [[nodiscard]] bool all_caught_up() const {
        return std::all_of(groups_.begin(), groups_.end(), [](const auto& item) {
            const Group& group = item.second;
            return group.leader &&
                   std::includes(group.caught_up.begin(), group.caught_up.end(),
                                 group.voters.begin(), group.voters.end()) &&
                   std::includes(group.caught_up.begin(), group.caught_up.end(),
                                 group.learners.begin(), group.learners.end());
        });
    }

    Random random_;
    control::Model model_;
    std::map<GroupId, Group> groups_;
    std::set<NodeId> alive_;
    std::uint64_t next_id_;
};

TEST(PlacementProperty, ClustersThatLive) {
    const char* wanted = std::getenv("CAUSEWAY_PLACEMENT_SEEDS");
    const std::uint64_t seeds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 60;
    std::uint64_t steps = 0;
    std::uint64_t drained = 0;
    std::uint64_t removed = 0;
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(seed);
        for (int round = 0; round < 2 && !testing::Test::HasFailure(); ++round) {
            world.restless(200);
            world.quiet();
        }
        steps += world.steps;
        drained += world.drained;
        removed += world.removed;
    }
    EXPECT_GT(steps, 50 * seeds);
    EXPECT_GT(drained, 5 * seeds);
    EXPECT_GT(removed, seeds / 2);
}

}  // namespace
}  // namespace causeway::placement::test
