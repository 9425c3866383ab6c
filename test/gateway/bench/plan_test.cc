#include "gateway/bench/plan.h"

#include <gtest/gtest.h>

#include <functional>

namespace causeway::bench {
namespace {

SubOptions small_sub() {
    SubOptions options;
    options.subscribe.subscribers = 2;
    options.publish.publishers = 3;
    return options;
}

TEST(Expand, ReplacesEveryPlaceholder) {
    EXPECT_EQ(expand("a/%i/b%i", 42), "a/42/b42");
    EXPECT_EQ(expand("100%", 1), "100%");
    EXPECT_EQ(expand("", 1), "");
}

TEST(SourceAddresses, ReadsAddressesAndNetworks) {
    const auto sources = SourceAddresses::parse("10.0.0.7,127.0.1.0/30,10.1.0.0/31").value();
    EXPECT_EQ(sources.count(), 5U);
    EXPECT_EQ(sources.of(0), "10.0.0.7");
    EXPECT_EQ(sources.of(1), "127.0.1.1");  // .0 and .3 are the network and its broadcast.
    EXPECT_EQ(sources.of(2), "127.0.1.2");
    EXPECT_EQ(sources.of(3), "10.1.0.0");
    EXPECT_EQ(sources.of(4), "10.1.0.1");
    EXPECT_EQ(sources.of(5), "10.0.0.7");
}

TEST(SourceAddresses, ALargeNetworkTakesNoMemory) {
    const auto sources = SourceAddresses::parse("127.0.0.1/8").value();
    EXPECT_EQ(sources.count(), (1U << 24) - 2);
    EXPECT_EQ(sources.of(0), "127.0.0.1");
    EXPECT_EQ(sources.of((1U << 24) - 3), "127.255.255.254");
}

TEST(SourceAddresses, NothingIsNoAddress) {
    const auto sources = SourceAddresses::parse("").value();
    EXPECT_EQ(sources.count(), 0U);
    EXPECT_EQ(sources.of(3), "");
}

TEST(SourceAddresses, RefusesWhatIsNone) {
    for (const char* text : {"1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4/33", "1.2.3.4/7",
                             "1.2.3.4/", "a", "1.2.3.4,", "1.2.3.4,,5.6.7.8", "1.2.3.4 "}) {
        const auto sources = SourceAddresses::parse(text);
        // A trailing comma ends the list.
        EXPECT_EQ(sources.has_value(), std::string_view(text) == "1.2.3.4,") << text;
    }
}

TEST(Plan, GivesEveryClientItsPlace) {
    SubOptions options = small_sub();
    options.run.first = 100;
    const Plan plan = make_plan(options).value();
    ASSERT_EQ(plan.clients(), 5U);
    EXPECT_EQ(place_of(plan, 0).role, Role::kSubscriber);
    EXPECT_EQ(place_of(plan, 1).number, 101U);
    EXPECT_EQ(place_of(plan, 2).role, Role::kPublisher);
    EXPECT_EQ(place_of(plan, 4).index, 2U);
    EXPECT_EQ(place_of(plan, 4).number, 102U);
    ConnOptions conn;
    conn.connections = 7;
    EXPECT_EQ(place_of(make_plan(conn).value(), 6).role, Role::kIdle);
}

TEST(Plan, CountsTheDeliveriesOfEachPublisher) {
    SubOptions options = small_sub();
    EXPECT_EQ(make_plan(options)->deliveries, (std::vector<std::uint32_t>{2, 2, 2}));
    options.subscribe.filter = "bench/%i";
    EXPECT_EQ(make_plan(options)->deliveries, (std::vector<std::uint32_t>{1, 1, 0}));
    options.subscribe.filter = "elsewhere/#";
    EXPECT_EQ(make_plan(options)->deliveries, (std::vector<std::uint32_t>{0, 0, 0}));
    options.subscribe.filter = "$share/group/bench/+";
    EXPECT_EQ(make_plan(options)->deliveries, (std::vector<std::uint32_t>{1, 1, 1}));
    options.subscribe.filter = "$share/group%i/bench/+";
    EXPECT_EQ(make_plan(options)->deliveries, (std::vector<std::uint32_t>{2, 2, 2}));
}

TEST(Plan, RefusesBadOptionsAndNamesThem) {
    struct Case {
        const char* named;
        std::function<void(SubOptions&)> spoil;
    };
    const Case cases[] = {
        {"--host", [](SubOptions& o) { o.client.host.clear(); }},
        {"--port", [](SubOptions& o) { o.client.port = 0; }},
        {"--mqtt", [](SubOptions& o) { o.client.version = mqtt::Version::k31; }},
        {"--cert", [](SubOptions& o) { o.client.certificate = "only.crt"; }},
        {"--tls", [](SubOptions& o) { o.client.insecure = true; }},
        {"--session-expiry", [](SubOptions& o) { o.client.session_expiry_s = 5; }},
        {"--source-address", [](SubOptions& o) { o.client.source_address = "here"; }},
        {"--processes", [](SubOptions& o) { o.run.processes = 0; }},
        {"--processes", [](SubOptions& o) { o.run.processes = 6; }},
        {"--connect-rate", [](SubOptions& o) { o.run.connect_rate = -1; }},
        {"time", [](SubOptions& o) { o.run.duration_s = -1; }},
        {"time", [](SubOptions& o) { o.run.drain_s = 1e12; }},
        {"--topic", [](SubOptions& o) { o.publish.topic = "a/+"; }},
        {"--payload", [](SubOptions& o) { o.publish.payload_bytes = 27; }},
        {"--payload", [](SubOptions& o) { o.publish.payload_bytes = kPayloadBytesMax + 1; }},
        {"--qos", [](SubOptions& o) { o.publish.qos = 3; }},
        {"--inflight", [](SubOptions& o) { o.publish.inflight = 0; }},
        {"--rate", [](SubOptions& o) { o.publish.rate = -1; }},
        {"--filter", [](SubOptions& o) { o.subscribe.filter = "a#"; }},
        {"--filter", [](SubOptions& o) { o.subscribe.filter = "$share/g+/a"; }},
        {"--sub-qos", [](SubOptions& o) { o.subscribe.qos = 3; }},
        {"--client-id", [](SubOptions& o) { o.subscribe.client_id = "same"; }},
        {"--publisher-client-id", [](SubOptions& o) { o.client.client_id = "same"; }},
        {"--expect", [](SubOptions& o) { o.subscribe.expected = 1; }},
    };
    ASSERT_TRUE(make_plan(small_sub()).has_value());
    for (const Case& bad : cases) {
        SubOptions options = small_sub();
        bad.spoil(options);
        const auto plan = make_plan(options);
        ASSERT_FALSE(plan.has_value()) << bad.named;
        EXPECT_NE(plan.error().message.find(bad.named), std::string::npos) << plan.error().message;
    }
    ConnOptions none;
    none.connections = 0;
    EXPECT_FALSE(make_plan(none).has_value());
}

}  // namespace
}  // namespace causeway::bench
