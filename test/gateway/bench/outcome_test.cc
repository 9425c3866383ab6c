#include "gateway/bench/outcome.h"

#include <gtest/gtest.h>

#include "gateway/bench/channel.h"
#include "gateway/bench/report.h"

namespace causeway::bench {
namespace {

Outcome sample(std::uint64_t seed) {
    Outcome outcome;
    outcome.counters.connected = seed;
    outcome.counters.foreign = 2 * seed;  // The last field.
    outcome.connect_ns.record(seed);
    outcome.ack_ns.record(10 * seed);
    outcome.deliver_ns.record(100 * seed);
    outcome.reasons.add("every time");
    outcome.reasons.add("seed " + std::to_string(seed));
    outcome.first_connect_ns = 1000 + seed;
    outcome.last_connack_ns = 2000 + seed;
    outcome.cpu_ns = seed;
    return outcome;
}

TEST(Outcome, JoinsWhatProcessesSend) {
    Outcome joined;
    for (const std::uint64_t seed : {3, 5}) {
        std::string bytes;
        sample(seed).encode(bytes);
        ASSERT_TRUE(joined.merge_encoded(bytes));
    }
    EXPECT_EQ(joined.counters.connected, 8U);
    EXPECT_EQ(joined.counters.foreign, 16U);
    EXPECT_EQ(joined.connect_ns.max(), 5U);
    EXPECT_EQ(joined.ack_ns.max(), 50U);
    EXPECT_EQ(joined.deliver_ns.max(), 500U);
    EXPECT_EQ(joined.reasons.counts().at("every time"), 2U);
    EXPECT_EQ(joined.reasons.counts().at("seed 3"), 1U);
    EXPECT_EQ(joined.first_connect_ns, 1003U);
    EXPECT_EQ(joined.last_connack_ns, 2005U);
    EXPECT_EQ(joined.cpu_ns, 8U);
}

TEST(Outcome, RefusesWhatIsCutOff) {
    std::string bytes;
    sample(3).encode(bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        Outcome outcome;
        EXPECT_FALSE(outcome.merge_encoded(std::string_view(bytes).substr(0, size))) << size;
        EXPECT_EQ(outcome.counters.connected, 0U);
    }
    Outcome outcome;
    EXPECT_FALSE(outcome.merge_encoded(bytes + "x"));
}

TEST(Reasons, AreBounded) {
    Reasons reasons;
    for (int i = 0; i < 1000; ++i) {
        reasons.add("reason " + std::to_string(i));
    }
    EXPECT_EQ(reasons.counts().size(), Reasons::kReasonsMax + 1);
    EXPECT_EQ(reasons.counts().at("other reasons"), 1000 - Reasons::kReasonsMax);
}

TEST(Channel, CarriesFramesAndTheEnd) {
    auto ends = Channel::make_pair();
    ASSERT_TRUE(ends);
    auto& [a, b] = *ends;
    EXPECT_FALSE(b.receive());
    EXPECT_FALSE(b.closed());
    a.send(FrameKind::kReady, "abc");
    a.send(FrameKind::kStop, {});
    auto frame = b.receive();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->kind, FrameKind::kReady);
    EXPECT_EQ(frame->bytes, "abc");
    a.send(FrameKind::kResult, std::string(50'000, 'r'));
    a = Channel();
    ASSERT_TRUE(frame = b.receive());
    EXPECT_EQ(frame->kind, FrameKind::kStop);
    ASSERT_TRUE(frame = b.receive());
    EXPECT_EQ(frame->bytes, std::string(50'000, 'r'));
    EXPECT_FALSE(b.receive());
    EXPECT_TRUE(b.closed());
    b.send(FrameKind::kGo, "nobody");  // No signal, no effect.
}

Plan sub_plan(std::uint8_t publish_qos, std::uint8_t subscribe_qos) {
    SubOptions options;
    options.publish.qos = publish_qos;
    options.subscribe.qos = subscribe_qos;
    return make_plan(options).value();
}

TEST(Report, EveryKindOfFailureCounts) {
    const Plan plan = sub_plan(1, 1);
    Measured good;
    good.outcome.counters.connected = 2;
    good.outcome.counters.expected = good.outcome.counters.received = 10;
    EXPECT_TRUE(succeeded(plan, good));
    EXPECT_FALSE(succeeded(plan, Measured()));  // Nobody connected.
    for (std::uint64_t Counters::*field :
         {&Counters::refused, &Counters::broken, &Counters::ack_errors, &Counters::unanswered,
          &Counters::unsent, &Counters::late, &Counters::expected}) {
        Measured bad = good;
        ++(bad.outcome.counters.*field);
        EXPECT_FALSE(succeeded(plan, bad));
    }
}

TEST(Report, DuplicatesAreFailuresWhereTheQosExcludesThem) {
    Measured measured;
    measured.outcome.counters.connected = 2;
    measured.outcome.counters.duplicates = 1;
    EXPECT_FALSE(succeeded(sub_plan(0, 0), measured));
    EXPECT_FALSE(succeeded(sub_plan(0, 2), measured));
    EXPECT_FALSE(succeeded(sub_plan(2, 2), measured));
    EXPECT_FALSE(succeeded(sub_plan(1, 0), measured));
    EXPECT_TRUE(succeeded(sub_plan(1, 1), measured));
    EXPECT_TRUE(succeeded(sub_plan(1, 2), measured));
    EXPECT_TRUE(succeeded(sub_plan(2, 1), measured));
}

TEST(Report, GapsAreLossesOnlyWhereNothingBetterIsKnown) {
    Counters counters;
    counters.missing = 4;
    counters.received = 10;
    EXPECT_EQ(lost_messages(sub_plan(1, 1), counters), 0U);  // It knows what it published.
    SubOptions others;
    others.publish.publishers = 0;
    EXPECT_EQ(lost_messages(make_plan(others).value(), counters), 4U);
    others.subscribe.expected = 15;
    EXPECT_EQ(lost_messages(make_plan(others).value(), counters), 5U);
    EXPECT_EQ(lost_messages(make_plan(PubOptions()).value(), counters), 0U);
}

TEST(Report, NamesTheFiguresInBothForms) {
    Measured measured;
    measured.window_s = 2;
    measured.outcome.counters.connected = 2;
    measured.outcome.counters.acked_window = 3000;
    measured.outcome.counters.received_window = 5000;
    measured.outcome.ack_ns.record(1'500'000);
    measured.outcome.reasons.add("bad \xff reason", 7);  // Not UTF-8: JSON must still be JSON.
    const std::string text = text_report(sub_plan(1, 1), measured);
    for (const char* part : {"1500/s acknowledged over 2.0 s", "PUBACK        p50 1.500",
                             "received      2500/s", "failures      7: bad"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << "\nin\n" << text;
    }
    const std::string json = json_report(sub_plan(1, 1), measured);
    for (const char* part : {R"("per_s":1500.0)", R"("per_s":2500.0)", R"("p99":1500.0)"}) {
        EXPECT_NE(json.find(part), std::string::npos) << part << "\nin\n" << json;
    }
}

}  // namespace
}  // namespace causeway::bench
