// Subscriptions whose messages are in other sets: who is told, when the SUBSCRIBE is answered, and
// what is retained there. Rule 17 of the session protocol.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/sets.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class InterestsTest : public ::testing::TestWithParam<Rig::Mode> {
protected:
    InterestsTest() {
        sets.on_outputs = [this](std::uint32_t set, const Outputs& out) {
            for (const StreamOutputs& stream : out.streams) {
                for (const Settled& settled : stream.settled) {
                    EXPECT_EQ(stream.stream, sets.stream(set));
                    settled_.push_back(settled);
                }
                for (const Delivery& delivery : stream.deliveries) {
                    delivered_.push_back(to_text(stream, delivery));
                }
            }
        };
    }
    std::vector<std::string> delivered() { return std::exchange(delivered_, {}); }
    std::vector<Settled> settled() { return std::exchange(settled_, {}); }

    Sets sets{3, GetParam()};
    std::string in_1 = sets.key_in(1);
    std::string in_2 = sets.key_in(2);
    std::string in_3 = sets.key_in(3);
    // The home of most clients here is set 1.
    std::uint64_t epoch = sets.open(in_1, 1);

private:
    std::vector<std::string> delivered_;
    std::vector<Settled> settled_;
};

#define CAUSEWAY_INTERESTS_TESTS(Suite)    \
    class Suite : public InterestsTest {}; \
    INSTANTIATE_TEST_SUITE_P(              \
        Modes, Suite, ::testing::Values(Rig::Mode::kLive, Rig::Mode::kRestarting), mode_name)

CAUSEWAY_INTERESTS_TESTS(Interest);
CAUSEWAY_INTERESTS_TESTS(LateAnswer);
CAUSEWAY_INTERESTS_TESTS(RetainedElsewhere);

std::uint64_t made(Rig& rig) {
    std::uint64_t all = 0;
    for (const PeerStatus& peer : rig.machine().peers()) {
        all += peer.made;
    }
    return all;
}

TEST_P(Interest, OfTopicsOfTheSetItselfNeedsNobody) {
    const CommandResult result = sets.subscribe(in_1, epoch, in_1 + "/#");
    EXPECT_EQ(result.code, ResultCode::kOk);
    EXPECT_EQ(result.detail, std::string(1, '\1'));
    EXPECT_EQ(made(sets.rig(1)), 0U);
}

TEST_P(Interest, WithALiteralKeyIsOneSetsWithAWildcardAllSets) {
    EXPECT_EQ(sets.subscribe(in_1, epoch, in_2 + "/#").code, ResultCode::kLater);
    sets.pump();
    EXPECT_EQ(sets.rig(2).statistics().held_interests, 1U);
    EXPECT_EQ(sets.rig(3).statistics().held_interests, 0U);
    for (const char* filter : {"#", "+", "p/+/t", "+/d1", "p/#"}) {
        EXPECT_EQ(sets.subscribe(in_1, epoch, filter).code, ResultCode::kLater) << filter;
    }
    sets.pump();
    EXPECT_EQ(sets.rig(2).statistics().held_interests, 6U);
    EXPECT_EQ(sets.rig(3).statistics().held_interests, 5U);
    EXPECT_EQ(sets.interests_differ(), "");
}

TEST_P(Interest, OneItemForASetThatWantsAMessage) {
    const std::string other = sets.key_in(1, 1);
    const std::uint64_t second = sets.open(other, 2);
    sets.subscribe(in_1, epoch, "#");
    sets.subscribe(in_1, epoch, in_2 + "/t");
    sets.subscribe(other, second, in_2 + "/+");
    sets.pump();
    const std::uint64_t before = made(sets.rig(2));
    EXPECT_EQ(sets.publish(in_3, 1, in_2 + "/t", "x").code, ResultCode::kOk);
    EXPECT_EQ(made(sets.rig(2)), before + 1);
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("1 n1 q1 " + in_2 + "/t=x", "2 n1 q1 " + in_2 + "/t=x"));
}

TEST_P(Interest, TheSecondSubscriptionNeedsNobodyAndTheLastOneGoesQuietly) {
    const std::string other = sets.key_in(1, 1);
    const std::uint64_t second = sets.open(other, 2);
    sets.subscribe(in_1, epoch, in_2 + "/t");
    sets.pump();
    SubscriptionRequest request;
    const std::string filter = in_2 + "/t";
    request.filter = filter;
    request.qos = 1;
    request.retain_handling = 2;
    const std::uint64_t before = made(sets.rig(1));
    EXPECT_EQ(sets.subscribe(other, second, {request}).code, ResultCode::kOk);
    EXPECT_EQ(sets.subscribe(other, second, {request}).code, ResultCode::kOk);
    EXPECT_EQ(sets.unsubscribe(in_1, epoch, filter).code, ResultCode::kOk);
    EXPECT_EQ(made(sets.rig(1)), before);
    EXPECT_EQ(sets.unsubscribe(other, second, filter).detail, std::string(1, '\0'));
    EXPECT_EQ(made(sets.rig(1)), before + 1);
    sets.pump();
    EXPECT_EQ(sets.interests_differ(), "");
    EXPECT_EQ(sets.publish(in_3, 1, filter, "x").code, ResultCode::kNoSubscribers);
}

TEST_P(Interest, TheOrderOfTheStreamDecides) {
    const std::string filter = in_2 + "/t";
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(sets.subscribe(in_1, epoch, filter).code, ResultCode::kLater);
        sets.unsubscribe(in_1, epoch, filter);
    }
    sets.subscribe(in_1, epoch, filter);
    sets.pump();
    EXPECT_EQ(sets.interests_differ(), "");
    EXPECT_EQ(sets.rig(2).statistics().held_interests, 1U);
    EXPECT_THAT(settled(), SizeIs(5));
    sets.publish(in_3, 1, filter, "x");
    sets.pump();
    EXPECT_THAT(delivered(), SizeIs(1));
}

TEST_P(Interest, EndsWithTheSession) {
    sets.subscribe(in_1, epoch, "#");
    sets.subscribe(in_1, epoch, in_3 + "/#");
    sets.pump();
    Close close;
    close.epoch = epoch;
    close.session_expiry_interval_s = 0;
    sets.run(1, close);
    sets.pump();
    EXPECT_EQ(sets.interests_differ(), "");
    EXPECT_EQ(sets.rig(3).statistics().held_interests, 0U);
    EXPECT_EQ(sets.rig(1).statistics().asked_interests, 0U);
}

TEST_P(Interest, OptionsAreTheHomesBusiness) {
    SubscriptionRequest request;
    request.filter = "#";
    request.qos = 2;
    request.identifier = 7;
    request.no_local = true;
    request.retain_as_published = true;
    sets.subscribe(in_1, epoch, {request});
    const std::string other = sets.key_in(1, 1);
    const std::uint64_t second = sets.open(other, 2);
    sets.subscribe(other, second, "p/#");
    sets.pump();
    // Its own message goes to the other only.
    sets.publish(in_1, epoch, in_2 + "/t", "own", 1, true);
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("2 n1 q1 " + in_2 + "/t=own"));
    // Another set's client with the same epoch is somebody else.
    sets.publish(in_2, epoch, in_3 + "/t", "else", 1, true);
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("1 n1 q1 " + in_3 + "/t=else retain ids 7",
                                         "2 n2 q1 " + in_3 + "/t=else"));
}

TEST_P(Interest, MessagesExpireOnTheirWay) {
    sets.subscribe(in_1, epoch, "#");
    sets.pump();
    Publish command;
    const std::string topic = in_2 + "/t";
    command.topic = topic;
    command.expiry_s = 2;
    sets.publish(in_3, 1, command, "late");
    sets.pass_s(3);
    command.expiry_s = 60;
    sets.publish(in_3, 1, command, "in time");
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("1 n1 q1 " + topic + "=in time"));
    EXPECT_EQ(sets.rig(1).counters().peer_expired, 1U);
}

TEST_P(Interest, TooManyAtOnceAreRefused) {
    StateLimits limits;
    limits.peer_messages_max = 4;
    sets.rig(1).limits(limits);
    const auto code = [&](const std::string& filter) {
        return sets.subscribe(in_1, epoch, filter).detail;
    };
    EXPECT_EQ(code(in_2 + "/1"), std::string(1, '\1'));  // an interest and a question each
    EXPECT_EQ(code(in_2 + "/2"), std::string(1, '\1'));
    EXPECT_EQ(code(in_2 + "/3"), std::string(1, '\x97'));
    EXPECT_EQ(code(in_3 + "/1"), std::string(1, '\1')) << "another stream";
    sets.unsubscribe(in_1, epoch, in_2 + "/1");
    sets.pump();
    EXPECT_EQ(code(in_2 + "/3"), std::string(1, '\1'));
    sets.pump();
    EXPECT_EQ(sets.interests_differ(), "");
}

TEST_P(LateAnswer, ComesWhenAllHaveAppliedIt) {
    EXPECT_EQ(sets.subscribe(in_1, epoch, "#", 2).code, ResultCode::kLater);
    const std::uint64_t seq = sets.rig(1).last_result(sets.stream(1)).seq;
    EXPECT_EQ(sets.rig(1).statistics().waiting_subscribes, 1U);
    const auto acknowledge = [&](std::uint32_t set) {
        sets.lead(1, PeerAcked{GroupId(set), 1});
        return settled();
    };
    EXPECT_THAT(acknowledge(3), IsEmpty());
    EXPECT_THAT(acknowledge(3), IsEmpty());
    const std::vector<Settled> got = acknowledge(2);
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].nonce, 1U);
    EXPECT_EQ(got[0].epoch, epoch);
    EXPECT_EQ(got[0].seq, seq);
    EXPECT_EQ(got[0].detail, std::string(1, '\2'));
    EXPECT_EQ(sets.rig(1).statistics().waiting_subscribes, 0U);
    sets.pass_s(6);
    EXPECT_THAT(settled(), IsEmpty()) << "once";
}

TEST_P(LateAnswer, IsRefusedAfterFiveSeconds) {
    std::vector<SubscriptionRequest> requests(3);
    const std::string own = in_1 + "/t";
    const std::string there = in_2 + "/t";
    requests[0].filter = own;
    requests[1].filter = "#";
    requests[2].filter = there;
    EXPECT_EQ(sets.subscribe(in_1, epoch, requests).code, ResultCode::kLater);
    // Set 2 answers, set 3 does not.
    const PeerBatch batch = sets.rig(1).machine().read_peer(GroupId(2), 0, 1000);
    sets.lead(2, PeerItems{GroupId(1), batch.first, batch.items});
    sets.lead(1, PeerAcked{GroupId(2), batch.last});
    sets.pass_ms(4999);
    sets.step(1);
    EXPECT_THAT(settled(), IsEmpty());
    EXPECT_NE(sets.rig(1).machine().next_timer(), 0U);
    sets.pass_ms(1);
    sets.step(1);
    const std::vector<Settled> got = settled();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].detail, std::string("\0\x80\0", 3));
    EXPECT_EQ(sets.rig(1).counters().subscribes_timed_out, 1U);
    EXPECT_EQ(sets.rig(1).statistics().subscriptions, 2U);
    sets.pump();
    EXPECT_EQ(sets.interests_differ(), "") << "the refused one is withdrawn";
    EXPECT_EQ(sets.rig(3).statistics().held_interests, 0U);
}

TEST_P(LateAnswer, OfAnOlderSubscribeLeavesTheNewerOneAlone) {
    sets.subscribe(in_1, epoch, "#", 1);
    sets.pass_ms(3000);
    EXPECT_EQ(sets.subscribe(in_1, epoch, "#", 2).code, ResultCode::kLater);
    sets.pass_ms(2000);
    sets.step(1);
    ASSERT_THAT(settled(), SizeIs(1)) << "0x80 for the first";
    EXPECT_EQ(sets.rig(1).statistics().subscriptions, 1U);
    sets.pump();
    const std::vector<Settled> got = settled();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].detail, std::string(1, '\2'));
    EXPECT_EQ(sets.interests_differ(), "");
}

TEST_P(LateAnswer, IsForTheConnectionThatAskedOnly) {
    sets.subscribe(in_1, epoch, "#", 1);
    const std::uint64_t next = sets.open(in_1, 2);
    EXPECT_GT(next, epoch);
    sets.pump();
    EXPECT_THAT(settled(), IsEmpty());
    EXPECT_EQ(sets.rig(1).statistics().subscriptions, 1U) << "the session has it";
    sets.publish(in_3, 1, in_2 + "/t", "x");
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("2 n1 q1 " + in_2 + "/t=x"));
}

TEST_P(LateAnswer, WithoutTheConnectionTheSessionKeepsIt) {
    sets.subscribe(in_1, epoch, "#", 1);
    sets.run(1, Close{epoch, CloseReason::kLost, std::nullopt});
    sets.pass_s(6);
    EXPECT_THAT(settled(), IsEmpty());
    EXPECT_EQ(sets.rig(1).statistics().subscriptions, 1U);
    EXPECT_EQ(sets.rig(1).statistics().waiting_subscribes, 0U);
    sets.pump();
    EXPECT_EQ(sets.interests_differ(), "");
}

TEST_P(LateAnswer, OfASessionThatEndedIsNobodys) {
    const std::string other = sets.key_in(1, 1);
    const std::uint64_t ending = sets.open(other, 2, 0);
    sets.subscribe(other, ending, "#");
    sets.run(1, Close{ending, CloseReason::kNormal, std::nullopt});
    sets.pump();
    sets.pass_s(6);
    EXPECT_THAT(settled(), IsEmpty());
    EXPECT_EQ(sets.interests_differ(), "");
}

TEST_P(LateAnswer, ACommandSentAgainIsStillLater) {
    Subscribe command;
    command.epoch = epoch;
    command.filters.emplace_back().filter = "#";
    const std::string bytes = sets.rig(1).numbered(sets.stream(1), command);
    sets.rig(1).entry({bytes});
    sets.rig(1).entry({bytes});
    EXPECT_EQ(sets.rig(1).last_result(sets.stream(1)).code, ResultCode::kLater);
    EXPECT_EQ(sets.rig(1).statistics().waiting_subscribes, 1U);
}

TEST_P(LateAnswer, TooManyThatWaitAreRefused) {
    StateLimits limits;
    limits.waiting_subscribes_max = 1;
    sets.rig(1).limits(limits);
    EXPECT_EQ(sets.subscribe(in_1, epoch, in_2 + "/1").code, ResultCode::kLater);
    EXPECT_EQ(sets.subscribe(in_1, epoch, in_2 + "/2").detail, std::string(1, '\x97'));
    EXPECT_EQ(sets.subscribe(in_1, epoch, in_1 + "/1").detail, std::string(1, '\1'));
}

TEST_P(RetainedElsewhere, ComesOnceForEachSubscribe) {
    for (const std::string& key : {in_1, in_2, in_3}) {
        sets.publish(sets.key_in(2, 5), 0, key + "/r", "kept", 1, true);
        sets.publish(sets.key_in(2, 5), 0, key + "/s", "other", 1, true);
    }
    delivered();
    SubscriptionRequest request;
    request.filter = "p/+/r";
    request.qos = 1;
    request.identifier = 4;
    sets.subscribe(in_1, epoch, {request});
    sets.pump();
    EXPECT_THAT(delivered(),
                ::testing::UnorderedElementsAre("1 n1 q1 " + in_1 + "/r=kept retain ids 4",
                                                "1 n2 q1 " + in_2 + "/r=kept retain ids 4",
                                                "1 n3 q1 " + in_3 + "/r=kept retain ids 4"));
    sets.subscribe(in_1, epoch, {request});
    sets.pump();
    EXPECT_THAT(delivered(), SizeIs(3));
    request.retain_handling = 1;
    sets.subscribe(in_1, epoch, {request});
    request.retain_handling = 2;
    sets.subscribe(in_1, epoch, {request});
    sets.pump();
    EXPECT_THAT(delivered(), IsEmpty());
    sets.unsubscribe(in_1, epoch, "p/+/r");
    request.retain_handling = 1;
    sets.subscribe(in_1, epoch, {request});
    sets.pump();
    EXPECT_THAT(delivered(), SizeIs(3)) << "new again";
}

TEST_P(RetainedElsewhere, IsNotForASubscriptionThatIsGone) {
    sets.publish(sets.key_in(3, 5), 1, in_2 + "/r", "kept", 1, true);
    sets.subscribe(in_1, epoch, in_2 + "/r");
    sets.unsubscribe(in_1, epoch, in_2 + "/r");
    sets.pump();
    EXPECT_THAT(delivered(), IsEmpty());
}

TEST_P(RetainedElsewhere, WaitsForRoomInTheStream) {
    StateLimits limits;
    limits.peer_messages_max = 600;
    sets.limits(limits);
    sets.batch_bytes = 20'000;
    std::vector<std::string> commands;
    for (int i = 0; i < 1000; ++i) {
        Publish command;
        const std::string topic = in_2 + "/r/" + std::to_string(i);
        const std::string body = make_body("", "kept");
        command.topic = topic;
        command.body = body;
        command.retain = true;
        commands.push_back(sets.rig(2).numbered(0, command));
    }
    sets.rig(2).entry(commands);
    sets.subscribe(in_1, epoch, in_2 + "/#", 1);
    // Set 2 hears the question; its answers wait while nobody takes them.
    const PeerBatch batch = sets.rig(1).machine().read_peer(GroupId(2), 0, 1000);
    sets.lead(2, PeerItems{GroupId(1), batch.first, batch.items});
    sets.rig(2).settle();
    EXPECT_EQ(sets.rig(2).statistics().parked_work, 1U);
    EXPECT_LT(sets.rig(2).machine().peers().at(0).messages, 600U);
    sets.pump();
    EXPECT_EQ(sets.rig(2).statistics().parked_work, 0U);
    EXPECT_EQ(sets.rig(2).counters().peer_evicted, 0U);
    EXPECT_THAT(delivered(), SizeIs(1000));
}

}  // namespace
}  // namespace causeway::state
