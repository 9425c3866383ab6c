// Who owns a session: opening, taking over, closing, expiring, and wills. Rules 5 to 7 of the
// session protocol; «MQTT 5.0 §3.1.2».
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SessionTest : public StateTest {
protected:
    StreamId s = rig.hello(1);
    StreamId t = rig.hello(2);

    Open command(std::uint64_t nonce, std::uint32_t expiry_s, bool clean = false) {
        Open open;
        open.client_id = "c";
        open.nonce = nonce;
        open.session_expiry_interval_s = expiry_s;
        open.clean_start = clean;
        return open;
    }
    Open with_will(Open open, std::uint32_t delay_s) {
        WillView will;
        will.topic = "will";
        will.body = will_body;
        will.delay_s = delay_s;
        will.qos = 1;
        open.will = will;
        return open;
    }
    // How many wills waited for the leader after the last entry.
    std::size_t wills() { return rig.out().self_items.size(); }

    std::string will_body = make_body("", "gone");
};

CAUSEWAY_STATE_TESTS_OF(Lifetime, SessionTest);
CAUSEWAY_STATE_TESTS_OF(Ownership, SessionTest);
CAUSEWAY_STATE_TESTS_OF(Wills, SessionTest);

// [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.2-23]
TEST_P(Lifetime, ASessionIsPresentWhenItWasThere) {
    const OpenAnswer first = rig.open(s, command(1, 60));
    EXPECT_FALSE(first.session_present);
    EXPECT_EQ(first.session_expiry_interval_s, 60U);
    rig.close(s, first.epoch, CloseReason::kNormal);
    const OpenAnswer second = rig.open(t, command(2, 60));
    EXPECT_TRUE(second.session_present);
    EXPECT_GT(second.epoch, first.epoch);
}

TEST_P(Lifetime, CleanStartBeginsANewSession) {  // [MQTT-3.1.2-4] [MQTT-3.1.4-4]
    const OpenAnswer first = rig.open(s, command(1, 60));
    rig.subscribe(s, first.epoch, "x", 1);
    rig.close(s, first.epoch);
    EXPECT_FALSE(rig.open(s, command(2, 60, true)).session_present);
    EXPECT_EQ(rig.statistics().subscriptions, 0U);
    EXPECT_EQ(rig.statistics().sessions, 1U);
}

TEST_P(Lifetime, WithoutExpiryItEndsWithTheConnection) {
    const OpenAnswer first = rig.open(s, command(1, 0));
    rig.subscribe(s, first.epoch, "x", 1);
    rig.close(s, first.epoch);
    EXPECT_EQ(rig.statistics().sessions, 0U);
    EXPECT_EQ(rig.statistics().subscriptions, 0U);
    EXPECT_FALSE(rig.open(s, command(2, 0)).session_present);
}

TEST_P(Lifetime, TakenOverWithOldExpiryZeroItIsNew) {
    rig.open(s, command(1, 0));
    EXPECT_FALSE(rig.open(t, command(2, 60)).session_present);
}

TEST_P(Lifetime, ExpiresInSetTimeAndNotBefore) {  // [MQTT-4.1.0-2]
    const OpenAnswer first = rig.open(s, command(1, 60));
    rig.close(s, first.epoch);
    EXPECT_EQ(rig.machine().next_timer(), rig.now() + 60'000);
    rig.pass_s(59);
    EXPECT_EQ(rig.statistics().sessions, 1U);
    rig.pass_s(1);
    EXPECT_EQ(rig.statistics().sessions, 0U);
    EXPECT_EQ(rig.machine().next_timer(), 0U);
}

TEST_P(Lifetime, IsNotResumedOnceExpiredEvenBeforeTheTimerRan) {
    const OpenAnswer first = rig.open(s, command(1, 60));
    rig.close(s, first.epoch);
    rig.pass_ms(60'000);
    EXPECT_FALSE(rig.open(s, command(2, 60)).session_present);
}

TEST_P(Lifetime, ResumedInTimeItDoesNotExpire) {  // [MQTT-4.1.0-1]
    const OpenAnswer first = rig.open(s, command(1, 60));
    rig.close(s, first.epoch);
    rig.pass_s(30);
    rig.open(s, command(2, 60));
    rig.pass_s(1000);
    EXPECT_EQ(rig.statistics().attached, 1U);
}

TEST_P(Lifetime, DisconnectMayChangeTheExpiry) {
    const OpenAnswer first = rig.open(s, command(1, 60));
    EXPECT_EQ(rig.run(s, Close{first.epoch, CloseReason::kNormal, 10}).code, ResultCode::kOk);
    rig.pass_s(10);
    EXPECT_EQ(rig.statistics().sessions, 0U);
    const OpenAnswer second = rig.open(s, command(2, 60));
    rig.run(s, Close{second.epoch, CloseReason::kNormal, 0});
    EXPECT_EQ(rig.statistics().sessions, 0U);
}

TEST_P(Lifetime, ExpiryIsAtMostTheLimitAndNeverOnlyIfTheLimitSaysSo) {
    StateLimits limits;
    limits.session_expiry_max_s = 100;
    rig.limits(limits);
    EXPECT_EQ(rig.open(s, command(1, kNeverExpires)).session_expiry_interval_s, 100U);
    limits.session_expiry_max_s = kNeverExpires;
    rig.limits(limits);
    const OpenAnswer answer = rig.open(s, command(2, kNeverExpires));
    EXPECT_EQ(answer.session_expiry_interval_s, kNeverExpires);
    rig.close(s, answer.epoch);
    rig.pass_s(std::uint64_t{10} * 365 * 86'400);
    EXPECT_EQ(rig.statistics().sessions, 1U);
}

TEST_P(Lifetime, TheLimitOfSessionsRefusesOnlyNewOnes) {
    StateLimits limits;
    limits.sessions_max = 2;
    rig.limits(limits);
    rig.open(s, "a", 1);
    rig.open(s, "b", 2);
    const std::string before = to_text(rig.statistics());
    EXPECT_EQ(rig.run(s, command(3, 60)).code, ResultCode::kQuotaExceeded);
    EXPECT_EQ(to_text(rig.statistics()), before);
    rig.open(s, "a", 4);
    limits.sessions_max = 1;
    rig.limits(limits);
    Open again = command(5, 60, true);
    again.client_id = "b";
    EXPECT_FALSE(rig.open(s, again).session_present) << "clean start replaces, it adds none";
}

TEST_P(Ownership, OpenSentAgainGetsTheStoredAnswer) {
    const OpenAnswer first = rig.open(s, command(1, 60));
    const OpenAnswer again = rig.open(s, command(1, 60));
    EXPECT_EQ(again.epoch, first.epoch);
    EXPECT_FALSE(again.session_present);
    EXPECT_THAT(rig.outputs(s).takeovers, IsEmpty());
}

TEST_P(Ownership, AnotherConnectionTakesOver) {  // [MQTT-3.1.3-2]
    const OpenAnswer first = rig.open(s, command(1, 60));
    const OpenAnswer second = rig.open(t, command(2, 60));
    EXPECT_TRUE(second.session_present);
    const auto& takeovers = rig.outputs(s).takeovers;
    ASSERT_THAT(takeovers, SizeIs(1));
    EXPECT_EQ(takeovers[0].nonce, 1U);
    EXPECT_EQ(takeovers[0].epoch, first.epoch);
    EXPECT_EQ(rig.statistics().attached, 1U);
    rig.open(t, command(3, 60));
    ASSERT_THAT(rig.outputs(t).takeovers, SizeIs(1)) << "on the same stream, another connection";
    EXPECT_EQ(rig.outputs(t).takeovers[0].nonce, 2U);
}

TEST_P(Ownership, CommandsOfAnOldEpochAreStale) {
    const std::uint64_t old = rig.open(s, command(1, 60)).epoch;
    rig.subscribe(s, old, "x", 2);
    rig.publish("x", "1", 2);
    const std::uint64_t epoch = rig.open(s, command(2, 60)).epoch;
    Subscribe subscribe;
    subscribe.epoch = old;
    subscribe.filters.push_back(SubscriptionRequest{"y", 0, 1, false, false, 0});
    EXPECT_EQ(rig.run(s, subscribe).code, ResultCode::kStale);
    Unsubscribe unsubscribe;
    unsubscribe.epoch = old;
    unsubscribe.filters.push_back("x");
    EXPECT_EQ(rig.run(s, unsubscribe).code, ResultCode::kStale);
    EXPECT_EQ(rig.close(s, old), ResultCode::kStale);
    EXPECT_EQ(rig.run(s, Received{old, 1}).code, ResultCode::kStale);
    EXPECT_EQ(rig.run(s, Release{old, 1}).code, ResultCode::kStale);
    Publish publish;
    publish.epoch = old;
    publish.topic = "x";
    EXPECT_EQ(rig.publish(s, publish, "late"), ResultCode::kStale);
    rig.ack(s, {{old, 1, 1}});
    EXPECT_EQ(rig.statistics().inbox_messages, 1U);
    EXPECT_EQ(rig.counters().inbox_made, 1U);
    EXPECT_EQ(rig.statistics().subscriptions, 1U);
    EXPECT_EQ(rig.close(t, epoch), ResultCode::kStale) << "another stream's";
    EXPECT_EQ(rig.close(s, epoch), ResultCode::kOk);
    EXPECT_EQ(rig.close(s, epoch), ResultCode::kStale) << "closed already";
}

TEST_P(Ownership, EpochsNeverRepeat) {
    std::uint64_t last = 0;
    for (std::uint64_t nonce = 1; nonce < 6; ++nonce) {
        const std::uint64_t epoch = rig.open(s, command(nonce, 0, nonce % 2 == 0)).epoch;
        EXPECT_GT(epoch, last);
        last = epoch;
        rig.close(s, epoch);
    }
}

TEST_P(Ownership, AnOpenFindsTheOwnersStreamDead) {
    const std::uint64_t old = rig.open(s, command(1, 60)).epoch;
    rig.gateway_down(s);
    rig.pass_ms(30'000);
    EXPECT_TRUE(rig.open(t, command(2, 60)).session_present);
    EXPECT_THAT(rig.outputs(s).takeovers, IsEmpty());
    rig.settle();
    EXPECT_EQ(rig.statistics().attached, 1U)
        << "the detach of the dead stream spares the new owner";
    EXPECT_NE(old, 0U);
}

TEST_P(Ownership, ADeadStreamsSessionsExpireAsOfItsDeath) {
    rig.open(s, command(1, 60));
    rig.gateway_down(s);
    rig.pass_ms(60'000);
    EXPECT_FALSE(rig.open(t, command(2, 60)).session_present);
}

TEST_P(Ownership, ADetachedSessionExpiresAsOfTheDeath) {
    rig.open(s, command(1, 60));
    rig.gateway_down(s);
    rig.pass_ms(20'000);
    rig.settle();
    EXPECT_EQ(rig.machine().next_timer(), rig.now() + 40'000);
}

TEST_P(Wills, FireAtOnceWithoutADelay) {  // [MQTT-3.1.2-8]
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 60), 0)).epoch;
    rig.close(s, epoch, CloseReason::kLost);
    ASSERT_EQ(wills(), 1U);
    const SelfItem& item = rig.out().self_items[0];
    EXPECT_EQ(item.topic, "will");
    EXPECT_EQ(payload_of(item.body), "gone");
    EXPECT_EQ(item.client_id, "c");
    EXPECT_EQ(item.qos, 1);
    ASSERT_THAT(rig.machine().read_self(0, 1 << 20), SizeIs(1));
    EXPECT_EQ(rig.machine().read_self(0, 1 << 20)[0].n, item.n);
}

TEST_P(Wills, DoNotFireOnANormalClose) {  // [MQTT-3.1.2-10]
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 0), 0)).epoch;
    rig.close(s, epoch, CloseReason::kNormal);
    EXPECT_EQ(wills(), 0U);
}

TEST_P(Wills, FireWhenTheClientAsksForItWithDisconnect) {
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 60), 0)).epoch;
    rig.close(s, epoch, CloseReason::kWithWill);
    EXPECT_EQ(wills(), 1U);
}

TEST_P(Wills, WaitForTheirDelay) {
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 60), 10)).epoch;
    rig.close(s, epoch);
    EXPECT_EQ(wills(), 0U);
    rig.pass_s(9);
    EXPECT_EQ(wills(), 0U);
    rig.pass_s(1);
    EXPECT_EQ(wills(), 1U);
    rig.pass_s(100);
    EXPECT_EQ(wills(), 0U) << "once";
    EXPECT_EQ(rig.counters().self_made, 1U);
}

TEST_P(Wills, AreCancelledByAResumeWithinTheDelay) {  // [MQTT-3.1.3-9]
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 60), 10)).epoch;
    rig.close(s, epoch);
    rig.pass_s(5);
    rig.open(s, command(2, 60));
    EXPECT_EQ(wills(), 0U);
    rig.pass_s(1000);
    EXPECT_EQ(rig.counters().self_made, 0U);
}

TEST_P(Wills, FireWhenTheDelayWasOverBeforeTheResumeEvenIfNoTimerRan) {
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 60), 10)).epoch;
    rig.close(s, epoch);
    rig.pass_ms(10'000);
    EXPECT_TRUE(rig.open(s, command(2, 60)).session_present);
    EXPECT_EQ(rig.counters().self_made, 1U);
    rig.pass_s(100);
    EXPECT_EQ(rig.counters().self_made, 1U);
}

TEST_P(Wills, FireWhenTheDelayWasOverSinceTheStreamsDeath) {
    rig.open(s, with_will(command(1, 60), 10));
    rig.gateway_down(s);
    rig.pass_ms(10'000);
    EXPECT_TRUE(rig.open(t, command(2, 60)).session_present);
    EXPECT_EQ(rig.counters().self_made, 1U);
}

TEST_P(Wills, FireAtTheSessionsEndIfThatComesFirst) {
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 10), 3600)).epoch;
    rig.close(s, epoch);
    rig.pass_s(10);
    EXPECT_EQ(wills(), 1U);
    EXPECT_EQ(rig.statistics().sessions, 0U);
}

TEST_P(Wills, FireWithExpiryZeroWhateverTheDelay) {
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 0), 3600)).epoch;
    rig.close(s, epoch);
    EXPECT_EQ(wills(), 1U);
}

TEST_P(Wills, FireOnTakeoverWithoutDelayOrWithCleanStart) {
    rig.open(s, with_will(command(1, 60), 0));
    rig.open(s, with_will(command(2, 60), 100));
    EXPECT_EQ(rig.counters().self_made, 1U) << "delay 0";
    rig.open(s, with_will(command(3, 60), 100));
    EXPECT_EQ(rig.counters().self_made, 1U) << "taken over within the delay: cancelled";
    rig.open(s, command(4, 60, true));
    EXPECT_EQ(rig.counters().self_made, 2U) << "clean start ends the session";
    rig.pass_s(1000);
    EXPECT_EQ(rig.counters().self_made, 2U);
}

TEST_P(Wills, FireOnACleanStartWhileTheyWait) {
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 60), 10)).epoch;
    rig.close(s, epoch);
    rig.open(s, command(2, 60, true));
    EXPECT_EQ(wills(), 1U);
}

TEST_P(Wills, AreReplacedByTheNextConnections) {
    const std::uint64_t first = rig.open(s, with_will(command(1, 60), 10)).epoch;
    rig.close(s, first);
    const std::uint64_t second = rig.open(s, command(2, 60)).epoch;
    rig.close(s, second);
    rig.pass_s(1000);
    EXPECT_EQ(rig.counters().self_made, 0U);
}

TEST_P(Wills, AreDeliveredByTheLeadersSelfPublish) {
    const StreamId watcher = rig.hello(3);
    const std::uint64_t watch = rig.open(watcher, "watcher", 9);
    rig.subscribe(watcher, watch, "will", 1);
    const std::uint64_t epoch = rig.open(s, with_will(command(1, 0), 0)).epoch;
    rig.close(s, epoch);
    EXPECT_THAT(rig.delivered(watcher), IsEmpty());
    const std::uint64_t n = rig.out().self_items.at(0).n;
    EXPECT_EQ(rig.run(0, SelfPublish{n, {}, 0}).code, ResultCode::kOk);
    EXPECT_THAT(rig.delivered(watcher), ElementsAre("9 n1 q1 will=gone"));
    EXPECT_EQ(rig.run(0, SelfPublish{n, {}, 0}).code, ResultCode::kNotFound) << "exactly once";
    EXPECT_THAT(rig.delivered(watcher), IsEmpty());
    EXPECT_EQ(rig.counters().self_done, 1U);
}

}  // namespace
}  // namespace causeway::state
