// CONNECT, CONNACK, DISCONNECT and AUTH: every field and every property.
#include "test/gateway/mqtt/wire_cases.h"

namespace causeway::mqtt {
namespace {

constexpr Version k31 = Version::k31;
constexpr Version k311 = Version::k311;
constexpr Version k5 = Version::k5;
constexpr Sender kClient = Sender::kClient;
constexpr Sender kServer = Sender::kServer;

Connect connect5(const ConnectProperties& properties) {
    return Connect{.version = k5, .client_id = "c", .properties = properties};
}

Connect with_will(Version version, const Will& will) {
    return Connect{.version = version, .client_id = "c", .will = will};
}

Packet connack(const ConnackProperties& properties) { return Connack{.properties = properties}; }

}  // namespace

std::vector<WireCase> connect_cases() {
    return {
        {"3.1.1 as raw bytes", k311, kClient, "10 0D 00 04 4D 51 54 54 04 02 00 3C 00 01 63",
         Connect{.version = k311, .clean_start = true, .keep_alive_s = 60, .client_id = "c"}},
        {"5.0 as raw bytes", k5, kClient, "10 0E 00 04 4D 51 54 54 05 02 FF FF 00 00 01 63",
         Connect{.version = k5, .clean_start = true, .keep_alive_s = 65535, .client_id = "c"}},
        {"3.1", k31, kClient, "10 { \"MQIsdp\" 03 00 0001 \"c\" }",
         Connect{.version = k31, .keep_alive_s = 1, .client_id = "c"}},
        {"empty client id", k311, kClient, "10 { \"MQTT\" 04 02 0000 \"\" }",
         Connect{.version = k311, .clean_start = true}},
        {"user name and password", k311, kClient,
         "10 { \"MQTT\" 04 C2 0000 \"c\" \"user\" \"secret\" }",
         Connect{.version = k311,
                 .clean_start = true,
                 .client_id = "c",
                 .user_name = "user",
                 .password = "secret"}},
        {"empty user name is there", k311, kClient, "10 { \"MQTT\" 04 80 0000 \"c\" \"\" }",
         Connect{.version = k311, .client_id = "c", .user_name = ""}},
        {"5.0 password alone, binary", k5, kClient, "10 { \"MQTT\" 05 40 0000 {} \"c\" 0002 FF00 }",
         Connect{.version = k5, .client_id = "c", .password = std::string_view("\xFF\0", 2)}},
        {"3.1.1 will", k311, kClient, "10 { \"MQTT\" 04 2C 0000 \"c\" \"w/t\" \"gone\" }",
         with_will(k311, {.topic = "w/t", .payload = "gone", .qos = 1, .retain = true})},
        {"will with an empty payload", k311, kClient, "10 { \"MQTT\" 04 14 0000 \"c\" \"w\" \"\" }",
         with_will(k311, {.topic = "w", .qos = 2})},
        {"5.0 will without properties", k5, kClient,
         "10 { \"MQTT\" 05 04 0000 {} \"c\" {} \"w\" \"x\" }",
         with_will(k5, {.topic = "w", .payload = "x"})},
        {"5.0 will with every property", k5, kClient,
         "10 { \"MQTT\" 05 04 0000 {} \"c\""
         " { 18 0000000A 02 0000000B 01 01 03 \"text\" 08 \"r/t\" 09 0001 FF 26 \"k\" \"v\" }"
         " \"w\" \"x\" }",
         with_will(k5, {.topic = "w",
                        .payload = "x",
                        .properties = {.will_delay_interval_s = 10,
                                       .message_expiry_interval_s = 11,
                                       .forward = {.payload_is_utf8 = true,
                                                   .content_type = "text",
                                                   .response_topic = "r/t",
                                                   .correlation_data = "\xFF",
                                                   .user_properties = {{"k", "v"}}}}})},
        {"5.0 everything at once", k5, kClient,
         "10 { \"MQTT\" 05 EE 003C { 11 FFFFFFFF } \"c\" {} \"w\" \"x\" \"u\" \"p\" }",
         Connect{.version = k5,
                 .clean_start = true,
                 .keep_alive_s = 60,
                 .client_id = "c",
                 .user_name = "u",
                 .password = "p",
                 .will = Will{.topic = "w", .payload = "x", .qos = 1, .retain = true},
                 .properties = {.session_expiry_interval_s = 0xFFFFFFFF}}},
        {"session expiry interval", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 11 00000E10 } \"c\" }",
         connect5({.session_expiry_interval_s = 3600})},
        {"session expiry interval 0, said", k5, kClient,
         "10 { \"MQTT\" 05 00 0000 { 11 00000000 } \"c\" }", connect5({}), false},
        {"receive maximum", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 21 0014 } \"c\" }",
         connect5({.receive_maximum = 20})},
        {"maximum packet size", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 27 00000001 } \"c\" }",
         connect5({.maximum_packet_size = 1})},
        {"topic alias maximum", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 22 000A } \"c\" }",
         connect5({.topic_alias_maximum = 10})},
        {"request response information", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 19 01 } \"c\" }",
         connect5({.request_response_information = true})},
        {"request problem information", k5, kClient, "10 { \"MQTT\" 05 00 0000 { 17 00 } \"c\" }",
         connect5({.request_problem_information = false})},
        {"authentication method and data", k5, kClient,
         "10 { \"MQTT\" 05 00 0000 { 15 \"SCRAM\" 16 0002 00FF } \"c\" }",
         connect5({.authentication_method = "SCRAM",
                   .authentication_data = std::string_view("\0\xFF", 2)})},
        {"user properties keep order and repeat", k5, kClient,
         "10 { \"MQTT\" 05 00 0000 { 26 \"b\" \"1\" 26 \"a\" \"2\" 26 \"b\" \"\" } \"c\" }",
         connect5({.user_properties = {{"b", "1"}, {"a", "2"}, {"b", ""}}})},
    };
}

std::vector<WireCase> connack_cases() {
    return {
        {"3.1.1 accepted", k311, kServer, "20 02 00 00", Connack{}},
        {"3.1.1 session present", k311, kServer, "20 02 01 00", Connack{.session_present = true}},
        {"3.1 accepted", k31, kServer, "20 02 00 00", Connack{}},
        {"3.1.1 version", k311, kServer, "20 02 00 01",
         Connack{.reason_code = ReasonCode::kUnsupportedProtocolVersion}},
        {"3.1.1 identifier", k311, kServer, "20 02 00 02",
         Connack{.reason_code = ReasonCode::kClientIdentifierNotValid}},
        {"3.1.1 unavailable", k311, kServer, "20 02 00 03",
         Connack{.reason_code = ReasonCode::kServerUnavailable}},
        {"3.1.1 bad user name", k311, kServer, "20 02 00 04",
         Connack{.reason_code = ReasonCode::kBadUserNameOrPassword}},
        {"3.1.1 not authorized", k311, kServer, "20 02 00 05",
         Connack{.reason_code = ReasonCode::kNotAuthorized}},
        {"5.0 success", k5, kServer, "20 03 01 00 00", Connack{.session_present = true}},
        {"5.0 banned", k5, kServer, "20 03 00 8A 00", Connack{.reason_code = ReasonCode::kBanned}},
        {"session expiry interval", k5, kServer, "20 { 00 00 { 11 00000000 } }",
         connack({.session_expiry_interval_s = 0})},
        {"receive maximum", k5, kServer, "20 { 00 00 { 21 0001 } }",
         connack({.receive_maximum = 1})},
        {"maximum QoS", k5, kServer, "20 { 00 00 { 24 01 } }", connack({.maximum_qos = 1})},
        {"retain available", k5, kServer, "20 { 00 00 { 25 00 } }",
         connack({.retain_available = false})},
        {"maximum packet size", k5, kServer, "20 { 00 00 { 27 00100000 } }",
         connack({.maximum_packet_size = 1 << 20})},
        {"assigned client identifier", k5, kServer, "20 { 00 00 { 12 \"auto-1\" } }",
         connack({.assigned_client_identifier = "auto-1"})},
        {"topic alias maximum", k5, kServer, "20 { 00 00 { 22 FFFF } }",
         connack({.topic_alias_maximum = 65535})},
        {"reason string", k5, kServer, "20 { 00 00 { 1F \"why\" } }",
         connack({.reason_string = "why"})},
        {"wildcard subscription available", k5, kServer, "20 { 00 00 { 28 00 } }",
         connack({.wildcard_subscription_available = false})},
        {"subscription identifier available", k5, kServer, "20 { 00 00 { 29 00 } }",
         connack({.subscription_identifier_available = false})},
        {"shared subscription available", k5, kServer, "20 { 00 00 { 2A 00 } }",
         connack({.shared_subscription_available = false})},
        {"server keep alive", k5, kServer, "20 { 00 00 { 13 0000 } }",
         connack({.server_keep_alive_s = 0})},
        {"response information", k5, kServer, "20 { 00 00 { 1A \"r/\" } }",
         connack({.response_information = "r/"})},
        {"server reference", k5, kServer, "20 { 00 9C { 1C \"other:1883\" } }",
         Connack{.reason_code = ReasonCode::kUseAnotherServer,
                 .properties = {.server_reference = "other:1883"}}},
        {"authentication", k5, kServer, "20 { 00 00 { 15 \"m\" 16 \"d\" } }",
         connack({.authentication_method = "m", .authentication_data = "d"})},
        {"user property", k5, kServer, "20 { 00 00 { 26 \"k\" \"v\" } }",
         connack({.user_properties = {{"k", "v"}}})},
    };
}

std::vector<WireCase> session_end_cases() {
    return {
        {"3.1.1", k311, kClient, "E0 00", Disconnect{}},
        {"5.0 short", k5, kClient, "E0 00", Disconnect{}},
        {"5.0 reason said", k5, kClient, "E0 01 00", Disconnect{}, false},
        {"5.0 empty properties said", k5, kClient, "E0 02 04 00",
         Disconnect{.reason_code = ReasonCode::kDisconnectWithWill}, false},
        {"5.0 with will", k5, kClient, "E0 01 04",
         Disconnect{.reason_code = ReasonCode::kDisconnectWithWill}},
        {"5.0 session expiry interval", k5, kClient, "E0 { 00 { 11 0000000A } }",
         Disconnect{.properties = {.session_expiry_interval_s = 10}}},
        {"5.0 reason string and user property", k5, kServer,
         "E0 { 8E { 1F \"why\" 26 \"k\" \"v\" } }",
         Disconnect{.reason_code = ReasonCode::kSessionTakenOver,
                    .properties = {.reason_string = "why", .user_properties = {{"k", "v"}}}}},
        {"5.0 server reference", k5, kServer, "E0 { 9D { 1C \"b\" } }",
         Disconnect{.reason_code = ReasonCode::kServerMoved,
                    .properties = {.server_reference = "b"}}},
        {"AUTH short success", k5, kServer, "F0 00", Auth{}},
        {"AUTH continue", k5, kClient, "F0 { 18 { 15 \"m\" 16 0001 FF } }",
         Auth{.reason_code = ReasonCode::kContinueAuthentication,
              .properties = {.authentication_method = "m", .authentication_data = "\xFF"}}},
        {"AUTH re-authenticate", k5, kClient, "F0 { 19 { 15 \"m\" } }",
         Auth{.reason_code = ReasonCode::kReauthenticate,
              .properties = {.authentication_method = "m"}}},
        {"AUTH reason string and user property", k5, kServer,
         "F0 { 00 { 15 \"m\" 1F \"ok\" 26 \"k\" \"v\" } }",
         Auth{.properties = {.authentication_method = "m",
                             .reason_string = "ok",
                             .user_properties = {{"k", "v"}}}}},
    };
}

}  // namespace causeway::mqtt
