// Commands and snapshots as bytes: there and back, damaged, and of a newer version.
#include <gtest/gtest.h>

#include "cluster/control/fields.h"
#include "cluster/control/machine.h"
#include "test/cluster/control/support.h"

namespace causeway::control::test {
namespace {

std::vector<Command> one_of_each() {
    NewNode newer = node(9);
    FieldWriter unknown;
    unknown.text(99, "of tomorrow");
    newer.extra = unknown.take();
    return {create(3),
            AddNode{newer},
            UpdateNode{NodeId(2), "host:1"},
            DrainNode{NodeId(2), true},
            RemoveNode{NodeId(7)},
            members(1, 300, {NodeId(1), NodeId(3)}, {NodeId(2)}),
            rules(1, "text"),
            ActivateRules{1},
            DeclareQueues{{queue("a"), queue("b")}, {"c"}},
            PutDocument{"product", "pump", 0, "{}"},
            PutDocument{"token", "t", kAnyDocument, "text"},
            DeleteDocument{"token", "t", kAnyDocument}};
}

Rig full_rig() {
    Rig rig;
    for (const Command& command : one_of_each()) {
        rig.apply(command);
    }
    rig.apply(members(1, 301, {NodeId(1)}));
    rig.apply(RemoveNode{NodeId(2)});
    return rig;
}

TEST(ControlEncoding, CommandsComeBackAsTheyWere) {
    for (const Command& command : one_of_each()) {
        const std::string bytes = encode(command);
        const auto back = decode_command(bytes);
        ASSERT_TRUE(back.has_value());
        EXPECT_EQ(back->index(), command.index());
        EXPECT_EQ(encode(*back), bytes);
    }
}

TEST(ControlEncoding, CutCommandsAreRefusedOrShorter) {
    for (const Command& command : one_of_each()) {
        const std::string bytes = encode(command);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto back = decode_command(std::string_view(bytes).substr(0, size));
            if (back) {
                EXPECT_LT(encode(*back).size(), bytes.size() + 32);
            }
        }
    }
}

TEST(ControlEncoding, UnknownFieldsOfACommandAreSkipped) {
    FieldWriter unknown;
    unknown.text(50, "of tomorrow");
    std::string bytes = encode(UpdateNode{NodeId(2), "host:1"});
    bytes += unknown.take();
    const auto back = decode_command(bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(std::get<UpdateNode>(*back).address, "host:1");
}

TEST(ControlEncoding, UnknownFieldsOfARecordArePutIntoTheSnapshotAgain) {
    Rig rig = full_rig();
    const Node* kept = find_node(rig.model(), "n9");
    ASSERT_NE(kept, nullptr);
    EXPECT_FALSE(kept->extra.empty());
    Machine other;
    ASSERT_TRUE(other.restore(rig.machine.snapshot()));
    EXPECT_EQ(find_node(other.model(), "n9")->extra, kept->extra);
}

TEST(ControlEncoding, UnknownFieldsOfTheWholeAreKept) {
    FieldWriter unknown;
    unknown.text(77, "of tomorrow");
    const std::string newer = full_rig().machine.snapshot() + unknown.take();
    Machine machine;
    ASSERT_TRUE(machine.restore(newer));
    EXPECT_EQ(machine.snapshot(), newer);
}

TEST(ControlEncoding, UnknownFieldsAreBounded) {
    Rig rig = full_rig();
    NewNode greedy = node(20);
    FieldWriter unknown;
    unknown.text(99, std::string(kExtraBytesMax, 'x'));
    greedy.extra = unknown.take();
    EXPECT_EQ(rig.code(AddNode{greedy}), Code::kInvalid);
}

TEST(ControlEncoding, SnapshotsComeBackAsTheyWere) {
    const Rig rig = full_rig();
    const std::string bytes = rig.machine.snapshot();
    Machine other;
    ASSERT_TRUE(other.restore(bytes));
    EXPECT_EQ(other.model(), rig.model());
    EXPECT_EQ(other.snapshot(), bytes);
}

TEST(ControlEncoding, DamagedSnapshotsChangeNothing) {
    const Rig rig = full_rig();
    const std::string bytes = rig.machine.snapshot();
    Machine machine;
    EXPECT_FALSE(machine.restore(""));
    EXPECT_FALSE(machine.restore("\x07"));
    EXPECT_FALSE(machine.restore(bytes.substr(0, bytes.size() - 1)));
    EXPECT_FALSE(machine.restore(std::string(1, '\x01') + "\x06\x05zzzzz"));
    EXPECT_EQ(machine.model(), Model{});
    std::string twice = bytes;
    twice += bytes.substr(1);
    EXPECT_FALSE(machine.restore(twice)) << "every node twice";
}

TEST(ControlEncoding, TheFullestModelFitsItsSnapshot) {
    Rig rig;
    auto creation = create(kNodesMax, kSetsMax);
    for (NewNode& founder : creation.founders) {
        founder.address = std::string(kAddressBytesMax, 'a');
        founder.name.resize(kNameBytesMax, 'n');
        FieldWriter unknown;
        unknown.text(99, std::string(kExtraBytesMax - 4, 'x'));
        founder.extra = unknown.take();
    }
    ASSERT_EQ(rig.code(creation), Code::kOk);
    std::vector<NodeId> voters;
    for (std::uint64_t id = 1; id <= kVotersMax + 1; ++id) {
        voters.push_back(NodeId(id));
    }
    for (std::uint32_t group = 0; group <= kSetsMax; ++group) {
        ASSERT_EQ(rig.code(members(group, ~0ULL >> 2, voters)), Code::kOk);
    }
    for (std::uint64_t version = 1; version <= 20; ++version) {
        ASSERT_EQ(rig.code(rules(version, std::string(kRuleBytesMax - 100, 'r'))), Code::kOk);
    }
    for (std::size_t i = 0; i < kQueuesMax; ++i) {
        Queue made =
            queue(std::string(kNameBytesMax - 4, 'q') + std::to_string(1000 + i).substr(0, 4));
        made.dead_letter = std::string(kNameBytesMax, 'd');
        FieldWriter unknown;
        unknown.text(99, std::string(kExtraBytesMax - 4, 'x'));
        made.extra = unknown.take();
        ASSERT_EQ(rig.code(DeclareQueues{{made}, {}}), Code::kOk);
    }
    EXPECT_LT(rig.machine.snapshot().size(), kSnapshotBytesMax);
}

}  // namespace
}  // namespace causeway::control::test
