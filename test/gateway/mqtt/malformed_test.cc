// What is refused, and with which reason code.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/mqtt/decode.h"
#include "test/gateway/mqtt/notation.h"

namespace causeway::mqtt {
namespace {

constexpr Version k31 = Version::k31;
constexpr Version k311 = Version::k311;
constexpr Version k5 = Version::k5;
constexpr Sender kClient = Sender::kClient;
constexpr Sender kServer = Sender::kServer;
constexpr ReasonCode kMalformed = ReasonCode::kMalformedPacket;
constexpr ReasonCode kProtocol = ReasonCode::kProtocolError;

struct BadCase {
    std::string_view name;
    Version version;
    Sender sender;
    std::string_view notation;
    ReasonCode reason_code;
};

void expect_refused(const BadCase& c) {
    SCOPED_TRACE(c.name);
    const std::string bytes = wire(c.notation);
    const DecodeResult result = decode(bytes, {.version = c.version, .sender = c.sender});
    const auto* error = std::get_if<DecodeError>(&result);
    ASSERT_NE(error, nullptr) << "index " << result.index();
    EXPECT_EQ(error->reason_code, c.reason_code)
        << name(error->reason_code) << ": " << error->statement;
    EXPECT_FALSE(error->statement.empty());
}

constexpr BadCase kFixedHeader[] = {
    {"type 0", k5, kClient, "00 00", kMalformed},
    {"type 0 by its first byte", k5, kClient, "0F", kMalformed},
    {"AUTH to 3.1.1", k311, kClient, "F0 00", kMalformed},
    {"CONNECT flags", k5, kClient, "11", kMalformed},
    {"PUBACK flags", k5, kClient, "42 02 0001", kMalformed},
    {"PUBREL without its flags", k5, kClient, "60 02 0001", kMalformed},  // [MQTT-3.6.1-1]
    {"PUBREL with DUP in 3.1.1", k311, kClient, "6A 02 0001", kMalformed},
    // [MQTT-3.8.1-1]
    {"SUBSCRIBE without its flags", k311, kClient, "80 { 0001 \"a\" 00 }", kMalformed},
    // [MQTT-3.10.1-1]
    {"UNSUBSCRIBE without its flags", k311, kClient, "A0 { 0001 \"a\" }", kMalformed},
    {"PINGREQ flags", k311, kClient, "C1 00", kMalformed},
    {"PINGREQ with a body", k311, kClient, "C0 01 00", kMalformed},
    {"DISCONNECT flags", k5, kClient, "E1 00", kMalformed},  // [MQTT-3.14.1-1] [MQTT-2.1.3-1]
    {"AUTH flags", k5, kClient, "F1 { 18 { 15 \"m\" } }", kMalformed},  // [MQTT-3.15.1-1]
    {"DISCONNECT with a body in 3.1.1", k311, kClient, "E0 01 00", kMalformed},
    {"remaining length of five bytes", k311, kClient, "30 80 80 80 80 01", kMalformed},
    // [MQTT-1.5.5-1]
    {"remaining length not the shortest", k5, kClient, "30 84 00 \"t\" 'p'", kMalformed},
    {"PUBACK too long in 3.1.1", k311, kClient, "40 03 0001 00", kMalformed},
    {"PUBACK too short", k5, kClient, "40 01 00", kMalformed},
    {"CONNECT from a server", k5, kServer, "10 0E", kProtocol},
    {"CONNACK from a client", k5, kClient, "20 03", kProtocol},
    {"SUBSCRIBE from a server", k5, kServer, "82", kProtocol},
    {"SUBACK from a client", k5, kClient, "90", kProtocol},
    {"UNSUBSCRIBE from a server", k5, kServer, "A2", kProtocol},
    {"UNSUBACK from a client", k5, kClient, "B0", kProtocol},
    {"PINGREQ from a server", k5, kServer, "C0", kProtocol},
    {"PINGRESP from a client", k5, kClient, "D0", kProtocol},
};

constexpr BadCase kConnect[] = {
    {"protocol name", k5, kClient, "10 { \"MQTX\" 05 00 0000 {} \"c\" }",  // [MQTT-3.1.2-1]
     ReasonCode::kUnsupportedProtocolVersion},
    {"level 6", k5, kClient, "10 { \"MQTT\" 06 00 0000 {} \"c\" }",
     ReasonCode::kUnsupportedProtocolVersion},
    {"level 3 with the new name", k5, kClient, "10 { \"MQTT\" 03 00 0000 \"c\" }",
     ReasonCode::kUnsupportedProtocolVersion},
    {"level 4 with the old name", k5, kClient, "10 { \"MQIsdp\" 04 00 0000 \"c\" }",
     ReasonCode::kUnsupportedProtocolVersion},
    {"reserved flag", k5, kClient, "10 { \"MQTT\" 05 01 0000 {} \"c\" }", kMalformed},
    // [MQTT-3.1.2-11]
    {"will QoS without will", k5, kClient, "10 { \"MQTT\" 05 08 0000 {} \"c\" }", kMalformed},
    // [MQTT-3.1.2-13]
    {"will retain without will", k5, kClient, "10 { \"MQTT\" 05 20 0000 {} \"c\" }", kMalformed},
    // [MQTT-3.1.2-12]
    {"will QoS 3", k5, kClient, "10 { \"MQTT\" 05 1C 0000 {} \"c\" {} \"w\" \"\" }", kMalformed},
    {"3.1.1 password without user name", k311, kClient, "10 { \"MQTT\" 04 40 0000 \"c\" \"p\" }",
     kMalformed},
    {"will topic with a wildcard", k5, kClient,
     "10 { \"MQTT\" 05 04 0000 {} \"c\" {} \"w/#\" \"\" }", ReasonCode::kTopicNameInvalid},
    {"empty will topic", k311, kClient, "10 { \"MQTT\" 04 04 0000 \"c\" \"\" \"\" }",
     ReasonCode::kTopicNameInvalid},
    // [MQTT-3.1.3-4]
    {"client id not UTF-8", k5, kClient, "10 { \"MQTT\" 05 00 0000 {} 0001 FF }", kMalformed},
    {"client id with U+0000", k5, kClient, "10 { \"MQTT\" 05 00 0000 {} 0001 00 }", kMalformed},
    // [MQTT-3.1.3-12]
    {"user name not UTF-8", k311, kClient, "10 { \"MQTT\" 04 80 0000 \"c\" 0003 EDA080 }",
     kMalformed},
    {"no client id", k5, kClient, "10 { \"MQTT\" 05 00 0000 {} }", kMalformed},  // [MQTT-3.1.3-3]
    // [MQTT-3.1.2-17]
    {"user name missing", k311, kClient, "10 { \"MQTT\" 04 80 0000 \"c\" }", kMalformed},
    // [MQTT-3.1.2-19]
    {"password missing", k5, kClient, "10 { \"MQTT\" 05 40 0000 {} \"c\" }", kMalformed},
    // [MQTT-3.1.2-16]
    {"user name without its flag", k5, kClient, "10 { \"MQTT\" 05 40 0000 {} \"c\" \"u\" \"p\" }",
     kMalformed},
    // [MQTT-3.1.2-18]
    {"password without its flag", k5, kClient, "10 { \"MQTT\" 05 80 0000 {} \"c\" \"u\" \"p\" }",
     kMalformed},
    // [MQTT-3.1.2-9]
    {"will payload missing", k5, kClient, "10 { \"MQTT\" 05 04 0000 {} \"c\" {} \"w\" }",
     kMalformed},
    // [MQTT-3.1.3-11]
    {"will topic not UTF-8", k5, kClient, "10 { \"MQTT\" 05 04 0000 {} \"c\" {} 0001 FF \"\" }",
     kMalformed},
    {"bytes after the end", k311, kClient, "10 { \"MQTT\" 04 00 0000 \"c\" 00 }", kMalformed},
    {"empty", k311, kClient, "10 00", kMalformed},
    {"property length beyond the packet", k5, kClient, "10 { \"MQTT\" 05 00 0000 7F \"c\" }",
     kMalformed},
    {"property length not the shortest", k5, kClient, "10 { \"MQTT\" 05 00 0000 8000 \"c\" }",
     kMalformed},
    {"property cut by its length", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 11 0000 } \"c\" }",
     kMalformed},
    {"receive maximum 0", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 21 0000 } \"c\" }", kProtocol},
    {"maximum packet size 0", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 27 00000000 } \"c\" }",
     kProtocol},
    {"request response information 2", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 19 02 } \"c\" }",
     kProtocol},
    {"request problem information 2", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 17 02 } \"c\" }",
     kProtocol},
    {"authentication data alone", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 16 \"d\" } \"c\" }",
     kProtocol},
    {"will delay among the properties of CONNECT", k5, kClient,
     "10 { \"MQTT\" 05 00 0000 { 18 00000001 } \"c\" }", kMalformed},
    {"session expiry among those of the will", k5, kClient,
     "10 { \"MQTT\" 05 04 0000 {} \"c\" { 11 00000001 } \"w\" \"\" }", kMalformed},
    {"will payload format 2", k5, kClient,
     "10 { \"MQTT\" 05 04 0000 {} \"c\" { 01 02 } \"w\" \"\" }", kProtocol},
};

constexpr BadCase kPublish[] = {
    {"QoS 3", k311, kClient, "36", kMalformed},         // [MQTT-3.3.1-4]
    {"DUP at QoS 0", k311, kClient, "38", kMalformed},  // [MQTT-3.3.1-2]
    {"packet id 0", k311, kClient, "32 { \"t\" 0000 }", kProtocol},
    {"no packet id", k311, kClient, "32 { \"t\" 00 }", kMalformed},
    // [MQTT-3.3.2-2]
    {"wildcard +", k5, kClient, "30 { \"a/+\" {} }", ReasonCode::kTopicNameInvalid},
    {"wildcard #", k311, kClient, "30 { \"#\" }", ReasonCode::kTopicNameInvalid},
    {"empty topic in 3.1.1", k311, kClient, "30 { \"\" }", ReasonCode::kTopicNameInvalid},
    {"empty topic without alias", k5, kClient, "30 { \"\" {} }", kProtocol},
    {"topic not UTF-8", k5, kClient, "30 { 0002 C080 {} }", kMalformed},  // [MQTT-3.3.2-1]
    {"topic beyond the packet", k5, kClient, "30 { 0005 'abc' }", kMalformed},
    {"no property length", k5, kClient, "30 { \"t\" }", kMalformed},  // [MQTT-2.2.2-1]
    {"topic alias 0", k5, kClient, "30 { \"t\" { 23 0000 } }", ReasonCode::kTopicAliasInvalid},
    {"payload format 2", k5, kClient, "30 { \"t\" { 01 02 } }", kProtocol},
    // [MQTT-3.3.2-14]
    {"response topic with a wildcard", k5, kClient, "30 { \"t\" { 08 \"a/#\" } }", kProtocol},
    // [MQTT-3.3.2-13]
    {"response topic not UTF-8", k5, kClient, "30 { \"t\" { 08 0001 80 } }", kMalformed},
    // [MQTT-1.5.7-1]
    {"user property not UTF-8", k5, kClient, "30 { \"t\" { 26 \"k\" 0001 80 } }", kMalformed},
    {"user property name with U+0000", k5, kClient, "30 { \"t\" { 26 0001 00 \"v\" } }",
     kMalformed},
    // [MQTT-3.3.2-19]
    {"content type not UTF-8", k5, kClient, "30 { \"t\" { 03 0001 80 } }", kMalformed},
    {"subscription identifier from a client", k5, kClient, "30 { \"t\" { 0B 01 } }", kProtocol},
    {"subscription identifier 0", k5, kServer, "30 { \"t\" { 0B 00 } }", kProtocol},
    {"subscription identifier of five bytes", k5, kServer, "30 { \"t\" { 0B 8080808001 } }",
     kMalformed},
    {"unknown property", k5, kClient, "30 { \"t\" { 7F 00 } }", kMalformed},
    {"property 0", k5, kClient, "30 { \"t\" { 00 00 } }", kMalformed},
    {"property of two bytes", k5, kClient, "30 { \"t\" { 8101 00 } }", kMalformed},
    {"session expiry interval", k5, kClient, "30 { \"t\" { 11 00000001 } }", kMalformed},
};

constexpr BadCase kAcks[] = {
    {"PUBACK packet id 0", k311, kClient, "40 02 0000", kProtocol},
    // [MQTT-3.4.2-1]
    {"PUBACK with a code of DISCONNECT", k5, kClient, "40 03 0001 8E", kProtocol},
    {"PUBACK with no code at all", k5, kClient, "40 03 0001 55", kProtocol},
    {"PUBREC with a code of PUBREL", k5, kClient, "50 03 0001 92", kProtocol},   // [MQTT-3.5.2-1]
    {"PUBREL with a code of PUBACK", k5, kClient, "62 03 0001 87", kProtocol},   // [MQTT-3.6.2-1]
    {"PUBCOMP with a code of PUBACK", k5, kClient, "70 03 0001 10", kProtocol},  // [MQTT-3.7.2-1]
    {"PUBACK with a foreign property", k5, kClient, "40 { 0001 00 { 03 \"x\" } }", kMalformed},
    {"PUBACK with bytes after its properties", k5, kClient, "40 { 0001 00 {} 00 }", kMalformed},
    {"SUBACK without a code", k5, kServer, "90 { 0001 {} }", kMalformed},
    {"SUBACK with a 5.0 code to 3.1.1", k311, kServer, "90 { 0001 87 }", kProtocol},
    {"UNSUBACK without a code", k5, kServer, "B0 { 0001 {} }", kMalformed},
    {"CONNACK flags", k5, kServer, "20 { 02 00 {} }", kMalformed},  // [MQTT-3.2.2-1]
    {"CONNACK session present with an error", k5, kServer, "20 { 01 87 {} }", kProtocol},
    {"CONNACK return code 6", k311, kServer, "20 02 00 06", kProtocol},
    {"CONNACK with a code of SUBACK", k5, kServer, "20 { 00 01 {} }", kProtocol},  // [MQTT-3.2.2-8]
    {"CONNACK maximum QoS 2", k5, kServer, "20 { 00 00 { 24 02 } }", kProtocol},
    {"CONNACK retain available 2", k5, kServer, "20 { 00 00 { 25 02 } }", kProtocol},
};

constexpr BadCase kSubscribeAndEnd[] = {
    {"SUBSCRIBE packet id 0", k311, kClient, "82 { 0000 \"a\" 00 }", kProtocol},
    {"SUBSCRIBE without a filter", k311, kClient, "82 { 0001 }", kProtocol},
    {"SUBSCRIBE 5.0 without a filter", k5, kClient, "82 { 0001 {} }", kProtocol},  // [MQTT-3.8.3-2]
    {"SUBSCRIBE without options", k311, kClient, "82 { 0001 \"a\" }", kMalformed},
    {"SUBSCRIBE QoS 3 in 3.1.1", k311, kClient, "82 { 0001 \"a\" 03 }", kMalformed},
    {"SUBSCRIBE reserved bits in 3.1.1", k311, kClient, "82 { 0001 \"a\" 04 }", kMalformed},
    {"SUBSCRIBE QoS 3 in 3.1", k31, kClient, "82 { 0001 \"a\" 03 }", kMalformed},
    {"SUBSCRIBE QoS 3 in 5.0", k5, kClient, "82 { 0001 {} \"a\" 03 }", kProtocol},
    {"SUBSCRIBE reserved bits in 5.0", k5, kClient, "82 { 0001 {} \"a\" 40 }", kMalformed},
    {"SUBSCRIBE retain handling 3", k5, kClient, "82 { 0001 {} \"a\" 30 }", kProtocol},
    {"SUBSCRIBE no local on a shared filter", k5, kClient, "82 { 0001 {} \"$share/g/a\" 04 }",
     kProtocol},
    {"SUBSCRIBE empty filter", k5, kClient, "82 { 0001 {} \"\" 00 }",
     ReasonCode::kTopicFilterInvalid},
    {"SUBSCRIBE bad wildcard", k5, kClient, "82 { 0001 {} \"a/b#\" 00 }",
     ReasonCode::kTopicFilterInvalid},
    {"SUBSCRIBE shared without a filter", k5, kClient, "82 { 0001 {} \"$share/g\" 00 }",
     ReasonCode::kTopicFilterInvalid},
    {"SUBSCRIBE shared with a wildcard group", k5, kClient, "82 { 0001 {} \"$share/+/a\" 00 }",
     ReasonCode::kTopicFilterInvalid},
    // [MQTT-3.8.3-1]
    {"SUBSCRIBE filter not UTF-8", k5, kClient, "82 { 0001 {} 0001 FE 00 }", kMalformed},
    {"SUBSCRIBE identifier 0", k5, kClient, "82 { 0001 { 0B 00 } \"a\" 00 }", kProtocol},
    {"UNSUBSCRIBE without a filter", k5, kClient, "A2 { 0001 {} }", kProtocol},  // [MQTT-3.10.3-2]
    // [MQTT-3.10.3-1]
    {"UNSUBSCRIBE filter not UTF-8", k5, kClient, "A2 { 0001 {} 0001 FE }", kMalformed},
    {"UNSUBSCRIBE packet id 0", k311, kClient, "A2 { 0000 \"a\" }", kProtocol},
    {"UNSUBSCRIBE bad wildcard", k311, kClient, "A2 { 0001 \"#/a\" }",
     ReasonCode::kTopicFilterInvalid},
    {"UNSUBSCRIBE with an identifier", k5, kClient, "A2 { 0001 { 0B 01 } \"a\" }", kMalformed},
    {"DISCONNECT with a code of servers", k5, kClient, "E0 01 8E", kProtocol},  // [MQTT-3.14.2-1]
    {"DISCONNECT with a code of clients", k5, kServer, "E0 01 04", kProtocol},
    // [MQTT-3.14.2-2]
    {"DISCONNECT session expiry from a server", k5, kServer, "E0 { 00 { 11 00000001 } }",
     kProtocol},
    {"DISCONNECT server reference from a client", k5, kClient, "E0 { 00 { 1C \"b\" } }", kProtocol},
    {"DISCONNECT receive maximum", k5, kClient, "E0 { 00 { 21 0001 } }", kMalformed},
    {"AUTH without a method", k5, kClient, "F0 { 18 {} }", kProtocol},
    {"AUTH reason alone", k5, kClient, "F0 01 18", kProtocol},
    {"AUTH success from a client", k5, kClient, "F0 00", kProtocol},
    // [MQTT-3.15.2-1]
    {"AUTH re-authenticate from a server", k5, kServer, "F0 { 19 { 15 \"m\" } }", kProtocol},
};

TEST(Malformed, FixedHeader) {
    for (const BadCase& c : kFixedHeader) {
        expect_refused(c);
    }
}
TEST(Malformed, Connect) {
    for (const BadCase& c : kConnect) {
        expect_refused(c);
    }
}
TEST(Malformed, Publish) {
    for (const BadCase& c : kPublish) {
        expect_refused(c);
    }
}
TEST(Malformed, Acknowledgements) {
    for (const BadCase& c : kAcks) {
        expect_refused(c);
    }
}
TEST(Malformed, SubscribeAndSessionEnd) {
    for (const BadCase& c : kSubscribeAndEnd) {
        expect_refused(c);
    }
}

// One well-formed instance of every property, by identifier.
constexpr std::pair<unsigned, std::string_view> kProperties[] = {
    {0x01, "01 01"},       {0x02, "02 00000001"}, {0x03, "03 \"x\""},       {0x08, "08 \"x\""},
    {0x09, "09 \"x\""},    {0x0B, "0B 01"},       {0x11, "11 00000001"},    {0x12, "12 \"x\""},
    {0x13, "13 0001"},     {0x15, "15 \"x\""},    {0x16, "16 \"x\""},       {0x17, "17 00"},
    {0x18, "18 00000001"}, {0x19, "19 01"},       {0x1A, "1A \"x\""},       {0x1C, "1C \"x\""},
    {0x1F, "1F \"x\""},    {0x21, "21 0001"},     {0x22, "22 0001"},        {0x23, "23 0001"},
    {0x24, "24 01"},       {0x25, "25 00"},       {0x26, "26 \"k\" \"v\""}, {0x27, "27 00000001"},
    {0x28, "28 00"},       {0x29, "29 00"},       {0x2A, "2A 00"},
};

// Where properties stand, and which belong there (table 2-4).
struct Place {
    std::string_view name;
    Sender sender;
    std::string_view before;
    std::string_view after;
    std::vector<unsigned> allowed;
};

std::vector<Place> places() {
    return {
        {"CONNECT",
         kClient,
         "10 { \"MQTT\" 05 00 0000 {",
         "} \"c\" }",
         {0x11, 0x15, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27}},
        {"will",
         kClient,
         "10 { \"MQTT\" 05 04 0000 {} \"c\" {",
         "} \"w\" \"\" }",
         {0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26}},
        {"CONNACK",
         kServer,
         "20 { 00 00 {",
         "} }",
         {0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28,
          0x29, 0x2A}},
        {"PUBLISH",
         kServer,
         "30 { \"t\" {",
         "} }",
         {0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26}},
        {"PUBACK", kClient, "40 { 0001 00 {", "} }", {0x1F, 0x26}},
        {"PUBREC", kClient, "50 { 0001 00 {", "} }", {0x1F, 0x26}},
        {"PUBREL", kClient, "62 { 0001 00 {", "} }", {0x1F, 0x26}},
        {"PUBCOMP", kClient, "70 { 0001 00 {", "} }", {0x1F, 0x26}},
        {"SUBSCRIBE", kClient, "82 { 0001 {", "} \"a\" 00 }", {0x0B, 0x26}},
        {"SUBACK", kServer, "90 { 0001 {", "} 00 }", {0x1F, 0x26}},
        {"UNSUBSCRIBE", kClient, "A2 { 0001 {", "} \"a\" }", {0x26}},
        {"UNSUBACK", kServer, "B0 { 0001 {", "} 00 }", {0x1F, 0x26}},
        {"DISCONNECT", kServer, "E0 { 00 {", "} }", {0x1C, 0x1F, 0x26}},
        {"AUTH", kServer, "F0 { 00 { 15 \"m\"", "} }", {0x16, 0x1F, 0x26}},
    };
}

// Every property in every packet: taken where it belongs, twice only where it may repeat.
TEST(Malformed, PropertiesInTheirPackets) {
    for (const Place& place : places()) {
        for (const auto& [id, text] : kProperties) {
            SCOPED_TRACE(std::string(place.name) + " " + std::string(text));
            const bool allowed =
                std::find(place.allowed.begin(), place.allowed.end(), id) != place.allowed.end();
            // Known to the packet, but not alone or not from this side.
            const bool special = (place.name == "CONNECT" && id == 0x16) ||
                                 (place.name == "DISCONNECT" && id == 0x11) ||
                                 (place.name == "AUTH" && id == 0x15);
            const bool repeats = id == 0x26 || (id == 0x0B && place.name == "PUBLISH");
            const DecodeOptions options{.version = k5, .sender = place.sender};

            const std::string once = wire(std::string(place.before) + " " + std::string(text) +
                                          std::string(place.after));
            const DecodeResult one = decode(once, options);
            EXPECT_EQ(std::holds_alternative<Decoded>(one), allowed);
            if (!allowed) {
                EXPECT_EQ(std::get<DecodeError>(one).reason_code, special ? kProtocol : kMalformed);
                continue;
            }
            const std::string twice = wire(std::string(place.before) + " " + std::string(text) +
                                           " " + std::string(text) + std::string(place.after));
            const DecodeResult two = decode(twice, options);
            ASSERT_EQ(std::holds_alternative<Decoded>(two), repeats);
            if (!repeats) {
                EXPECT_EQ(std::get<DecodeError>(two).reason_code, kProtocol);
            }
        }
    }
}

// Every value in every packet that has a reason code agrees with may_carry.
TEST(Malformed, ReasonCodesInTheirPackets) {  // [MQTT-3.9.3-2] [MQTT-3.11.3-2]
    struct Where {
        PacketType type;
        std::string_view before;
        std::string_view after;
    };
    constexpr Where kWhere[] = {
        {PacketType::kConnack, "20 { 00", "{} }"},     {PacketType::kPuback, "40 { 0001", "}"},
        {PacketType::kPubrec, "50 { 0001", "}"},       {PacketType::kPubrel, "62 { 0001", "}"},
        {PacketType::kPubcomp, "70 { 0001", "}"},      {PacketType::kSuback, "90 { 0001 {}", "}"},
        {PacketType::kUnsuback, "B0 { 0001 {}", "}"},  {PacketType::kDisconnect, "E0 {", "}"},
        {PacketType::kAuth, "F0 {", "{ 15 \"m\" } }"},
    };
    for (const Where& where : kWhere) {
        for (const Sender sender : {kClient, kServer}) {
            int taken = 0;
            for (unsigned value = 0; value < 256; ++value) {
                const std::string bytes =
                    wire(std::string(where.before) + hex(std::string(1, static_cast<char>(value))) +
                         std::string(where.after));
                const DecodeResult result = decode(bytes, {.version = k5, .sender = sender});
                const bool may = may_carry(where.type, static_cast<ReasonCode>(value), sender);
                EXPECT_EQ(std::holds_alternative<Decoded>(result), may)
                    << name(where.type) << " " << value;
                taken += static_cast<int>(may);
            }
            const bool server_only = where.type == PacketType::kConnack ||
                                     where.type == PacketType::kSuback ||
                                     where.type == PacketType::kUnsuback;
            EXPECT_EQ(taken == 0, server_only && sender == kClient) << name(where.type);
        }
    }
}

TEST(Malformed, AnErrorInConnectSaysHowToAnswer) {
    const auto version_of = [](std::string_view notation) {
        const std::string bytes = wire(notation);
        return std::get<DecodeError>(decode(bytes, {.version = k311})).version;
    };
    EXPECT_EQ(version_of("10 { \"MQTT\" 06 00 0000 {} \"c\" }"), k5);
    EXPECT_EQ(version_of("10 { \"MQTT\" 05 01 0000 {} \"c\" }"), k5);
    EXPECT_EQ(version_of("10 { \"MQTT\" 04 01 0000 \"c\" }"), k311);
    EXPECT_EQ(version_of("10 { \"MQTT\" 02 00 0000 \"c\" }"), k311);
    EXPECT_EQ(version_of("10 { \"MQIsdp\" 03 01 0000 \"c\" }"), k31);
    EXPECT_EQ(version_of("10 { \"HTTP\" 03 01 0000 \"c\" }"), k311);
}

}  // namespace
}  // namespace causeway::mqtt
