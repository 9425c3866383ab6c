// Who should hold what: balanced, and still when nothing asks for a move.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "test/cluster/placement/support.h"

namespace causeway::placement::test {
namespace {

void expect_balanced(const control::Model& model, const Placement& placement) {
    const auto held = loads(placement);
    std::size_t least = ~std::size_t{0};
    std::size_t most = 0;
    std::size_t candidates = 0;
    for (const auto& [id, node] : model.nodes) {
        const auto found = held.find(id);
        const std::size_t load = found == held.end() ? 0 : found->second;
        if (!node.roles.core || node.draining) {
            EXPECT_EQ(load, 0U) << "node " << id.value();
            continue;
        }
        ++candidates;
        least = std::min(least, load);
        most = std::max(most, load);
    }
    EXPECT_LE(most - least, 1U);
    for (const auto& [group, voters] : placement) {
        EXPECT_EQ(voters.size(), std::min<std::size_t>(model.voters_per_set, candidates));
        EXPECT_TRUE(std::is_sorted(voters.begin(), voters.end()));
        EXPECT_EQ(std::adjacent_find(voters.begin(), voters.end()), voters.end());
    }
}

TEST(Place, ThreeNodesHoldEverything) {
    const Placement placement = place(cluster(3, 4));
    ASSERT_EQ(placement.size(), 5U);
    for (const auto& [group, voters] : placement) {
        EXPECT_EQ(voters, ids({1, 2, 3}));
    }
}

TEST(Place, FewerNodesThanVotersHoldWhatTheyCan) {
    EXPECT_EQ(place(cluster(1, 1)).at(GroupId(1)), ids({1}));
    EXPECT_EQ(place(cluster(2, 1)).at(GroupId(1)), ids({1, 2}));
}

TEST(Place, AGatewayHoldsNothing) {
    control::Model model = cluster(3, 4);
    add_node(model, 4, false);
    EXPECT_FALSE(loads(place(model)).contains(NodeId(4)));
}

TEST(Place, WithNobodyToHoldThingsStayWhereTheyAre) {
    control::Model model = cluster(1, 1);
    model.groups[GroupId(1)].voters = ids({1});
    model.nodes.at(NodeId(1)).draining = true;
    EXPECT_EQ(place(model).at(GroupId(1)), ids({1}));
}

TEST(Place, NothingMovesWithoutNeed) {
    control::Model model = cluster(5, 20);
    const Placement placement = place(model);
    expect_balanced(model, placement);
    hold(model, placement);
    EXPECT_EQ(place(model), placement);
}

TEST(Place, ANodeThatJoinsTakesItsShareAndNobodyElseMoves) {
    control::Model model = cluster(4, 30);
    const Placement before = place(model);
    hold(model, before);
    add_node(model, 5);
    const Placement after = place(model);
    expect_balanced(model, after);
    for (const auto& [group, voters] : after) {
        for (const NodeId id : voters) {
            EXPECT_TRUE(id == NodeId(5) || contains(before.at(group), id));
        }
    }
}

TEST(Place, ADrainedNodeLeavesOnlyItsOwnGroups) {
    control::Model model = cluster(6, 30);
    const Placement before = place(model);
    hold(model, before);
    model.nodes.at(NodeId(2)).draining = true;
    const Placement after = place(model);
    expect_balanced(model, after);
    std::size_t moved = 0;
    for (const auto& [group, voters] : after) {
        moved += voters != before.at(group);
    }
    EXPECT_LE(moved, loads(before)[NodeId(2)] + 2) << "and what levels the rest";
}

TEST(Place, AMoveThatBeganIsGoneOnWith) {
    control::Model model = cluster(4, 5);
    for (auto& [group, members] : model.groups) {
        members.voters = ids({1, 2, 3});
    }
    for (std::uint32_t group = 0; group <= 5; ++group) {
        control::Model begun = model;
        begun.groups.at(GroupId(group)).learners = ids({4});
        EXPECT_TRUE(contains(place(begun).at(GroupId(group)), NodeId(4))) << group;
    }
}

TEST(Place, AReplacementThatBeganIsGoneOnWith) {
    control::Model model = cluster(6, 1);
    model.groups.erase(control::kControlGroup);
    model.groups.at(GroupId(1)).voters = ids({1, 2});
    for (const std::uint64_t id : {3U, 4U, 5U, 6U}) {
        model.groups.at(GroupId(1)).learners = ids({id});
        EXPECT_EQ(place(model).at(GroupId(1)), ids({1, 2, id}));
    }
}

TEST(Place, RandomClustersAreBalancedAndStable) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        control::Model model =
            cluster(1 + random.below(9), static_cast<std::uint32_t>(1 + random.below(40)));
        model.voters_per_set = static_cast<std::uint32_t>(1 + 2 * random.below(3));
        for (auto& [id, node] : model.nodes) {
            node.draining = id != NodeId(1) && random.chance(1, 5);
            node.roles.core = id == NodeId(1) || random.chance(5, 6);
        }
        for (auto& [group, members] : model.groups) {
            for (const auto& [id, node] : model.nodes) {
                if (random.chance(1, 3)) {
                    members.voters.push_back(id);
                }
            }
        }
        const Placement placement = place(model);
        expect_balanced(model, placement);
        hold(model, placement);
        EXPECT_EQ(place(model), placement);
    }
}

}  // namespace
}  // namespace causeway::placement::test
