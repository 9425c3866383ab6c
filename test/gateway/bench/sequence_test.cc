#include "gateway/bench/sequence.h"

#include <gtest/gtest.h>

#include <set>

#include "core/base/random.h"
#include "gateway/bench/stamp.h"

namespace causeway::bench {
namespace {

TEST(SequenceTracker, InOrderIsInOrder) {
    SequenceTracker tracker;
    for (std::uint64_t number = 5; number < 2000; ++number) {
        EXPECT_EQ(tracker.observe(number), Arrival::kInOrder);
    }
    EXPECT_EQ(tracker.missing(), 0U);
}

TEST(SequenceTracker, AGapIsMissingUntilItIsFilledLate) {
    SequenceTracker tracker;
    tracker.observe(0);
    EXPECT_EQ(tracker.observe(4), Arrival::kInOrder);
    EXPECT_EQ(tracker.missing(), 3U);
    EXPECT_EQ(tracker.observe(2), Arrival::kLate);
    EXPECT_EQ(tracker.missing(), 2U);
    EXPECT_EQ(tracker.observe(2), Arrival::kDuplicate);
    EXPECT_EQ(tracker.missing(), 2U);
}

TEST(SequenceTracker, RepetitionsAreDuplicatesHoweverOld) {
    SequenceTracker tracker;
    for (std::uint64_t number = 0; number < 1000; ++number) {
        tracker.observe(number);
    }
    for (const std::uint64_t number : {999, 998, 800, 744, 743, 0}) {
        EXPECT_EQ(tracker.observe(number), Arrival::kDuplicate) << number;
    }
}

TEST(SequenceTracker, WhatComesBeforeTheFirstIsLateAndWasNotMissing) {
    SequenceTracker tracker;
    tracker.observe(10);
    EXPECT_EQ(tracker.observe(9), Arrival::kLate);
    EXPECT_EQ(tracker.missing(), 0U);
}

TEST(SequenceTracker, AJumpBeyondItsMemoryForgetsWhatWasSeen) {
    SequenceTracker tracker;
    tracker.observe(0);
    EXPECT_EQ(tracker.observe(100'000), Arrival::kInOrder);
    EXPECT_EQ(tracker.missing(), 99'999U);
    EXPECT_EQ(tracker.observe(99'999), Arrival::kLate);
    EXPECT_EQ(tracker.observe(100'001 - SequenceTracker::kRemembered), Arrival::kLate);
    EXPECT_EQ(tracker.missing(), 99'997U);
}

// Against a set of all that was seen, within the distance that the tracker remembers.
TEST(SequenceTracker, AgreesWithAModel) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        SequenceTracker tracker;
        std::set<std::uint64_t> seen = {1000};
        std::uint64_t largest = 1000;
        tracker.observe(1000);
        for (int i = 0; i < 3000; ++i) {
            const std::uint64_t number = largest + random.below(4) - random.below(100);
            if (number < 1000) {
                continue;
            }
            const Arrival expected = number > largest        ? Arrival::kInOrder
                                     : seen.contains(number) ? Arrival::kDuplicate
                                                             : Arrival::kLate;
            ASSERT_EQ(tracker.observe(number), expected) << number;
            seen.insert(number);
            largest = std::max(largest, number);
            ASSERT_EQ(tracker.missing(), largest - 1000 + 1 - seen.size());
        }
    }
}

TEST(Stamp, IsReadBackAndForeignPayloadsAreNot) {
    const Stamp stamp{7, 8, 1ULL << 40, ~0ULL};
    std::string payload(kStampBytes + 3, 'x');
    write_stamp(stamp, payload.data());
    EXPECT_EQ(read_stamp(payload), stamp);
    EXPECT_EQ(payload.substr(kStampBytes), "xxx");
    EXPECT_EQ(read_stamp(std::string_view(payload).substr(0, kStampBytes - 1)), std::nullopt);
    payload[0] = 'x';
    EXPECT_EQ(read_stamp(payload), std::nullopt);
    EXPECT_EQ(read_stamp(""), std::nullopt);
}

}  // namespace
}  // namespace causeway::bench
