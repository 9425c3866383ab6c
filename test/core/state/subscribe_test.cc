// Subscriptions, their options and retained messages: «MQTT 5.0 §3.3.1.3, §3.8, §3.10».
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SubscriberTest : public StateTest {
protected:
    StreamId s = rig.hello(1);
    std::uint64_t epoch = rig.open(s, "c", 1);

    SubscriptionRequest request(std::string_view filter, std::uint8_t qos,
                                std::uint8_t retain_handling = 0) {
        SubscriptionRequest made;
        made.filter = filter;
        made.qos = qos;
        made.retain_handling = retain_handling;
        return made;
    }
    void retain(std::string_view topic, std::string_view payload, std::uint8_t qos = 1) {
        rig.publish(topic, payload, qos, true);
    }
    // Retained topics r/0 .. r/count-1.
    void retain_many(int count) {
        std::vector<std::string> commands;
        for (int i = 0; i < count; ++i) {
            const std::string topic = "r/" + std::to_string(i);
            const std::string body = make_body("", "x");
            Publish command;
            command.topic = topic;
            command.body = body;
            command.retain = true;
            commands.push_back(rig.numbered(0, command));
        }
        rig.entry(commands);
    }
    std::vector<std::string> drain(std::vector<std::string> all) {
        while (rig.machine().has_work()) {
            rig.step();
            const auto more = rig.delivered(s);
            EXPECT_LE(more.size(), 256U);
            all.insert(all.end(), more.begin(), more.end());
        }
        return all;
    }
};

CAUSEWAY_STATE_TESTS_OF(Subscriptions, SubscriberTest);
CAUSEWAY_STATE_TESTS_OF(RetainedMessages, SubscriberTest);
CAUSEWAY_STATE_TESTS_OF(RetainedReplay, SubscriberTest);

TEST_P(Subscriptions, AreGrantedAndTakenBack) {  // [MQTT-3.10.4-1] [MQTT-3.3.2-3]
    Subscribe subscribe;
    subscribe.epoch = epoch;
    subscribe.filters = {request("a", 0), request("b/+", 1), request("#", 2)};
    EXPECT_EQ(rig.run(s, subscribe).detail, std::string("\x00\x01\x02", 3));
    EXPECT_EQ(rig.statistics().subscriptions, 3U);
    Unsubscribe unsubscribe;
    unsubscribe.epoch = epoch;
    unsubscribe.filters = {"a", "nothing", "a"};
    EXPECT_EQ(rig.run(s, unsubscribe).detail, std::string("\x00\x11\x11", 3));
    EXPECT_EQ(rig.statistics().subscriptions, 2U);
}

TEST_P(Subscriptions, BeyondTheLimitAreRefusedOneByOne) {  // [MQTT-3.8.4-5]
    StateLimits limits;
    limits.subscriptions_per_session_max = 2;
    rig.limits(limits);
    Subscribe subscribe;
    subscribe.epoch = epoch;
    subscribe.filters = {request("a", 1), request("b", 1), request("c", 1), request("a", 2)};
    EXPECT_EQ(rig.run(s, subscribe).detail, "\x01\x01\x97\x02");
    EXPECT_EQ(rig.statistics().subscriptions, 2U);
}

// [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4]
TEST_P(Subscriptions, ThatOverlapDeliverOnceWithTheHighestQosAndAllIdentifiers) {
    SubscriptionRequest one = request("a/+", 0);
    one.identifier = 9;
    SubscriptionRequest two = request("a/b", 2);
    two.identifier = 3;
    rig.subscribe(s, epoch, one);
    rig.subscribe(s, epoch, two);
    rig.subscribe(s, epoch, "#", 1);
    rig.publish("a/b", "x", 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q2 a/b=x ids 3,9"));
    rig.publish("a/c", "x", 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n2 q1 a/c=x ids 9"));
    rig.close(s, epoch);
    rig.open(s, "c", 2);
    EXPECT_THAT(rig.delivered(s),
                ElementsAre("2 n1 q2 a/b=x dup ids 3,9", "2 n2 q1 a/c=x dup ids 9"));
}

TEST_P(Subscriptions, DeliverAtTheLowerQos) {  // [MQTT-3.8.4-8]
    rig.subscribe(s, epoch, "t", 1);
    rig.publish("t", "x", 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=x"));
    rig.publish("t", "x", 0);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 t=x"));
}

TEST_P(Subscriptions, AreReplacedNotDoubled) {  // [MQTT-3.8.4-3] [MQTT-3.8.4-4]
    rig.subscribe(s, epoch, "t", 0);
    SubscriptionRequest again = request("t", 1);
    again.identifier = 5;
    rig.subscribe(s, epoch, again);
    EXPECT_EQ(rig.statistics().subscriptions, 1U);
    rig.publish("t", "x", 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=x ids 5"));
    rig.unsubscribe(s, epoch, "t");
    EXPECT_EQ(rig.publish("t", "x"), ResultCode::kNoSubscribers);
}

TEST_P(Subscriptions, StayWithASessionThatIsAway) {  // [MQTT-4.5.0-1]
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    EXPECT_EQ(rig.publish("t", "x"), ResultCode::kOk);
    EXPECT_EQ(rig.publish("t", "zero", 0), ResultCode::kOk);
    EXPECT_EQ(rig.publish("u", "x"), ResultCode::kNoSubscribers);
    EXPECT_EQ(rig.counters().inbox_made, 1U) << "QoS 0 is not stored";
}

TEST_P(Subscriptions, NoLocalKeepsOnesOwnMessagesAway) {  // [MQTT-3.8.3-3]
    SubscriptionRequest no_local = request("t", 1);
    no_local.no_local = true;
    rig.subscribe(s, epoch, no_local);
    Publish own;
    own.topic = "t";
    own.epoch = epoch;
    own.client_id = "c";
    EXPECT_EQ(rig.publish(s, own, "mine"), ResultCode::kNoSubscribers);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    const std::uint64_t other = rig.open(s, "other", 2);
    own.epoch = other;
    own.client_id = "other";
    rig.publish(s, own, "theirs");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=theirs"));
    rig.subscribe(s, epoch, "#", 0);
    own.epoch = epoch;
    rig.publish(s, own, "mine");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 t=mine"))
        << "another subscription without no-local";
    const std::uint64_t again = rig.open(s, "c", 3);
    own.epoch = again;
    rig.unsubscribe(s, again, "#");
    EXPECT_EQ(rig.publish(s, own, "mine"), ResultCode::kNoSubscribers) << "after a takeover too";
}

TEST_P(Subscriptions, RetainAsPublished) {  // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    SubscriptionRequest as_published = request("t", 1);
    as_published.retain_as_published = true;
    rig.subscribe(s, epoch, as_published);
    const std::uint64_t other = rig.open(s, "other", 2);
    rig.subscribe(s, other, "t", 1);
    retain("t", "x");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=x retain", "2 n1 q1 t=x"));
    rig.publish("t", "y");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n2 q1 t=y", "2 n2 q1 t=y"));
}

TEST_P(RetainedMessages, TheLastOneOfATopicIsKept) {  // [MQTT-3.3.1-5]
    retain("t", "1");
    retain("t", "2");
    retain("u", "3", 0);
    rig.publish("t", "not retained");
    EXPECT_EQ(rig.statistics().retained_messages, 2U);
    rig.subscribe(s, epoch, "+", 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=2 retain", "1 n0 q0 u=3 retain"));
}

TEST_P(RetainedMessages, StayAsTheyAreWithoutRetain) {  // [MQTT-3.3.1-8]
    retain("r", "kept");
    rig.publish("r", "passing", 1);
    rig.publish("r", "", 1);
    rig.publish("other", "passing", 1);
    EXPECT_EQ(rig.statistics().retained_messages, 1U);
    rig.subscribe(s, epoch, "#", 1);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 r=kept retain"));
}

TEST_P(RetainedMessages, AnEmptyPayloadForgetsAndIsDelivered) {  // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    retain("t", "1");
    rig.subscribe(s, epoch, "t", 1);
    retain("t", "");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n2 q1 t="));
    EXPECT_EQ(rig.statistics().retained_messages, 0U);
    EXPECT_EQ(rig.statistics().retained_bytes, 0U);
}

TEST_P(RetainedMessages, ExpireAndCarryTheirIdentifier) {
    Publish command;
    command.topic = "t";
    command.retain = true;
    command.expiry_s = 10;
    rig.publish(0, command, "x");
    rig.pass_ms(4000);
    SubscriptionRequest with_id = request("t", 1);
    with_id.identifier = 8;
    rig.subscribe(s, epoch, with_id);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=x retain ids 8"));
    EXPECT_EQ(rig.outputs(s).messages[0].expires_at, rig.now() + 6000);
    rig.pass_ms(6000);
    rig.subscribe(s, epoch, with_id);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    EXPECT_EQ(rig.statistics().retained_messages, 0U);
}

// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
TEST_P(RetainedMessages, HandlingSaysWhenTheyAreSent) {
    retain("t", "x");
    rig.subscribe(s, epoch, request("t", 0, 2));
    EXPECT_THAT(rig.delivered(s), IsEmpty()) << "2: never";
    rig.subscribe(s, epoch, request("t", 0, 1));
    EXPECT_THAT(rig.delivered(s), IsEmpty()) << "1: not when the subscription existed";
    rig.subscribe(s, epoch, request("t", 0, 0));
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 t=x retain")) << "0: always";
    rig.unsubscribe(s, epoch, "t");
    rig.subscribe(s, epoch, request("t", 0, 1));
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 t=x retain")) << "1: a new one";
}

TEST_P(RetainedMessages, WildcardsMatchAsForPublishes) {
    retain("$SYS/x", "hidden");
    retain("a", "1");
    retain("a/b", "2");
    retain("a/b/c", "3");
    retain("ab", "4");
    rig.subscribe(s, epoch, "#", 0);
    EXPECT_THAT(rig.delivered(s), SizeIs(4));
    rig.subscribe(s, epoch, "a/#", 0);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 a=1 retain", "1 n0 q0 a/b=2 retain",
                                              "1 n0 q0 a/b/c=3 retain"));
    rig.subscribe(s, epoch, "a/+", 0);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 a/b=2 retain"));
    rig.subscribe(s, epoch, "+/b/#", 0);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 a/b=2 retain", "1 n0 q0 a/b/c=3 retain"));
    rig.subscribe(s, epoch, "$SYS/#", 0);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 $SYS/x=hidden retain"));
}

TEST_P(RetainedMessages, BeyondTheLimitAreRefusedButForgettingNever) {
    StateLimits limits;
    limits.retained_messages_max = 2;
    rig.limits(limits);
    retain("a", "1");
    retain("b", "2");
    rig.subscribe(s, epoch, "c", 1);
    EXPECT_EQ(rig.publish("c", "3", 1, true), ResultCode::kQuotaExceeded);
    EXPECT_THAT(rig.delivered(s), IsEmpty()) << "nothing of a refused publish is done";
    EXPECT_EQ(rig.counters().publishes_refused, 1U);
    EXPECT_EQ(rig.publish("b", "other", 1, true), ResultCode::kNoSubscribers) << "replaced";
    EXPECT_EQ(rig.publish("c", "", 1, true), ResultCode::kOk) << "forgets nothing";
    EXPECT_EQ(rig.publish("a", "", 1, true), ResultCode::kNoSubscribers);
    EXPECT_EQ(rig.publish("c", "3", 1, true), ResultCode::kOk);
}

TEST_P(RetainedMessages, BytesAreLimitedWithTheTopicAndWhatIsReplacedCounts) {
    StateLimits limits;
    limits.retained_bytes_max = 1000;
    rig.limits(limits);
    EXPECT_EQ(rig.publish(std::string(900, 't'), std::string(100, 'x'), 1, true),
              ResultCode::kQuotaExceeded);
    EXPECT_EQ(rig.publish("t", std::string(900, 'x'), 1, true), ResultCode::kNoSubscribers);
    EXPECT_EQ(rig.publish("t", std::string(800, 'y'), 1, true), ResultCode::kNoSubscribers);
    EXPECT_EQ(rig.publish("u", std::string(200, 'x'), 1, true), ResultCode::kQuotaExceeded);
    EXPECT_LE(rig.statistics().retained_bytes, 1000U);
    EXPECT_EQ(rig.publish("t", "", 1, true), ResultCode::kNoSubscribers);
    EXPECT_EQ(rig.statistics().retained_bytes, 0U);
}

TEST_P(RetainedReplay, ManyTopicsComeInSlicesEachOnce) {
    retain_many(700);
    rig.subscribe(s, epoch, "#", 1);
    const std::vector<std::string> first = rig.delivered(s);
    EXPECT_LE(first.size(), 256U);
    EXPECT_FALSE(first.empty());
    EXPECT_TRUE(rig.machine().has_work());
    const std::vector<std::string> all = drain(first);
    ASSERT_THAT(all, SizeIs(700));
    std::set<std::string> topics;
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_THAT(all[i], ::testing::HasSubstr("n" + std::to_string(i + 1) + " "));
        topics.insert(all[i].substr(all[i].find("r/")));
    }
    EXPECT_THAT(topics, SizeIs(700));
}

TEST_P(RetainedReplay, StopsWithTheSubscription) {
    retain_many(700);
    rig.subscribe(s, epoch, "r/+", 1);
    const std::vector<std::string> first = rig.delivered(s);
    rig.unsubscribe(s, epoch, "r/+");
    EXPECT_THAT(drain({}), IsEmpty()) << "[MQTT-3.10.4-2]";
    EXPECT_EQ(rig.counters().inbox_made, first.size());
}

TEST_P(RetainedReplay, GoesOnIntoTheInboxOfASessionThatWasLost) {
    retain_many(700);
    rig.subscribe(s, epoch, "r/+", 1);
    rig.close(s, epoch);
    rig.settle();
    EXPECT_EQ(rig.statistics().inbox_messages, 700U);
    rig.open(s, "c", 2);
    EXPECT_THAT(drain(rig.delivered(s)), SizeIs(700));
}

TEST_P(RetainedReplay, EndsWithTheSession) {
    retain_many(700);
    rig.subscribe(s, epoch, "r/+", 1);
    Open clean;
    clean.client_id = "c";
    clean.nonce = 2;
    clean.clean_start = true;
    rig.open(s, clean);
    EXPECT_THAT(drain({}), IsEmpty());
}

}  // namespace
}  // namespace causeway::state
