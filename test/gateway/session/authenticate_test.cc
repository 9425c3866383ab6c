// Extended authentication: MQTT 5.0 §4.12.
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

using mqtt::ReasonCode;
using mqtt::Version;
using Outcome = AuthExchange::Outcome;

// Asks "?" until the client says "!".
class Asking final : public AuthExchange {
public:
    Step next(std::string_view data) override {
        Step step;
        if (data == "!") {
            step.outcome = Outcome::kSuccess;
            step.data = "welcome";
        } else if (data == "no") {
            step.reason = ReasonCode::kBanned;
        } else if (data == "wrong") {
            step.reason = ReasonCode::kBadUserNameOrPassword;
        } else {
            step.outcome = Outcome::kContinue;
            step.data = "?";
        }
        return step;
    }
};

class Methods final : public AuthMethods {
public:
    [[nodiscard]] std::unique_ptr<AuthExchange> begin(std::string_view method) const override {
        return method == "ASK" ? std::make_unique<Asking>() : nullptr;
    }
};

class Authentication : public testing::Test {
protected:
    Methods methods;
    Limits limits_with() {
        Limits limits;
        limits.authentication = &methods;
        return limits;
    }
    Device device{limits_with()};

    void connect(std::string_view data = {}, std::string_view method = "ASK") {
        mqtt::Connect packet;
        packet.version = Version::k5;
        packet.client_id = "dev";
        packet.properties.authentication_method = method;
        if (!data.empty()) {
            packet.properties.authentication_data = data;
        }
        device.connect(packet);
    }
    void auth(ReasonCode code, std::string_view data, std::string_view method = "ASK") {
        mqtt::Auth packet;
        packet.reason_code = code;
        packet.properties.authentication_method = method;
        packet.properties.authentication_data = data;
        device.packet(packet);
    }
    void expect_asked() {
        const auto packet = device.take<mqtt::Auth>();
        EXPECT_EQ(packet.reason_code, ReasonCode::kContinueAuthentication);
        EXPECT_EQ(packet.properties.authentication_method, "ASK");
        EXPECT_EQ(packet.properties.authentication_data, "?");
    }
    void online() {
        connect("!");
        device.answer_open({device.epoch, 0, false});
        device.take<mqtt::Connack>();
    }
};

TEST_F(Authentication, GoesToAndFroBeforeConnack) {  // [MQTT-4.12.0-2] [MQTT-4.12.0-3]
    connect("first");
    expect_asked();
    EXPECT_TRUE(device.quiet());  // the core is asked only when the client is known
    auth(ReasonCode::kContinueAuthentication, "what");
    expect_asked();
    auth(ReasonCode::kContinueAuthentication, "!");
    EXPECT_EQ(device.asked.front().as<Open>().client_id, "dev");
    device.answer_open({device.epoch, 0, false});
    const auto properties = device.take<mqtt::Connack>().properties;
    EXPECT_EQ(properties.authentication_method, "ASK");  // [MQTT-4.12.0-5]
    EXPECT_EQ(properties.authentication_data, "welcome");
    EXPECT_EQ(device.counters.connects_ok, 1U);
}

TEST_F(Authentication, MayNeedNothingMore) {
    online();
    EXPECT_TRUE(device.session.online());
}

TEST_F(Authentication, IsRefusedByTheMethod) {  // [MQTT-4.12.0-4]
    connect("no");
    EXPECT_EQ(device.take<mqtt::Connack>().reason_code, ReasonCode::kBanned);
    EXPECT_EQ(device.end, End::kFlush);
    EXPECT_TRUE(device.session.finished());
}

TEST_F(Authentication, OfAnUnknownMethod) {  // [MQTT-4.12.0-1]
    connect("!", "OTHER");
    EXPECT_EQ(device.take<mqtt::Connack>().reason_code, ReasonCode::kBadAuthenticationMethod);
    EXPECT_EQ(device.end, End::kFlush);
}

TEST_F(Authentication, TakesOnlyItsOwnPacketsMeanwhile) {
    connect();
    expect_asked();
    device.packet(mqtt::Pingreq{});
    EXPECT_EQ(device.end, End::kFlush);
    EXPECT_TRUE(device.quiet());
    EXPECT_EQ(device.counters.protocol_errors, 1U);
}

TEST_F(Authentication, MayBeGivenUp) {
    connect();
    expect_asked();
    device.packet(mqtt::Disconnect{});
    EXPECT_EQ(device.end, End::kNow);
    EXPECT_TRUE(device.session.finished());
}

TEST_F(Authentication, HasTheTimeOfAConnect) {
    connect();
    expect_asked();
    device.advance(10'000);
    EXPECT_EQ(device.take<mqtt::Connack>().reason_code, ReasonCode::kNotAuthorized);
    EXPECT_EQ(device.end, End::kFlush);
}

TEST_F(Authentication, DoesNotGoOnForEver) {
    connect("step");
    for (int i = 0; i < 15; ++i) {
        expect_asked();
        auth(ReasonCode::kContinueAuthentication, "step");
    }
    expect_asked();
    auth(ReasonCode::kContinueAuthentication, "!");
    EXPECT_EQ(device.take<mqtt::Connack>().reason_code, ReasonCode::kNotAuthorized);
}

TEST_F(Authentication, KeepsItsMethod) {  // [MQTT-4.12.1-1]
    connect();
    expect_asked();
    auth(ReasonCode::kContinueAuthentication, "!", "OTHER");
    EXPECT_EQ(device.end, End::kFlush);
    EXPECT_TRUE(device.asked.empty());
}

TEST_F(Authentication, AgainWhileOnline) {
    online();
    auth(ReasonCode::kReauthenticate, "again");
    expect_asked();
    device.publish("a", 0, 0);  // other packets go on meanwhile
    EXPECT_EQ(device.unlogged.size(), 1U);
    auth(ReasonCode::kContinueAuthentication, "!");
    const auto packet = device.take<mqtt::Auth>();
    EXPECT_EQ(packet.reason_code, ReasonCode::kSuccess);
    EXPECT_EQ(packet.properties.authentication_method, "ASK");
    EXPECT_EQ(packet.properties.authentication_data, "welcome");
    EXPECT_TRUE(device.session.online());
}

TEST_F(Authentication, AgainAndRefused) {  // [MQTT-4.12.1-2]
    online();
    auth(ReasonCode::kReauthenticate, "again");
    expect_asked();
    auth(ReasonCode::kContinueAuthentication, "no");
    // Neither 0x8A nor 0x86 is a code of DISCONNECT (§3.14.2.1).
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kNotAuthorized);
    EXPECT_EQ(device.end, End::kFlush);
}

TEST_F(Authentication, AgainWithTheWrongProof) {  // [MQTT-4.12.1-2]
    online();
    auth(ReasonCode::kReauthenticate, "wrong");
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kNotAuthorized);
    EXPECT_EQ(device.end, End::kFlush);
}

TEST_F(Authentication, OutOfTurnIsAProtocolError) {
    online();
    auth(ReasonCode::kContinueAuthentication, "!");
    EXPECT_EQ(device.take<mqtt::Disconnect>().reason_code, ReasonCode::kProtocolError);
}

TEST_F(Authentication, IsNotSpokenOfToOthers) {  // [MQTT-4.12.0-6]
    mqtt::Connect packet;
    packet.version = Version::k5;
    packet.client_id = "dev";
    device.connect(packet);
    device.answer_open({device.epoch, 0, false});
    EXPECT_FALSE(device.take<mqtt::Connack>().properties.authentication_method.has_value());
}

}  // namespace
}  // namespace causeway::session::test
