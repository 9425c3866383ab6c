// The table of MQTT 5.0 §2.4 with the packets of each code: see reason_code.h.
#include "gateway/mqtt/reason_code.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace causeway::mqtt {
namespace {

enum Carrier : std::uint16_t {
    kInConnack = 1,
    kInPublishAck = 2,  // PUBACK and PUBREC
    kInReleaseAck = 4,  // PUBREL and PUBCOMP
    kInSuback = 8,
    kInUnsuback = 16,
    kInClientDisconnect = 32,
    kInServerDisconnect = 64,
    kInClientAuth = 128,
    kInServerAuth = 256,
};
constexpr std::uint16_t kInDisconnect = kInClientDisconnect | kInServerDisconnect;
constexpr std::uint16_t kInAllAcks = kInPublishAck | kInSuback | kInUnsuback;

struct Row {
    ReasonCode code;
    std::string_view name;
    std::uint16_t carriers;
};

constexpr Row kRows[] = {
    {ReasonCode::kSuccess, "Success",
     kInConnack | kInAllAcks | kInReleaseAck | kInDisconnect | kInServerAuth},
    {ReasonCode::kGrantedQos1, "Granted QoS 1", kInSuback},
    {ReasonCode::kGrantedQos2, "Granted QoS 2", kInSuback},
    {ReasonCode::kDisconnectWithWill, "Disconnect with Will Message", kInClientDisconnect},
    {ReasonCode::kNoMatchingSubscribers, "No matching subscribers", kInPublishAck},
    {ReasonCode::kNoSubscriptionExisted, "No subscription existed", kInUnsuback},
    {ReasonCode::kContinueAuthentication, "Continue authentication", kInClientAuth | kInServerAuth},
    {ReasonCode::kReauthenticate, "Re-authenticate", kInClientAuth},
    {ReasonCode::kUnspecifiedError, "Unspecified error", kInConnack | kInAllAcks | kInDisconnect},
    {ReasonCode::kMalformedPacket, "Malformed Packet", kInConnack | kInDisconnect},
    {ReasonCode::kProtocolError, "Protocol Error", kInConnack | kInDisconnect},
    {ReasonCode::kImplementationSpecificError, "Implementation specific error",
     kInConnack | kInAllAcks | kInDisconnect},
    {ReasonCode::kUnsupportedProtocolVersion, "Unsupported Protocol Version", kInConnack},
    {ReasonCode::kClientIdentifierNotValid, "Client Identifier not valid", kInConnack},
    {ReasonCode::kBadUserNameOrPassword, "Bad User Name or Password", kInConnack},
    {ReasonCode::kNotAuthorized, "Not authorized", kInConnack | kInAllAcks | kInServerDisconnect},
    {ReasonCode::kServerUnavailable, "Server unavailable", kInConnack},
    {ReasonCode::kServerBusy, "Server busy", kInConnack | kInServerDisconnect},
    {ReasonCode::kBanned, "Banned", kInConnack},
    {ReasonCode::kServerShuttingDown, "Server shutting down", kInServerDisconnect},
    {ReasonCode::kBadAuthenticationMethod, "Bad authentication method",
     kInConnack | kInServerDisconnect},
    {ReasonCode::kKeepAliveTimeout, "Keep Alive timeout", kInServerDisconnect},
    {ReasonCode::kSessionTakenOver, "Session taken over", kInServerDisconnect},
    {ReasonCode::kTopicFilterInvalid, "Topic Filter invalid",
     kInSuback | kInUnsuback | kInServerDisconnect},
    {ReasonCode::kTopicNameInvalid, "Topic Name invalid",
     kInConnack | kInPublishAck | kInDisconnect},
    {ReasonCode::kPacketIdentifierInUse, "Packet Identifier in use", kInAllAcks},
    {ReasonCode::kPacketIdentifierNotFound, "Packet Identifier not found", kInReleaseAck},
    {ReasonCode::kReceiveMaximumExceeded, "Receive Maximum exceeded", kInDisconnect},
    {ReasonCode::kTopicAliasInvalid, "Topic Alias invalid", kInDisconnect},
    {ReasonCode::kPacketTooLarge, "Packet too large", kInConnack | kInDisconnect},
    {ReasonCode::kMessageRateTooHigh, "Message rate too high", kInDisconnect},
    {ReasonCode::kQuotaExceeded, "Quota exceeded",
     kInConnack | kInPublishAck | kInSuback | kInDisconnect},
    {ReasonCode::kAdministrativeAction, "Administrative action", kInDisconnect},
    {ReasonCode::kPayloadFormatInvalid, "Payload format invalid",
     kInConnack | kInPublishAck | kInDisconnect},
    {ReasonCode::kRetainNotSupported, "Retain not supported", kInConnack | kInServerDisconnect},
    {ReasonCode::kQosNotSupported, "QoS not supported", kInConnack | kInServerDisconnect},
    {ReasonCode::kUseAnotherServer, "Use another server", kInConnack | kInServerDisconnect},
    {ReasonCode::kServerMoved, "Server moved", kInConnack | kInServerDisconnect},
    {ReasonCode::kSharedSubscriptionsNotSupported, "Shared Subscriptions not supported",
     kInSuback | kInServerDisconnect},
    {ReasonCode::kConnectionRateExceeded, "Connection rate exceeded",
     kInConnack | kInServerDisconnect},
    {ReasonCode::kMaximumConnectTime, "Maximum connect time", kInServerDisconnect},
    {ReasonCode::kSubscriptionIdentifiersNotSupported, "Subscription Identifiers not supported",
     kInSuback | kInServerDisconnect},
    {ReasonCode::kWildcardSubscriptionsNotSupported, "Wildcard Subscriptions not supported",
     kInSuback | kInServerDisconnect},
};

const Row* row_of(ReasonCode code) {
    const auto* found = std::find_if(std::begin(kRows), std::end(kRows),
                                     [&](const Row& row) { return row.code == code; });
    return found == std::end(kRows) ? nullptr : found;
}

std::uint16_t carrier_of(PacketType type, Sender sender) {
    const bool client = sender == Sender::kClient;
    switch (type) {
        case PacketType::kConnack:
            return client ? 0 : kInConnack;  // [MQTT-3.2.2-8]
        case PacketType::kPuback:
        case PacketType::kPubrec:
            return kInPublishAck;  // [MQTT-3.4.2-1] [MQTT-3.5.2-1]
        case PacketType::kPubrel:
        case PacketType::kPubcomp:
            return kInReleaseAck;  // [MQTT-3.6.2-1] [MQTT-3.7.2-1]
        case PacketType::kSuback:
            return client ? 0 : kInSuback;  // [MQTT-3.9.3-2]
        case PacketType::kUnsuback:
            return client ? 0 : kInUnsuback;  // [MQTT-3.11.3-2]
        case PacketType::kDisconnect:
            return client ? kInClientDisconnect : kInServerDisconnect;  // [MQTT-3.14.2-1]
        case PacketType::kAuth:
            return client ? kInClientAuth : kInServerAuth;  // [MQTT-3.15.2-1]
        default:
            return 0;
    }
}

}  // namespace

std::string_view name(PacketType type) {
    constexpr std::array<std::string_view, 16> kNames = {
        "",        "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
        "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
        "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};
    const auto index = static_cast<std::size_t>(type);
    return index < kNames.size() ? kNames[index] : std::string_view{};
}

std::string_view name(ReasonCode code, PacketType type) {
    if (code == ReasonCode::kSuccess && type == PacketType::kDisconnect) {
        return "Normal disconnection";
    }
    if (code == ReasonCode::kSuccess && type == PacketType::kSuback) {
        return "Granted QoS 0";
    }
    const Row* row = row_of(code);
    return row == nullptr ? std::string_view{} : row->name;
}

bool may_carry(PacketType type, ReasonCode code, Sender sender) {
    if (code == ReasonCode::kSuccess && type != PacketType::kAuth) {
        return carrier_of(type, sender) != 0;
    }
    const Row* row = row_of(code);
    return row != nullptr && (row->carriers & carrier_of(type, sender)) != 0;
}

std::uint8_t connect_return_code(ReasonCode code) {
    switch (code) {
        case ReasonCode::kSuccess:
            return 0;
        case ReasonCode::kUnsupportedProtocolVersion:
            return 1;
        case ReasonCode::kClientIdentifierNotValid:
            return 2;
        case ReasonCode::kServerUnavailable:
        case ReasonCode::kServerBusy:
        case ReasonCode::kQuotaExceeded:
        case ReasonCode::kConnectionRateExceeded:
        case ReasonCode::kUseAnotherServer:
        case ReasonCode::kServerMoved:
            return 3;
        case ReasonCode::kBadUserNameOrPassword:
            return 4;
        default:
            return 5;
    }
}

std::optional<ReasonCode> from_connect_return_code(std::uint8_t code) {
    constexpr std::array<ReasonCode, 6> kCodes = {ReasonCode::kSuccess,
                                                  ReasonCode::kUnsupportedProtocolVersion,
                                                  ReasonCode::kClientIdentifierNotValid,
                                                  ReasonCode::kServerUnavailable,
                                                  ReasonCode::kBadUserNameOrPassword,
                                                  ReasonCode::kNotAuthorized};
    if (code >= kCodes.size()) {
        return std::nullopt;
    }
    return kCodes[code];
}

}  // namespace causeway::mqtt
