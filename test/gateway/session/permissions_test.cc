// What a session does with what it may not: each answer in each version, a change while it is
// connected, credentials that end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;
using testing::ElementsAre;
using testing::IsEmpty;

std::shared_ptr<const auth::Policy> policy(std::string publish, std::string subscribe) {
    const std::vector<auth::Permission> rules = {
        {true, true, false, 0b111, std::nullopt, {std::move(publish)}},
        {true, false, true, 0b111, std::nullopt, {std::move(subscribe)}}};
    const auth::Policy::List lists[] = {rules};
    return auth::Policy::compile(lists);
}

Admission admission(MonoMs expires_at = 0) {
    Admission one;
    one.access = auth::Access::bind(policy("up/${device}", "down/#"),
                                    auth::Subject{"thermo/d1", "thermo/d1", "", ""});
    one.expires_at = expires_at;
    return one;
}

class PermissionsEachVersion : public testing::TestWithParam<Version> {
protected:
    void SetUp() override {
        device.session.admit(admission());
        device.online(GetParam());
    }
    [[nodiscard]] bool v5() const { return GetParam() == Version::k5; }
    Device device;
};

TEST_P(PermissionsEachVersion, WhatIsAllowedGoesOn) {
    device.publish("up/d1", 1, 4);
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.asked.front().as<Publish>().topic, "up/d1");
    device.answer();
    device.take<mqtt::Puback>();
    device.deliver("down/x", 0);
    EXPECT_EQ(device.take<mqtt::Publish>().topic, "down/x");
}

TEST_P(PermissionsEachVersion, Qos0IsDroppedAndCounted) {
    device.publish("up/d2", 0, 0);
    EXPECT_TRUE(device.quiet());
    EXPECT_THAT(device.unlogged, IsEmpty());
    EXPECT_EQ(device.counters.publishes_denied, 1U);
    EXPECT_EQ(device.end, End::kNone);
    EXPECT_TRUE(device.balanced());
}

TEST_P(PermissionsEachVersion, Qos1And2AreAnsweredOrTheConnectionEnds) {
    device.publish("up/d2", 1, 4);
    if (!v5()) {
        EXPECT_EQ(device.end, End::kFlush);
        EXPECT_EQ(device.counters.publishes_denied, 1U);
        return;
    }
    EXPECT_EQ(device.take<mqtt::Puback>().reason_code, ReasonCode::kNotAuthorized);
    device.publish("up/d2", 2, 5);
    EXPECT_EQ(device.take<mqtt::Pubrec>().reason_code, ReasonCode::kNotAuthorized);
    EXPECT_TRUE(device.quiet());
    EXPECT_TRUE(device.balanced());
}

TEST_P(PermissionsEachVersion, FiltersAreRefusedOneByOne) {
    mqtt::Subscribe packet;
    packet.packet_id = 9;
    for (const char* filter : {"#", "down/+", "$queue/jobs", "$share/g/up/#"}) {
        packet.subscriptions.emplace_back().filter = filter;
    }
    device.packet(packet);
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.asked.front().as<Subscribe>().filters.size(), 1U);
    device.answer(ResultCode::kOk, std::string_view("\0", 1));
    const ReasonCode no = v5() ? ReasonCode::kNotAuthorized : ReasonCode::kUnspecifiedError;
    EXPECT_THAT(device.take<mqtt::Suback>().reason_codes,
                ElementsAre(no, ReasonCode::kSuccess, no, no));
    EXPECT_EQ(device.counters.filters_denied, 3U);
}

// Of a subscription that an earlier connection made, or that was permitted then.
TEST_P(PermissionsEachVersion, ADeliveryThatIsDeniedIsDoneWith) {
    device.deliver("up/d1", 1, 41);
    device.deliver("down/x", 1, 42);
    EXPECT_EQ(device.take<mqtt::Publish>().topic, "down/x");
    EXPECT_THAT(device.take_acknowledged(), ElementsAre(41U));
    EXPECT_EQ(device.counters.deliveries_denied, 1U);
}

INSTANTIATE_TEST_SUITE_P(Each, PermissionsEachVersion, testing::ValuesIn(kVersions),
                         [](const auto& each) { return version_name(each); });

TEST(Permissions, IgnoredWhere311IsToGoOn) {
    Limits limits;
    limits.close_denied = false;
    Device device(limits);
    device.session.admit(admission());
    device.online(Version::k311);
    device.publish("up/d2", 1, 4);
    EXPECT_EQ(device.take<mqtt::Puback>().packet_id, 4);
    device.publish("up/d2", 2, 5);
    EXPECT_EQ(device.take<mqtt::Pubrec>().packet_id, 5);
    EXPECT_TRUE(device.quiet());
    EXPECT_EQ(device.counters.publishes_refused, 2U);
    EXPECT_TRUE(device.balanced());
}

TEST(Permissions, TheWillIsCheckedAtConnect) {
    Device device;
    device.session.admit(admission());
    mqtt::Connect packet;
    packet.version = Version::k5;
    packet.client_id = "thermo/d1";
    packet.will.emplace().topic = "up/d2";
    device.connect(packet);
    EXPECT_EQ(device.take<mqtt::Connack>().reason_code, ReasonCode::kNotAuthorized);
    EXPECT_TRUE(device.asked.empty());
}

TEST(Permissions, AnAdmissionMayNameTheSession) {
    Device device;
    Admission renamed = admission();
    renamed.client_id = "thermo/d1";
    device.session.admit(std::move(renamed));
    mqtt::Connect packet;
    packet.version = Version::k5;
    packet.client_id = "x|timestamp=1|";
    device.connect(packet);
    ASSERT_EQ(device.asked.size(), 1U);
    EXPECT_EQ(device.asked.front().as<Open>().client_id, "thermo/d1");
}

TEST(Permissions, AChangeHoldsFromTheNextPacketOn) {
    Device device;
    device.session.admit(admission());
    device.online(Version::k5);
    Effects effects;
    device.session.on_policy(policy("other", "$queue/jobs"), effects);
    EXPECT_EQ(effects.end, End::kNone);
    device.publish("up/d1", 1, 4);
    EXPECT_EQ(device.take<mqtt::Puback>().reason_code, ReasonCode::kNotAuthorized);
    mqtt::Subscribe packet;
    packet.packet_id = 9;
    packet.subscriptions.emplace_back().filter = "$queue/jobs";
    device.packet(packet);
    device.take<mqtt::Suback>();
    ASSERT_EQ(device.session.queues().size(), 1U);
    device.session.on_policy(policy("other", "elsewhere"), effects);
    EXPECT_TRUE(effects.queues_changed);
    EXPECT_TRUE(device.session.queues().empty());
    // One that needs what this client does not have.
    const std::vector<auth::Permission> deny = {
        {false, true, true, 0b111, std::nullopt, {"u/${username}"}}};
    const auth::Policy::List lists[] = {deny};
    device.session.on_policy(auth::Policy::compile(lists), effects);
    EXPECT_EQ(effects.end, End::kFlush);
}

class PermissionsHeld : public testing::Test {
protected:
    void SetUp() override {
        device.session.admit(admission());
        change("down/#");
        mqtt::ConnectProperties properties;
        properties.receive_maximum = 1;
        device.online(Version::k5, properties);
    }
    void change(std::string subscribe) {
        Effects effects;
        device.session.on_policy(policy("up/${device}", std::move(subscribe)), effects);
    }
    void subscribe(std::string_view filter) {
        mqtt::Subscribe packet;
        packet.packet_id = 9;
        packet.subscriptions.emplace_back().filter = filter;
        packet.subscriptions.back().qos = 1;
        device.packet(packet);
        EXPECT_EQ(device.take<mqtt::Suback>().reason_codes[0], ReasonCode::kGrantedQos1);
    }
    void queue_message(std::uint64_t n) {
        const std::string body = make_body({}, "x");
        QueueMessage message;
        message.n = n;
        message.body = body;
        device.queue_message("jobs", GroupId{3}, message);
    }
    void puback() {
        device.packet(mqtt::Puback{device.take<mqtt::Publish>().packet_id, {}, {}});
    }
    Device device;
};

TEST_F(PermissionsHeld, WhatWaitsIsDroppedAndCounted) {
    for (const char* topic : {"down/1", "down/2", "down/3", "other"}) {
        if (topic == std::string_view("other")) {
            change("other");
        }
        device.deliver(topic, 1);
    }
    puback();
    EXPECT_EQ(device.take<mqtt::Publish>().topic, "other");
    EXPECT_EQ(device.counters.deliveries_denied, 2U);
    EXPECT_TRUE(device.take_acknowledged().empty()) << "the core has no number for these";
    EXPECT_TRUE(device.quiet());
}

TEST_F(PermissionsHeld, ANarrowerQosHoldsForWhatWasSubscribed) {
    const std::vector<auth::Permission> only_0 = {
        {true, false, true, 0b001, std::nullopt, {"down/#"}}};
    const auth::Policy::List lists[] = {only_0};
    Effects effects;
    device.session.on_policy(auth::Policy::compile(lists), effects);
    device.deliver("down/1", 1);
    device.deliver("down/2", 0);
    EXPECT_EQ(device.take<mqtt::Publish>().topic, "down/2");
    EXPECT_EQ(device.counters.deliveries_denied, 1U);
}

TEST_F(PermissionsHeld, QueueMessagesGoBack) {
    change("$queue/jobs");
    subscribe("$queue/jobs");
    queue_message(1);
    queue_message(2);  // waits
    change("down/#");
    device.deliver("down/1", 1);  // and so does this
    puback();
    EXPECT_EQ(device.take<mqtt::Publish>().topic, "down/1");
    ASSERT_EQ(device.queue_done.size(), 1U) << "only what the client has";
    EXPECT_EQ(device.queue_done[0].receipt.n, 1U);
}

TEST(Permissions, CredentialsEnd) {
    Device device;
    device.session.admit(admission(device.now + 30'000));
    device.online(Version::k5);
    device.advance(29'000);
    EXPECT_TRUE(device.sent.empty());
    device.advance(1'000);
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kNotAuthorized);
    EXPECT_EQ(device.counters.credentials_expired, 1U);
}

TEST(Permissions, CredentialsEndWhileAClientIsHeldBack) {
    Device device;
    Admission slow = admission(device.now + 2'000);
    slow.publish_bytes_rate_max = 10;
    device.session.admit(std::move(slow));
    device.online(Version::k5);
    device.publish("up/d1", 0, 0, std::string(1'000, 'x'));  // paid for after 100 s
    ASSERT_FALSE(device.session.takes_packets());
    EXPECT_EQ(device.session.deadline(), device.now + 2'000);
    device.advance(2'000);
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kNotAuthorized);
    EXPECT_EQ(device.counters.credentials_expired, 1U);
}

TEST(Permissions, ADevicesOwnRateHoldsItBack) {
    Device device;
    Admission slow = admission();
    slow.publish_rate_max = 2;
    device.session.admit(std::move(slow));
    device.online(Version::k5);
    for (std::uint16_t id = 1; id <= 4; ++id) {
        device.publish("up/d1", 1, id);
    }
    EXPECT_EQ(device.counters.limit_publish_rate, 1U);
    EXPECT_FALSE(device.session.takes_packets());
}

}  // namespace
}  // namespace causeway::session::test
