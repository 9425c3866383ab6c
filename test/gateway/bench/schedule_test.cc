#include "gateway/bench/schedule.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"

namespace causeway::bench {
namespace {

TEST(Schedule, BeginsWithOneMessageAtTheStart) {
    const Schedule schedule(1000, 10, 3);
    EXPECT_EQ(schedule.count_by(999), 0U);
    EXPECT_EQ(schedule.count_by(1000), 1U);
    EXPECT_EQ(schedule.count_by(1000 + 99'999'999), 1U);
    EXPECT_EQ(schedule.count_by(1000 + 100'000'000), 2U);
    EXPECT_EQ(schedule.due_ns(0), 1000U);
    EXPECT_EQ(schedule.due_ns(10), 1000U + 1'000'000'000);
}

TEST(Schedule, PublishersTakeTurns) {
    const Schedule schedule(0, 1, 3);
    EXPECT_EQ(schedule.count_of(0, 4), 2U);
    EXPECT_EQ(schedule.count_of(1, 4), 1U);
    EXPECT_EQ(schedule.count_of(2, 4), 1U);
    EXPECT_EQ(schedule.due_ns_of(2, 0), 2'000'000'000U);
    EXPECT_EQ(schedule.due_ns_of(2, 1), 5'000'000'000U);
}

// A message is counted from when it is due, and not a nanosecond earlier, for hours and any rate.
TEST(Schedule, CountsAndDueTimesAgree) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        const double rate = 0.01 + random.unit() * (random.chance(1, 2) ? 100 : 2e6);
        const std::uint64_t start = random.below(1ULL << 50);
        const auto publishers = static_cast<std::uint32_t>(1 + random.below(100));
        const Schedule schedule(start, rate, publishers);
        for (int i = 0; i < 200; ++i) {
            const std::uint64_t k = random.below(static_cast<std::uint64_t>(rate * 20'000) + 2);
            const std::uint64_t due = schedule.due_ns(k);
            ASSERT_GE(schedule.count_by(due), k + 1);
            if (due > start && rate < 1e6) {  // Faster ones share a nanosecond's neighbourhood.
                ASSERT_LE(schedule.count_by(due - 1), k);
            }
            std::uint64_t sum = 0;
            for (std::uint32_t publisher = 0; publisher < publishers; ++publisher) {
                sum += schedule.count_of(publisher, k);
            }
            ASSERT_EQ(sum, k);
            const auto publisher = static_cast<std::uint32_t>(k % publishers);
            ASSERT_EQ(schedule.due_ns_of(publisher, k / publishers), due);
        }
    }
}

}  // namespace
}  // namespace causeway::bench
