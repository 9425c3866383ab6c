// What the leader of the control group does about reports: records, steps, who may go, who leads.
#include "cluster/node/steward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/random.h"

namespace causeway::node {
namespace {

using placement::Step;
using placement::StepKind;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<NodeId> ids(std::initializer_list<std::uint64_t> numbers) {
    std::vector<NodeId> out;
    for (const std::uint64_t number : numbers) {
        out.emplace_back(number);
    }
    return out;
}

// A cluster whose groups are held as the control group knows, and reports that say so.
struct Cluster {
    Cluster(std::uint64_t nodes, std::uint32_t sets) {
        model.cluster_id = "test";
        model.sets = sets;
        model.voters_per_set = 3;
        for (std::uint64_t id = 1; id <= nodes; ++id) {
            control::Node node;
            node.id = NodeId(id);
            node.name = "n" + std::to_string(id);
            node.roles = {.gateway = true, .core = true};
            model.nodes[node.id] = node;
            reports[node.id].id = node.id;
        }
        for (std::uint32_t group = 0; group <= sets; ++group) {
            led(group, group % 3 + 1, {1, 2, 3});
        }
    }
    // The leader's report of a group; every member is alive and close to its end.
    GroupReport& led(std::uint32_t group, std::uint64_t leader,
                     std::initializer_list<std::uint64_t> voters) {
        for (auto& [id, node] : reports) {
            std::erase_if(node.groups,
                          [&](const auto& one) { return one.group == GroupId(group); });
        }
        GroupReport report;
        report.group = GroupId(group);
        report.leads = true;
        report.leader = NodeId(leader);
        report.term = Term(5);
        report.commit = report.last = report.applied = Index(100);
        report.configuration_at = Index(10);
        report.settled = true;
        report.voters = ids(voters);
        for (const NodeId id : report.voters) {
            report.members.push_back(MemberReport{id, Index(100), true, false, true});
        }
        model.groups[GroupId(group)] = {Index(10), report.voters, {}};
        return reports[NodeId(leader)].groups.emplace_back(report);
    }
    void dead(std::uint64_t id) {
        reports.erase(NodeId(id));
        for (auto& [node, report] : reports) {
            for (GroupReport& group : report.groups) {
                for (MemberReport& member : group.members) {
                    member.heard = member.heard && member.id != NodeId(id);
                }
            }
        }
    }

    control::Model model;
    Reports reports;
};

void add_learner(GroupReport& report, std::uint64_t id, bool caught_up) {
    report.learners.push_back(NodeId(id));
    report.members.push_back(MemberReport{NodeId(id), Index(1), caught_up, false, true});
}

TEST(Steward, NothingIsDoneWhereAllIsWell) {
    Cluster cluster(3, 4);
    EXPECT_THAT(steps(cluster.model, cluster.reports), IsEmpty());
    EXPECT_THAT(to_record(cluster.model, cluster.reports), IsEmpty());
}

TEST(Steward, TheLaterTermIsTheLeader) {
    Cluster cluster(3, 1);
    GroupReport old = cluster.reports[NodeId(2)].groups.front();
    old.leader = NodeId(3);
    old.term = Term(4);
    cluster.reports[NodeId(3)].groups.push_back(old);
    EXPECT_EQ(leading(cluster.reports, GroupId(1))->leader, NodeId(2));
    old.term = Term(6);
    cluster.reports[NodeId(3)].groups.back() = old;
    EXPECT_EQ(leading(cluster.reports, GroupId(1))->leader, NodeId(3));
    EXPECT_EQ(leading(cluster.reports, GroupId(7)), nullptr);
}

TEST(Steward, RecordsWhatIsSettledAndNewer) {
    Cluster cluster(4, 1);
    GroupReport& report = cluster.led(1, 2, {1, 2, 3});
    report.voters = ids({2, 3, 4});
    report.configuration_at = Index(50);
    report.settled = false;
    EXPECT_THAT(to_record(cluster.model, cluster.reports), IsEmpty())
        << "the new majority may lack";
    report.settled = true;
    const auto record = to_record(cluster.model, cluster.reports);
    ASSERT_THAT(record, SizeIs(1));
    EXPECT_EQ(record[0].group, GroupId(1));
    EXPECT_EQ(record[0].members, (control::Members{Index(50), ids({2, 3, 4}), {}}));
    cluster.model.groups[GroupId(1)].at = Index(60);
    EXPECT_THAT(to_record(cluster.model, cluster.reports), IsEmpty()) << "an older report";
}

TEST(Steward, ANewNodeGetsNoMoreThanTwoCopiesAtATime) {
    Cluster cluster(4, 11);
    const auto first = steps(cluster.model, cluster.reports);
    ASSERT_THAT(first, SizeIs(2));
    for (const Order& order : first) {
        EXPECT_EQ(order.step.kind, StepKind::kAddLearner);
        EXPECT_EQ(order.step.node, NodeId(4));
        EXPECT_EQ(order.leader, leading(cluster.reports, order.step.group)->leader);
        EXPECT_EQ(order.term, Term(5));
        EXPECT_EQ(order.configuration_at, Index(10));
    }
    for (const Order& order : first) {
        auto& groups = cluster.reports[order.leader].groups;
        const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& one) {
            return one.group == order.step.group;
        });
        add_learner(*group, 4, false);
    }
    EXPECT_THAT(steps(cluster.model, cluster.reports), IsEmpty()) << "both are catching up";
}

TEST(Steward, NothingHappensToAGroupWithoutALeaderThatReports) {
    Cluster cluster(4, 1);
    cluster.dead(2);  // leads set 1
    for (const Order& order : steps(cluster.model, cluster.reports)) {
        EXPECT_NE(order.step.group, GroupId(1));
    }
}

TEST(Steward, AnOrderSurvivesItsBytes) {
    const Order order{NodeId(3), Term(7), Index(99), {GroupId(2), StepKind::kPromote, NodeId(9)}};
    EXPECT_EQ(decode_order(encode(order)), order);
    std::string bytes = encode(order);
    EXPECT_EQ(decode_order(bytes.substr(0, bytes.size() - 1)), std::nullopt);
    Order unknown = order;
    unknown.step.kind = static_cast<StepKind>(5);
    EXPECT_EQ(decode_order(encode(unknown)), std::nullopt);
}

// --- who may come and go -----------------------------------------------------------------------

TEST(ConfigurationAfter, ALearnerComesAndVotesWhenItHasCaughtUp) {
    Cluster cluster(4, 1);
    GroupReport report = *leading(cluster.reports, GroupId(1));
    const auto with = configuration_after(report, {GroupId(1), StepKind::kAddLearner, NodeId(4)});
    ASSERT_TRUE(with.has_value());
    EXPECT_TRUE(with->has_learner(NodeId(4)));
    EXPECT_EQ(configuration_after(report, {GroupId(1), StepKind::kPromote, NodeId(4)}),
              std::nullopt);
    add_learner(report, 4, false);
    EXPECT_EQ(configuration_after(report, {GroupId(1), StepKind::kPromote, NodeId(4)}),
              std::nullopt);
    report.members.back().caught_up = true;
    const auto voting = configuration_after(report, {GroupId(1), StepKind::kPromote, NodeId(4)});
    ASSERT_TRUE(voting.has_value());
    EXPECT_TRUE(voting->has_voter(NodeId(4)));
    EXPECT_TRUE(voting->learners.empty());
}

TEST(ConfigurationAfter, NobodyGoesWhoIsNeededForAMajority) {
    Cluster cluster(3, 1);
    GroupReport report = *leading(cluster.reports, GroupId(1));  // led by 2
    const Step out{GroupId(1), StepKind::kRemove, NodeId(3)};
    EXPECT_TRUE(configuration_after(report, out).has_value());
    report.members[0].heard = false;  // of 1 and 2 only one would be alive
    EXPECT_EQ(configuration_after(report, out), std::nullopt);
    report.members[0].heard = true;
    report.members[0].caught_up = false;  // ... or only one would have it all
    EXPECT_EQ(configuration_after(report, out), std::nullopt);
    report.members[0].caught_up = true;
    report.settled = false;
    EXPECT_EQ(configuration_after(report, out), std::nullopt);
}

TEST(ConfigurationAfter, TheLeaderHandsOverFirst) {
    Cluster cluster(3, 1);
    const GroupReport& report = *leading(cluster.reports, GroupId(1));
    EXPECT_EQ(configuration_after(report, {GroupId(1), StepKind::kRemove, report.leader}),
              std::nullopt);
}

// Whatever step comes, from whatever report: a majority of the voters after it is alive and has
// caught up, and one member changes.
TEST(ConfigurationAfter, NeverLosesTheMajority) {
    Random random(20261123);
    std::size_t possible = 0;
    for (int round = 0; round < 20'000; ++round) {
        GroupReport report;
        report.group = GroupId(1);
        report.leads = true;
        report.settled = random.chance(9, 10);
        for (std::uint64_t id = 1; id <= 6; ++id) {
            const std::uint64_t part = random.below(4);
            if (part >= 2) {
                continue;
            }
            (part == 0 ? report.voters : report.learners).push_back(NodeId(id));
            report.members.push_back(MemberReport{NodeId(id), Index(1), random.chance(2, 3), false,
                                                  random.chance(2, 3)});
        }
        if (report.voters.empty()) {
            continue;
        }
        report.leader = report.voters.front();
        const Step step{GroupId(1), static_cast<StepKind>(random.below(5)),
                        NodeId(1 + random.below(6))};
        const auto to = configuration_after(report, step);
        if (!to) {
            continue;
        }
        ++possible;
        raft::Configuration from;
        from.voters.assign(report.voters.begin(), report.voters.end());
        from.learners.assign(report.learners.begin(), report.learners.end());
        EXPECT_TRUE(raft::is_single_change(from, *to));
        EXPECT_TRUE(to->has_voter(report.leader));
        const auto fit = std::count_if(
            report.members.begin(), report.members.end(),
            [&](auto& one) { return to->has_voter(one.id) && one.heard && one.caught_up; });
        EXPECT_GT(static_cast<std::size_t>(fit) * 2, to->voters.size());
    }
    EXPECT_GT(possible, 500U);
}

// --- who leads ---------------------------------------------------------------------------------

struct Balanced : Cluster {
    Balanced() : Cluster(3, 4) {
        for (std::uint32_t set = 1; set <= 4; ++set) {
            led(set, 1, {1, 2, 3});
        }
    }
    std::optional<Order> at(MonoMs now) { return balance.next(model, reports, now); }
    Balance balance{1'000};
};

TEST(Balance, MovesOneLeadershipWhenAllHasBeenCalm) {
    Balanced cluster;
    EXPECT_EQ(cluster.at(10), std::nullopt);
    EXPECT_EQ(cluster.at(20), std::nullopt);
    EXPECT_EQ(cluster.at(1'019), std::nullopt);
    const auto order = cluster.at(1'020);
    ASSERT_TRUE(order.has_value());
    EXPECT_EQ(order->leader, NodeId(1));
    EXPECT_EQ(order->step.kind, StepKind::kTransfer);
    EXPECT_NE(order->step.node, NodeId(1));
    EXPECT_NE(order->step.group, control::kControlGroup);
    EXPECT_EQ(cluster.at(1'030), std::nullopt) << "one at a time";
}

TEST(Balance, ADifferenceOfOneIsNoReason) {
    Balanced cluster;
    cluster.led(2, 2, {1, 2, 3});
    cluster.led(3, 3, {1, 2, 3});
    cluster.at(10);
    cluster.at(20);
    EXPECT_EQ(cluster.at(50'000), std::nullopt);
}

TEST(Balance, ANewLeaderBeginsTheCalmAnew) {
    Balanced cluster;
    cluster.at(10);
    cluster.at(20);
    cluster.led(4, 1, {1, 2, 3}).term = Term(6);
    EXPECT_EQ(cluster.at(1'500), std::nullopt);
    EXPECT_EQ(cluster.at(1'600), std::nullopt);
    EXPECT_TRUE(cluster.at(2'600).has_value());
}

TEST(Balance, NeverDuringTrouble) {
    Balanced silent;
    silent.dead(3);
    Balanced behind;
    behind.reports[NodeId(1)].groups.back().members[1].caught_up = false;
    Balanced draining;
    draining.model.nodes[NodeId(3)].draining = true;
    for (Balanced* cluster : {&silent, &behind, &draining}) {
        for (MonoMs now = 10; now < 20'000; now += 500) {
            EXPECT_EQ(cluster->at(now), std::nullopt);
        }
    }
}

TEST(Balance, ZeroMeansNever) {
    Balanced cluster;
    cluster.balance = Balance(0);
    for (MonoMs now = 10; now < 20'000; now += 500) {
        EXPECT_EQ(cluster.at(now), std::nullopt);
    }
}

// --- reports -----------------------------------------------------------------------------------

TEST(Report, SurvivesItsBytes) {
    Cluster cluster(3, 2);
    NodeReport report = cluster.reports[NodeId(2)];
    report.name = "n2";
    report.version = "1.2.3";
    report.boot = 77;
    report.disk_low = true;
    report.control_applied = Index(123);
    report.rules_active = 4;
    add_learner(report.groups.front(), 4, false);
    report.groups.front().members.back().refilled = true;
    const std::string bytes = encode(report);
    const auto back = decode_report(bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, report);
    EXPECT_TRUE(decode_report(bytes + std::string("\x7f\x01x", 3)).has_value()) << "a later field";
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto cut = decode_report(bytes.substr(0, size));
        EXPECT_TRUE(!cut || *cut != report);
    }
}

}  // namespace
}  // namespace causeway::node
