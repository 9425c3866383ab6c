// CONNECT to CONNACK: MQTT 5.0 §3.1, §3.2; MQTT 3.1.1 §3.1, §3.2.
#include <gtest/gtest.h>

#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;

mqtt::Connect connect_of(Version version, std::string_view client_id = "dev",
                         bool clean_start = true) {
    mqtt::Connect packet;
    packet.version = version;
    packet.client_id = client_id;
    packet.clean_start = clean_start;
    return packet;
}

mqtt::Will will_of(std::string_view topic, std::uint8_t qos) {
    mqtt::Will will;
    will.topic = topic;
    will.payload = "gone";
    will.qos = qos;
    return will;
}

class EachVersion : public testing::TestWithParam<Version> {
protected:
    void expect_refused(Device& device, ReasonCode code) {
        const auto connack = device.take<mqtt::Connack>();
        EXPECT_EQ(mqtt::connect_return_code(connack.reason_code), mqtt::connect_return_code(code));
        if (GetParam() == Version::k5) {
            EXPECT_EQ(connack.reason_code, code);
        }
        EXPECT_FALSE(connack.session_present);  // [MQTT-3.2.2-6]
        EXPECT_EQ(device.end, End::kFlush);
        EXPECT_TRUE(device.quiet());
        EXPECT_TRUE(device.session.finished());
        EXPECT_EQ(device.counters.connects_refused, 1U);
        EXPECT_EQ(device.counters.connects_ok, 0U);
    }
};

TEST_P(EachVersion, ConnackWaitsForTheCore) {  // [MQTT-3.1.4-5] [MQTT-3.2.0-1]
    Device device;
    device.connect(connect_of(GetParam()));
    EXPECT_TRUE(device.sent.empty());
    EXPECT_FALSE(device.session.takes_packets());
    EXPECT_FALSE(device.session.answered());
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_TRUE(device.asked.front().topic.empty());
    const auto open = device.asked.front().as<Open>();
    EXPECT_EQ(open.client_id, "dev");
    EXPECT_EQ(open.nonce, 5U);
    EXPECT_TRUE(open.clean_start);
    EXPECT_EQ(open.session_expiry_interval_s, 0U);
    EXPECT_EQ(open.receive_maximum, 1024);
    EXPECT_FALSE(open.will.has_value());
    device.answer_open({9, 0, false});
    const auto connack = device.take<mqtt::Connack>();
    EXPECT_EQ(connack.reason_code, ReasonCode::kSuccess);
    EXPECT_FALSE(connack.session_present);
    EXPECT_TRUE(device.session.online());
    EXPECT_EQ(device.session.epoch(), 9U);
    EXPECT_EQ(device.counters.connects_ok, 1U);
}

TEST_P(EachVersion, SessionPresentIsWhatTheCoreSays) {
    Device device;
    device.connect(connect_of(GetParam(), "dev", false));
    device.answer_open({9, 0, true});
    // 3.1 has no such flag.
    EXPECT_EQ(device.take<mqtt::Connack>().session_present, GetParam() != Version::k31);
}

TEST_P(EachVersion, CleanSessionAndExpiryBecomeOneInterval) {
    for (const bool clean_start : {true, false}) {
        Device device;
        mqtt::Connect packet = connect_of(GetParam(), "dev", clean_start);
        packet.properties.session_expiry_interval_s = GetParam() == Version::k5 ? 300 : 0;
        device.connect(packet);
        const auto open = device.asked.front().as<Open>();
        EXPECT_EQ(open.clean_start, clean_start);
        const std::uint32_t plain = clean_start ? 0 : kNeverExpires;
        EXPECT_EQ(open.session_expiry_interval_s, GetParam() == Version::k5 ? 300 : plain);
    }
}

TEST_P(EachVersion, AnEmptyClientIdWithCleanStart) {
    Device device;
    device.connect(connect_of(GetParam(), ""));
    if (GetParam() == Version::k31) {
        expect_refused(device, ReasonCode::kClientIdentifierNotValid);
        return;
    }
    const std::string assigned(device.asked.front().as<Open>().client_id);
    EXPECT_EQ(assigned.size(), 27U);
    EXPECT_TRUE(assigned.starts_with("cw-"));
    EXPECT_EQ(device.session.client_id(), assigned);
    device.answer_open({9, 0, false});
    const auto connack = device.take<mqtt::Connack>();
    if (GetParam() == Version::k5) {  // [MQTT-3.1.3-7, MQTT-3.2.2-16]
        EXPECT_EQ(connack.properties.assigned_client_identifier, assigned);
    }
}

TEST_P(EachVersion, AnEmptyClientIdThatWantsToResume) {  // [MQTT-3.1.3-8]
    Device device;
    device.connect(connect_of(GetParam(), "", false));
    if (GetParam() == Version::k5) {
        EXPECT_EQ(device.asked.size(), 1U);
        return;
    }
    expect_refused(device, ReasonCode::kClientIdentifierNotValid);  // 3.1.1 [MQTT-3.1.3-8]
}

TEST_P(EachVersion, APeerTheListenerDoesNotLetIn) {  // [MQTT-3.1.4-2]
    Device device({}, {"h", false});
    device.connect(connect_of(GetParam()));
    expect_refused(device, ReasonCode::kNotAuthorized);
}

TEST_P(EachVersion, TheHandshakeMayLetItIn) {
    Device device({}, {"h", false});
    device.session.set_may_connect(true);
    device.connect(connect_of(GetParam()));
    EXPECT_EQ(device.asked.size(), 1U);
}

TEST_P(EachVersion, WithoutALeader) {
    Device device;
    device.core_available = false;
    device.connect(connect_of(GetParam()));
    expect_refused(device, ReasonCode::kServerUnavailable);
}

TEST_P(EachVersion, TheCoreRefuses) {
    for (const auto& [result, code] :
         {std::pair(ResultCode::kQuotaExceeded, ReasonCode::kQuotaExceeded),
          std::pair(ResultCode::kInvalid, ReasonCode::kServerUnavailable),
          std::pair(ResultCode::kDuplicate, ReasonCode::kServerUnavailable)}) {
        Device device;
        device.connect(connect_of(GetParam()));
        device.answer(result);
        expect_refused(device, code);
    }
}

TEST_P(EachVersion, NobodyAnswersTheOpen) {  // [MQTT-3.2.0-2]
    Device device;
    device.connect(connect_of(GetParam()));
    device.advance(10'000);
    // It may still be applied: that is not answered, and the session must not stay attached.
    EXPECT_TRUE(device.sent.empty());
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_FALSE(device.session.finished());
    device.answer_open({9, 0, false});
    ASSERT_EQ(device.asked.size(), 1U);
    const auto close = device.asked.front().as<Close>();
    EXPECT_EQ(close.epoch, 9U);
    EXPECT_EQ(close.reason, CloseReason::kLost);
    device.answer();
    EXPECT_TRUE(device.session.finished());
    EXPECT_EQ(device.counters.connects_ok, 0U);
}

TEST_P(EachVersion, NobodyIsSentTheOpen) {
    Device device;
    device.commands_sent = false;
    device.connect(connect_of(GetParam()));
    device.advance(9'999);
    EXPECT_TRUE(device.sent.empty());
    device.advance(1);
    EXPECT_TRUE(device.asked.empty()) << "withdrawn";
    expect_refused(device, ReasonCode::kServerUnavailable);
}

TEST_P(EachVersion, TheDeviceIsGoneWhileOpenIsUnderWay) {
    Device device;
    device.connect(connect_of(GetParam()));
    device.closed();
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_FALSE(device.session.finished());
    device.answer_open({9, 0, false});
    EXPECT_EQ(device.asked.front().as<Close>().epoch, 9U);
    EXPECT_FALSE(device.session.finished());
    device.answer();
    EXPECT_TRUE(device.session.finished());
}

TEST_P(EachVersion, GoneAndRefused) {
    Device device;
    device.connect(connect_of(GetParam()));
    device.closed();
    device.answer(ResultCode::kQuotaExceeded);
    EXPECT_TRUE(device.quiet());
    EXPECT_TRUE(device.session.finished());
}

TEST_P(EachVersion, PacketsBehindConnectAreTakenAfterConnack) {
    Device device;
    device.connect(connect_of(GetParam()));
    device.publish("a/b", 1, 7);
    device.packet(mqtt::Pingreq{});
    EXPECT_EQ(device.asked.size(), 1U);
    EXPECT_TRUE(device.sent.empty());
    device.answer_open({9, 0, false});
    device.take<mqtt::Connack>();
    device.take<mqtt::Pingresp>();
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.asked.front().kind(), CommandKind::kPublish);
}

TEST_P(EachVersion, WhatFollowsARefusedConnectIsNotProcessed) {  // [MQTT-3.1.4-6]
    Device device;
    device.core_available = false;
    std::string bytes;
    ASSERT_TRUE(mqtt::encode(connect_of(GetParam()), GetParam(), bytes));
    ASSERT_TRUE(mqtt::encode(mqtt::Pingreq{}, GetParam(), bytes));
    device.bytes(bytes);
    expect_refused(device, ReasonCode::kServerUnavailable);
}

TEST_P(EachVersion, ASecondConnectIsAProtocolError) {  // [MQTT-3.1.0-2]
    Device device;
    device.online(GetParam());
    device.connect(connect_of(GetParam()));
    if (GetParam() == Version::k5) {
        EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kProtocolError);
    }
    EXPECT_TRUE(device.sent.empty());
    EXPECT_EQ(device.end, End::kFlush);
    EXPECT_EQ(device.asked.front().as<Close>().reason, CloseReason::kLost);
    EXPECT_EQ(device.counters.protocol_errors, 1U);
}

TEST_P(EachVersion, ASecondConnectThatCannotBeReadIsOneToo) {
    Device device;
    device.online(GetParam());
    device.bytes(std::string("\x10\x07\x00\x04MQTT\x09", 9));
    if (GetParam() == Version::k5) {
        EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kProtocolError);
    }
    EXPECT_EQ(device.end, End::kFlush);
}

TEST_P(EachVersion, TheFirstPacketIsNotConnect) {  // [MQTT-3.1.0-1]
    Device device;
    device.version = Version::k311;
    device.publish("a", 1, 1);
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_TRUE(device.quiet());
    EXPECT_EQ(device.counters.protocol_errors, 1U);
    EXPECT_EQ(device.counters.publishes_received[1], 0U);
}

TEST_P(EachVersion, NoConnectInTime) {
    Device device;
    EXPECT_EQ(device.session.deadline(), device.now + 10'000);
    device.advance(9'999);
    EXPECT_EQ(device.end, End::kNone);
    device.advance(1);
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_TRUE(device.quiet());
}

TEST_P(EachVersion, OneAndAHalfKeepAlives) {  // [MQTT-3.1.2-22]; 3.1.1 [MQTT-3.1.2-24]
    Device device;
    mqtt::Connect packet = connect_of(GetParam());
    packet.keep_alive_s = 10;
    device.connect(packet);
    device.answer_open({77, 0, false});
    device.take<mqtt::Connack>();
    device.advance(14'999);
    EXPECT_EQ(device.end, End::kNone);
    device.packet(mqtt::Pingreq{});  // any packet starts the time anew
    device.take<mqtt::Pingresp>();
    EXPECT_EQ(device.session.deadline(), device.now + 15'000);
    device.advance(15'000);
    EXPECT_EQ(device.end, End::kFlush);
    if (GetParam() == Version::k5) {
        EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kKeepAliveTimeout);
    }
    EXPECT_TRUE(device.sent.empty());
    EXPECT_EQ(device.asked.front().as<Close>().reason, CloseReason::kLost);
    EXPECT_EQ(device.counters.keep_alive_timeouts, 1U);
}

TEST_P(EachVersion, KeepAliveZeroNeverEnds) {
    Device device;
    device.online(GetParam());
    EXPECT_EQ(device.session.deadline(), 0U);
    device.advance(1'000'000'000);
    EXPECT_TRUE(device.session.online());
}

TEST_P(EachVersion, TheWillGoesIntoTheOpen) {  // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.1.3-1]
    Device device;
    mqtt::Connect packet = connect_of(GetParam());
    packet.will = will_of("w/t", 2);
    packet.will->retain = true;
    packet.user_name = "ada";
    device.connect(packet);
    const auto open = device.asked.front().as<Open>();
    EXPECT_EQ(open.username, "ada");
    ASSERT_TRUE(open.will.has_value());
    EXPECT_EQ(open.will->topic, "w/t");
    EXPECT_EQ(parse_body(open.will->body).payload, "gone");
    EXPECT_EQ(parse_body(open.will->body).properties, "");
    EXPECT_EQ(open.will->qos, 2);
    EXPECT_TRUE(open.will->retain);
    EXPECT_EQ(open.will->delay_s, 0U);
    EXPECT_EQ(open.will->expiry_s, 0U);
}

TEST_P(EachVersion, AWillForATopicClientsMayNotPublishTo) {
    Limits limits;
    limits.topic_levels_max = 3;
    for (const auto& [topic, code] : {std::pair("$SYS/x", ReasonCode::kNotAuthorized),
                                      std::pair("a/b/c/d", ReasonCode::kTopicNameInvalid)}) {
        Device device(limits);
        mqtt::Connect packet = connect_of(GetParam());
        packet.will = will_of(topic, 0);
        device.connect(packet);
        expect_refused(device, code);
    }
}

TEST_P(EachVersion, TheStreamIsLostBeforeConnect) {
    Device device;
    device.stream_lost();
    EXPECT_EQ(device.end, End::kNone);
    device.online(GetParam());
    device.closed();
    ASSERT_EQ(device.asked.size(), 1U);  // its session must be detached all the same
    EXPECT_EQ(device.asked.front().kind(), CommandKind::kClose);
}

TEST_P(EachVersion, TheStreamIsLostBeforeOpenWasSent) {
    Device device;
    device.commands_sent = false;
    device.connect(connect_of(GetParam()));
    device.stream_lost();
    expect_refused(device, ReasonCode::kServerUnavailable);
    EXPECT_TRUE(device.session.finished());
}

// It may have been performed: nothing is answered.
TEST_P(EachVersion, TheStreamIsLostWhileOpenIsUnderWay) {
    Device device;
    device.connect(connect_of(GetParam()));
    device.stream_lost();
    EXPECT_NE(device.end, End::kNone);
    EXPECT_TRUE(device.sent.empty());
    EXPECT_TRUE(device.session.finished());
}

TEST_P(EachVersion, AnOpenThatWasWithdrawnAfterItWasSent) {
    Device device;
    device.connect(connect_of(GetParam()));
    device.closed();
    EXPECT_FALSE(device.session.finished()) << "its result is due";
    device.answer(ResultCode::kStale);
    EXPECT_TRUE(device.asked.empty());
    EXPECT_TRUE(device.session.finished());
}

TEST_P(EachVersion, AClientThatLeavesBeforeItsOpenIsSentWasNeverThere) {
    Device device;
    device.commands_sent = false;
    device.connect(connect_of(GetParam()));
    device.closed();
    EXPECT_TRUE(device.asked.empty());
    EXPECT_TRUE(device.session.finished());
}

TEST_P(EachVersion, ShuttingDownWhileOpenIsUnderWay) {
    Device device;
    device.connect(connect_of(GetParam()));
    device.shutdown(ReasonCode::kServerShuttingDown);
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_TRUE(device.sent.empty());  // [MQTT-3.14.0-1]
    device.answer_open({9, 0, false});
    EXPECT_EQ(device.asked.front().kind(), CommandKind::kClose);
}

INSTANTIATE_TEST_SUITE_P(Versions, EachVersion, testing::ValuesIn(kVersions),
                         [](const auto& item) { return version_name(item); });

TEST(Connect5, ConnackSaysWhatThisServerOffers) {
    Limits limits;
    limits.receive_maximum = 20;
    limits.packet_bytes_max = 5'000;
    limits.topic_alias_maximum = 3;
    Device device(limits);
    device.connect(connect_of(Version::k5));
    device.answer_open({9, 0, false});
    const auto properties = device.take<mqtt::Connack>().properties;
    EXPECT_EQ(properties.receive_maximum, 20);
    EXPECT_EQ(properties.maximum_packet_size, 5'000U);
    EXPECT_EQ(properties.topic_alias_maximum, 3);
    EXPECT_TRUE(properties.shared_subscription_available);
    EXPECT_TRUE(properties.retain_available);
    EXPECT_TRUE(properties.wildcard_subscription_available);
    EXPECT_TRUE(properties.subscription_identifier_available);
    EXPECT_EQ(properties.maximum_qos, 2);
    EXPECT_FALSE(properties.session_expiry_interval_s.has_value());
    EXPECT_FALSE(properties.server_keep_alive_s.has_value());
    EXPECT_FALSE(properties.assigned_client_identifier.has_value());
}

TEST(Connect5, AShorterSessionExpiryIsSaid) {
    Device device;
    mqtt::Connect packet = connect_of(Version::k5);
    packet.properties.session_expiry_interval_s = kNeverExpires;
    device.connect(packet);
    device.answer_open({9, 600, false});
    EXPECT_EQ(device.take<mqtt::Connack>().properties.session_expiry_interval_s, 600U);
}

TEST(Connect5, ServerKeepAlive) {  // [MQTT-3.2.2-22]
    for (const auto& [asked, given] : {std::pair(0, 60), std::pair(61, 60), std::pair(59, 59)}) {
        Limits limits;
        limits.keep_alive_max_s = 60;
        Device device(limits);
        mqtt::Connect packet = connect_of(Version::k5);
        packet.keep_alive_s = static_cast<std::uint16_t>(asked);
        device.connect(packet);
        device.answer_open({9, 0, false});
        EXPECT_EQ(device.take<mqtt::Connack>().properties.server_keep_alive_s, given);
        EXPECT_EQ(device.session.deadline(),
                  device.now + static_cast<std::uint64_t>(given) * 1'500);
    }
}

TEST(Connect5, TheWindowIsTheSmallerOne) {  // [MQTT-4.9.0-1]
    Limits limits;
    limits.inflight_max = 30;
    for (const auto& [asked, given] : {std::pair(10, 10), std::pair(65'535, 30)}) {
        Device device(limits);
        mqtt::Connect packet = connect_of(Version::k5);
        packet.properties.receive_maximum = static_cast<std::uint16_t>(asked);
        device.connect(packet);
        EXPECT_EQ(device.asked.front().as<Open>().receive_maximum, given);
    }
}

TEST(Connect5, AnUnknownAuthenticationMethod) {  // [MQTT-4.12.0-1]
    Device device;
    mqtt::Connect packet = connect_of(Version::k5);
    packet.properties.authentication_method = "SCRAM-SHA-1";
    device.connect(packet);
    EXPECT_EQ(device.take<mqtt::Connack>().reason_code, ReasonCode::kBadAuthenticationMethod);
    EXPECT_EQ(device.end, End::kFlush);
}

TEST(Connect5, AuthIsAProtocolError) {  // [MQTT-4.12.0-7]
    Device device;
    device.online(Version::k5);
    mqtt::Auth packet;
    packet.reason_code = ReasonCode::kReauthenticate;
    packet.properties.authentication_method = "x";
    device.packet(packet);
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kProtocolError);
}

TEST(Connect5, TheWillHasItsProperties) {  // [MQTT-3.1.3-10]
    Device device;
    mqtt::Connect packet = connect_of(Version::k5);
    mqtt::Will will = will_of("w", 1);
    will.properties.will_delay_interval_s = 30;
    will.properties.message_expiry_interval_s = 0;
    will.properties.forward.content_type = "text/plain";
    packet.will = will;
    device.connect(packet);
    const auto open = device.asked.front().as<Open>();
    EXPECT_EQ(open.will->delay_s, 30U);
    EXPECT_EQ(open.will->expiry_s, 1U);  // 0 for the core would be: never
    EXPECT_EQ(parse_body(open.will->body).properties, std::string("\x03\x00\x0Atext/plain", 13));
}

TEST(Connect5, AClientThatTakesNoConnack) {  // [MQTT-3.1.2-24]
    Device device;
    mqtt::Connect packet = connect_of(Version::k5);
    packet.properties.maximum_packet_size = 8;
    device.connect(packet);
    device.answer_open({9, 0, false});
    EXPECT_TRUE(device.sent.empty());
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_EQ(device.asked.front().as<Close>().epoch, 9U);
    EXPECT_EQ(device.counters.connects_ok, 0U);
}

TEST(ConnectMalformed, IsAnsweredWhereTheVersionHasAnAnswer) {
    struct Case {
        std::string bytes;
        std::optional<ReasonCode> answer;
    };
    using std::string;
    const Case cases[] = {
        {string("\x10\x0C\x00\x04MQTT\x06\x02\x00\x00\x00\x00", 14),
         ReasonCode::kUnsupportedProtocolVersion},  // level 6: as 5.0
        {string("\x10\x0C\x00\x04MQTT\x02\x02\x00\x00\x00\x00", 14),
         ReasonCode::kUnsupportedProtocolVersion},  // level 2: as 3.1.1, [MQTT-3.1.2-2]
        {string("\x10\x0D\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x00", 15),
         ReasonCode::kMalformedPacket},  // reserved flag
        {string("\x10\x0C\x00\x04MQTT\x04\x03\x00\x00\x00\x00", 14), std::nullopt},
        {string("\xF0\x00", 2), std::nullopt},
        {string("\x00\x00", 2), std::nullopt},
    };
    for (const Case& item : cases) {
        Device device;
        device.bytes(item.bytes);
        EXPECT_EQ(device.sent.size(), item.answer ? 1U : 0U);
        if (item.answer) {
            EXPECT_EQ(device.take<mqtt::Connack>().reason_code, *item.answer);
        }
        EXPECT_EQ(device.end, item.answer ? End::kFlush : End::kNow);
        EXPECT_EQ(device.counters.malformed, 1U);
        EXPECT_TRUE(device.session.finished());
    }
}

}  // namespace
}  // namespace causeway::session::test
