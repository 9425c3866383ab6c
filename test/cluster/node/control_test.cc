// The control group on a few nodes: creation, commands from anywhere, restarts, snapshots, and who
// belongs.
#include <gtest/gtest.h>

#include "test/cluster/node/control_world.h"

namespace causeway::node::test {
namespace {

struct Created : World {
    Created() : World(3) {
        start_all();
        EXPECT_TRUE(until([this] { return agreed(); }));
    }
    // Asks a node; what came back.
    Answer ask(std::uint64_t at, const control::Command& command) {
        std::optional<Answer> answer;
        node(at).control->propose(command, [&](Answer given) { answer = std::move(given); });
        EXPECT_TRUE(until([&] { return answer.has_value(); }));
        return answer.value_or(Answer{});
    }
    control::AddNode fourth() {
        nodes.push_back(std::make_unique<TestNode>(*this, 4, false));
        return {{uuid_text(node(4).uuid), "n4", "host:4", {true, true}, ""}};
    }
    // The fourth node joins as causeway cluster join does it, and starts.
    void join() {
        EXPECT_TRUE(ask(1, fourth()).ok);
        const control::Machine& known = node(1).control->group().newest();
        node(4).image = ControlImage{false, known.model().applied, "", known.snapshot()};
        node(4).start();
    }
    std::vector<NodeId> voters() {
        const auto& found = leader()->control->group().replica()->raft().configuration().voters;
        return {found.begin(), found.end()};
    }
};

TEST(Control, IsCreatedWhenAllFoundersHaveMet) {
    World world(3);
    world.node(1).start();
    world.node(2).start();
    world.run(5'000);
    ASSERT_NE(world.leader(), nullptr);
    EXPECT_TRUE(world.leader()->control->model().cluster_id.empty());
    world.node(3).start();
    EXPECT_TRUE(world.until([&] { return world.agreed(); }));
    const control::Model& model = world.node(3).control->model();
    EXPECT_EQ(model.cluster_id, "test");
    ASSERT_EQ(model.nodes.size(), 3U);
    for (std::uint64_t id = 1; id <= 3; ++id) {
        EXPECT_EQ(model.nodes.at(NodeId(id)).uuid, uuid_text(world.node(id).uuid));
    }
}

TEST(Control, ACommandIsTakenAnywhereAndAppliedOnce) {
    Created world;
    const auto command = world.fourth();
    for (std::uint64_t at = 1; at <= 3; ++at) {
        const Answer answer = world.ask(at, command);
        EXPECT_TRUE(answer.ok) << answer.message;
        EXPECT_EQ(answer.outcome.node, NodeId(4));
    }
    EXPECT_TRUE(world.until([&] { return world.agreed(); }));
    const Answer refused = world.ask(2, control::RemoveNode{NodeId(99)});
    EXPECT_FALSE(refused.ok);
    EXPECT_TRUE(refused.known);
    EXPECT_EQ(refused.outcome.code, control::Code::kUnknownNode);
}

TEST(Control, WithoutAMajorityTheOutcomeIsNotKnown) {
    Created world;
    world.node(2).stop();
    world.node(3).stop();
    const Answer answer = world.ask(1, control::UpdateNode{NodeId(1), "host:9"});
    EXPECT_FALSE(answer.ok);
    EXPECT_FALSE(answer.known);
}

TEST(Control, ALeaderThatDiesLeavesEverything) {
    Created world;
    EXPECT_TRUE(world.ask(1, control::DrainNode{NodeId(2), true}).ok);
    TestNode& old = *world.leader();
    old.stop();
    EXPECT_TRUE(world.until([&] { return world.leader() != nullptr; }));
    EXPECT_TRUE(world.leader()->control->model().nodes.at(NodeId(2)).draining);
    const std::uint64_t other = old.id.value() % 3 + 1;
    EXPECT_TRUE(world.ask(other, control::DrainNode{NodeId(2), false}).ok);
    old.start();
    EXPECT_TRUE(world.until([&] { return world.agreed(); }));
    EXPECT_FALSE(old.control->model().nodes.at(NodeId(2)).draining);
}

TEST(Control, AllOfThemRestart) {
    Created world;
    EXPECT_TRUE(world.ask(3, control::DrainNode{NodeId(2), true}).ok);
    EXPECT_TRUE(world.until([&] { return world.agreed(); }));
    for (auto& one : world.nodes) {
        one->stop();
    }
    world.start_all();
    EXPECT_TRUE(world.until([&] { return world.agreed() && world.leader() != nullptr; }));
    EXPECT_TRUE(world.node(1).control->model().nodes.at(NodeId(2)).draining);
}

TEST(Control, WhoWasAwayForLongGetsASnapshot) {
    Created world;
    world.node(3).stop();
    EXPECT_TRUE(world.until([&] { return world.leader() != nullptr; }));
    // Far beyond what is kept of the log.
    for (int i = 0; i < 2'600; ++i) {
        const std::string address = "host:" + std::to_string(i);
        ASSERT_TRUE(
            world.ask(world.leader()->id.value(), control::UpdateNode{NodeId(3), address}).ok);
    }
    EXPECT_GT(world.leader()->log->compacted().value(), 1'000U);
    EXPECT_EQ(world.node(3).installed, 0U);
    world.node(3).start();
    // A ping tells it of the newest state sooner; its replica has its own from the snapshot on.
    const auto is_level = [&] {
        const TestNode* leader = world.leader();
        return leader != nullptr && world.agreed() &&
               world.node(3).control->group().replica()->applied() ==
                   leader->control->group().replica()->applied();
    };
    EXPECT_TRUE(world.until(is_level));
    EXPECT_EQ(world.node(3).installed, 1U);
    EXPECT_TRUE(world.node(3).image->replica);
    // And it stands on its own feet afterwards.
    world.node(3).stop();
    world.node(3).start();
    EXPECT_TRUE(world.until(is_level));
    EXPECT_EQ(world.node(3).installed, 1U);
}

TEST(Control, ANodeWithoutAReplicaLearnsByPings) {
    Created world;
    world.join();
    EXPECT_TRUE(world.until([&] { return world.agreed(); }));
    EXPECT_EQ(world.node(4).control->model().nodes.size(), 4U);
    EXPECT_TRUE(world.ask(4, control::UpdateNode{NodeId(4), "host:4"}).ok);
    ASSERT_TRUE(world.node(4).image.has_value());
    EXPECT_FALSE(world.node(4).image->replica);
}

TEST(Control, TheGroupMovesFromADrainedNodeToANewOne) {
    Created world;
    world.join();
    EXPECT_TRUE(world.until([&] { return world.agreed(); }));
    EXPECT_TRUE(world.ask(2, control::DrainNode{NodeId(1), true}).ok);
    const std::vector<NodeId> wanted{NodeId(2), NodeId(3), NodeId(4)};
    // At no moment fewer than three vote.
    EXPECT_TRUE(world.until([&] {
        if (world.leader() == nullptr) {
            return false;
        }
        EXPECT_GE(world.voters().size(), 3U);
        return world.voters() == wanted;
    }));
    EXPECT_TRUE(world.until([&] { return world.ask(3, control::RemoveNode{NodeId(1)}).ok; }));
    world.node(1).stop();
    // The new one counts: without another the two that are left agree.
    world.node(2).stop();
    EXPECT_TRUE(world.until([&] { return world.leader() != nullptr; }));
    EXPECT_TRUE(world.ask(4, control::UpdateNode{NodeId(4), "host:44"}).ok);
}

TEST(Control, AWipedDiskIsNotTheOldNode) {
    Created world;
    world.node(3).stop();
    world.node(3).wipe();
    world.node(3).start();
    world.run(5'000);
    EXPECT_TRUE(world.node(3).control->model().cluster_id.empty()) << "nobody speaks to it";
    EXPECT_FALSE(world.node(1).control->belongs(NodeId(3), world.node(3).uuid));
    EXPECT_TRUE(world.ask(1, control::UpdateNode{NodeId(1), "host:1"}).ok);
    // Two wiped nodes are a majority of the configuration, and still create and lead nothing.
    world.node(2).stop();
    world.node(2).wipe();
    world.node(2).start();
    world.run(10'000);
    EXPECT_TRUE(world.node(2).control->model().cluster_id.empty());
    EXPECT_TRUE(world.node(3).control->model().cluster_id.empty());
}

TEST(Control, LeadershipIsHandedOver) {
    Created world;
    const NodeId to(world.leader()->id.value() % 3 + 1);
    for (std::uint64_t at = 1; at <= 3; ++at) {
        std::optional<Answer> answer;
        world.node(at).control->transfer(control::kControlGroup, to,
                                         [&](Answer given) { answer = std::move(given); });
        EXPECT_TRUE(world.until([&] { return answer.has_value(); }));
        EXPECT_TRUE(answer->ok) << answer->message;
        EXPECT_TRUE(world.until([&] {
            return world.leader() != nullptr && world.leader()->id == to && world.agreed();
        }));
        world.run(1'000);
    }
}

TEST(Control, TheViewNamesWhoAnswers) {
    Created world;
    world.node(2).stop();
    EXPECT_TRUE(world.until([&] { return world.leader() != nullptr; }));
    std::optional<ClusterView> view;
    world.node(1).control->view([&](ClusterView seen) { view = std::move(seen); });
    EXPECT_TRUE(world.until([&] { return view.has_value(); }, 1'500));
    EXPECT_EQ(view->model.nodes.size(), 3U);
    EXPECT_TRUE(view->reports.contains(NodeId(1)));
    EXPECT_FALSE(view->reports.contains(NodeId(2)));
    EXPECT_TRUE(view->reports.contains(NodeId(3)));
    EXPECT_NE(leading(view->reports, control::kControlGroup), nullptr);
}

}  // namespace
}  // namespace causeway::node::test
