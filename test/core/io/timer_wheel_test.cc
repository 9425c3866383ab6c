#include "core/io/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "core/base/random.h"

namespace causeway::io {
namespace {

std::vector<std::uint64_t> fired(TimerWheel& wheel, MonoMs now) {
    std::vector<std::uint64_t> cookies;
    wheel.advance(now, [&](std::uint64_t cookie) { cookies.push_back(cookie); });
    return cookies;
}

using Cookies = std::vector<std::uint64_t>;

TEST(TimerWheel, FiresAtItsDeadlineAndNotBefore) {
    TimerWheel wheel(1000, {10, 8});
    wheel.arm(1045, 7);
    EXPECT_EQ(fired(wheel, 1045), Cookies{});  // Rounded up to 1050.
    EXPECT_EQ(fired(wheel, 1049), Cookies{});
    EXPECT_EQ(fired(wheel, 1050), Cookies{7});
    EXPECT_EQ(wheel.size(), 0U);
    EXPECT_EQ(fired(wheel, 9999), Cookies{});
}

TEST(TimerWheel, FiresInOrderOfDeadlineThenOfArming) {
    TimerWheel wheel(0, {10, 8});
    wheel.arm(30, 3);
    wheel.arm(10, 1);
    wheel.arm(30, 4);
    wheel.arm(20, 2);
    EXPECT_EQ(fired(wheel, 40), (Cookies{1, 2, 3, 4}));
}

TEST(TimerWheel, SkipsTimersOfLaterRevolutions) {
    TimerWheel wheel(0, {10, 4});
    wheel.arm(10, 1);
    wheel.arm(50, 2);   // The same bucket, one revolution later.
    wheel.arm(130, 3);  // Three later.
    EXPECT_EQ(fired(wheel, 40), Cookies{1});
    EXPECT_EQ(fired(wheel, 80), Cookies{2});
    EXPECT_EQ(fired(wheel, 120), Cookies{});
    EXPECT_EQ(fired(wheel, 130), Cookies{3});
}

TEST(TimerWheel, AJumpOverManyRevolutionsFiresAllDueOnce) {
    TimerWheel wheel(0, {10, 4});
    for (std::uint64_t i = 0; i < 20; ++i) {
        wheel.arm(10 * i, i);
    }
    wheel.arm(1'000'000, 99);
    EXPECT_EQ(fired(wheel, 100'000).size(), 20U);
    EXPECT_EQ(wheel.size(), 1U);
}

TEST(TimerWheel, CancelIsExactAndStaleIdsAreHarmless) {
    TimerWheel wheel(0, {10, 4});
    const auto a = wheel.arm(10, 1);
    EXPECT_TRUE(wheel.cancel(a));
    EXPECT_FALSE(wheel.cancel(a));
    const auto b = wheel.arm(10, 2);  // Takes the slot of `a`.
    EXPECT_EQ(a.slot, b.slot);
    EXPECT_FALSE(wheel.cancel(a));
    EXPECT_FALSE(wheel.cancel({}));
    EXPECT_FALSE(wheel.cancel({12345, 1}));
    EXPECT_EQ(fired(wheel, 10), Cookies{2});
    EXPECT_FALSE(wheel.cancel(b));
}

TEST(TimerWheel, ACallbackMayCancelWhatIsDueAndArmAgain) {
    TimerWheel wheel(0, {10, 4});
    Cookies seen;
    TimerWheel::Id second;
    wheel.arm(10, 1);
    second = wheel.arm(10, 2);
    wheel.advance(10, [&](std::uint64_t cookie) {
        seen.push_back(cookie);
        EXPECT_TRUE(wheel.cancel(second));
        wheel.arm(5, 3);  // Already past: fires at the next tick, not in this advance.
    });
    EXPECT_EQ(seen, Cookies{1});
    EXPECT_EQ(fired(wheel, 19), Cookies{});
    EXPECT_EQ(fired(wheel, 20), Cookies{3});
}

// Against a multimap: any mix of arming, cancelling and advancing.
TEST(TimerWheel, AgreesWithAModel) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        MonoMs now = random.below(1'000'000);
        const auto resolution = static_cast<std::uint32_t>(1 + random.below(50));
        TimerWheel wheel(now, {resolution, static_cast<std::uint32_t>(1 + random.below(64))});
        std::map<std::uint64_t, std::pair<MonoMs, TimerWheel::Id>> model;
        std::uint64_t next_cookie = 0;
        for (int step = 0; step < 2000; ++step) {
            if (random.chance(1, 2)) {
                const MonoMs deadline = now + random.below(5000);
                model[next_cookie] = {deadline, wheel.arm(deadline, next_cookie)};
                ++next_cookie;
            } else if (random.chance(1, 3) && !model.empty()) {
                const auto it = model.lower_bound(random.below(next_cookie));
                if (it != model.end()) {
                    EXPECT_TRUE(wheel.cancel(it->second.second));
                    model.erase(it);
                }
            } else {
                now += random.below(300);
                wheel.advance(now, [&](std::uint64_t cookie) {
                    ASSERT_TRUE(model.contains(cookie));
                    EXPECT_LE(model[cookie].first, now);
                    model.erase(cookie);
                });
                for (const auto& [cookie, timer] : model) {
                    EXPECT_GT(timer.first + 2 * resolution, now) << "late: " << cookie;
                }
            }
            ASSERT_EQ(wheel.size(), model.size());
        }
    }
}

}  // namespace
}  // namespace causeway::io
