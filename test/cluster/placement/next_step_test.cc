// One safe change at a time, case by case.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/cluster/placement/support.h"

namespace causeway::placement::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// One set (group 1) of a cluster; the control group is out of the way.
struct Case {
    explicit Case(std::uint64_t nodes) : model(cluster(nodes, 1)) {
        model.groups.erase(control::kControlGroup);
        status.group = GroupId(1);
        for (std::uint64_t id = 1; id <= nodes; ++id) {
            status.alive.emplace_back(id);
            status.caught_up.emplace_back(id);
        }
        status.leader = NodeId(1);
    }
    void dead(std::uint64_t id) {
        std::erase(status.alive, NodeId(id));
        std::erase(status.caught_up, NodeId(id));
    }
    [[nodiscard]] std::vector<Step> steps() const { return next_step(model, {status}); }
    static Step step(StepKind kind, std::uint64_t node) { return {GroupId(1), kind, NodeId(node)}; }

    control::Model model;
    GroupStatus status;
};

TEST(NextStep, NothingToDo) {
    Case c(3);
    c.status.voters = ids({1, 2, 3});
    EXPECT_THAT(c.steps(), IsEmpty());
}

TEST(NextStep, OneVoterGrowsToThree) {
    Case c(3);
    c.status.voters = ids({1});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kAddLearner, 2)));
    c.status.learners = ids({2});
    c.status.caught_up = ids({1});
    EXPECT_THAT(c.steps(), IsEmpty()) << "it has to catch up";
    c.status.caught_up = ids({1, 2});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kPromote, 2)));
    c.status.learners.clear();
    c.status.voters = ids({1, 2});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kAddLearner, 3)));
}

TEST(NextStep, WaitsForTheLeaderAndForThePreviousChange) {
    Case c(3);
    c.status.voters = ids({1});
    c.status.changing = true;
    EXPECT_THAT(c.steps(), IsEmpty());
    c.status.changing = false;
    c.status.leader = NodeId(0);
    EXPECT_THAT(c.steps(), IsEmpty());
}

TEST(NextStep, ADrainedNodeIsReplacedBeforeItGoes) {
    Case c(4);
    c.status.voters = ids({1, 2, 3});
    c.model.nodes.at(NodeId(2)).draining = true;
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kAddLearner, 4)));
    c.status.learners = ids({4});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kPromote, 4)));
    c.status.learners.clear();
    c.status.voters = ids({1, 2, 3, 4});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kRemove, 2)));
}

TEST(NextStep, ALeaderHandsOverBeforeItGoes) {
    Case c(4);
    c.status.voters = ids({1, 2, 3, 4});
    c.model.nodes.at(NodeId(1)).draining = true;
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kTransfer, 2)));
    c.status.caught_up = ids({1, 4});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kTransfer, 4)))
        << "to one that has the log";
    c.status.leader = NodeId(4);
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kRemove, 1)));
}

TEST(NextStep, ADrainWithoutReplacementLeavesTwo) {
    Case c(3);
    c.status.voters = ids({1, 2, 3});
    c.model.nodes.at(NodeId(3)).draining = true;
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kRemove, 3)));
}

TEST(NextStep, ADeadVoterIsReplaced) {
    Case c(4);
    c.status.voters = ids({1, 2, 3});
    c.dead(3);
    EXPECT_THAT(c.steps(), IsEmpty()) << "dead is not drained: it may come back";
    c.model.nodes.at(NodeId(3)).draining = true;
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kAddLearner, 4)));
    c.status.learners = ids({4});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kPromote, 4)))
        << "three of four are alive";
    c.status.learners.clear();
    c.status.voters = ids({1, 2, 3, 4});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kRemove, 3)));
}

TEST(NextStep, ADrainMustNotTakeTheLastMajority) {
    Case c(3);
    c.status.voters = ids({1, 2, 3});
    c.model.nodes.at(NodeId(2)).draining = true;
    c.dead(3);
    EXPECT_THAT(c.steps(), IsEmpty()) << "1 alone would be one of two";
}

TEST(NextStep, TheDeadGoFirst) {
    Case c(5);
    c.model.nodes.at(NodeId(2)).draining = true;
    c.model.nodes.at(NodeId(3)).draining = true;
    c.status.voters = ids({1, 2, 3, 4, 5});
    c.dead(3);
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kRemove, 3)));
}

TEST(NextStep, ADeadNodeIsNotAdded) {
    Case c(3);
    c.status.voters = ids({1, 2});
    c.dead(3);
    EXPECT_THAT(c.steps(), IsEmpty());
}

TEST(NextStep, ALearnerNobodyWantsGoes) {
    Case c(4);
    c.status.voters = ids({1, 2, 3});
    c.status.learners = ids({4});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kRemoveLearner, 4)));
}

TEST(NextStep, AMemberTheClusterDoesNotKnowGoes) {
    Case c(3);
    c.status.voters = ids({1, 2, 3, 9});
    EXPECT_THAT(c.steps(), ElementsAre(Case::step(StepKind::kRemove, 9)));
}

TEST(NextStep, AGroupTheClusterDoesNotKnowIsLeftAlone) {
    Case c(3);
    c.status.group = GroupId(7);
    c.status.voters = ids({1});
    EXPECT_THAT(c.steps(), IsEmpty());
}

TEST(NextStep, EveryGroupTakesItsOwnStep) {
    control::Model model = cluster(3, 2);
    std::vector<GroupStatus> all;
    for (std::uint32_t group = 0; group <= 2; ++group) {
        all.push_back({.group = GroupId(group),
                       .voters = ids({1}),
                       .learners = {},
                       .leader = NodeId(1),
                       .changing = group == 1,
                       .caught_up = ids({1, 2, 3}),
                       .alive = ids({1, 2, 3})});
    }
    EXPECT_THAT(next_step(model, all),
                ElementsAre(Step{GroupId(0), StepKind::kAddLearner, NodeId(2)},
                            Step{GroupId(2), StepKind::kAddLearner, NodeId(2)}));
}

}  // namespace
}  // namespace causeway::placement::test
