// Seconds served and the longest wait, on hand-made histories.
#include "test/sim/history/availability.h"

#include <gtest/gtest.h>

namespace causeway::sim {
namespace {

struct Times {
    void sent(std::uint64_t id, std::uint64_t at_us, Name who = 1) {
        history.events.push_back(
            {.kind = EventKind::kSent, .qos = 1, .who = who, .id = id, .at_us = at_us});
    }
    void acknowledged(std::uint64_t id, std::uint64_t at_us, Name who = 1) {
        history.events.push_back(
            {.kind = EventKind::kAcknowledged, .who = who, .id = id, .at_us = at_us});
    }
    History history;
};

TEST(Availability, NothingSentIsNothing) {
    const Availability a = availability(History{});
    EXPECT_EQ(a.windows, 0U);
    EXPECT_EQ(a.longest_gap_us, 0U);
}

TEST(Availability, CountsSecondsWithAnAcknowledgement) {
    Times t;
    t.sent(1, 500'000);
    t.acknowledged(1, 600'000);
    t.sent(2, 700'000);
    t.acknowledged(2, 800'000);
    t.sent(3, 900'000);
    t.acknowledged(3, 3'600'000);
    const Availability a = availability(t.history);
    EXPECT_EQ(a.windows, 4U);
    EXPECT_EQ(a.served, 2U);
    EXPECT_EQ(a.longest_gap_us, 2'700'000U);
    EXPECT_EQ(a.longest_gap_at_us, 900'000U);
}

TEST(Availability, SilenceWhileNobodyWaitsIsNoGap) {
    Times t;
    t.sent(1, 0);
    t.acknowledged(1, 1000);
    t.sent(2, 9'000'000);
    t.acknowledged(2, 9'001'000);
    EXPECT_EQ(availability(t.history).longest_gap_us, 1000U);
}

TEST(Availability, AGapMayReachTheEnd) {
    Times t;
    t.sent(1, 0);
    t.sent(2, 5'000'000);
    EXPECT_EQ(availability(t.history).longest_gap_us, 5'000'000U);
    EXPECT_EQ(availability(t.history).served, 0U);
}

TEST(Availability, OfOnePublisher) {
    Times t;
    t.sent(1, 0, 1);
    t.sent(2, 0, 2);
    t.acknowledged(1, 1000, 1);
    t.acknowledged(2, 3'000'000, 2);
    EXPECT_EQ(availability(t.history, 1).longest_gap_us, 1000U);
    EXPECT_EQ(availability(t.history, 2).longest_gap_us, 3'000'000U);
}

}  // namespace
}  // namespace causeway::sim
