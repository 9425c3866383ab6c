// The judge of deliveries on hand-made histories: a good one passes, and each of its faults is seen
// as what it is.
#include "test/sim/history/delivery_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

namespace causeway::sim {
namespace {

class Story {
public:
    Event& add(EventKind kind, std::string_view who) {
        history.events.push_back({.kind = kind, .who = history.names.intern(who), .at_us = ++now_});
        return history.events.back();
    }
    void subscribed(std::string_view who, std::string_view filter, std::uint8_t qos = 2,
                    bool persistent = true) {
        Event& event = add(EventKind::kSubscribed, who);
        event.topic = history.names.intern(filter);
        event.qos = qos;
        event.persistent = persistent;
    }
    void unsubscribed(std::string_view who, std::string_view filter) {
        add(EventKind::kUnsubscribed, who).topic = history.names.intern(filter);
    }
    void sent(std::string_view who, std::string_view topic, std::uint64_t id,
              std::uint8_t qos = 1) {
        Event& event = add(EventKind::kSent, who);
        event.topic = history.names.intern(topic);
        event.id = id;
        event.qos = qos;
    }
    void answered(EventKind kind, std::string_view who, std::uint64_t id) {
        add(kind, who).id = id;
    }
    void acknowledged(std::string_view who, std::uint64_t id) {
        answered(EventKind::kAcknowledged, who, id);
    }
    void published(std::string_view who, std::string_view topic, std::uint64_t id,
                   std::uint8_t qos = 1) {
        sent(who, topic, id, qos);
        acknowledged(who, id);
    }
    Event& delivered(std::string_view who, std::string_view topic, std::uint64_t id,
                     std::uint8_t qos = 1) {
        Event& event = add(EventKind::kDelivered, who);
        event.topic = history.names.intern(topic);
        event.id = id;
        event.qos = qos;
        return event;
    }
    void drained(std::string_view who, std::uint64_t id) { add(EventKind::kDrained, who).id = id; }

    History history;

private:
    std::uint64_t now_ = 0;
};

// Two publishers, two topics, QoS 1 and 2, two subscribers with other filters, and a queue.
Story good_story() {
    Story s;
    s.subscribed("app", "plant/#");
    s.subscribed("watch", "plant/+/up", 1);
    s.subscribed("queue", "plant/dev7/up", 1);
    for (std::uint64_t id = 1; id <= 5; ++id) {
        s.published("dev7", "plant/dev7/up", id);
        s.published("dev8", "plant/dev8/down", 100 + id, 2);
    }
    for (std::uint64_t id = 1; id <= 5; ++id) {
        s.delivered("app", "plant/dev7/up", id);
        s.delivered("app", "plant/dev8/down", 100 + id, 2);
        s.delivered("watch", "plant/dev7/up", id);
        s.drained("queue", id);
    }
    return s;
}

void expect_only(const Story& story, Rule rule, std::uint64_t count = 1) {
    const DeliveryReport report = check_deliveries(story.history);
    for (std::size_t i = 0; i < kRuleCount; ++i) {
        EXPECT_EQ(report.counts[i], i == static_cast<std::size_t>(rule) ? count : 0)
            << name_of(static_cast<Rule>(i));
    }
    EXPECT_FALSE(report.ok());
}

void expect_good(const Story& story) {
    const DeliveryReport report = check_deliveries(story.history);
    for (const Violation& violation : report.violations) {
        ADD_FAILURE() << name_of(violation.rule) << ": " << violation.text;
    }
}

TEST(DeliveryCheck, GoodHistoryPassesAndIsCounted) {
    const Story s = good_story();
    expect_good(s);
    const DeliveryTotals totals = check_deliveries(s.history).totals;
    EXPECT_EQ(totals.sent, 10U);
    EXPECT_EQ(totals.acknowledged, 10U);
    EXPECT_EQ(totals.delivered, 15U);
    EXPECT_EQ(totals.owed, 20U);
    EXPECT_EQ(totals.drained, 5U);
}

TEST(DeliveryCheck, EveryDeletedDeliveryOfAnAcknowledgedIdFails) {
    const Story s = good_story();
    for (std::size_t i = 0; i < s.history.events.size(); ++i) {
        const EventKind kind = s.history.events[i].kind;
        if (kind != EventKind::kDelivered && kind != EventKind::kDrained) {
            continue;
        }
        SCOPED_TRACE(i);
        Story cut = good_story();
        cut.history.events.erase(cut.history.events.begin() + static_cast<std::ptrdiff_t>(i));
        expect_only(cut, Rule::kAcknowledged);
    }
}

TEST(DeliveryCheck, TheReportNamesIdAndSubscriber) {
    Story s;
    s.subscribed("app", "a");
    s.published("dev", "a", 77);
    const DeliveryReport report = check_deliveries(s.history);
    ASSERT_EQ(report.violations.size(), 1U);
    EXPECT_THAT(report.violations[0].text, testing::HasSubstr("id 77 (dev to a, QoS 1)"));
    EXPECT_THAT(report.violations[0].text, testing::HasSubstr("for app"));
}

TEST(DeliveryCheck, SwappedOrderFails) {
    Story s;
    s.subscribed("app", "a");
    s.published("dev", "a", 1);
    s.published("dev", "a", 2);
    s.delivered("app", "a", 2);
    s.delivered("app", "a", 1);
    expect_only(s, Rule::kOrder);
}

TEST(DeliveryCheck, OrderHoldsPerPublisherTopicAndQosOnly) {
    Story s;
    s.subscribed("app", "#");
    s.published("dev", "a", 1);
    s.published("dev", "b", 2);
    s.published("dev", "a", 3, 2);
    s.published("other", "a", 4);
    for (const std::uint64_t id : {4U, 3U, 1U}) {
        s.delivered("app", "a", id);
    }
    s.delivered("app", "b", 2);
    expect_good(s);
}

TEST(DeliveryCheck, ARepeatedDeliveryIsNoMatterOfOrder) {
    Story s;
    s.subscribed("app", "a");
    s.published("dev", "a", 1);
    s.published("dev", "a", 2);
    s.delivered("app", "a", 1);
    s.delivered("app", "a", 2);
    s.delivered("app", "a", 1).dup = true;
    expect_good(s);
    EXPECT_EQ(check_deliveries(s.history).totals.redelivered, 1U);
}

TEST(DeliveryCheck, OrderIsThatOfTheFirstSending) {
    Story s;
    s.subscribed("app", "a");
    s.sent("dev", "a", 1);
    s.sent("dev", "a", 2);
    s.published("dev", "a", 1);
    s.published("dev", "a", 2);
    s.delivered("app", "a", 2);
    s.delivered("app", "a", 1);
    expect_only(s, Rule::kOrder);
}

// The first copy of 1 came before the subscription, that of 2 behind it.
TEST(DeliveryCheck, ASubscriptionBetweenTwoSendingsMayGetTheSecondAlone) {
    Story s;
    s.sent("dev", "a", 1);
    s.sent("dev", "a", 2);
    s.subscribed("app", "a");
    s.delivered("app", "a", 2);
    s.published("dev", "a", 1);
    s.delivered("app", "a", 1);
    expect_good(s);
}

TEST(DeliveryCheck, OrderHoldsForWhatWasSentOnceWheneverTheSubscriptionBegan) {
    Story s;
    s.sent("dev", "a", 1);
    s.sent("dev", "a", 2);
    s.subscribed("app", "a");
    s.delivered("app", "a", 2);
    s.delivered("app", "a", 1);
    expect_only(s, Rule::kOrder);
}

TEST(DeliveryCheck, Qos2DeliveredTwiceFailsEvenWithDup) {
    Story s = good_story();
    s.delivered("app", "plant/dev8/down", 103, 2).dup = true;
    expect_only(s, Rule::kTwice);
}

TEST(DeliveryCheck, Qos2PublishedAndDeliveredWithQos1MayRepeat) {
    Story s;
    s.subscribed("app", "a", 1);
    s.published("dev", "a", 1, 2);
    s.delivered("app", "a", 1, 1);
    s.delivered("app", "a", 1, 1).dup = true;
    expect_good(s);
}

TEST(DeliveryCheck, RetainedDeliveriesMayRepeatAndComeLate) {
    Story s;
    s.subscribed("app", "a");
    s.published("dev", "a", 1, 2);
    s.published("dev", "a", 2, 2);
    s.delivered("app", "a", 1, 2);
    s.delivered("app", "a", 2, 2);
    s.delivered("app", "a", 1, 2).retain = true;
    expect_good(s);
}

TEST(DeliveryCheck, InventedIdFails) {
    Story s = good_story();
    s.delivered("app", "plant/dev7/up", 999);
    expect_only(s, Rule::kInvented);
}

TEST(DeliveryCheck, DeliveryBeforeTheSendingFails) {
    Story s;
    s.subscribed("app", "a");
    s.delivered("app", "a", 1);
    s.sent("dev", "a", 1);
    expect_only(s, Rule::kInvented);
}

TEST(DeliveryCheck, AnotherTopicFails) {
    Story s;
    s.subscribed("app", "#");
    s.published("dev", "a", 1);
    s.delivered("app", "b", 1);
    expect_only(s, Rule::kInvented);
}

TEST(DeliveryCheck, InventedStorageAndAcknowledgementFail) {
    Story s;
    s.drained("app", 5);
    s.acknowledged("dev", 6);
    expect_only(s, Rule::kInvented, 2);
}

TEST(DeliveryCheck, RefusedMayNotAppearUnlessSentAgain) {
    Story s;
    s.subscribed("app", "a");
    s.sent("dev", "a", 1);
    s.answered(EventKind::kRefused, "dev", 1);
    s.delivered("app", "a", 1);
    expect_only(s, Rule::kInvented);

    Story again;
    again.subscribed("app", "a");
    again.sent("dev", "a", 1);
    again.sent("dev", "a", 1);
    again.answered(EventKind::kRefused, "dev", 1);
    again.delivered("app", "a", 1);
    expect_good(again);
}

TEST(DeliveryCheck, UnknownMayAppearOrNot) {
    Story s;
    s.subscribed("app", "a");
    s.sent("dev", "a", 1);
    s.sent("dev", "a", 2);
    s.delivered("app", "a", 2);
    expect_good(s);
    EXPECT_EQ(check_deliveries(s.history).totals.unknown, 2U);
}

TEST(DeliveryCheck, NothingIsOwedToThoseWhoDidNotAsk) {
    Story s;
    s.subscribed("transient", "a", 1, false);
    s.subscribed("qos0", "a", 0);
    s.subscribed("elsewhere", "b/#");
    s.subscribed("member", "$share/g/a");
    s.subscribed("gone", "a");
    s.subscribed("cleaned", "a");
    s.published("dev", "a", 1);
    s.published("dev", "a", 2, 0);
    s.unsubscribed("gone", "a");
    s.add(EventKind::kEnded, "cleaned");
    s.subscribed("late", "a");
    expect_good(s);
}

TEST(DeliveryCheck, ARepeatedSubscriptionKeepsWhatIsOwed) {
    Story s;
    s.subscribed("app", "a");
    s.published("dev", "a", 1);
    s.subscribed("app", "a");
    expect_only(s, Rule::kAcknowledged);
}

TEST(DeliveryCheck, ALostSessionIsAViolation) {
    Story s;
    s.subscribed("app", "a");
    s.published("dev", "a", 1);
    s.add(EventKind::kLost, "app");
    expect_only(s, Rule::kLost);
}

TEST(DeliveryCheck, EvictionsTheHubCountedExcuseAsManyAndNoMore) {
    Story s;
    s.subscribed("app", "a");
    for (std::uint64_t id = 1; id <= 3; ++id) {
        s.published("dev", "a", id);
    }
    s.add(EventKind::kEvicted, "app").id = 2;
    expect_only(s, Rule::kAcknowledged);
    EXPECT_EQ(check_deliveries(s.history).totals.evicted, 2U);
}

TEST(DeliveryCheck, Filters) {
    EXPECT_TRUE(filter_selects("#", "a/b"));
    EXPECT_TRUE(filter_selects("a/#", "a"));
    EXPECT_TRUE(filter_selects("a/+", "a/"));
    EXPECT_TRUE(filter_selects("+/b/#", "a/b/c/d"));
    EXPECT_TRUE(filter_selects("/+", "/a"));
    EXPECT_TRUE(filter_selects("$x/#", "$x/a"));
    EXPECT_FALSE(filter_selects("+", "/a"));
    EXPECT_FALSE(filter_selects("a/+", "a"));
    EXPECT_FALSE(filter_selects("a", "a/b"));
    EXPECT_FALSE(filter_selects("a/b", "a"));
    EXPECT_FALSE(filter_selects("#", "$SYS/a"));
    EXPECT_FALSE(filter_selects("+/a", "$SYS/a"));
}

TEST(DeliveryCheck, AMillionEventsTakeSeconds) {
    Story s;
    s.subscribed("app", "#");
    constexpr std::uint64_t kMessages = 340'000;
    for (std::uint64_t id = 1; id <= kMessages; ++id) {
        const std::string topic = "plant/dev" + std::to_string(id % 500) + "/up";
        s.published("dev" + std::to_string(id % 500), topic, id);
        s.delivered("app", topic, id);
    }
    const auto start = std::chrono::steady_clock::now();
    const DeliveryReport report = check_deliveries(s.history);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
    EXPECT_TRUE(report.ok());
    EXPECT_EQ(report.totals.owed, kMessages);
}

}  // namespace
}  // namespace causeway::sim
