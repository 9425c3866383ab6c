// What clients are sent, with an inbox (numbers of the core) and without (numbers of the
// connection): MQTT 5.0 §3.3, §4.3, §4.4, §4.9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;
using testing::ElementsAre;
using testing::IsEmpty;

class DeliverEachVersion : public testing::TestWithParam<Version> {
protected:
    void SetUp() override { device.online(GetParam()); }
    [[nodiscard]] bool v5() const { return GetParam() == Version::k5; }
    void puback(std::uint16_t packet_id) { device.packet(mqtt::Puback{packet_id, {}, {}}); }
    void pubrec(std::uint16_t packet_id) { device.packet(mqtt::Pubrec{packet_id, {}, {}}); }
    void pubcomp(std::uint16_t packet_id) { device.packet(mqtt::Pubcomp{packet_id, {}, {}}); }
    std::uint16_t taken_id() { return device.take<mqtt::Publish>().packet_id; }
    void expect_failed(ReasonCode code) {
        if (v5()) {
            EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, code);
        }
        EXPECT_TRUE(device.sent.empty());
        EXPECT_EQ(device.end, End::kFlush);
    }

    Device device;
};

TEST_P(DeliverEachVersion, Qos0) {  // [MQTT-4.3.1-1] [MQTT-2.2.1-2]
    device.deliver("a/b", 0, 0, "hello");
    const auto publish = device.take<mqtt::Publish>();
    EXPECT_EQ(publish.topic, "a/b");
    EXPECT_EQ(publish.payload, "hello");
    EXPECT_EQ(publish.qos, 0);
    EXPECT_EQ(publish.packet_id, 0);
    EXPECT_FALSE(publish.retain);
    EXPECT_FALSE(publish.duplicate);
    EXPECT_EQ(device.counters.deliveries_sent[0], 1U);
}

TEST_P(DeliverEachVersion, Qos1WithAnInbox) {
    device.deliver("a", 1, 41);
    const auto publish = device.take<mqtt::Publish>();
    EXPECT_EQ(publish.qos, 1);
    EXPECT_EQ(publish.packet_id, 41);
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
    puback(41);
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(41));
    puback(41);  // once more: nobody's
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
    EXPECT_TRUE(device.quiet());
}

TEST_P(DeliverEachVersion, Qos1WithoutAnInboxIsNumberedHere) {
    device.deliver("a", 1);
    device.deliver("b", 1);
    EXPECT_EQ(taken_id(), 1);
    EXPECT_EQ(taken_id(), 2);
    puback(2);
    puback(1);
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
    device.deliver("c", 1);
    EXPECT_EQ(taken_id(), 3);
}

TEST_P(DeliverEachVersion, PacketIdsWrapAround) {
    for (const auto& [n, id] : {std::pair(65'534ULL, 65'534), std::pair(65'535ULL, 65'535),
                                std::pair(65'536ULL, 1), std::pair(65'537ULL, 2)}) {
        device.deliver("a", 1, n);
        EXPECT_EQ(taken_id(), id);
    }
    puback(2);
    puback(65'535);
    puback(1);
    puback(65'534);
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(65'537, 65'535, 65'536, 65'534));
}

TEST_P(DeliverEachVersion, TheWidestSpanOfNumbers) {
    device.deliver("a", 1, 10);
    device.deliver("a", 1, 10 + 65'534);
    EXPECT_EQ(taken_id(), 10);
    EXPECT_EQ(taken_id(), 9);
    puback(9);
    puback(11);  // nobody's
    puback(10);
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(10 + 65'534, 10));
}

TEST_P(DeliverEachVersion, AcknowledgedInAnyOrder) {
    std::vector<std::uint64_t> order;
    for (std::uint64_t n = 1; n <= 300; ++n) {
        device.deliver("a", 1, n);
        order.push_back((n * 7) % 300 + 1);  // each number once
    }
    for (const std::uint64_t n : order) {
        puback(static_cast<std::uint16_t>(n));
        EXPECT_THAT(device.take_acknowledged(), ElementsAre(n));
    }
}

TEST_P(DeliverEachVersion, AcksAreUrgentWhenHalfTheWindowWaits) {
    for (std::uint64_t n = 1; n <= 1'024; ++n) {
        device.deliver("a", 1, n);
    }
    for (std::uint16_t id = 1; id <= 1'024; ++id) {
        puback(id);
    }
    ASSERT_EQ(device.acknowledged.size(), 1'024U);
    for (std::size_t i = 0; i < 1'024; ++i) {
        EXPECT_EQ(device.acknowledged[i].urgent, i % 512 == 511) << i;
    }
}

TEST_P(DeliverEachVersion, Qos2WithAnInbox) {  // [MQTT-4.3.3-4]
    device.deliver("a", 2, 41);
    EXPECT_EQ(taken_id(), 41);
    pubrec(41);
    EXPECT_TRUE(device.sent.empty());  // not before the core knows
    const auto received = device.asked.front().as<Received>();
    EXPECT_EQ(received.epoch, 77U);
    EXPECT_EQ(received.n, 41U);
    pubrec(41);  // impatient: no second command
    EXPECT_EQ(device.asked.size(), 1U);
    device.answer();
    EXPECT_EQ(device.take<mqtt::Pubrel>().packet_id, 41);
    pubrec(41);
    EXPECT_EQ(device.take<mqtt::Pubrel>().packet_id, 41);
    EXPECT_TRUE(device.quiet());
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
    pubcomp(41);
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(41));
    EXPECT_TRUE(device.quiet());
}

TEST_P(DeliverEachVersion, Qos2WithoutAnInboxNeedsNoCommand) {
    device.deliver("a", 2);
    EXPECT_EQ(taken_id(), 1);
    pubrec(1);
    EXPECT_EQ(device.take<mqtt::Pubrel>().packet_id, 1);
    pubcomp(1);
    EXPECT_TRUE(device.quiet());
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
}

TEST_P(DeliverEachVersion, PubrelIsNotSentWhenTheCoreDidNotNoteThePubrec) {
    device.deliver("a", 2, 41);
    device.take<mqtt::Publish>();
    pubrec(41);
    device.answer(ResultCode::kQuotaExceeded);
    expect_failed(ReasonCode::kQuotaExceeded);
}

TEST_P(DeliverEachVersion, APubrecTheCoreHasNoNumberFor) {
    device.deliver("a", 2, 41);
    device.take<mqtt::Publish>();
    pubrec(41);
    device.answer(ResultCode::kNotFound);
    EXPECT_EQ(device.take<mqtt::Pubrel>().reason_code,
              v5() ? ReasonCode::kPacketIdentifierNotFound : ReasonCode::kSuccess);
    pubcomp(41);
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(41));
}

TEST_P(DeliverEachVersion, UnknownIds) {
    puback(9);
    pubcomp(9);
    EXPECT_TRUE(device.quiet());
    pubrec(9);
    const auto pubrel = device.take<mqtt::Pubrel>();
    EXPECT_EQ(pubrel.packet_id, 9);
    EXPECT_EQ(pubrel.reason_code,
              v5() ? ReasonCode::kPacketIdentifierNotFound : ReasonCode::kSuccess);
    EXPECT_EQ(device.end, End::kNone);
}

TEST_P(DeliverEachVersion, PubackForAQos2Message) {
    device.deliver("a", 2, 41);
    device.take<mqtt::Publish>();
    puback(41);
    expect_failed(ReasonCode::kProtocolError);
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
}

TEST_P(DeliverEachVersion, PubrecForAQos1Message) {
    device.deliver("a", 1, 41);
    device.take<mqtt::Publish>();
    pubrec(41);
    expect_failed(ReasonCode::kProtocolError);
}

TEST_P(DeliverEachVersion, PubcompBeforePubrel) {
    device.deliver("a", 2, 41);
    device.take<mqtt::Publish>();
    pubrec(41);
    pubcomp(41);
    expect_failed(ReasonCode::kProtocolError);
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
}

TEST_P(DeliverEachVersion, ReleaseOnResume) {  // [MQTT-4.4.0-1] [MQTT-4.3.3-5]
    device.release(40);
    const auto pubrel = device.take<mqtt::Pubrel>();
    EXPECT_EQ(pubrel.packet_id, 40);
    EXPECT_EQ(pubrel.reason_code, ReasonCode::kSuccess);
    device.deliver("a", 1, 38);  // older numbers may come behind it
    EXPECT_EQ(taken_id(), 38);
    pubcomp(40);
    puback(38);
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(40, 38));
}

TEST_P(DeliverEachVersion, DupAndRetainAreTheCores) {  // [MQTT-3.3.1-1]
    Delivery delivery;
    delivery.epoch = 77;
    delivery.n = 5;
    delivery.qos = 1;
    delivery.dup = true;
    delivery.retain = true;
    device.deliver(delivery, message_of("a", "p"));
    const auto publish = device.take<mqtt::Publish>();
    EXPECT_TRUE(publish.duplicate);  // [MQTT-3.3.1-1]
    EXPECT_TRUE(publish.retain);
}

TEST_P(DeliverEachVersion, WhatIsForAnotherEpochIsNotSent) {
    Delivery delivery;
    delivery.epoch = 76;
    delivery.qos = 1;
    delivery.n = 1;
    device.deliver(delivery, message_of("a", "p"));
    device.epoch = 76;
    device.release(2);
    EXPECT_TRUE(device.quiet());
}

TEST_P(DeliverEachVersion, ALargeBodyIsSentWhole) {
    for (const std::size_t size : {1'023U, 1'024U, 1'025U, 100'000U}) {
        const std::string payload(size, 'p');
        device.deliver("a", 1, size, payload);
        EXPECT_EQ(device.take<mqtt::Publish>().payload, payload);
    }
}

TEST_P(DeliverEachVersion, ASlowClientLosesQos0WithACount) {
    device.output_full = true;
    device.deliver("a", 0);
    EXPECT_TRUE(device.quiet());
    EXPECT_EQ(device.counters.deliveries_dropped_full, 1U);
    EXPECT_EQ(device.end, End::kNone);
}

TEST_P(DeliverEachVersion, ASlowClientIsClosedAtQos1) {
    device.output_full = true;
    device.deliver("a", 1, 4);
    expect_failed(ReasonCode::kQuotaExceeded);
    EXPECT_EQ(device.counters.slow_closed, 1U);
    EXPECT_EQ(device.asked.front().as<Close>().reason, CloseReason::kLost);
}

TEST_P(DeliverEachVersion, HeldWhileTheWindowIsFull) {
    for (int i = 0; i < 1'030; ++i) {
        device.deliver("a", 1, 0, std::to_string(i));
    }
    EXPECT_EQ(device.sent.size(), 1'024U);
    device.deliver("a", 0, 0, "now");  // needs no room
    EXPECT_EQ(device.sent.size(), 1'025U);
    device.sent.clear();
    puback(3);
    EXPECT_EQ(device.take<mqtt::Publish>().payload, "1024");
    puback(1);
    EXPECT_EQ(device.take<mqtt::Publish>().payload, "1025");
    device.deliver("a", 1, 0, "last");  // behind those that wait
    EXPECT_TRUE(device.sent.empty());
    for (std::uint16_t id = 10; id < 20; ++id) {
        puback(id);
    }
    std::vector<std::string> payloads;
    while (!device.sent.empty()) {
        payloads.emplace_back(device.take<mqtt::Publish>().payload);
    }
    EXPECT_THAT(payloads, ElementsAre("1026", "1027", "1028", "1029", "last"));
}

TEST_P(DeliverEachVersion, OwnPacketIdsNeverMeet) {  // [MQTT-2.2.1-4]
    device.deliver("a", 1);
    EXPECT_EQ(taken_id(), 1);  // never acknowledged
    for (int n = 2; n <= 65'535; ++n) {
        device.deliver("a", 1);
        puback(taken_id());
    }
    device.deliver("a", 1, 0, "waits");
    EXPECT_TRUE(device.sent.empty());
    puback(1);
    const auto publish = device.take<mqtt::Publish>();
    EXPECT_EQ(publish.payload, "waits");
    EXPECT_EQ(publish.packet_id, 1);
}

INSTANTIATE_TEST_SUITE_P(Versions, DeliverEachVersion, testing::ValuesIn(kVersions),
                         [](const auto& item) { return version_name(item); });

class Deliver5 : public testing::Test {
protected:
    void online(std::uint16_t receive_maximum, std::uint32_t packet_bytes_max = 0) {
        mqtt::ConnectProperties properties;
        properties.receive_maximum = receive_maximum;
        if (packet_bytes_max != 0) {
            properties.maximum_packet_size = packet_bytes_max;
        }
        device.online(Version::k5, properties);
    }
    void deliver(const Message& message, std::uint8_t qos, std::uint64_t n = 0) {
        Delivery delivery;
        delivery.epoch = 77;
        delivery.qos = qos;
        delivery.n = n;
        device.deliver(delivery, message);
    }

    Device device;
};

TEST_F(Deliver5, ReceiveMaximum) {  // [MQTT-3.3.4-9]
    online(2);
    for (int i = 0; i < 4; ++i) {
        device.deliver("a", 2);
    }
    EXPECT_EQ(device.sent.size(), 2U);
    device.sent.clear();
    device.packet(mqtt::Pubrec{1, {}, {}});
    device.take<mqtt::Pubrel>();
    EXPECT_TRUE(device.sent.empty());  // counts until PUBCOMP
    device.packet(mqtt::Pubcomp{1, {}, {}});
    EXPECT_EQ(device.take<mqtt::Publish>().packet_id, 3);
    device.packet(mqtt::Pubrec{2, ReasonCode::kUnspecifiedError, {}});
    EXPECT_EQ(device.take<mqtt::Publish>().packet_id, 4);  // and no PUBREL for 2
    EXPECT_TRUE(device.quiet());
}

TEST_F(Deliver5, PubrecWithAnErrorEndsIt) {  // [MQTT-4.3.3-4, MQTT-4.4.0-2]
    online(10);
    device.deliver("a", 2, 41);
    device.take<mqtt::Publish>();
    device.packet(mqtt::Pubrec{41, ReasonCode::kQuotaExceeded, {}});
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(41));
    EXPECT_TRUE(device.quiet());
    device.packet(mqtt::Pubrec{41, ReasonCode::kQuotaExceeded, {}});  // nothing to release
    EXPECT_TRUE(device.quiet());
}

TEST_F(Deliver5, PubrecWithAnErrorWhileTheCoreNotesTheFirst) {
    online(10);
    device.deliver("a", 2, 41);
    device.take<mqtt::Publish>();
    device.packet(mqtt::Pubrec{41, {}, {}});
    device.packet(mqtt::Pubrec{41, ReasonCode::kQuotaExceeded, {}});
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(41));
    device.deliver("a", 2, 41 + 65'535);  // the same packet id
    device.take<mqtt::Publish>();
    device.answer();  // of 41: not to be taken for the other
    EXPECT_TRUE(device.sent.empty());
}

TEST_F(Deliver5, PubackWithAnErrorIsAnAcknowledgement) {  // [MQTT-4.4.0-2]
    online(10);
    device.deliver("a", 1, 41);
    device.take<mqtt::Publish>();
    device.packet(mqtt::Puback{41, ReasonCode::kNotAuthorized, {}});
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(41));
}

TEST_F(Deliver5, PropertiesOfTheMessage) {
    online(10);
    mqtt::ForwardProperties forward;
    forward.payload_is_utf8 = true;
    forward.user_properties = {{"k", "1"}, {"k", "2"}};
    std::string properties;
    ASSERT_TRUE(mqtt::append_forward_properties(forward, properties));
    Delivery delivery;
    delivery.epoch = 77;
    delivery.qos = 1;
    delivery.n = 3;
    delivery.subscription_ids = {1, 200, 268'435'455};
    device.deliver(delivery, message_of("a", "p", properties, device.set_now + 2'001));
    const auto publish = device.take<mqtt::Publish>();
    EXPECT_EQ(publish.properties.forward, forward);
    EXPECT_EQ(publish.properties.subscription_identifiers,
              (mqtt::SubscriptionIdentifiers{1, 200, 268'435'455}));  // [MQTT-3.3.4-4]
    EXPECT_EQ(publish.properties.message_expiry_interval_s, 3U);      // [MQTT-3.3.2-6]
    EXPECT_FALSE(publish.properties.topic_alias.has_value());         // [MQTT-3.1.2-27]
}

TEST_F(Deliver5, ExpiryIsNeverZero) {
    online(10);
    // Sent once before, so it is completed, expired or not [MQTT-4.3.3-7].
    deliver(message_of("a", "p", {}, device.set_now - 5), 1, 3);
    EXPECT_EQ(device.take<mqtt::Publish>().properties.message_expiry_interval_s, 1U);
}

TEST_F(Deliver5, WhatIsHeldAges) {  // [MQTT-3.3.2-5, -6]
    online(1);
    device.deliver("a", 1);
    device.take<mqtt::Publish>();
    deliver(message_of("short", "p", {}, device.set_now + 10'000), 1);
    deliver(message_of("long", "p", {}, device.set_now + 60'000), 1);
    device.advance(20'000);
    device.packet(mqtt::Puback{1, {}, {}});
    const auto publish = device.take<mqtt::Publish>();
    EXPECT_EQ(publish.topic, "long");
    EXPECT_EQ(publish.properties.message_expiry_interval_s, 40U);
    EXPECT_EQ(device.counters.deliveries_expired, 1U);
}

TEST_F(Deliver5, HeldMessagesAreBounded) {
    Limits limits;
    limits.waiting_bytes_max = 10'000;
    Device bounded(limits);
    mqtt::ConnectProperties properties;
    properties.receive_maximum = 1;
    bounded.online(Version::k5, properties);
    int delivered = 0;
    while (bounded.end == End::kNone && delivered < 100) {
        bounded.deliver("a", 1, 0, std::string(1'000, 'x'));
        ++delivered;
    }
    EXPECT_GT(delivered, 5);
    EXPECT_LT(delivered, 12);
    bounded.take<mqtt::Publish>();
    EXPECT_EQ(bounded.take<mqtt::Disconnect>().reason_code, ReasonCode::kQuotaExceeded);
    EXPECT_EQ(bounded.counters.slow_closed, 1U);
}

TEST_F(Deliver5, TheClientsMaximumPacketSize) {  // [MQTT-3.1.2-24, -25]
    online(2, 60);
    // Type, length, topic, packet id, property length: 2 + 3 + 2 + 1 bytes beside the payload.
    device.deliver("a", 1, 1, std::string(52, 'x'));
    EXPECT_EQ(device.sent.front().bytes.size(), 60U);
    device.sent.clear();
    device.deliver("a", 1, 2, std::string(53, 'x'));
    device.deliver("a", 2, 3, std::string(53, 'x'));
    device.deliver("a", 0, 0, std::string(56, 'x'));
    EXPECT_TRUE(device.sent.empty());
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(2, 3));
    EXPECT_EQ(device.counters.deliveries_dropped_too_large, 3U);
}

TEST_F(Deliver5, TooLargeWithoutAnInbox) {
    online(1, 60);
    device.deliver("a", 1, 0, std::string(100, 'x'));
    device.deliver("a", 1, 0, "fits");
    EXPECT_EQ(device.take<mqtt::Publish>().payload, "fits");
    device.deliver("a", 1, 0, std::string(100, 'x'));
    device.deliver("a", 1, 0, "too");
    EXPECT_TRUE(device.sent.empty());
    device.packet(mqtt::Puback{2, {}, {}});
    EXPECT_EQ(device.take<mqtt::Publish>().payload, "too");
    EXPECT_THAT(device.take_acknowledged(), IsEmpty());
}

TEST(Deliver311, NoPropertiesAndNoLimitOfTheClient) {
    Device device;
    device.online(Version::k311);
    Delivery delivery;
    delivery.epoch = 77;
    delivery.qos = 1;
    delivery.n = 3;
    delivery.subscription_ids = {1};
    mqtt::ForwardProperties forward;
    forward.content_type = "text/plain";
    std::string properties;
    ASSERT_TRUE(mqtt::append_forward_properties(forward, properties));
    device.deliver(delivery, message_of("a", "p", properties, device.set_now + 1'000));
    EXPECT_EQ(device.sent.front().bytes, std::string("\x32\x06\x00\x01\x61\x00\x03p", 8));
}

}  // namespace
}  // namespace causeway::session::test
