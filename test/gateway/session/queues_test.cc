// `$queue/NAME`: a client that consumes an operator queue, from SUBSCRIBE to PUBACK.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/message/body.h"
#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr GroupId kSet{3};

class QueuesEachVersion : public testing::TestWithParam<Version> {
protected:
    void SetUp() override { device.online(GetParam()); }
    [[nodiscard]] bool v5() const { return GetParam() == Version::k5; }
    static mqtt::Subscribe subscribe(std::initializer_list<std::string_view> filters,
                                     std::uint8_t qos = 1) {
        mqtt::Subscribe packet;
        packet.packet_id = 9;
        for (const std::string_view filter : filters) {
            packet.subscriptions.emplace_back().filter = filter;
            packet.subscriptions.back().qos = qos;
        }
        return packet;
    }
    std::vector<ReasonCode> codes() {
        const auto suback = device.take<mqtt::Suback>();
        return {suback.reason_codes.begin(), suback.reason_codes.end()};
    }
    [[nodiscard]] ReasonCode refused(ReasonCode code) const {
        return v5() ? code : ReasonCode::kUnspecifiedError;  // 3.1.1 has one code
    }
    void give(std::uint64_t n, std::string_view payload, std::string_view queue = "jobs") {
        const std::string body = make_body({}, payload);
        QueueMessage message;
        message.n = n;
        message.lease = 100 + n;
        message.sent_at = 5'000;
        message.receive_count = 1;
        message.topic = "plant/7";
        message.key = "k";
        message.body = body;
        device.queue_message(queue, kSet, message);
    }
    mqtt::Publish taken() { return device.take<mqtt::Publish>(); }
    std::vector<std::uint64_t> done() {
        std::vector<std::uint64_t> numbers;
        for (const QueueDelivery& one : std::exchange(device.queue_done, {})) {
            EXPECT_EQ(one.set, kSet);
            EXPECT_EQ(one.receipt.lease, 100 + one.receipt.n);
            EXPECT_EQ(one.queue, "jobs");
            numbers.push_back(one.receipt.n);
        }
        return numbers;
    }

    Device device;
};

TEST_P(QueuesEachVersion, IsAnsweredHereAndAcknowledgedByPuback) {
    device.packet(subscribe({"$queue/jobs"}));
    EXPECT_THAT(codes(), ElementsAre(ReasonCode::kGrantedQos1));
    EXPECT_TRUE(device.asked.empty());
    ASSERT_EQ(device.session.queues().size(), 1U);
    EXPECT_EQ(device.session.queues()[0].queue, "jobs");
    give(41, "first");
    give(42, "second");
    const auto first = taken();
    EXPECT_EQ(first.topic, "$queue/jobs");
    EXPECT_EQ(first.qos, 1);
    EXPECT_EQ(first.payload, "first");
    if (v5()) {
        std::map<std::string, std::string> properties;
        for (const auto& [name, value] : first.properties.forward.user_properties) {
            properties.emplace(name, value);
        }
        EXPECT_EQ(properties, (std::map<std::string, std::string>{{"topic", "plant/7"},
                                                                  {"key", "k"},
                                                                  {"receive_count", "1"},
                                                                  {"sent_at_ms", "5000"}}));
    }
    const std::uint16_t first_id = first.packet_id;
    const std::uint16_t second_id = taken().packet_id;
    EXPECT_NE(first_id, second_id);
    EXPECT_THAT(done(), IsEmpty());
    device.packet(mqtt::Puback{second_id, ReasonCode::kSuccess, {}});
    EXPECT_THAT(done(), ElementsAre(42));
    device.packet(mqtt::Puback{first_id, ReasonCode::kSuccess, {}});
    device.packet(mqtt::Puback{first_id, ReasonCode::kSuccess, {}});
    EXPECT_THAT(done(), ElementsAre(41));
    EXPECT_THAT(device.take_acknowledged(), IsEmpty()) << "no inbox is concerned";
}

TEST_P(QueuesEachVersion, AtQoS0WhatIsSentIsDone) {
    device.packet(subscribe({"$queue/jobs"}, 0));
    EXPECT_THAT(codes(), ElementsAre(ReasonCode::kSuccess));
    give(41, "x");
    EXPECT_EQ(taken().qos, 0);
    EXPECT_THAT(done(), ElementsAre(41));
}

TEST_P(QueuesEachVersion, MixedWithOtherFilters) {
    device.packet(subscribe({"a/#", "$queue/jobs", "$queue/", "$queue/a/b", "$queue/+", "b"}, 2));
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.asked.front().as<Subscribe>().filters.size(), 2U);
    device.answer(ResultCode::kOk, "\x02\x01");
    EXPECT_THAT(codes(),
                ElementsAre(ReasonCode::kGrantedQos2, ReasonCode::kGrantedQos1,
                            refused(ReasonCode::kTopicFilterInvalid),
                            refused(ReasonCode::kTopicFilterInvalid),
                            refused(ReasonCode::kTopicFilterInvalid), ReasonCode::kGrantedQos1));
    mqtt::Unsubscribe packet;
    packet.packet_id = 10;
    packet.filters = {"$queue/jobs", "a/#", "$queue/other"};
    device.packet(packet);
    ASSERT_EQ(device.asked.front().as<Unsubscribe>().filters.size(), 1U);
    device.answer(ResultCode::kOk, std::string_view("\0", 1));
    const auto unsuback = device.take<mqtt::Unsuback>();
    if (v5()) {
        EXPECT_THAT(unsuback.reason_codes, ElementsAre(ReasonCode::kSuccess, ReasonCode::kSuccess,
                                                       ReasonCode::kNoSubscriptionExisted));
    }
    EXPECT_TRUE(device.session.queues().empty());
    give(41, "late");
    EXPECT_TRUE(device.sent.empty()) << "the lease runs out";
}

TEST_P(QueuesEachVersion, NotForASessionThatOutlivesItsConnection) {
    Device persistent;
    mqtt::ConnectProperties properties;
    properties.session_expiry_interval_s = 60;
    persistent.online(GetParam(), properties, false);
    persistent.packet(subscribe({"$queue/jobs"}));
    const auto suback = persistent.take<mqtt::Suback>();
    EXPECT_THAT(suback.reason_codes,
                ElementsAre(refused(ReasonCode::kImplementationSpecificError)));
    EXPECT_EQ(persistent.session.queue_room(), 0U);
}

TEST_P(QueuesEachVersion, NoMoreThanTheClientTakes) {
    Limits limits;
    limits.inflight_max = 3;
    Device narrow(limits);
    narrow.online(GetParam());
    EXPECT_EQ(narrow.session.queue_room(), 0U) << "it consumes nothing";
    narrow.packet(subscribe({"$queue/jobs"}));
    narrow.take<mqtt::Suback>();
    EXPECT_EQ(narrow.session.queue_room(), 3U);
    narrow.deliver("other", 1);
    const std::uint16_t other = narrow.take<mqtt::Publish>().packet_id;
    EXPECT_EQ(narrow.session.queue_room(), 2U);
    // Leased for two while another delivery takes a place: one waits.
    narrow.deliver("other", 1);
    narrow.take<mqtt::Publish>();
    QueueMessage message;
    const std::string body = make_body({}, "x");
    message.body = body;
    for (message.n = 1; message.n <= 2; ++message.n) {
        narrow.queue_message("jobs", kSet, message);
    }
    narrow.take<mqtt::Publish>();
    EXPECT_TRUE(narrow.sent.empty());
    EXPECT_EQ(narrow.session.queue_room(), 0U);
    narrow.packet(mqtt::Puback{other, ReasonCode::kSuccess, {}});
    const std::uint16_t waited = narrow.take<mqtt::Publish>().packet_id;
    narrow.packet(mqtt::Puback{waited, ReasonCode::kSuccess, {}});
    ASSERT_EQ(narrow.queue_done.size(), 1U);
    EXPECT_EQ(narrow.queue_done[0].receipt.n, 2U);
    EXPECT_TRUE(narrow.queue_room_told);
}

INSTANTIATE_TEST_SUITE_P(Versions, QueuesEachVersion, testing::Values(Version::k311, Version::k5),
                         [](const auto& item) {
                             return item.param == Version::k5 ? "v5" : "v311";
                         });

// 5.0 alone can say that it could not do with a message.
TEST(Queues, ARefusedMessageReturnsToItsQueue) {
    Device device;
    device.online(Version::k5);
    mqtt::Subscribe packet;
    packet.packet_id = 9;
    packet.subscriptions.emplace_back().filter = "$queue/jobs";
    packet.subscriptions.back().qos = 1;
    packet.properties.subscription_identifier = 5;
    device.packet(packet);
    device.take<mqtt::Suback>();
    QueueMessage message;
    message.n = 41;
    const std::string body = make_body({}, "x");
    message.body = body;
    device.queue_message("jobs", kSet, message);
    const auto publish = device.take<mqtt::Publish>();
    EXPECT_THAT(publish.properties.subscription_identifiers, ElementsAre(5U));
    device.packet(mqtt::Puback{publish.packet_id, ReasonCode::kUnspecifiedError, {}});
    EXPECT_TRUE(device.queue_done.empty());
    EXPECT_EQ(device.session.queue_room(), 64U);
}

class QueuesByQos : public testing::TestWithParam<int> {};

TEST_P(QueuesByQos, AMessageTooLargeForTheClientReturnsToItsQueue) {
    Device device;
    mqtt::ConnectProperties properties;
    properties.maximum_packet_size = 100;
    device.online(Version::k5, properties);
    mqtt::Subscribe packet;
    packet.packet_id = 9;
    packet.subscriptions.emplace_back().filter = "$queue/jobs";
    packet.subscriptions.back().qos = static_cast<std::uint8_t>(GetParam());
    device.packet(packet);
    device.take<mqtt::Suback>();
    QueueMessage message;
    const std::string body = make_body({}, std::string(200, 'x'));
    message.body = body;
    device.queue_message("jobs", kSet, message);
    EXPECT_TRUE(device.sent.empty());
    EXPECT_TRUE(device.queue_done.empty());
    EXPECT_EQ(device.counters.deliveries_dropped_too_large, 1U);
}

INSTANTIATE_TEST_SUITE_P(Qos, QueuesByQos, testing::Values(0, 1));

}  // namespace
}  // namespace causeway::session::test
