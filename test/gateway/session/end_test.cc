// How connections end: MQTT 5.0 §3.14, §4.13; and what the core hears of it.
#include <gtest/gtest.h>

#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;

class EndEachVersion : public testing::TestWithParam<Version> {
protected:
    void SetUp() override { device.online(GetParam()); }
    [[nodiscard]] bool v5() const { return GetParam() == Version::k5; }
    void expect_disconnect(ReasonCode code) {
        if (v5()) {
            EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, code);
        }
        EXPECT_TRUE(device.sent.empty());
        EXPECT_EQ(device.end, End::kFlush);
    }
    void expect_close(CloseReason reason) {
        ASSERT_EQ(device.asked.size(), 1U);
        const auto close = device.asked.front().as<Close>();
        EXPECT_EQ(close.epoch, 77U);
        EXPECT_EQ(close.reason, reason);
        EXPECT_FALSE(close.session_expiry_interval_s.has_value());
        device.answer();
        EXPECT_TRUE(device.session.finished());
    }

    Device device;
};

TEST_P(EndEachVersion, DisconnectDiscardsTheWill) {  // [MQTT-3.14.4-3]
    device.packet(mqtt::Disconnect{});
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_TRUE(device.sent.empty());
    expect_close(CloseReason::kNormal);
}

TEST_P(EndEachVersion, NothingBehindDisconnectIsProcessed) {
    std::string bytes;
    ASSERT_TRUE(mqtt::encode(mqtt::Disconnect{}, GetParam(), bytes));
    ASSERT_TRUE(mqtt::encode(mqtt::Pingreq{}, GetParam(), bytes));
    device.bytes(bytes);
    expect_close(CloseReason::kNormal);
}

TEST_P(EndEachVersion, APacketMustBeCompleteInTime) {
    Effects out;
    device.session.on_partial(device.now, out);
    EXPECT_TRUE(out.deadline_changed);
    device.advance(200'000);
    out.clear();
    device.session.on_partial(device.now, out);  // a little more of it
    EXPECT_FALSE(out.deadline_changed);
    device.advance(99'999);
    EXPECT_EQ(device.end, End::kNone);
    device.advance(1);
    EXPECT_EQ(device.counters.packet_timeouts, 1U);
    expect_disconnect(ReasonCode::kImplementationSpecificError);
    expect_close(CloseReason::kLost);
}

TEST_P(EndEachVersion, ACompletePacketEndsItsTime) {
    Effects out;
    device.session.on_partial(device.now, out);
    device.advance(299'000);
    device.packet(mqtt::Pingreq{});
    device.sent.clear();
    device.advance(299'000);
    EXPECT_EQ(device.end, End::kNone);
    device.session.on_partial(device.now, out);
    device.session.extend_partial(device.now + 200'000);  // the driver did not read
    device.advance(301'000);
    EXPECT_EQ(device.end, End::kNone);
    device.advance(199'000);
    EXPECT_EQ(device.end, End::kFlush);
}

TEST_P(EndEachVersion, WhoLeavesAllUnreadHasAMinute) {
    device.unread();
    device.packet(mqtt::Pingreq{});
    EXPECT_TRUE(device.sent.empty());
    device.advance(59'999);
    EXPECT_EQ(device.end, End::kNone);
    device.advance(1);
    EXPECT_EQ(device.counters.slow_closed, 1U);
    expect_disconnect(ReasonCode::kQuotaExceeded);
    expect_close(CloseReason::kLost);
}

// What it sends while it is not read is not seen, so its keep alive begins anew.
TEST_P(EndEachVersion, AKeepAliveDoesNotRunWhileNothingIsRead) {
    Device quick;
    mqtt::Connect packet;
    packet.version = GetParam();
    packet.client_id = "dev";
    packet.keep_alive_s = 10;
    quick.connect(packet);
    quick.answer_open({quick.epoch, 0, false});
    quick.take<mqtt::Connack>();
    quick.advance(14'000);
    quick.unread();
    quick.advance(30'000);
    EXPECT_EQ(quick.end, End::kNone);
    quick.read_again();
    quick.advance(14'999);
    EXPECT_EQ(quick.end, End::kNone);
    quick.advance(1);
    EXPECT_EQ(quick.counters.keep_alive_timeouts, 1U);
    EXPECT_EQ(quick.end, End::kFlush);
}

TEST_P(EndEachVersion, ALostConnectionKeepsTheWill) {  // [MQTT-3.1.2-8]
    device.closed();
    EXPECT_EQ(device.end, End::kNow);
    expect_close(CloseReason::kLost);
}

TEST_P(EndEachVersion, ClosedAfterDisconnectIsOneEnd) {
    device.packet(mqtt::Disconnect{});
    device.closed();
    expect_close(CloseReason::kNormal);
}

TEST_P(EndEachVersion, Takeover) {  // [MQTT-3.1.4-3]
    device.takeover(76);            // of an earlier connection
    EXPECT_EQ(device.end, End::kNone);
    device.takeover(77);
    expect_disconnect(ReasonCode::kSessionTakenOver);
    EXPECT_TRUE(device.asked.empty());  // the session is another's already
    EXPECT_TRUE(device.session.finished());
    EXPECT_EQ(device.counters.takeovers, 1U);
}

TEST_P(EndEachVersion, ShuttingDown) {
    device.shutdown(ReasonCode::kServerShuttingDown);
    expect_disconnect(ReasonCode::kServerShuttingDown);
    expect_close(CloseReason::kLost);
}

TEST_P(EndEachVersion, AReasonDisconnectDoesNotHave) {
    device.shutdown(ReasonCode::kServerUnavailable);
    expect_disconnect(ReasonCode::kUnspecifiedError);
}

TEST_P(EndEachVersion, TheStreamIsLost) {
    device.publish("a", 1, 1);
    device.stream_lost();
    expect_disconnect(ReasonCode::kUseAnotherServer);
    EXPECT_TRUE(device.asked.empty());
    EXPECT_TRUE(device.session.finished());
    EXPECT_EQ(device.counters.publishes_unanswered, 1U);
    Effects effects;
    device.session.on_result(make_token(Ticket::kPublish, 1), ResultCode::kOk, {}, effects);
    EXPECT_TRUE(device.session.finished());
}

TEST_P(EndEachVersion, TheStreamIsLostAfterTheEnd) {
    device.closed();
    EXPECT_FALSE(device.session.finished());
    device.stream_lost();
    EXPECT_TRUE(device.session.finished());
}

TEST_P(EndEachVersion, NothingIsHeardAfterTheEnd) {
    device.deliver("a", 2, 9);
    device.take<mqtt::Publish>();
    device.packet(mqtt::Pubrec{9, {}, {}});
    device.closed();
    ASSERT_EQ(device.asked.size(), 2U);
    // device.h aborts on any effect of these.
    device.deliver("a", 0);
    device.deliver("a", 1, 10);
    device.release(11);
    device.takeover(77);
    device.shutdown(ReasonCode::kServerShuttingDown);
    device.advance(1'000'000);
    device.answer();
    device.answer();
    EXPECT_TRUE(device.session.finished());
    EXPECT_TRUE(device.sent.empty());
}

TEST_P(EndEachVersion, MalformedBytes) {  // [MQTT-4.13.1-1]
    device.bytes(std::string("\x36\x00", 2));
    expect_disconnect(ReasonCode::kMalformedPacket);
    EXPECT_EQ(device.counters.malformed, 1U);
    expect_close(CloseReason::kLost);
}

TEST_P(EndEachVersion, APacketOfTheServer) {
    device.bytes(std::string("\xD0\x00", 2));
    expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(EndEachVersion, ATooLargePacket) {
    device.bytes(std::string("\x30\xFF\xFF\xFF\x7F", 5));
    expect_disconnect(ReasonCode::kPacketTooLarge);
}

TEST_P(EndEachVersion, ResultsOfTheEndedConnectionAreAwaited) {
    device.publish("a", 2, 1);
    device.packet(mqtt::Disconnect{});
    EXPECT_EQ(device.asked.size(), 2U);
    device.answer();
    EXPECT_FALSE(device.session.finished());
    device.answer(ResultCode::kStale);
    EXPECT_TRUE(device.session.finished());
    EXPECT_TRUE(device.quiet());
}

INSTANTIATE_TEST_SUITE_P(Versions, EndEachVersion, testing::ValuesIn(kVersions),
                         [](const auto& item) { return version_name(item); });

mqtt::Disconnect disconnect_of(ReasonCode code, std::optional<std::uint32_t> expiry_s) {
    mqtt::Disconnect packet;
    packet.reason_code = code;
    packet.properties.session_expiry_interval_s = expiry_s;
    return packet;
}

TEST(End5, OnlyNormalDisconnectionDiscardsTheWill) {
    for (const ReasonCode code : {ReasonCode::kDisconnectWithWill, ReasonCode::kUnspecifiedError,
                                  ReasonCode::kQuotaExceeded}) {
        Device device;
        device.online(Version::k5);
        device.packet(disconnect_of(code, std::nullopt));
        EXPECT_EQ(device.end, End::kNow);
        EXPECT_EQ(device.asked.front().as<Close>().reason, CloseReason::kWithWill);
    }
}

TEST(End5, DisconnectMayChangeTheSessionExpiry) {  // §3.14.2.2.2
    for (const std::uint32_t expiry_s : {0U, 5U, kNeverExpires}) {
        Device device;
        mqtt::ConnectProperties properties;
        properties.session_expiry_interval_s = 60;
        device.online(Version::k5, properties);
        device.packet(disconnect_of(ReasonCode::kSuccess, expiry_s));
        EXPECT_EQ(device.asked.front().as<Close>().session_expiry_interval_s, expiry_s);
    }
}

TEST(End5, DisconnectMayNotBringASessionExpiry) {
    Device device;
    device.online(Version::k5);
    device.packet(disconnect_of(ReasonCode::kSuccess, 5));
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kProtocolError);
    EXPECT_EQ(device.asked.front().as<Close>().reason, CloseReason::kLost);
    Device other;
    other.online(Version::k5);
    other.packet(disconnect_of(ReasonCode::kSuccess, 0));
    EXPECT_EQ(other.end, End::kNow);
    EXPECT_EQ(other.asked.front().as<Close>().reason, CloseReason::kNormal);
}

TEST(End5, WhatTheClientAskedForCountsNotWhatItGot) {
    Device device;
    mqtt::Connect packet;
    packet.version = Version::k5;
    packet.client_id = "dev";
    packet.properties.session_expiry_interval_s = 60;
    device.connect(packet);
    device.answer_open({77, 0, false});
    EXPECT_EQ(device.take<mqtt::Connack>().properties.session_expiry_interval_s, 0U);
    device.packet(disconnect_of(ReasonCode::kSuccess, 30));
    EXPECT_EQ(device.end, End::kNow);
}

}  // namespace
}  // namespace causeway::session::test
