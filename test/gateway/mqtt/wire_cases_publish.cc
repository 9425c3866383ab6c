// PUBLISH and its acknowledgements, SUBSCRIBE, UNSUBSCRIBE and theirs, pings.
#include "test/gateway/mqtt/wire_cases.h"

namespace causeway::mqtt {
namespace {

constexpr Version k31 = Version::k31;
constexpr Version k311 = Version::k311;
constexpr Version k5 = Version::k5;
constexpr Sender kClient = Sender::kClient;
constexpr Sender kServer = Sender::kServer;

Publish publish5(const PublishProperties& properties) {
    return Publish{.topic = "t", .properties = properties, .payload = "p"};
}

Publish forward5(const ForwardProperties& forward) { return publish5({.forward = forward}); }

Subscribe subscribe_to(const Subscription& subscription) {
    return Subscribe{.packet_id = 1, .subscriptions = {subscription}};
}

void append(std::vector<WireCase>& to, std::vector<WireCase> from) {
    for (WireCase& one : from) {
        to.push_back(std::move(one));
    }
}

}  // namespace

std::vector<WireCase> publish_cases() {
    return {
        {"3.1.1 as raw bytes", k311, kClient, "32 09 00 03 61 2F 62 00 0A 68 69",
         Publish{.topic = "a/b", .packet_id = 10, .qos = 1, .payload = "hi"}},
        {"5.0 as raw bytes", k5, kClient, "30 06 00 03 61 2F 62 00", Publish{.topic = "a/b"}},
        {"3.1", k31, kClient, "30 { \"t\" 'p' }", Publish{.topic = "t", .payload = "p"}},
        {"retain, empty payload", k311, kClient, "31 { \"t\" }",
         Publish{.topic = "t", .retain = true}},
        {"QoS 2, DUP, retain", k311, kClient, "3D { \"t\" FFFF 'p' }",
         Publish{.topic = "t",
                 .packet_id = 65535,
                 .qos = 2,
                 .retain = true,
                 .duplicate = true,
                 .payload = "p"}},
        {"from a server", k311, kServer, "30 { \"t\" 'p' }", Publish{.topic = "t", .payload = "p"}},
        {"3.1.1 padded remaining length", k311, kClient, "30 84 80 00 \"t\" 'p'",
         Publish{.topic = "t", .payload = "p"}, false},
        {"message expiry interval", k5, kClient, "30 { \"t\" { 02 0000003C } 'p' }",
         publish5({.message_expiry_interval_s = 60})},
        {"topic alias beside a topic", k5, kClient, "30 { \"t\" { 23 0001 } 'p' }",
         publish5({.topic_alias = 1})},
        {"topic alias alone", k5, kClient, "30 { \"\" { 23 0001 } 'p' }",
         Publish{.properties = {.topic_alias = 1}, .payload = "p"}},
        {"subscription identifiers", k5, kServer, "30 { \"t\" { 0B 01 0B FFFFFF7F 0B 8001 } 'p' }",
         publish5({.subscription_identifiers = {1, 268'435'455, 128}})},
        {"payload format indicator", k5, kClient, "30 { \"t\" { 01 01 } 'p' }",
         forward5({.payload_is_utf8 = true})},
        {"payload format indicator 0 is forwarded", k5, kClient, "30 { \"t\" { 01 00 } 'p' }",
         forward5({.payload_is_utf8 = false})},
        {"content type", k5, kClient, "30 { \"t\" { 03 \"json\" } 'p' }",
         forward5({.content_type = "json"})},
        {"response topic", k5, kClient, "30 { \"t\" { 08 \"r/1\" } 'p' }",
         forward5({.response_topic = "r/1"})},
        {"correlation data", k5, kClient, "30 { \"t\" { 09 0002 00FF } 'p' }",
         forward5({.correlation_data = std::string_view("\0\xFF", 2)})},
        {"user properties", k5, kClient, "30 { \"t\" { 26 \"k\" \"v\" 26 \"k\" \"w\" } 'p' }",
         forward5({.user_properties = {{"k", "v"}, {"k", "w"}}})},
        {"forwarded properties in another order", k5, kClient,
         "30 { \"t\" { 26 \"k\" \"v\" 01 01 02 00000005 } 'p' }",
         publish5({.message_expiry_interval_s = 5,
                   .forward = {.payload_is_utf8 = true, .user_properties = {{"k", "v"}}}}),
         false},
    };
}

std::vector<WireCase> ack_cases() {
    return {
        {"PUBACK 3.1.1", k311, kServer, "40 02 00 01", Puback{.packet_id = 1}},
        {"PUBREC 3.1.1", k311, kServer, "50 02 00 01", Pubrec{.packet_id = 1}},
        {"PUBREL 3.1.1", k311, kClient, "62 02 00 01", Pubrel{.packet_id = 1}},
        {"PUBREL 3.1 with DUP", k31, kClient, "6A 02 00 01", Pubrel{.packet_id = 1}, false},
        {"PUBCOMP 3.1.1", k311, kServer, "70 02 FF FF", Pubcomp{.packet_id = 65535}},
        {"PUBACK 5.0 short", k5, kClient, "40 02 00 01", Puback{.packet_id = 1}},
        {"PUBACK 5.0 reason", k5, kServer, "40 03 00 01 10",
         Puback{.packet_id = 1, .reason_code = ReasonCode::kNoMatchingSubscribers}},
        {"PUBACK 5.0 success said", k5, kServer, "40 03 00 01 00", Puback{.packet_id = 1}, false},
        {"PUBACK 5.0 empty properties said", k5, kServer, "40 04 00 01 97 00",
         Puback{.packet_id = 1, .reason_code = ReasonCode::kQuotaExceeded}, false},
        {"PUBACK 5.0 properties", k5, kServer, "40 { 0001 00 { 1F \"r\" 26 \"k\" \"v\" } }",
         Puback{.packet_id = 1,
                .properties = {.reason_string = "r", .user_properties = {{"k", "v"}}}}},
        {"PUBREC 5.0", k5, kClient, "50 { 0001 91 { 1F \"r\" } }",
         Pubrec{.packet_id = 1,
                .reason_code = ReasonCode::kPacketIdentifierInUse,
                .properties = {.reason_string = "r"}}},
        {"PUBREL 5.0", k5, kClient, "62 { 0001 92 { 26 \"k\" \"v\" } }",
         Pubrel{.packet_id = 1,
                .reason_code = ReasonCode::kPacketIdentifierNotFound,
                .properties = {.user_properties = {{"k", "v"}}}}},
        {"PUBCOMP 5.0", k5, kServer, "70 03 00 01 92",
         Pubcomp{.packet_id = 1, .reason_code = ReasonCode::kPacketIdentifierNotFound}},
        {"PINGREQ", k311, kClient, "C0 00", Pingreq{}},
        {"PINGRESP", k5, kServer, "D0 00", Pingresp{}},
    };
}

std::vector<WireCase> subscribe_cases() {
    return {
        {"SUBSCRIBE 3.1.1 as raw bytes", k311, kClient, "82 09 00 0A 00 04 61 2F 2B 2F 01",
         Subscribe{.packet_id = 10, .subscriptions = {{.filter = "a/+/", .qos = 1}}}},
        {"SUBSCRIBE 3.1.1 two filters", k311, kClient, "82 { 0001 \"a\" 00 \"#\" 02 }",
         Subscribe{.packet_id = 1, .subscriptions = {{.filter = "a"}, {.filter = "#", .qos = 2}}}},
        {"SUBSCRIBE 3.1 with DUP", k31, kClient, "8A { 0001 \"a\" 00 }",
         subscribe_to({.filter = "a"}), false},
        {"SUBSCRIBE 5.0 identifier", k5, kClient,
         "82 { 0001 { 0B FFFFFF7F 26 \"k\" \"v\" } \"a\" 00 }",
         Subscribe{.packet_id = 1,
                   .properties = {.subscription_identifier = 268'435'455,
                                  .user_properties = {{"k", "v"}}},
                   .subscriptions = {{.filter = "a"}}}},
        {"SUBSCRIBE 5.0 no local", k5, kClient, "82 { 0001 {} \"a\" 05 }",
         subscribe_to({.filter = "a", .qos = 1, .no_local = true})},
        {"SUBSCRIBE 5.0 retain as published", k5, kClient, "82 { 0001 {} \"a\" 08 }",
         subscribe_to({.filter = "a", .retain_as_published = true})},
        {"SUBSCRIBE 5.0 retain handling 1", k5, kClient, "82 { 0001 {} \"a\" 10 }",
         subscribe_to({.filter = "a", .retain_handling = RetainHandling::kSendIfNew})},
        {"SUBSCRIBE 5.0 all options", k5, kClient, "82 { 0001 {} \"a\" 2E }",
         subscribe_to({.filter = "a",
                       .qos = 2,
                       .no_local = true,
                       .retain_as_published = true,
                       .retain_handling = RetainHandling::kDoNotSend})},
        {"SUBSCRIBE 5.0 shared", k5, kClient, "82 { 0001 {} \"$share/g/a/#\" 01 }",
         subscribe_to({.filter = "$share/g/a/#", .qos = 1})},
        {"SUBACK 3.1.1", k311, kServer, "90 { 0001 00 01 02 80 }",
         Suback{.packet_id = 1,
                .reason_codes = {ReasonCode::kSuccess, ReasonCode::kGrantedQos1,
                                 ReasonCode::kGrantedQos2, ReasonCode::kUnspecifiedError}}},
        {"SUBACK 5.0", k5, kServer, "90 { 0001 { 1F \"r\" 26 \"k\" \"v\" } 97 A2 }",
         Suback{.packet_id = 1,
                .properties = {.reason_string = "r", .user_properties = {{"k", "v"}}},
                .reason_codes = {ReasonCode::kQuotaExceeded,
                                 ReasonCode::kWildcardSubscriptionsNotSupported}}},
        {"UNSUBSCRIBE 3.1.1", k311, kClient, "A2 { 0001 \"a\" \"b/#\" }",
         Unsubscribe{.packet_id = 1, .filters = {"a", "b/#"}}},
        {"UNSUBSCRIBE 5.0", k5, kClient, "A2 { 0001 { 26 \"k\" \"v\" } \"$share/g/a\" }",
         Unsubscribe{.packet_id = 1,
                     .properties = {.user_properties = {{"k", "v"}}},
                     .filters = {"$share/g/a"}}},
        {"UNSUBACK 3.1.1", k311, kServer, "B0 02 00 01", Unsuback{.packet_id = 1}},
        {"UNSUBACK 5.0", k5, kServer, "B0 { 0001 { 1F \"r\" } 00 11 }",
         Unsuback{.packet_id = 1,
                  .properties = {.reason_string = "r"},
                  .reason_codes = {ReasonCode::kSuccess, ReasonCode::kNoSubscriptionExisted}}},
    };
}

std::vector<WireCase> all_cases() {
    std::vector<WireCase> all = connect_cases();
    append(all, connack_cases());
    append(all, session_end_cases());
    append(all, publish_cases());
    append(all, ack_cases());
    append(all, subscribe_cases());
    return all;
}

}  // namespace causeway::mqtt
