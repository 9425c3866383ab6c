// What each command does, and when it is refused.
#include "cluster/control/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/cluster/control/support.h"

namespace causeway::control::test {
namespace {

using testing::ElementsAre;

Rig created(std::uint64_t nodes = 3, std::uint32_t sets = 4) {
    Rig rig;
    EXPECT_EQ(rig.code(create(nodes, sets)), Code::kOk);
    return rig;
}

TEST(ControlMachine, NothingBeforeTheClusterIsCreated) {
    Rig rig;
    EXPECT_EQ(rig.code(AddNode{node(1)}), Code::kNotCreated);
    EXPECT_EQ(rig.code(rules(1)), Code::kNotCreated);
    EXPECT_EQ(rig.model().applied, Index(2));
    EXPECT_TRUE(rig.model().nodes.empty());
}

TEST(ControlMachine, FoundersGetTheirIdsInOrderAndEverySlotAnOwner) {
    const Rig rig = created(3, 4);
    ASSERT_EQ(rig.model().nodes.size(), 3U);
    EXPECT_EQ(rig.model().nodes.at(NodeId(2)).name, "n2");
    EXPECT_EQ(rig.model().next_node, NodeId(4));
    EXPECT_EQ(rig.model().groups.size(), 5U) << "the control group and four sets";
    EXPECT_EQ(rig.model().slots, SlotMap::even(GroupId(1), 4));
}

TEST(ControlMachine, CreatingTwiceIsTheSameOrRefused) {
    Rig rig = created();
    const Model before = rig.model();
    EXPECT_EQ(rig.code(create(3, 4)), Code::kOk);
    EXPECT_EQ(rig.code(create(3, 5)), Code::kAlreadyCreated);
    auto other = create(3, 4);
    other.cluster_id = "other";
    EXPECT_EQ(rig.code(other), Code::kAlreadyCreated);
    EXPECT_EQ(rig.model().nodes, before.nodes);
    EXPECT_EQ(rig.model().groups, before.groups);
}

TEST(ControlMachine, ACreationThatContradictsItselfIsInvalid) {
    const auto code_of = [](auto change) {
        CreateCluster command = create(3);
        change(command);
        return Rig().code(command);
    };
    EXPECT_EQ(code_of([](auto& c) { c.sets = 0; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.sets = kSetsMax + 1; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.voters_per_set = 2; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.voters_per_set = kVotersMax + 2; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.cluster_id = ""; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.founders.clear(); }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.founders[2].name = "n1"; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.founders[2].uuid = c.founders[0].uuid; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) { c.founders[0].uuid = "short"; }), Code::kInvalid);
    EXPECT_EQ(code_of([](auto& c) {
                  for (NewNode& founder : c.founders) {
                      founder.roles.core = false;
                  }
              }),
              Code::kInvalid);
}

TEST(ControlMachine, ANodeGetsTheNextIdAndKeepsIt) {
    Rig rig = created();
    EXPECT_EQ(rig.apply(AddNode{node(7)}).node, NodeId(4));
    NewNode moved = node(7);
    moved.address = "elsewhere:7000";
    EXPECT_EQ(rig.apply(AddNode{moved}).node, NodeId(4)) << "the same uuid, the same id";
    EXPECT_EQ(rig.model().nodes.at(NodeId(4)).address, "elsewhere:7000");
    EXPECT_EQ(rig.apply(AddNode{node(8)}).node, NodeId(5));
}

TEST(ControlMachine, AWipedDiskMustTakeItsOldSelfAwayFirst) {
    Rig rig = created();
    NewNode wiped = node(2);
    wiped.uuid = uuid(99);
    EXPECT_EQ(rig.code(AddNode{wiped}), Code::kNameTaken);
    EXPECT_EQ(rig.code(RemoveNode{NodeId(2)}), Code::kOk);
    const Outcome outcome = rig.apply(AddNode{wiped});
    EXPECT_EQ(outcome.code, Code::kOk);
    EXPECT_EQ(outcome.node, NodeId(4)) << "never the old id";
}

TEST(ControlMachine, ARemovedNodeDoesNotComeBackUnderItsUuid) {
    Rig rig = created();
    EXPECT_EQ(rig.code(RemoveNode{NodeId(3)}), Code::kOk);
    EXPECT_EQ(rig.code(RemoveNode{NodeId(3)}), Code::kOk) << "again";
    EXPECT_EQ(rig.code(RemoveNode{NodeId(9)}), Code::kUnknownNode);
    EXPECT_EQ(rig.code(AddNode{node(3)}), Code::kNodeRemoved);
}

TEST(ControlMachine, RemovedNodesAreForgottenInTheEndButNotTheirIds) {
    Rig rig = created();
    for (std::uint64_t number = 10; number < 10 + kRemovedNodesMax + 5; ++number) {
        const NodeId id = rig.apply(AddNode{node(number)}).node;
        EXPECT_EQ(rig.code(RemoveNode{id}), Code::kOk);
    }
    EXPECT_EQ(rig.model().removed.size(), kRemovedNodesMax);
    EXPECT_EQ(rig.apply(AddNode{node(10)}).node, NodeId(4 + kRemovedNodesMax + 5));
}

TEST(ControlMachine, ANodeThatHoldsReplicasStays) {
    Rig rig = created();
    rig.apply(members(1, 5, {NodeId(1), NodeId(2)}, {NodeId(3)}));
    EXPECT_EQ(rig.code(RemoveNode{NodeId(2)}), Code::kStillMember);
    EXPECT_EQ(rig.code(RemoveNode{NodeId(3)}), Code::kStillMember) << "a learner too";
    rig.apply(members(1, 6, {NodeId(1)}));
    EXPECT_EQ(rig.code(RemoveNode{NodeId(2)}), Code::kOk);
}

TEST(ControlMachine, DrainingIsUndoneAndNeverOfTheLast) {
    Rig rig = created(2);
    EXPECT_EQ(rig.code(DrainNode{NodeId(1), true}), Code::kOk);
    EXPECT_TRUE(rig.model().nodes.at(NodeId(1)).draining);
    EXPECT_EQ(rig.code(DrainNode{NodeId(2), true}), Code::kLastNode);
    EXPECT_EQ(rig.code(AddNode{node(1)}), Code::kOk);
    EXPECT_TRUE(rig.model().nodes.at(NodeId(1)).draining) << "a restart changes nothing";
    EXPECT_EQ(rig.code(DrainNode{NodeId(1), false}), Code::kOk);
    EXPECT_EQ(rig.code(DrainNode{NodeId(2), true}), Code::kOk);
    EXPECT_EQ(rig.code(DrainNode{NodeId(7), true}), Code::kUnknownNode);
}

TEST(ControlMachine, AGatewayDoesNotCountForDraining) {
    Rig rig = created(1);
    rig.apply(AddNode{node(2, {.gateway = true, .core = false})});
    EXPECT_EQ(rig.code(DrainNode{NodeId(1), true}), Code::kLastNode);
}

TEST(ControlMachine, AddressesAreUpdated) {
    Rig rig = created();
    EXPECT_EQ(rig.code(UpdateNode{NodeId(2), "other:1"}), Code::kOk);
    EXPECT_EQ(rig.model().nodes.at(NodeId(2)).address, "other:1");
    EXPECT_EQ(rig.code(UpdateNode{NodeId(2), ""}), Code::kInvalid);
    EXPECT_EQ(rig.code(UpdateNode{NodeId(2), std::string(kAddressBytesMax + 1, 'a')}),
              Code::kInvalid);
    EXPECT_EQ(rig.code(UpdateNode{NodeId(9), "other:1"}), Code::kUnknownNode);
}

TEST(ControlMachine, TheLaterConfigurationStands) {
    Rig rig = created();
    EXPECT_EQ(rig.code(members(2, 10, {NodeId(1), NodeId(2)})), Code::kOk);
    EXPECT_EQ(rig.code(members(2, 10, {NodeId(1), NodeId(2)})), Code::kOk) << "again";
    EXPECT_EQ(rig.code(members(2, 10, {NodeId(1)})), Code::kStale);
    EXPECT_EQ(rig.code(members(2, 9, {NodeId(1)})), Code::kStale);
    EXPECT_EQ(rig.code(members(2, 11, {NodeId(3)})), Code::kOk);
    EXPECT_THAT(rig.model().groups.at(GroupId(2)).voters, ElementsAre(NodeId(3)));
}

TEST(ControlMachine, MembersMustMakeSense) {
    Rig rig = created();
    EXPECT_EQ(rig.code(members(5, 1, {NodeId(1)})), Code::kUnknownGroup);
    EXPECT_EQ(rig.code(members(1, 1, {NodeId(9)})), Code::kUnknownNode);
    EXPECT_EQ(rig.code(members(1, 1, {NodeId(1)}, {NodeId(9)})), Code::kUnknownNode);
    EXPECT_EQ(rig.code(members(1, 1, {})), Code::kInvalid);
    EXPECT_EQ(rig.code(members(1, 1, {NodeId(1), NodeId(1)})), Code::kInvalid);
    EXPECT_EQ(rig.code(members(1, 1, {NodeId(1)}, {NodeId(1)})), Code::kInvalid);
}

TEST(ControlMachine, RulesAreVersionsThatFollowEachOther) {
    Rig rig = created();
    EXPECT_EQ(rig.code(rules(2)), Code::kStale);
    EXPECT_EQ(rig.apply(rules(1)).version, 1U);
    EXPECT_EQ(rig.apply(rules(1)).code, Code::kOk) << "the same again";
    const Outcome late = rig.apply(rules(1, "other"));
    EXPECT_EQ(late.code, Code::kStale);
    EXPECT_EQ(late.version, 1U) << "the newest, to start from";
    EXPECT_EQ(rig.apply(rules(2)).version, 2U);
    EXPECT_EQ(rig.model().active_rules, 0U);
    EXPECT_EQ(rig.code(ActivateRules{2}), Code::kOk);
    EXPECT_EQ(rig.model().active_rules, 2U);
    EXPECT_EQ(rig.code(ActivateRules{1}), Code::kOk) << "back to an older one";
    EXPECT_EQ(rig.code(ActivateRules{3}), Code::kUnknownVersion);
    EXPECT_EQ(rig.model().active_rules, 1U);
}

TEST(ControlMachine, OldVersionsGoButNeverTheActiveOne) {
    Rig rig = created();
    rig.apply(rules(1));
    rig.apply(rules(2));
    rig.apply(ActivateRules{2});
    for (std::uint64_t version = 3; version <= 40; ++version) {
        EXPECT_EQ(rig.code(rules(version)), Code::kOk);
    }
    EXPECT_EQ(rig.model().rules.size(), kRuleVersionsMax);
    EXPECT_EQ(find_rules(rig.model(), 1), nullptr);
    EXPECT_NE(find_rules(rig.model(), 2), nullptr);
    EXPECT_NE(find_rules(rig.model(), 40), nullptr);
}

TEST(ControlMachine, VersionsAreBoundedInBytesToo) {
    Rig rig = created();
    const std::string large(kRuleBytesMax - 100, 'r');
    for (std::uint64_t version = 1; version <= 12; ++version) {
        EXPECT_EQ(rig.code(rules(version, large)), Code::kOk);
    }
    EXPECT_LE(rig.model().rules.size() * large.size(), kRuleBytesAllMax);
    EXPECT_GE(rig.model().rules.size(), 8U);
    EXPECT_EQ(rig.code(rules(13, large + std::string(100, 'r'))), Code::kInvalid);
    PutRules many = rules(13);
    many.rules.files.push_back(many.rules.files[0]);
    EXPECT_EQ(rig.code(many), Code::kInvalid) << "two files of one name";
}

TEST(ControlMachine, QueuesAreDeclaredReplacedAndRemoved) {
    Rig rig = created();
    Queue a = queue("a");
    EXPECT_EQ(rig.code(DeclareQueues{{a, queue("b")}, {}}), Code::kOk);
    a.messages_max = 5;
    a.dead_letter = "b";
    EXPECT_EQ(rig.code(DeclareQueues{{a}, {"b", "never"}}), Code::kOk);
    ASSERT_EQ(rig.model().queues.size(), 1U);
    EXPECT_EQ(rig.model().queues.at("a").messages_max, 5U);
    Queue own = queue("c");
    own.dead_letter = "c";
    EXPECT_EQ(rig.code(DeclareQueues{{queue("d"), own}, {}}), Code::kInvalid);
    EXPECT_FALSE(rig.model().queues.contains("d")) << "all or none";
}

TEST(ControlMachine, QueuesAndNodesHaveALimit) {
    Rig rig = created();
    for (std::size_t i = 0; i < kQueuesMax; ++i) {
        rig.apply(DeclareQueues{{queue("q" + std::to_string(i))}, {}});
    }
    EXPECT_EQ(rig.code(DeclareQueues{{queue("more")}, {}}), Code::kTooMany);
    EXPECT_EQ(rig.code(DeclareQueues{{queue("more")}, {"q7"}}), Code::kOk);
    for (std::uint64_t number = 4; number <= kNodesMax; ++number) {
        EXPECT_EQ(rig.code(AddNode{node(number)}), Code::kOk);
    }
    EXPECT_EQ(rig.code(AddNode{node(1000)}), Code::kTooMany);
}

TEST(ControlMachine, DocumentsArePutOnTheRevisionTheyReplace) {
    Rig rig = created();
    const Outcome first = rig.apply(PutDocument{"product", "pump", 0, "one"});
    EXPECT_EQ(first.code, Code::kOk);
    const Outcome stale = rig.apply(PutDocument{"product", "pump", 0, "two"});
    EXPECT_EQ(stale.code, Code::kStale);
    EXPECT_EQ(stale.version, first.version) << "which one is there";
    const Outcome second = rig.apply(PutDocument{"product", "pump", first.version, "two"});
    EXPECT_EQ(second.code, Code::kOk);
    EXPECT_GT(second.version, first.version);
    EXPECT_EQ(rig.apply(PutDocument{"product", "pump", first.version, "two"}), second)
        << "it is done already";
    EXPECT_EQ(rig.code(DeleteDocument{"product", "pump", first.version}), Code::kStale);
    EXPECT_EQ(rig.code(DeleteDocument{"product", "pump", second.version}), Code::kOk);
    EXPECT_EQ(rig.code(DeleteDocument{"product", "pump", second.version}), Code::kOk);
    const Outcome again = rig.apply(PutDocument{"product", "pump", 0, "one"});
    EXPECT_GT(again.version, second.version) << "no revision is given twice";
    EXPECT_EQ(rig.code(PutDocument{"token", "pump", 0, "one"}), Code::kOk) << "another kind";
}

TEST(ControlMachine, DocumentsAreBounded) {
    Rig rig = created();
    EXPECT_EQ(rig.code(PutDocument{"", "n", 0, ""}), Code::kInvalid);
    EXPECT_EQ(rig.code(PutDocument{"k", "with space", 0, ""}), Code::kInvalid);
    const std::string large(kDocumentBytesMax, 'x');
    EXPECT_EQ(rig.code(PutDocument{"k", "n", 0, large + "x"}), Code::kInvalid);
    for (std::size_t i = 0; i < kDocumentBytesAllMax / kDocumentBytesMax; ++i) {
        EXPECT_EQ(rig.code(PutDocument{"k", std::to_string(i), 0, large}), Code::kOk);
    }
    EXPECT_EQ(rig.code(PutDocument{"k", "more", 0, "x"}), Code::kTooMany);
    EXPECT_EQ(rig.code(PutDocument{"k", "7", kAnyDocument, "x"}), Code::kOk);
    for (std::size_t i = rig.model().documents.size(); i < kDocumentsMax; ++i) {
        ASSERT_EQ(rig.code(PutDocument{"k", "s" + std::to_string(i), 0, ""}), Code::kOk);
    }
    EXPECT_EQ(rig.code(PutDocument{"k", "one-more", 0, ""}), Code::kTooMany);
    EXPECT_LT(rig.machine.snapshot().size(), kSnapshotBytesMax);
}

TEST(ControlMachine, BytesThatAreNoCommandAreAnOutcome) {
    Rig rig = created();
    EXPECT_EQ(rig.machine.apply(Index(2), "").code, Code::kInvalid);
    EXPECT_EQ(rig.machine.apply(Index(3), "\x01\x63").code, Code::kInvalid);
    EXPECT_EQ(rig.machine.apply(Index(4), "\x02\x01").code, Code::kInvalid);
    EXPECT_EQ(rig.model().applied, Index(4));
}

TEST(ControlMachine, EveryCodeHasItsLine) {
    for (int code = 0; code <= static_cast<int>(Code::kStale); ++code) {
        EXPECT_NE(text_of(static_cast<Code>(code)), "");
    }
}

}  // namespace
}  // namespace causeway::control::test
