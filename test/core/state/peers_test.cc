// The streams between sets: exactly once, bounded, counted. The layout, the fence for publishers of
// other sets, and the streams a leader watches. Rules 8, 9 and 16 of the session protocol.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/sets.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PeersTest : public ::testing::TestWithParam<Rig::Mode> {
protected:
    Sets sets{2, GetParam()};
    Rig& a = sets.rig(1);
    Rig& b = sets.rig(2);
    std::string in_a = sets.key_in(1);
    std::string in_b = sets.key_in(2);

    // B wants everything of A.
    std::uint64_t subscriber() {
        const std::uint64_t epoch = sets.open(in_b, 1);
        sets.subscribe(in_b, epoch, in_a + "/#");
        sets.pump();
        return epoch;
    }
    // Nobody's publish at A.
    ResultCode publish(std::string_view payload, std::string_view outputs = {}) {
        Publish command;
        const std::string topic = in_a + "/t";
        command.topic = topic;
        command.outputs = outputs;
        return a.publish(0, command, payload);
    }
    PeerBatch batch(std::uint64_t after, std::uint64_t bytes_max = 1U << 20) {
        return a.machine().read_peer(GroupId(2), after, bytes_max);
    }
    CommandResult give(std::uint64_t first, const std::string& items) {
        return sets.lead(2, PeerItems{GroupId(1), first, items});
    }
    static std::uint64_t number(const CommandResult& result) {
        return ByteReader(result.detail).varint();
    }
    static std::string message(std::string_view topic, std::string_view payload,
                               SetMs expires_at = 0) {
        const std::string body = make_body("", payload);
        PeerItem item;
        item.kind = PeerItemKind::kMessage;
        item.topic = topic;
        item.body = body;
        item.qos = 1;
        item.expires_at = expires_at;
        std::string bytes;
        encode(item, bytes);
        return bytes;
    }
};

#define CAUSEWAY_PEERS_TESTS(Suite)    \
    class Suite : public PeersTest {}; \
    INSTANTIATE_TEST_SUITE_P(          \
        Modes, Suite, ::testing::Values(Rig::Mode::kLive, Rig::Mode::kRestarting), mode_name)

CAUSEWAY_PEERS_TESTS(PeerStream);
CAUSEWAY_PEERS_TESTS(FullPeerStream);
CAUSEWAY_PEERS_TESTS(LayoutOfSets);
CAUSEWAY_PEERS_TESTS(Fence);
CAUSEWAY_PEERS_TESTS(WatchedStreams);

TEST_P(PeerStream, ItemsAreAppliedOnceAndInOrder) {
    subscriber();
    const std::uint64_t from = a.machine().peers().at(0).made;
    for (const char* payload : {"1", "2", "3"}) {
        EXPECT_EQ(publish(payload), ResultCode::kOk);
    }
    EXPECT_THAT(a.out().ready_peers, ElementsAre(GroupId(2)));
    const PeerBatch all = batch(from);
    EXPECT_EQ(all.first, from + 1);
    EXPECT_EQ(all.last, from + 3);
    const PeerBatch first = batch(from, 1);
    EXPECT_EQ(first.last, from + 1) << "one item at least";
    EXPECT_EQ(number(give(first.first, first.items)), from + 1);
    EXPECT_THAT(b.delivered(sets.stream(2)), SizeIs(1));
    // The rest, with what was there before.
    EXPECT_EQ(number(give(all.first, all.items)), from + 3);
    EXPECT_THAT(b.delivered(sets.stream(2)),
                ElementsAre("1 n2 q1 " + in_a + "/t=2", "1 n3 q1 " + in_a + "/t=3"));
    EXPECT_EQ(number(give(all.first, all.items)), from + 3);
    EXPECT_THAT(b.delivered(sets.stream(2)), IsEmpty());
    EXPECT_EQ(b.counters().peer_accepted, 3U);
}

TEST_P(PeerStream, AGapIsNotCrossed) {
    subscriber();
    publish("1");
    publish("2");
    const std::uint64_t from = a.machine().peers().at(0).acked;
    const PeerBatch second = batch(from + 1);
    const CommandResult result = give(second.first, second.items);
    EXPECT_EQ(result.code, ResultCode::kResync);
    EXPECT_EQ(number(result), from);
    EXPECT_THAT(b.delivered(sets.stream(2)), IsEmpty());
}

TEST_P(PeerStream, WhatIsAcknowledgedIsGone) {
    subscriber();
    publish("1");
    publish("2");
    const PeerStatus before = a.machine().peers().at(0);
    EXPECT_EQ(before.messages, 2U);
    EXPECT_EQ(number(sets.lead(1, PeerAcked{GroupId(2), before.acked + 1})), before.acked + 1);
    EXPECT_EQ(a.machine().peers().at(0).messages, 1U);
    EXPECT_EQ(batch(0).first, before.acked + 2) << "never what is done with";
    EXPECT_EQ(number(sets.lead(1, PeerAcked{GroupId(2), before.acked})), before.acked + 1)
        << "an old one changes nothing";
    EXPECT_EQ(sets.lead(1, PeerAcked{GroupId(2), before.made + 1}).code, ResultCode::kInvalid);
    EXPECT_EQ(sets.lead(1, PeerAcked{GroupId(9), 1}).code, ResultCode::kNotFound);
    EXPECT_EQ(a.counters().peer_made, a.counters().peer_acknowledged + 1);
}

TEST_P(PeerStream, ManyAreRemovedInSlices) {
    subscriber();
    std::vector<std::string> commands;
    for (int i = 0; i < 3000; ++i) {
        commands.push_back(a.publish_command(in_a + "/t", "x", 1));
    }
    a.entry(commands);
    const PeerStatus peer = a.machine().peers().at(0);
    EXPECT_EQ(batch(0).last, peer.acked + 1024) << "a batch is bounded";
    sets.lead(1, PeerAcked{GroupId(2), peer.made});
    EXPECT_GT(a.machine().peers().at(0).messages, 1000U);
    EXPECT_EQ(batch(0).last, 0U);
    EXPECT_TRUE(a.machine().has_work());
    publish("more");
    sets.lead(1, PeerAcked{GroupId(2), peer.made + 1});
    a.settle();
    EXPECT_EQ(a.machine().peers().at(0).messages, 0U);
    EXPECT_EQ(a.counters().peer_acknowledged, a.counters().peer_made);
}

TEST_P(PeerStream, WhatIsNoItemOrTooOldIsCounted) {
    subscriber();
    std::string items;
    append_peer_item(1, "\x09 of a later version", items);
    append_peer_item(2, message("t", "old", b.now()), items);
    append_peer_item(3, message(in_a + "/t", "good"), items);
    EXPECT_EQ(number(give(1, items)), 3U);
    EXPECT_EQ(b.counters().peer_invalid, 1U);
    EXPECT_EQ(b.counters().peer_expired, 1U);
    EXPECT_EQ(b.counters().peer_done, 1U);
    EXPECT_THAT(b.delivered(sets.stream(2)), SizeIs(1));
}

TEST_P(PeerStream, NumbersLeftOutWereEvicted) {
    subscriber();
    std::string items;
    append_peer_item(4, message(in_a + "/t", "4"), items);
    append_peer_item(7, message(in_a + "/t", "7"), items);
    EXPECT_EQ(give(2, items).code, ResultCode::kResync) << "1 may still come";
    EXPECT_EQ(number(give(1, items)), 7U);
    EXPECT_THAT(b.delivered(sets.stream(2)), SizeIs(2));
}

TEST_P(PeerStream, IsNotOneWithItself) {
    EXPECT_EQ(sets.lead(2, PeerItems{GroupId(2), 1, ""}).code, ResultCode::kInvalid);
}

TEST_P(FullPeerStream, EvictsTheOldestMessageAndNeverAnInterest) {
    subscriber();
    const std::uint64_t at_a = sets.open(in_a, 2);
    StateLimits limits;
    limits.peer_messages_max = 3;
    a.limits(limits);
    sets.subscribe(in_a, at_a, in_b + "/x");  // an interest and a question
    for (const char* payload : {"1", "2", "3"}) {
        EXPECT_EQ(publish(payload), ResultCode::kOk);
    }
    const PeerStatus peer = a.machine().peers().at(0);
    EXPECT_EQ(peer.messages, 3U);
    EXPECT_EQ(a.counters().peer_evicted, 2U);
    sets.pump();
    EXPECT_EQ(b.statistics().inbox_messages, 1U);
    EXPECT_EQ(b.statistics().held_interests, 1U);
    EXPECT_EQ(a.counters().peer_made, a.counters().peer_acknowledged + 2);
}

TEST_P(FullPeerStream, BytesCountToo) {
    subscriber();
    StateLimits limits;
    limits.peer_bytes_max = 1000;
    a.limits(limits);
    for (int i = 0; i < 3; ++i) {
        publish(std::string(400, 'x'));
    }
    EXPECT_EQ(a.machine().peers().at(0).messages, 2U);
    EXPECT_LE(a.machine().peers().at(0).bytes, 1000U);
    publish(std::string(2000, 'x'));
    EXPECT_EQ(a.machine().peers().at(0).messages, 0U) << "nothing makes way enough";
    EXPECT_EQ(a.counters().peer_evicted, 4U);
}

TEST_P(FullPeerStream, RefusesWhatRulesOweAndNothingIsDone) {
    subscriber();
    StateLimits limits;
    limits.peer_messages_max = 2;
    a.limits(limits);
    const std::string topic = in_b + "/again";
    const std::string body = make_body("", "owed");
    RouteOutput output;
    output.kind = RouteKind::kRepublish;
    output.target = topic;
    output.body = body;
    std::string one;
    append_route_output(output, one);
    std::string three = one + one + one;
    output.kind = RouteKind::kQueue;
    output.target = "q";
    append_route_output(output, three);
    EXPECT_EQ(publish("x", three), ResultCode::kQuotaExceeded);
    EXPECT_EQ(a.machine().peers().at(0).messages, 0U);
    EXPECT_EQ(a.counters().queue_made, 0U);
    // With its own message the one output fills the stream; then only messages go on.
    EXPECT_EQ(publish("x", one), ResultCode::kOk);
    EXPECT_EQ(publish("y", one), ResultCode::kQuotaExceeded);
    EXPECT_EQ(publish("z"), ResultCode::kOk);
    EXPECT_EQ(a.counters().peer_evicted, 1U);
    sets.pump();
    EXPECT_EQ(publish("y", one), ResultCode::kOk) << "room again";
}

TEST_P(LayoutOfSets, BeforeItOneSetOwnsEverything) {
    Rig alone(GetParam());
    const StreamId s = alone.hello(1);
    const std::uint64_t epoch = alone.open(s, in_a, 1);
    EXPECT_EQ(alone.subscribe(s, epoch, "#", 1), std::string(1, '\1'));
    EXPECT_EQ(alone.publish(in_b + "/t", "x"), ResultCode::kOk);
    EXPECT_THAT(alone.machine().peers(), IsEmpty());
    EXPECT_EQ(alone.statistics().asked_interests, 0U);
    // One set that owns all slots is the same.
    EXPECT_EQ(alone.run(0, SetLayout{GroupId(1), SlotMap::even(GroupId(1), 1)}).code,
              ResultCode::kOk);
    EXPECT_EQ(alone.publish(in_b + "/t", "x"), ResultCode::kOk);
    EXPECT_THAT(alone.machine().peers(), IsEmpty());
}

TEST_P(LayoutOfSets, AnotherOneTellsOthersOfOldSubscriptions) {
    Rig alone(GetParam());
    const StreamId s = alone.hello(1);
    const std::uint64_t epoch = alone.open(s, in_a, 1);
    alone.subscribe(s, epoch, "#", 1);
    alone.subscribe(s, epoch, in_a + "/own", 1);
    alone.subscribe(s, epoch, in_b + "/other", 1);
    alone.run(0, SetLayout{GroupId(1), SlotMap::even(GroupId(1), 2)});
    EXPECT_TRUE(alone.machine().has_work());
    alone.settle();
    EXPECT_EQ(alone.statistics().asked_interests, 2U);
    EXPECT_EQ(alone.machine().peers().at(0).made, 2U);
    // The same again is no other; without the other set both are taken back.
    alone.run(0, SetLayout{GroupId(1), SlotMap::even(GroupId(1), 2)});
    EXPECT_FALSE(alone.machine().has_work());
    alone.run(0, SetLayout{GroupId(1), SlotMap::even(GroupId(1), 1)});
    alone.settle();
    EXPECT_EQ(alone.statistics().asked_interests, 0U);
    EXPECT_EQ(alone.machine().peers().at(0).made, 4U);
}

TEST_P(LayoutOfSets, OneThatIsNoneChangesNothing) {
    std::string bytes;
    encode(CommandHeader{{}, 0, 5}, SetLayout{GroupId(1), SlotMap::even(GroupId(1), 3)}, bytes);
    bytes.resize(bytes.size() - 1);
    a.entry({bytes});
    EXPECT_EQ(a.last_result(0).code, ResultCode::kInvalid);
    EXPECT_EQ(sets.publish(in_b, 1, in_a + "/t", "x").code, ResultCode::kNoSubscribers);
}

TEST_P(Fence, LowerEpochsOfOtherSetsClientsAreStale) {
    const std::string topic = in_a + "/t";
    EXPECT_EQ(sets.publish(in_b, 7, topic, "new", 1, true).code, ResultCode::kNoSubscribers);
    EXPECT_EQ(sets.publish(in_b, 7, topic, "again", 1, true).code, ResultCode::kNoSubscribers);
    EXPECT_EQ(sets.publish(in_b, 6, topic, "old", 1, true).code, ResultCode::kStale);
    EXPECT_EQ(sets.publish(sets.key_in(2, 1), 6, topic, "other").code, ResultCode::kNoSubscribers);
    EXPECT_EQ(sets.publish(in_b, 8, topic, "newer").code, ResultCode::kNoSubscribers);
    EXPECT_EQ(sets.publish(in_b, 7, topic, "old now").code, ResultCode::kStale);
    EXPECT_EQ(a.counters().publishes, 4U);
    EXPECT_EQ(a.statistics().fences, 2U);
}

TEST_P(Fence, ClientsOfThisSetAreCheckedByTheirSession) {
    const std::uint64_t epoch = sets.open(in_a, 1);
    EXPECT_EQ(sets.publish(in_a, epoch, in_a + "/t", "x").code, ResultCode::kNoSubscribers);
    EXPECT_EQ(sets.publish(in_a, epoch + 1, in_a + "/t", "x").code, ResultCode::kStale);
    EXPECT_EQ(a.statistics().fences, 0U);
}

TEST_P(Fence, IsForgottenWhenTheClientIsQuiet) {
    const std::string topic = in_a + "/t";
    sets.publish(in_b, 7, topic, "x");
    // A publish every 9 s keeps it for 30 s more.
    for (int i = 0; i < 5; ++i) {
        sets.pass_s(9);
        sets.publish(in_b, 7, topic, "x");
    }
    sets.pass_s(30);
    EXPECT_EQ(sets.publish(in_b, 6, topic, "x").code, ResultCode::kStale);
    sets.pass_s(41);
    sets.publish(sets.key_in(2, 1), 1, topic, "x");
    EXPECT_EQ(a.statistics().fences, 1U);
    EXPECT_NE(sets.publish(in_b, 6, topic, "x").code, ResultCode::kStale);
}

TEST_P(Fence, IsNotForgottenByALeaderThatIsNew) {
    const std::string topic = in_a + "/t";
    sets.publish(in_b, 7, topic, "x");
    a.new_leader();
    sets.pass_s(3600);  // A leap of the set's time: nobody led, or a clock was wrong.
    EXPECT_EQ(sets.publish(in_b, 6, topic, "x").code, ResultCode::kStale);
    sets.pass_s(7);
    sets.publish(sets.key_in(2, 1), 1, topic, "x");
    EXPECT_EQ(sets.publish(in_b, 6, topic, "x").code, ResultCode::kStale);
    sets.pass_s(1);
    EXPECT_NE(sets.publish(in_b, 6, topic, "x").code, ResultCode::kStale);
}

TEST_P(Fence, TheOldestGoFirstWhenThereAreTooMany) {
    StateLimits limits;
    limits.fences_max = 2;
    a.limits(limits);
    const std::string topic = in_a + "/t";
    for (int i = 0; i < 3; ++i) {
        sets.publish(sets.key_in(2, i), 7, topic, "x");
        sets.pass_s(1);
    }
    EXPECT_EQ(a.statistics().fences, 2U);
    EXPECT_EQ(a.counters().fences_evicted, 1U);
    EXPECT_EQ(sets.publish(sets.key_in(2, 2), 6, topic, "x").code, ResultCode::kStale);
    EXPECT_NE(sets.publish(sets.key_in(2, 0), 6, topic, "x").code, ResultCode::kStale);
}

TEST_P(WatchedStreams, AreNamedWhenTheyOpenAndClose) {
    Rig rig(GetParam());
    const StreamId s = rig.hello(7, 1, 3);
    EXPECT_THAT(rig.out().opened, ElementsAre(LiveStream{s, 7, 1, 3}));
    EXPECT_EQ(rig.hello(7, 1, 3), s);
    EXPECT_THAT(rig.out().opened, IsEmpty());
    const StreamId other = rig.hello(8, 1, 0);
    EXPECT_THAT(rig.machine().live_streams(),
                ElementsAre(LiveStream{s, 7, 1, 3}, LiveStream{other, 8, 1, 0}));
    const StreamId next = rig.hello(7, 2, 3);
    EXPECT_THAT(rig.out().opened, ElementsAre(LiveStream{next, 7, 2, 3}));
    EXPECT_THAT(rig.out().closed, ElementsAre(s));
    rig.gateway_down(other);
    EXPECT_THAT(rig.out().closed, ElementsAre(other));
    EXPECT_THAT(rig.machine().live_streams(), ElementsAre(LiveStream{next, 7, 2, 3}));
}

}  // namespace
}  // namespace causeway::state
