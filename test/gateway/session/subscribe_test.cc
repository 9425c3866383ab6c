// SUBSCRIBE and UNSUBSCRIBE: MQTT 5.0 §3.8 to §3.11; MQTT 3.1.1 §3.8 to §3.11.
#include <gtest/gtest.h>

#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;

class SubscribeEachVersion : public testing::TestWithParam<Version> {
protected:
    void SetUp() override { device.online(GetParam()); }
    [[nodiscard]] bool v5() const { return GetParam() == Version::k5; }
    void subscribe(std::uint16_t packet_id, std::initializer_list<std::string_view> filters,
                   std::uint8_t qos = 1) {
        mqtt::Subscribe packet;
        packet.packet_id = packet_id;
        for (const std::string_view filter : filters) {
            packet.subscriptions.emplace_back().filter = filter;
            packet.subscriptions.back().qos = qos;
        }
        device.packet(packet);
    }
    // 3.1.1 has one code for every failure.
    void expect_codes(const mqtt::Suback& packet, std::vector<ReasonCode> codes) {
        for (ReasonCode& code : codes) {
            code = !v5() && mqtt::is_error(code) ? ReasonCode::kUnspecifiedError : code;
        }
        EXPECT_EQ(std::vector(packet.reason_codes.begin(), packet.reason_codes.end()), codes);
    }

    Device device;
};

TEST_P(SubscribeEachVersion, TheCoreDecidesEachFilter) {  // [MQTT-3.8.4-2, -5, -6, MQTT-3.9.3-1]
    subscribe(10, {"a/+", "b/#", "c"}, 2);
    EXPECT_TRUE(device.sent.empty());
    const auto command = device.asked.front().as<Subscribe>();
    EXPECT_EQ(command.epoch, 77U);
    ASSERT_EQ(command.filters.size(), 3U);
    EXPECT_EQ(command.filters[0].filter, "a/+");
    EXPECT_EQ(command.filters[1].filter, "b/#");
    EXPECT_EQ(command.filters[2].filter, "c");
    EXPECT_EQ(command.filters[2].qos, 2);
    EXPECT_EQ(command.filters[2].identifier, 0U);
    EXPECT_EQ(command.filters[2].retain_handling, 0);
    device.answer(ResultCode::kOk, std::string_view("\x02\x97\x00", 3));
    const auto suback = device.take<mqtt::Suback>();
    EXPECT_EQ(suback.packet_id, 10);
    expect_codes(suback,
                 {ReasonCode::kGrantedQos2, ReasonCode::kQuotaExceeded, ReasonCode::kSuccess});
}

TEST_P(SubscribeEachVersion, TooDeepFiltersAreAnsweredHereAndSharedOnesByTheCore) {
    const std::string deep(128, '/');
    subscribe(11, {"$share/g/a", "ok/1", deep, "ok/2"});
    const auto command = device.asked.front().as<Subscribe>();
    ASSERT_EQ(command.filters.size(), 3U);
    EXPECT_EQ(command.filters[0].filter, "$share/g/a");
    EXPECT_EQ(command.filters[1].filter, "ok/1");
    EXPECT_EQ(command.filters[2].filter, "ok/2");
    device.answer(ResultCode::kOk, std::string_view("\x01\x01\x00", 3));
    expect_codes(device.take<mqtt::Suback>(),
                 {ReasonCode::kGrantedQos1, ReasonCode::kGrantedQos1,
                  ReasonCode::kTopicFilterInvalid, ReasonCode::kSuccess});
    EXPECT_EQ(device.counters.limit_topic, 1U);
}

TEST_P(SubscribeEachVersion, NothingLeftToAskTheCore) {
    subscribe(12, {std::string(128, '/')});
    EXPECT_TRUE(device.asked.empty());
    const auto suback = device.take<mqtt::Suback>();
    EXPECT_EQ(suback.packet_id, 12);
    expect_codes(suback, {ReasonCode::kTopicFilterInvalid});
}

TEST_P(SubscribeEachVersion, TheCoreRefusesAll) {
    subscribe(1, {"a", "b"});
    subscribe(2, {"a"});
    device.answer(ResultCode::kQuotaExceeded);
    expect_codes(device.take<mqtt::Suback>(),
                 {ReasonCode::kQuotaExceeded, ReasonCode::kQuotaExceeded});
    device.answer(ResultCode::kInvalid);
    expect_codes(device.take<mqtt::Suback>(), {ReasonCode::kUnspecifiedError});
}

TEST_P(SubscribeEachVersion, AnAnswerThatIsTooShortGrantsNothingMore) {
    subscribe(1, {"a", "b"});
    device.answer(ResultCode::kOk, std::string_view("\x01", 1));
    expect_codes(device.take<mqtt::Suback>(),
                 {ReasonCode::kGrantedQos1, ReasonCode::kUnspecifiedError});
}

TEST_P(SubscribeEachVersion, ManyUnderWay) {  // [MQTT-2.2.1-6] [MQTT-3.8.4-1]
    subscribe(1, {"a"});
    subscribe(2, {"b", "c"});
    device.packet([] {
        mqtt::Unsubscribe packet;
        packet.packet_id = 3;
        packet.filters = {"a"};
        return packet;
    }());
    subscribe(4, {"d"});
    ASSERT_EQ(device.asked.size(), 4U);
    device.answer(ResultCode::kOk, std::string_view("\x00", 1));
    EXPECT_EQ(device.take<mqtt::Suback>().packet_id, 1);
    device.answer(ResultCode::kOk, std::string_view("\x00\x01", 2));
    EXPECT_EQ(device.take<mqtt::Suback>().packet_id, 2);
    device.answer(ResultCode::kOk, std::string_view("\x00", 1));
    EXPECT_EQ(device.take<mqtt::Unsuback>().packet_id, 3);
    device.answer(ResultCode::kOk, std::string_view("\x00", 1));
    EXPECT_EQ(device.take<mqtt::Suback>().packet_id, 4);
}

TEST_P(SubscribeEachVersion, Unsubscribe) {  // [MQTT-3.10.4-4 to -6]
    mqtt::Unsubscribe packet;
    packet.packet_id = 10;
    packet.filters = {"a/#", "$share/g/b", "c"};
    device.packet(packet);
    const auto command = device.asked.front().as<Unsubscribe>();
    EXPECT_EQ(command.epoch, 77U);
    ASSERT_EQ(command.filters.size(), 3U);
    EXPECT_EQ(command.filters[1], "$share/g/b");
    device.answer(ResultCode::kOk, std::string_view("\x00\x11\x00", 3));
    const auto unsuback = device.take<mqtt::Unsuback>();
    EXPECT_EQ(unsuback.packet_id, 10);
    if (v5()) {
        EXPECT_EQ(std::vector(unsuback.reason_codes.begin(), unsuback.reason_codes.end()),
                  (std::vector{ReasonCode::kSuccess, ReasonCode::kNoSubscriptionExisted,
                               ReasonCode::kSuccess}));
    }
}

TEST_P(SubscribeEachVersion, AnUnsubscribeTheCoreDidNotDoHasACodeForEachFilter) {
    mqtt::Unsubscribe packet;
    packet.packet_id = 10;
    packet.filters = {"a", "b"};
    device.packet(packet);
    device.answer(ResultCode::kQuotaExceeded);
    const auto unsuback = device.take<mqtt::Unsuback>();
    if (v5()) {  // [MQTT-3.11.3-1]
        EXPECT_EQ(std::vector(unsuback.reason_codes.begin(), unsuback.reason_codes.end()),
                  std::vector(2, ReasonCode::kUnspecifiedError));
    }
}

TEST_P(SubscribeEachVersion, AStaleSessionGrantsNothing) {
    subscribe(1, {"a"});
    device.answer(ResultCode::kStale);
    if (v5()) {
        EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kSessionTakenOver);
    }
    EXPECT_TRUE(device.quiet());
    EXPECT_EQ(device.end, End::kFlush);
}

INSTANTIATE_TEST_SUITE_P(Versions, SubscribeEachVersion, testing::ValuesIn(kVersions),
                         [](const auto& item) { return version_name(item); });

TEST(Subscribe5, OptionsAndIdentifier) {
    Device device;
    device.online(Version::k5);
    mqtt::Subscribe packet;
    packet.packet_id = 1;
    packet.properties.subscription_identifier = 268'435'455;
    auto& subscription = packet.subscriptions.emplace_back();
    subscription.filter = "a";
    subscription.qos = 2;
    subscription.no_local = true;
    subscription.retain_as_published = true;
    subscription.retain_handling = mqtt::RetainHandling::kDoNotSend;
    device.packet(packet);
    const auto command = device.asked.front().as<Subscribe>();
    EXPECT_EQ(command.filters[0].identifier, 268'435'455U);
    EXPECT_TRUE(command.filters[0].no_local);
    EXPECT_TRUE(command.filters[0].retain_as_published);
    EXPECT_EQ(command.filters[0].retain_handling, 2);
}

TEST(Subscribe5, ASubackTheClientDoesNotTake) {  // [MQTT-3.1.2-24]
    Device device;
    mqtt::ConnectProperties properties;
    properties.maximum_packet_size = 40;
    device.online(Version::k5, properties);
    mqtt::Subscribe packet;
    packet.packet_id = 1;
    for (int i = 0; i < 60; ++i) {
        packet.subscriptions.emplace_back().filter = "a";
    }
    device.packet(packet);
    device.answer(ResultCode::kOk, std::string(60, '\0'));
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kPacketTooLarge);
    EXPECT_EQ(device.end, End::kFlush);
}

}  // namespace
}  // namespace causeway::session::test
