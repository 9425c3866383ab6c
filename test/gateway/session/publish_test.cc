// What clients publish: MQTT 5.0 §3.3 to §3.7, §4.3; MQTT 3.1.1 §3.3, §4.3.
#include <gtest/gtest.h>

#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;

class PublishEachVersion : public testing::TestWithParam<Version> {
protected:
    void SetUp() override { device.online(GetParam()); }
    [[nodiscard]] bool v5() const { return GetParam() == Version::k5; }
    // The connection was failed: with DISCONNECT where the version has one.
    void expect_failed(ReasonCode code) {
        if (v5()) {
            EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, code);
        }
        EXPECT_TRUE(device.sent.empty());
        EXPECT_EQ(device.end, End::kFlush);
        EXPECT_TRUE(device.balanced());
    }
    void pubrel(std::uint16_t packet_id) { device.packet(mqtt::Pubrel{packet_id, {}, {}}); }

    Device device;
};

TEST_P(PublishEachVersion, Qos0GoesOutWithoutACommand) {
    device.publish("a/b", 0, 0, "hello");
    EXPECT_TRUE(device.quiet());
    ASSERT_EQ(device.unlogged.size(), 1U);
    EXPECT_EQ(device.unlogged[0].topic, "a/b");
    EXPECT_EQ(parse_body(device.unlogged[0].body).payload, "hello");
    EXPECT_EQ(device.counters.publishes_received[0], 1U);
    EXPECT_EQ(device.counters.unlogged_passed, 1U);
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, Qos1IsAnsweredAfterItsResult) {  // [MQTT-4.3.2-4]
    device.publish("a/b", 1, 7, "hello");
    EXPECT_TRUE(device.sent.empty());
    EXPECT_FALSE(device.session.answered());
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.asked.front().topic, "a/b");
    const auto command = device.asked.front().as<Publish>();
    EXPECT_EQ(command.epoch, 77U);
    EXPECT_EQ(command.client_id, "dev");
    EXPECT_EQ(command.topic, "a/b");
    EXPECT_EQ(parse_body(command.body).payload, "hello");
    EXPECT_EQ(command.qos, 1);
    EXPECT_EQ(command.packet_id, 0);
    EXPECT_FALSE(command.retain);
    EXPECT_EQ(command.expiry_s, 0U);
    EXPECT_EQ(command.peer_host, "192.0.2.1");
    device.answer();
    const auto puback = device.take<mqtt::Puback>();
    EXPECT_EQ(puback.packet_id, 7);
    EXPECT_EQ(puback.reason_code, ReasonCode::kSuccess);
    EXPECT_TRUE(device.session.answered());
    EXPECT_EQ(device.counters.publishes_ok, 1U);
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, Qos1AgainIsANewPublish) {  // [MQTT-4.3.2-5]
    for (int i = 0; i < 2; ++i) {
        device.publish("a", 1, 7);
        device.publish("a", 1, 7);
    }
    ASSERT_EQ(device.asked.size(), 4U);
    for (int i = 0; i < 4; ++i) {
        device.answer();
        EXPECT_EQ(device.take<mqtt::Puback>().packet_id, 7);
    }
    EXPECT_EQ(device.counters.publishes_ok, 4U);
}

TEST_P(PublishEachVersion, Qos2FromPublishToPubcomp) {  // [MQTT-4.3.3-8, -11]
    device.publish("a/b", 2, 7, "once");
    EXPECT_TRUE(device.sent.empty());
    EXPECT_EQ(device.asked.front().topic, "");  // to the set that has the session
    const auto command = device.asked.front().as<Publish>();
    EXPECT_EQ(command.qos, 2);
    EXPECT_EQ(command.packet_id, 7);
    device.answer();
    EXPECT_EQ(device.take<mqtt::Pubrec>().packet_id, 7);
    EXPECT_TRUE(device.session.answered());
    pubrel(7);
    EXPECT_TRUE(device.sent.empty());
    const auto release = device.asked.front().as<Release>();
    EXPECT_EQ(release.epoch, 77U);
    EXPECT_EQ(release.packet_id, 7);
    device.answer();
    const auto pubcomp = device.take<mqtt::Pubcomp>();
    EXPECT_EQ(pubcomp.packet_id, 7);
    EXPECT_EQ(pubcomp.reason_code, ReasonCode::kSuccess);
    device.publish("a/b", 2, 7);  // [MQTT-4.3.3-12]
    EXPECT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.counters.publishes_repeated, 0U);
}

TEST_P(PublishEachVersion, Qos2RepeatedWhileUnansweredIsIgnored) {
    device.publish("a", 2, 7);
    device.publish("a", 2, 7);
    EXPECT_EQ(device.asked.size(), 1U);
    device.answer();
    device.take<mqtt::Pubrec>();
    EXPECT_TRUE(device.quiet());
    EXPECT_EQ(device.counters.publishes_repeated, 1U);
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, Qos2RepeatedAfterPubrecIsAnsweredAgain) {  // [MQTT-4.3.3-10]
    device.publish("a", 2, 7);
    device.answer();
    device.take<mqtt::Pubrec>();
    device.publish("a", 2, 7);
    EXPECT_EQ(device.take<mqtt::Pubrec>().packet_id, 7);
    EXPECT_TRUE(device.quiet());
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, Qos2AfterPubrelIsNotTakenForARepetition) {
    // The client reuses the id before PUBCOMP: nothing may call that message accepted.
    device.publish("a", 2, 7);
    device.answer();
    device.take<mqtt::Pubrec>();
    pubrel(7);
    device.publish("b", 2, 7);
    EXPECT_TRUE(device.sent.empty());
    device.answer();
    device.take<mqtt::Pubcomp>();
    EXPECT_TRUE(device.quiet());
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, TwoPubrelsDoNotForgetTheNextMessage) {
    device.publish("a", 2, 7);
    device.answer();
    device.take<mqtt::Pubrec>();
    pubrel(7);
    pubrel(7);
    device.answer();
    device.take<mqtt::Pubcomp>();
    device.publish("b", 2, 7);
    device.answer(ResultCode::kNotFound);  // of the second PUBREL
    device.take<mqtt::Pubcomp>();
    device.publish("b", 2, 7);  // repeated, its own result is not there yet
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.counters.publishes_repeated, 1U);
    device.answer();
    EXPECT_EQ(device.take<mqtt::Pubrec>().packet_id, 7);
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, PubrelBeforePubrec) {
    device.publish("a", 2, 7);
    pubrel(7);
    EXPECT_TRUE(device.sent.empty());
    device.answer();
    device.take<mqtt::Pubrec>();
    device.answer();
    device.take<mqtt::Pubcomp>();
    device.publish("b", 2, 7);
    EXPECT_EQ(device.asked.size(), 1U);  // a new message
    device.answer();
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, PubrelOfAnEarlierConnection) {
    pubrel(9);
    device.answer();
    EXPECT_EQ(device.take<mqtt::Pubcomp>().reason_code, ReasonCode::kSuccess);
}

TEST_P(PublishEachVersion, PubrelOfAnIdNobodyKnows) {
    pubrel(9);
    device.answer(ResultCode::kNotFound);
    const auto pubcomp = device.take<mqtt::Pubcomp>();
    EXPECT_EQ(pubcomp.packet_id, 9);
    EXPECT_EQ(pubcomp.reason_code,
              v5() ? ReasonCode::kPacketIdentifierNotFound : ReasonCode::kSuccess);
}

TEST_P(PublishEachVersion, PubcompIsNotSentForAReleaseThatWasNotApplied) {
    device.publish("a", 2, 7);
    device.answer();
    device.take<mqtt::Pubrec>();
    pubrel(7);
    device.answer(ResultCode::kQuotaExceeded);
    expect_failed(ReasonCode::kQuotaExceeded);
}

TEST_P(PublishEachVersion, NobodyWasInterested) {
    for (const std::uint8_t qos : {1, 2}) {
        device.publish("a", qos, 7);
        device.answer(ResultCode::kNoSubscribers);
        const ReasonCode code = v5() ? ReasonCode::kNoMatchingSubscribers : ReasonCode::kSuccess;
        if (qos == 1) {
            EXPECT_EQ(device.take<mqtt::Puback>().reason_code, code);
        } else {
            EXPECT_EQ(device.take<mqtt::Pubrec>().reason_code, code);
        }
    }
    EXPECT_EQ(device.counters.publishes_ok, 2U);
}

TEST_P(PublishEachVersion, RefusedByQuota) {
    device.publish("a", 1, 7);
    device.publish("a", 2, 8);
    device.answer(ResultCode::kQuotaExceeded);
    if (!v5()) {
        expect_failed(ReasonCode::kQuotaExceeded);  // 3.1.1 [MQTT-3.3.5-2]
        EXPECT_EQ(device.counters.publishes_refused, 1U);
        EXPECT_EQ(device.counters.publishes_unanswered, 1U);
        EXPECT_EQ(device.asked.back().as<Close>().reason, CloseReason::kLost);
        return;
    }
    EXPECT_EQ(device.take<mqtt::Puback>().reason_code, ReasonCode::kQuotaExceeded);
    device.answer(ResultCode::kQuotaExceeded);
    EXPECT_EQ(device.take<mqtt::Pubrec>().reason_code, ReasonCode::kQuotaExceeded);
    device.publish("a", 2, 8);  // [MQTT-4.3.3-9]: a new publication
    EXPECT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.counters.publishes_refused, 2U);
    EXPECT_EQ(device.counters.publishes_repeated, 0U);
}

TEST_P(PublishEachVersion, AStaleSessionIsClosedWithoutAcknowledging) {
    device.publish("a", 1, 7);
    device.publish("a", 2, 8);
    device.answer(ResultCode::kStale);
    expect_failed(ReasonCode::kSessionTakenOver);
    EXPECT_EQ(device.asked.size(), 1U);  // the other publish; no CLOSE: it is another's session
    device.answer();
    EXPECT_TRUE(device.session.finished());
    EXPECT_EQ(device.counters.publishes_unanswered, 2U);
    EXPECT_EQ(device.counters.takeovers, 1U);
}

TEST_P(PublishEachVersion, AnUnknownOutcomeIsNotAnswered) {
    for (const ResultCode code : {ResultCode::kDead, ResultCode::kResync, ResultCode::kDuplicate}) {
        Device other;
        other.online(GetParam());
        other.publish("a", 1, 7);
        other.answer(code);
        EXPECT_EQ(other.end, End::kFlush);
        EXPECT_EQ(other.sent.size(), v5() ? 1U : 0U);
        if (v5()) {
            other.take<mqtt::Disconnect>();
        }
        EXPECT_EQ(other.counters.publishes_unanswered, 1U);
    }
}

TEST_P(PublishEachVersion, ResultsAfterTheEndChangeNothing) {
    device.publish("a", 1, 7);
    device.publish("a", 2, 8);
    device.closed();
    EXPECT_EQ(device.counters.publishes_unanswered, 2U);
    while (!device.asked.empty()) {
        device.answer();
    }
    EXPECT_TRUE(device.session.finished());
    EXPECT_EQ(device.counters.publishes_ok, 0U);
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, TopicsOfTheServerAreRefused) {
    device.publish("$SYS/x", 0, 0);
    EXPECT_TRUE(device.unlogged.empty());
    EXPECT_EQ(device.counters.publishes_refused, 1U);
    if (v5()) {
        device.publish("$SYS/x", 1, 7);
        EXPECT_EQ(device.take<mqtt::Puback>().reason_code, ReasonCode::kNotAuthorized);
        device.publish("$share/a/b", 2, 8);
        EXPECT_EQ(device.take<mqtt::Pubrec>().reason_code, ReasonCode::kNotAuthorized);
        EXPECT_TRUE(device.quiet());
        EXPECT_EQ(device.counters.publishes_refused, 3U);
    } else {
        device.publish("$SYS/x", 1, 7);
        expect_failed(ReasonCode::kNotAuthorized);
    }
    EXPECT_TRUE(device.balanced());
}

TEST_P(PublishEachVersion, TopicsWithTooManyLevels) {
    std::string topic(127, '/');  // 128 levels
    device.publish(topic, 1, 7);
    EXPECT_EQ(device.asked.size(), 1U);
    device.answer();
    device.take<mqtt::Puback>();
    topic += '/';
    device.publish(topic, 1, 7);
    if (v5()) {
        EXPECT_EQ(device.take<mqtt::Puback>().reason_code, ReasonCode::kTopicNameInvalid);
        EXPECT_TRUE(device.quiet());
    } else {
        expect_failed(ReasonCode::kTopicNameInvalid);
    }
}

TEST_P(PublishEachVersion, RetainAndDupOfTheClient) {
    mqtt::Publish packet;
    packet.topic = "a";
    packet.qos = 1;
    packet.packet_id = 3;
    packet.retain = true;
    packet.duplicate = true;  // [MQTT-3.3.1-3]: does not go on
    device.packet(packet);
    EXPECT_TRUE(device.asked.front().as<Publish>().retain);
}

INSTANTIATE_TEST_SUITE_P(Versions, PublishEachVersion, testing::ValuesIn(kVersions),
                         [](const auto& item) { return version_name(item); });

class Publish5 : public testing::Test {
protected:
    mqtt::Publish with_alias(std::string_view topic, std::uint16_t alias) {
        mqtt::Publish packet;
        packet.topic = topic;
        packet.properties.topic_alias = alias;
        return packet;
    }
};

TEST_F(Publish5, MoreThanReceiveMaximum) {  // [MQTT-3.3.4-7]
    Limits limits;
    limits.receive_maximum = 2;
    Device device(limits);
    device.online(Version::k5);
    device.publish("a", 1, 1);
    device.publish("a", 2, 2);
    device.publish("a", 0, 0);  // does not count
    device.publish("a", 2, 2);  // nor does a repetition
    device.answer();
    device.take<mqtt::Puback>();
    device.answer();
    device.take<mqtt::Pubrec>();  // counts until PUBCOMP
    device.publish("a", 1, 3);
    EXPECT_EQ(device.end, End::kNone);
    device.publish("a", 1, 4);
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kReceiveMaximumExceeded);
    EXPECT_EQ(device.end, End::kFlush);
    EXPECT_EQ(device.counters.publishes_refused, 1U);
    EXPECT_EQ(device.counters.publishes_unanswered, 1U);
}

TEST_F(Publish5, PubcompAndRefusalsOpenTheWindow) {
    Limits limits;
    limits.receive_maximum = 1;
    Device device(limits);
    device.online(Version::k5);
    for (int i = 0; i < 3; ++i) {
        device.publish("a", 2, 1);
        device.answer();
        device.take<mqtt::Pubrec>();
        device.packet(mqtt::Pubrel{1, {}, {}});
        device.answer();
        device.take<mqtt::Pubcomp>();
        device.publish("a", 2, 1);
        device.answer(ResultCode::kQuotaExceeded);
        device.take<mqtt::Pubrec>();
        device.publish("$a", 2, 1);
        device.take<mqtt::Pubrec>();
    }
    EXPECT_EQ(device.end, End::kNone);
    EXPECT_TRUE(device.balanced());
}

TEST_F(Publish5, ReceiveMaximumIsNotFor311) {
    Limits limits;
    limits.receive_maximum = 1;
    Device device(limits);
    device.online(Version::k311);
    device.publish("a", 1, 1);
    device.publish("a", 1, 2);
    EXPECT_EQ(device.asked.size(), 2U);
}

TEST_F(Publish5, TopicAliases) {  // [MQTT-3.3.2-12]
    Device device;
    device.online(Version::k5);
    device.packet(with_alias("a/one", 1));
    device.packet(with_alias("a/sixteen", 16));
    device.packet(with_alias("", 1));
    device.packet(with_alias("", 16));
    device.packet(with_alias("b", 1));  // set anew
    device.packet(with_alias("", 1));
    ASSERT_EQ(device.unlogged.size(), 6U);
    EXPECT_EQ(device.unlogged[2].topic, "a/one");
    EXPECT_EQ(device.unlogged[3].topic, "a/sixteen");
    EXPECT_EQ(device.unlogged[5].topic, "b");
    mqtt::Publish packet = with_alias("", 16);
    packet.qos = 1;
    packet.packet_id = 4;
    device.packet(packet);
    EXPECT_EQ(device.asked.front().topic, "a/sixteen");
    EXPECT_EQ(device.asked.front().as<Publish>().topic, "a/sixteen");
}

TEST_F(Publish5, ATopicAliasAboveTheMaximum) {  // [MQTT-3.3.2-9]
    Device device;
    device.online(Version::k5);
    device.packet(with_alias("a", 17));
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kTopicAliasInvalid);
    EXPECT_EQ(device.counters.publishes_refused, 1U);
}

TEST_F(Publish5, ATopicAliasThatWasNeverSet) {
    for (const std::uint16_t alias : {1, 2, 16}) {
        Device device;
        device.online(Version::k5);
        device.packet(with_alias("a", 2));
        device.packet(with_alias("", alias));
        EXPECT_EQ(device.end, alias == 2 ? End::kNone : End::kFlush);
        if (alias != 2) {
            EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kProtocolError);
        }
    }
}

TEST_F(Publish5, AnAliasForATopicOfTheServerHelpsNobody) {
    Device device;
    device.online(Version::k5);
    device.packet(with_alias("$SYS/a", 1));
    device.packet(with_alias("", 1));
    EXPECT_TRUE(device.unlogged.empty());
    EXPECT_EQ(device.counters.publishes_refused, 2U);
}

TEST_F(Publish5, PropertiesGoOnAsTheyCame) {  // [MQTT-3.3.2-4, -15 to -18, -20]
    // Side by side in the packet, and scattered between others.
    for (const bool scattered : {false, true}) {
        Device device;
        device.online(Version::k5);
        mqtt::Publish packet;
        packet.topic = "a";
        packet.qos = 1;
        packet.packet_id = 1;
        packet.payload = "p";
        auto& forward = packet.properties.forward;
        forward.payload_is_utf8 = true;
        forward.content_type = "text/plain";
        forward.response_topic = "r";
        forward.correlation_data = "c";
        forward.user_properties = {{"k", "1"}, {"j", "2"}, {"k", "3"}};
        std::string wanted;
        ASSERT_TRUE(mqtt::append_forward_properties(forward, wanted));
        std::string bytes;
        ASSERT_TRUE(mqtt::encode(packet, Version::k5, bytes));
        if (scattered) {  // a Message Expiry Interval between the first and the second of them
            const std::string expiry("\x02\x00\x00\x00\x09", 5);
            const std::size_t at = bytes.find(std::string("\x01\x01", 2)) + 2;
            bytes.insert(at, expiry);
            bytes[1] = static_cast<char>(bytes[1] + 5);
            bytes[7] = static_cast<char>(bytes[7] + 5);
        }
        device.bytes(bytes);
        const auto command = device.asked.front().as<Publish>();
        EXPECT_EQ(parse_body(command.body).properties, wanted);
        EXPECT_EQ(parse_body(command.body).payload, "p");
        EXPECT_EQ(command.expiry_s, scattered ? 9U : 0U);
    }
}

TEST_F(Publish5, MessageExpiryZeroIsNotNone) {
    Device device;
    device.online(Version::k5);
    mqtt::Publish packet;
    packet.topic = "a";
    packet.qos = 1;
    packet.packet_id = 1;
    packet.properties.message_expiry_interval_s = 0;
    device.packet(packet);
    EXPECT_EQ(device.asked.front().as<Publish>().expiry_s, 1U);
}

TEST_F(Publish5, TheRouterLearnsWhoPublished) {
    Device device({}, {"198.51.100.7", true});
    mqtt::Connect connect;
    connect.version = Version::k5;
    connect.client_id = "dev";
    connect.user_name = "ada";
    device.connect(connect);
    device.answer_open({77, 0, false});
    device.take<mqtt::Connack>();
    device.publish("a", 1, 1);
    const auto command = device.asked.front().as<Publish>();
    EXPECT_EQ(command.username, "ada");
    EXPECT_EQ(command.peer_host, "198.51.100.7");
}

}  // namespace
}  // namespace causeway::session::test
