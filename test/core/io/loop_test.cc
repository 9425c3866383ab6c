#include "core/io/loop.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <thread>
#include <vector>

#include "core/io/clock.h"
#include "core/io/mailbox.h"
#include "core/io/precise_timer.h"
#include "core/io/signals.h"
#include "core/io/timer.h"
#include "test/core/io/support.h"

namespace causeway::io {
namespace {

TEST(Loop, StopBeforeRunReturnsAtOnceAndRunWorksAgain) {
    Loop loop;
    loop.stop();
    loop.run();
    bool ran = false;
    loop.post([&] {
        ran = true;
        loop.stop();
    });
    loop.run();
    EXPECT_TRUE(ran);
}

TEST(Loop, PostsOfOneThreadRunInOrderOnTheLoopsThread) {
    Loop loop;
    constexpr int kCount = 20'000;
    std::vector<int> seen;
    std::thread::id ran_on;
    std::thread sender([&] {
        for (int i = 0; i < kCount; ++i) {
            loop.post([&, i] {
                seen.push_back(i);
                ran_on = std::this_thread::get_id();
            });
        }
        loop.post([&] { loop.stop(); });
    });
    loop.run();
    sender.join();
    ASSERT_EQ(seen.size(), static_cast<std::size_t>(kCount));
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(Loop, TasksLeftAtTheEndAreDestroyed) {
    auto held = std::make_shared<int>(1);
    {
        Loop loop;
        loop.post([held] {});
        EXPECT_EQ(held.use_count(), 2);
    }
    EXPECT_EQ(held.use_count(), 1);
}

TEST(Loop, HooksRunOncePerTurnInOrderAfterTheWork) {
    Loop loop;
    std::string order;
    const TurnHook first = loop.at_turn_end([&] { order += '1'; });
    const TurnHook second = loop.at_turn_end([&] { order += '2'; });
    loop.post([&] { order += 'a'; });
    loop.post([&] {
        order += 'b';
        loop.post([&] { order += 'c'; });
    });
    ASSERT_TRUE(run_until(loop, [&] { return order.find('c') != std::string::npos; }));
    // Before the work arrives the loop ends a turn; then a and b share one, c is in the next.
    EXPECT_EQ(order.substr(0, 7), "12ab12c");
}

TEST(Loop, AHookMayRemoveItselfAndOthers) {
    Loop loop;
    int first_calls = 0;
    int second_calls = 0;
    TurnHook first;
    TurnHook second;
    first = loop.at_turn_end([&, big = std::string(100, 'x')] {
        ++first_calls;
        second = {};
        first = {};
        EXPECT_EQ(big.size(), 100U);  // Still alive within its own call.
    });
    second = loop.at_turn_end([&] { ++second_calls; });
    for (int i = 0; i < 3; ++i) {
        loop.again();
        loop.turn();
    }
    EXPECT_EQ(first_calls, 1);
    EXPECT_EQ(second_calls, 0);
}

TEST(Loop, AgainKeepsAHookWithWorkFromWaiting) {
    Loop loop;
    int left = 100;
    const TurnHook hook = loop.at_turn_end([&] {
        if (--left > 0) {
            loop.again();
        } else {
            loop.stop();
        }
    });
    loop.run();  // Would block for ever after the first turn.
    EXPECT_EQ(left, 0);
}

TEST(Mailbox, DeliversAllOfSeveralThreadsInTheOrderOfEach) {
    Loop loop;
    constexpr int kThreads = 3;
    constexpr int kEach = 20'000;
    std::vector<std::vector<int>> seen(kThreads);
    int total = 0;
    Mailbox<std::pair<int, int>> mailbox(loop, [&](std::vector<std::pair<int, int>>& items) {
        for (const auto& [thread, value] : items) {
            seen[static_cast<std::size_t>(thread)].push_back(value);
        }
        total += static_cast<int>(items.size());
        if (total == kThreads * kEach) {
            loop.stop();
        }
    });
    std::vector<std::thread> senders;
    for (int thread = 0; thread < kThreads; ++thread) {
        senders.emplace_back([&, thread] {
            std::vector<std::pair<int, int>> batch;
            for (int i = 0; i < kEach; ++i) {
                if (i % 3 == 0) {
                    mailbox.push_batch(batch);
                    mailbox.push({thread, i});
                } else {
                    batch.emplace_back(thread, i);
                }
            }
            mailbox.push_batch(batch);
        });
    }
    loop.run();
    for (auto& sender : senders) {
        sender.join();
    }
    for (const auto& values : seen) {
        ASSERT_EQ(values.size(), static_cast<std::size_t>(kEach));
        EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
    }
    EXPECT_EQ(mailbox.queued(), 0U);
}

TEST(Mailbox, LoopsAnswerEachOther) {
    Loop here;
    Loop there;
    int rounds = 0;
    std::unique_ptr<Mailbox<std::unique_ptr<int>>> pong;
    Mailbox<std::unique_ptr<int>> ping(there, [&](auto& items) { pong->push_batch(items); });
    pong = std::make_unique<Mailbox<std::unique_ptr<int>>>(here, [&](auto& items) {
        rounds = ++*items.front();
        if (rounds == 1000) {
            here.stop();
            there.stop();
        } else {
            ping.push_batch(items);
        }
    });
    std::thread other([&] { there.run(); });
    ping.push(std::make_unique<int>(0));
    here.run();
    other.join();
    EXPECT_EQ(rounds, 1000);
}

TEST(Mailbox, ADestroyedMailboxIsForgottenAlsoWhileOthersDrain) {
    Loop loop;
    int calls = 0;
    std::unique_ptr<Mailbox<int>> second;
    Mailbox<int> first(loop, [&](auto&) {
        ++calls;
        second.reset();
    });
    second = std::make_unique<Mailbox<int>>(loop, [&](auto&) { calls += 100; });
    first.push(1);
    second->push(2);
    {
        Mailbox<int> third(loop, [&](auto&) { calls += 10'000; });
        third.push(3);
    }
    ASSERT_TRUE(run_until(loop, [&] { return calls > 0; }));
    EXPECT_EQ(calls, 1);
}

TEST(Timer, OneShotRepeatingAndStopped) {
    Loop loop;
    int once = 0;
    int often = 0;
    Timer one(loop, [&] { ++once; });
    Timer many(loop, [&] { ++often; });
    Timer never(loop, [&] { FAIL(); });
    one.start(1);
    many.start(1, 1);
    never.start(1);
    never.stop();
    EXPECT_FALSE(never.active());
    ASSERT_TRUE(run_until(loop, [&] { return often >= 5; }));
    EXPECT_EQ(once, 1);
}

TEST(Timer, ACallbackMayDestroyItsTimer) {
    Loop loop;
    std::unique_ptr<Timer> timer;
    bool fired = false;
    timer = std::make_unique<Timer>(loop, [&, text = std::string(100, 'x')] {
        timer.reset();
        fired = text.size() == 100;
    });
    timer->start(0);
    EXPECT_TRUE(run_until(loop, [&] { return fired; }));
}

TEST(PreciseTimer, FiresOnceAndNotBeforeItsTime) {
    Loop loop;
    std::uint64_t fired_at = 0;
    int fired = 0;
    PreciseTimer timer(loop, [&] {
        ++fired;
        fired_at = PreciseTimer::now_ns();
    });
    const std::uint64_t due = PreciseTimer::now_ns() + 1'500'000;
    timer.start_at(due + 1'000'000'000'000);
    timer.start_at(due);  // Replaces it.
    ASSERT_TRUE(run_until(loop, [&] { return fired > 0; }));
    EXPECT_GE(fired_at, due);
    timer.start_at(1);  // Long past.
    ASSERT_TRUE(run_until(loop, [&] { return fired > 1; }));
    timer.start_at(1);
    timer.stop();
    const std::uint64_t later = loop.now_ms() + 30;
    ASSERT_TRUE(run_until(loop, [&] { return loop.now_ms() >= later; }));
    EXPECT_EQ(fired, 2);
}

TEST(PreciseTimer, ACallbackMayDestroyItsTimer) {
    Loop loop;
    std::unique_ptr<PreciseTimer> timer;
    bool fired = false;
    timer = std::make_unique<PreciseTimer>(loop, [&, text = std::string(100, 'x')] {
        timer.reset();
        fired = text.size() == 100;
    });
    timer->start_at(1);
    EXPECT_TRUE(run_until(loop, [&] { return fired; }));
}

TEST(LoopTimers, FireNotBeforeTheirTime) {
    Loop loop;
    std::vector<std::uint64_t> seen;
    const MonoMs start = loop.now_ms();
    LoopTimers timers(loop, {5, 16}, [&](std::uint64_t cookie) { seen.push_back(cookie); });
    timers.arm_after(30, 2);
    timers.arm_after(10, 1);
    EXPECT_TRUE(timers.cancel(timers.arm_after(10, 99)));
    ASSERT_TRUE(run_until(loop, [&] { return seen.size() == 2; }));
    EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2}));
    EXPECT_GE(loop.now_ms(), start + 30);
    timers.arm_after(1, 3);  // The wheel's timer had stopped.
    EXPECT_TRUE(run_until(loop, [&] { return seen.size() == 3; }));
}

TEST(SignalWatcher, CallsBackOnTheLoop) {
    Loop loop;
    int seen = 0;
    const SignalWatcher watcher(loop, {SIGHUP, SIGTERM}, [&](int number) { seen = number; });
    ::raise(SIGHUP);
    ASSERT_TRUE(run_until(loop, [&] { return seen != 0; }));
    EXPECT_EQ(seen, SIGHUP);
    ::raise(SIGTERM);
    EXPECT_TRUE(run_until(loop, [&] { return seen == SIGTERM; }));
}

TEST(SystemClock, ReadsBothClocks) {
    const SystemClock clock;
    const MonoMs before = clock.mono_ms();
    EXPECT_LE(before, boot_ms());
    EXPECT_GT(clock.wall_ms(), 1'600'000'000'000U);  // After 2020, so in milliseconds.
    EXPECT_LT(clock.wall_ms(), 16'000'000'000'000U);
}

}  // namespace
}  // namespace causeway::io
