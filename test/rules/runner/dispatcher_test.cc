// Dispatcher, one behaviour at a time.
#include "rules/runner/dispatcher.h"

#include <gtest/gtest.h>

namespace causeway::rules {
namespace {

constexpr SetMs kSetNow = 1'700'000'000'000;

OwedDelivery owed(std::uint64_t n, std::string key = {}, SetMs sent_at = kSetNow) {
    return {n, sent_at, std::move(key), "request " + std::to_string(n)};
}
DeliveryOutcome retry(std::uint64_t after_ms = 0) {
    return {OutcomeKind::kRetry, after_ms, "http 503"};
}
const DeliveryOutcome kDelivered{OutcomeKind::kDelivered, 0, {}};
const DeliveryOutcome kRefused{OutcomeKind::kPermanent, 0, "http 404"};

std::vector<std::uint64_t> started(const DispatchActions& actions) {
    std::vector<std::uint64_t> numbers;
    for (const StartDelivery& start : actions.started) {
        numbers.push_back(start.n);
    }
    return numbers;
}
using Numbers = std::vector<std::uint64_t>;

struct DispatcherTest : testing::Test {
    // Effect: configured, and told of `all` in answer to its first read.
    DispatchActions begin(std::vector<OwedDelivery> all) {
        dispatcher.configure(policy, now);
        return answer(dispatcher.poll(now), std::move(all));
    }
    // Effect: answers the read in `actions`.
    DispatchActions answer(const DispatchActions& actions, std::vector<OwedDelivery> all) {
        EXPECT_TRUE(actions.read);
        dispatcher.taken(actions.read->id, std::move(all), kSetNow, now);
        return dispatcher.poll(now);
    }
    DispatchActions end(std::uint64_t n, const DeliveryOutcome& outcome) {
        dispatcher.ended(n, outcome, now);
        return dispatcher.poll(now);
    }
    // Effect: moves on to the wake-up that the last actions asked for.
    DispatchActions wake(const DispatchActions& last) {
        EXPECT_TRUE(last.wake_at);
        now = last.wake_at.value_or(now);
        return dispatcher.poll(now);
    }

    MonoMs now = 1'000;
    SinkPolicy policy;
    Dispatcher dispatcher{1, without_sweeps()};

    static DispatchLimits without_sweeps() {
        DispatchLimits limits;
        limits.sweep_ms = 1'000'000'000'000;
        return limits;
    }
};
struct SweepTest : DispatcherTest {
    SweepTest() { dispatcher = Dispatcher(1); }
};

TEST_F(DispatcherTest, DoesNothingWithoutAPolicy) {
    dispatcher.ready();
    const DispatchActions actions = dispatcher.poll(now);
    EXPECT_FALSE(actions.read);
    EXPECT_FALSE(actions.wake_at);
}

TEST_F(DispatcherTest, ReadsStartsAndEnds) {
    const DispatchActions first = begin({owed(3), owed(5)});
    EXPECT_EQ(started(first), (Numbers{3, 5}));
    EXPECT_EQ(first.started[0].request.view(), "request 3");
    ASSERT_TRUE(first.read);
    EXPECT_EQ(first.read->after, 5U);
    const DispatchActions after = end(3, kDelivered);
    ASSERT_EQ(after.ended.size(), 1U);
    EXPECT_EQ(after.ended[0].n, 3U);
    EXPECT_TRUE(after.ended[0].delivered);
    EXPECT_EQ(dispatcher.counters().delivered, 1U);
    EXPECT_EQ(dispatcher.in_flight(), 1U);
}

TEST_F(DispatcherTest, AnEmptyAnswerEndsReadingUntilReady) {
    DispatchActions actions = answer(begin({owed(1)}), {});
    EXPECT_FALSE(actions.read);
    dispatcher.ready();
    actions = dispatcher.poll(now);
    ASSERT_TRUE(actions.read);
    dispatcher.ready();  // While the read is under way: its answer may be from before.
    EXPECT_FALSE(dispatcher.poll(now).read);
    EXPECT_TRUE(answer(actions, {}).read);
}

TEST_F(DispatcherTest, KeepsToTheWindow) {
    policy.max_in_flight = 2;
    EXPECT_EQ(started(begin({owed(1), owed(2), owed(3), owed(4)})), (Numbers{1, 2}));
    EXPECT_EQ(started(end(2, kDelivered)), (Numbers{3}));
    EXPECT_EQ(started(end(1, retry())), (Numbers{4}));
}

TEST_F(DispatcherTest, RefusedIsDeadLetteredWithTheReason) {
    policy.dead_letter = "lost";
    begin({owed(1)});
    const DispatchActions actions = end(1, kRefused);
    ASSERT_EQ(actions.ended.size(), 1U);
    EXPECT_FALSE(actions.ended[0].delivered);
    EXPECT_EQ(actions.ended[0].reason, "http 404");
    EXPECT_EQ(actions.ended[0].dead_letter, "lost");
    EXPECT_EQ(dispatcher.counters().refused, 1U);
}

TEST_F(DispatcherTest, BacksOffTwiceAsLongEachTimeWithJitter) {
    policy.backoff_initial_ms = 1'000;
    policy.backoff_max_ms = 10'000;
    policy.breaker.failures = 0;
    DispatchActions actions = answer(begin({owed(1)}), {});
    for (const std::uint64_t full : {1'000U, 2'000U, 4'000U, 8'000U, 10'000U, 10'000U}) {
        const MonoMs failed_at = now;
        actions = end(1, retry());
        EXPECT_TRUE(actions.started.empty());
        while (actions.started.empty()) {
            actions = wake(actions);
        }
        EXPECT_GE(now - failed_at, full / 2);
        EXPECT_LE(now - failed_at, full);
    }
    EXPECT_EQ(actions.started[0].attempt, 7U);
    EXPECT_EQ(dispatcher.counters().retried, 6U);
}

TEST_F(DispatcherTest, RetryAfterHoldsTheWholeSink) {
    policy.max_in_flight = 1;
    answer(begin({owed(1), owed(2)}), {});
    DispatchActions actions = end(1, retry(7'000));
    EXPECT_TRUE(actions.started.empty()) << "the receiver wants nothing, not even another";
    EXPECT_EQ(actions.wake_at, now + 7'000);
    EXPECT_EQ(started(wake(actions)), (Numbers{1}));
}

TEST_F(DispatcherTest, GivesUpAfterTheAttempts) {
    policy.attempts_max = 2;
    policy.dead_letter = "lost";
    DispatchActions actions = answer(begin({owed(1)}), {});
    actions = wake(end(1, retry()));
    EXPECT_EQ(started(actions), (Numbers{1}));
    actions = end(1, retry());
    ASSERT_EQ(actions.ended.size(), 1U);
    EXPECT_EQ(actions.ended[0].reason, "given up after 2 attempts: http 503");
    EXPECT_EQ(actions.ended[0].dead_letter, "lost");
    EXPECT_EQ(dispatcher.counters().attempts_exceeded, 1U);
    EXPECT_EQ(dispatcher.counters().retried, 1U);
}

TEST_F(DispatcherTest, EndsByAgeBeforeAndAfterAttempts) {
    policy.age_max_ms = 10'000;
    policy.breaker.failures = 0;
    DispatchActions actions =
        answer(begin({owed(1, "", kSetNow - 10'000), owed(2, "", kSetNow - 9'900)}), {});
    ASSERT_EQ(actions.ended.size() + dispatcher.counters().too_old, 1U) << "told by the first poll";
    actions = end(2, retry());
    actions = wake(actions);
    EXPECT_EQ(now, 1'100U);
    ASSERT_EQ(actions.ended.size(), 1U);
    EXPECT_EQ(actions.ended[0].reason, "too old after 1 attempts: http 503");
    EXPECT_EQ(dispatcher.counters().too_old, 2U);
}

TEST_F(DispatcherTest, OneOfAKeyAtATimeAndInOrder) {
    policy.ordered_by_key = true;
    EXPECT_EQ(started(begin({owed(1, "a"), owed(2, "a"), owed(3, "b"), owed(4), owed(5)})),
              (Numbers{1, 3, 4, 5}))
        << "without a key there is no order";
    DispatchActions actions = end(1, retry());
    EXPECT_TRUE(actions.started.empty()) << "2 waits while 1 backs off";
    actions = wake(actions);
    EXPECT_EQ(started(actions), (Numbers{1}));
    EXPECT_EQ(started(end(1, kRefused)), (Numbers{2}));
}

TEST_F(DispatcherTest, BreakerOpensProbesAndCloses) {
    policy.breaker = {3, 1'000, 4'000};
    policy.max_in_flight = 3;
    policy.backoff_initial_ms = 1;
    policy.backoff_max_ms = 1;
    std::vector<OwedDelivery> all;
    for (std::uint64_t n = 1; n <= 10; ++n) {
        all.push_back(owed(n));
    }
    answer(begin(std::move(all)), {});
    dispatcher.ended(1, retry(), now);
    dispatcher.ended(2, retry(), now);
    EXPECT_EQ(dispatcher.breaker(), BreakerState::kClosed);
    DispatchActions actions = end(3, retry());
    EXPECT_EQ(dispatcher.breaker(), BreakerState::kOpen);
    EXPECT_TRUE(actions.started.empty());
    std::uint64_t probe = 0;
    for (const std::uint64_t open_ms : {1'000U, 2'000U, 4'000U, 4'000U}) {
        const MonoMs opened = now;
        while (actions.started.empty()) {
            actions = wake(actions);
            ASSERT_LE(now, opened + open_ms);
        }
        EXPECT_EQ(now, opened + open_ms);
        EXPECT_EQ(actions.started.size(), 1U) << "one probe";
        EXPECT_EQ(dispatcher.breaker(), BreakerState::kHalfOpen);
        probe = actions.started[0].n;
        if (open_ms == 4'000U && opened > 7'000U) {
            break;
        }
        actions = end(probe, retry());
        EXPECT_EQ(dispatcher.breaker(), BreakerState::kOpen);
    }
    actions = end(probe, kDelivered);
    EXPECT_EQ(dispatcher.breaker(), BreakerState::kClosed);
    EXPECT_EQ(actions.started.size(), 3U);
}

TEST_F(DispatcherTest, ARefusalIsAnAnswerAndKeepsTheBreakerClosed) {
    policy.breaker.failures = 2;
    answer(begin({owed(1), owed(2), owed(3)}), {});
    end(1, retry());
    end(2, kRefused);
    end(3, retry());
    EXPECT_EQ(dispatcher.breaker(), BreakerState::kClosed);
}

TEST_F(DispatcherTest, ANewConfigurationProbesAtOnce) {
    policy.breaker = {1, 60'000, 60'000};
    policy.backoff_initial_ms = policy.backoff_max_ms = 1;
    answer(begin({owed(1), owed(2)}), {});
    end(1, retry());
    now += 10;
    EXPECT_TRUE(end(2, retry()).started.empty());
    now += 10;
    dispatcher.configure(policy, now);
    EXPECT_EQ(started(dispatcher.poll(now)), (Numbers{1}));
}

TEST_F(DispatcherTest, AnAbsentSinkKeepsWhatItIsOwed) {
    policy.max_in_flight = 1;
    answer(begin({owed(1), owed(2)}), {});
    dispatcher.configure(std::nullopt, now);
    EXPECT_EQ(dispatcher.held(), 1U);
    DispatchActions actions = end(1, kDelivered);
    EXPECT_EQ(actions.ended.size(), 1U) << "what was in flight still ends";
    EXPECT_TRUE(actions.started.empty());
    EXPECT_FALSE(actions.read);
    dispatcher.configure(policy, now);
    actions = dispatcher.poll(now);
    ASSERT_TRUE(actions.read);
    EXPECT_EQ(actions.read->after, 0U);
    // The end of 1 is not applied yet: it is known and not tried again.
    EXPECT_EQ(started(answer(actions, {owed(1), owed(2)})), (Numbers{2}));
}

TEST_F(DispatcherTest, ChangingTheOrderLosesAndDoublesNothing) {
    const DispatchActions first = begin({owed(1, "a"), owed(2, "a")});
    EXPECT_EQ(started(first), (Numbers{1, 2}));
    policy.ordered_by_key = true;
    dispatcher.configure(policy, now);
    end(1, retry());
    const DispatchActions actions = answer(first, {owed(3, "a")});
    EXPECT_TRUE(actions.started.empty()) << "2 of the key is still in flight";
    now += 60'000;
    EXPECT_TRUE(dispatcher.poll(now).started.empty());
    EXPECT_EQ(started(end(2, kDelivered)), (Numbers{1}));
    policy.ordered_by_key = false;
    dispatcher.configure(policy, now);
    EXPECT_EQ(started(dispatcher.poll(now)), (Numbers{3}));
}

TEST_F(SweepTest, ALostEndIsSentAgainAndNotTheDelivery) {
    DispatchActions actions = answer(begin({owed(1)}), {});
    actions = end(1, kDelivered);
    EXPECT_EQ(actions.ended.size(), 1U);
    actions = wake(actions);
    ASSERT_TRUE(actions.read) << "a sweep makes sure of it";
    EXPECT_EQ(actions.read->after, 0U);
    actions = answer(actions, {owed(1)});
    EXPECT_TRUE(actions.started.empty());
    ASSERT_EQ(actions.ended.size(), 1U);
    EXPECT_EQ(actions.ended[0].n, 1U);
    EXPECT_EQ(dispatcher.counters().ends_repeated, 1U);
    actions = answer(actions, {});
    actions = answer(wake(actions), {});
    EXPECT_EQ(dispatcher.settled(), 0U);
    EXPECT_FALSE(actions.wake_at) << "idle";
}

TEST_F(SweepTest, ASweepFindsWhatAnotherLeaderLeftAndForgetsWhatItEnded) {
    policy.max_in_flight = 1;
    DispatchActions actions = answer(begin({owed(5), owed(6), owed(7)}), {});
    actions = wake(actions);
    ASSERT_TRUE(actions.read);
    EXPECT_EQ(started(answer(actions, {owed(4), owed(7)})), (Numbers{}));
    EXPECT_EQ(dispatcher.counters().gone, 1U) << "6 was evicted; 5 is in flight";
    EXPECT_EQ(started(end(5, kDelivered)), (Numbers{4}));
}

TEST_F(DispatcherTest, AFollowerForgetsAndANewLeaderBeginsFromTheFront) {
    policy.max_in_flight = 1;
    DispatchActions actions = begin({owed(1), owed(2), owed(3)});
    end(1, kDelivered);
    dispatcher.lead(false);
    EXPECT_TRUE(dispatcher.poll(now).started.empty());
    dispatcher.taken(actions.read->id, {owed(9)}, kSetNow, now);
    EXPECT_EQ(dispatcher.held(), 1U) << "a late answer is ignored; 2 is in flight";
    dispatcher.lead(true);
    actions = dispatcher.poll(now);
    ASSERT_TRUE(actions.read);
    EXPECT_EQ(actions.read->after, 0U);
    EXPECT_TRUE(answer(actions, {owed(2), owed(3)}).started.empty());
    EXPECT_EQ(started(end(2, kDelivered)), (Numbers{3})) << "and 2 is not begun twice";
}

TEST_F(DispatcherTest, ReadAheadIsBoundedInBytesAndItems) {
    DispatchLimits limits;
    limits.ahead_bytes = 100;
    limits.ahead_items = 1'000;
    policy.max_in_flight = 1;
    Dispatcher small(1, limits);
    small.configure(policy, now);
    DispatchActions actions = small.poll(now);
    std::vector<OwedDelivery> all;
    for (std::uint64_t n = 1; n <= 50; ++n) {
        all.push_back(owed(n));
    }
    small.taken(actions.read->id, all, kSetNow, now);
    actions = small.poll(now);
    EXPECT_LE(small.held_bytes(), 100U + 10U);
    EXPECT_FALSE(actions.read) << "until half of it is gone";
    for (std::uint64_t n = 1; !actions.read; ++n) {
        ASSERT_LE(n, 10U);
        small.ended(n, kDelivered, now);
        actions = small.poll(now);
    }
    EXPECT_EQ(actions.read->after, 11U) << "goes on behind what it took";
}

TEST_F(DispatcherTest, BeginsNothingWhileTheLogTakesNoEnds) {
    DispatchLimits limits;
    limits.settled_soft = 2;
    limits.settled_hard = 3;
    policy.max_in_flight = 1;
    Dispatcher stuck(1, limits);
    stuck.configure(policy, now);
    stuck.taken(stuck.poll(now).read->id, {owed(1), owed(2), owed(3), owed(4)}, kSetNow, now);
    for (std::uint64_t n = 1; n <= 3; ++n) {
        EXPECT_EQ(started(stuck.poll(now)), (Numbers{n}));
        stuck.ended(n, kDelivered, now);
    }
    EXPECT_TRUE(stuck.poll(now).started.empty());
    // The first read behind 4 is still under way; then a sweep comes soon and finds them applied.
    DispatchActions actions;
    for (int i = 0; i < 10 && actions.started.empty(); ++i) {
        stuck.taken(4 - 2, {}, kSetNow, now);
        actions = stuck.poll(now);
        now += 250;
        if (actions.read) {
            stuck.taken(
                actions.read->id,
                actions.read->after == 0 ? std::vector{owed(4)} : std::vector<OwedDelivery>{},
                kSetNow, now);
        }
    }
    EXPECT_EQ(started(actions), (Numbers{4}));
}

}  // namespace
}  // namespace causeway::rules
