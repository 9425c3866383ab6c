// Reason codes: their names and which packet may carry which. Source: MQTT 5.0 §2.4, and the table
// of each packet (§3.2.2.2, §3.4.2.1, §3.6.2.1, §3.9.3, §3.11.3, §3.14.2.1, §3.15.2.1). A 3.1.1
// CONNACK has return codes of its own, mapped here (MQTT 3.1.1 §3.2.2.3). Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

enum class ReasonCode : std::uint8_t {
    kSuccess = 0x00,  // also "normal disconnection" and "granted QoS 0"
    kGrantedQos1 = 0x01,
    kGrantedQos2 = 0x02,
    kDisconnectWithWill = 0x04,
    kNoMatchingSubscribers = 0x10,
    kNoSubscriptionExisted = 0x11,
    kContinueAuthentication = 0x18,
    kReauthenticate = 0x19,
    kUnspecifiedError = 0x80,
    kMalformedPacket = 0x81,
    kProtocolError = 0x82,
    kImplementationSpecificError = 0x83,
    kUnsupportedProtocolVersion = 0x84,
    kClientIdentifierNotValid = 0x85,
    kBadUserNameOrPassword = 0x86,
    kNotAuthorized = 0x87,
    kServerUnavailable = 0x88,
    kServerBusy = 0x89,
    kBanned = 0x8A,
    kServerShuttingDown = 0x8B,
    kBadAuthenticationMethod = 0x8C,
    kKeepAliveTimeout = 0x8D,
    kSessionTakenOver = 0x8E,
    kTopicFilterInvalid = 0x8F,
    kTopicNameInvalid = 0x90,
    kPacketIdentifierInUse = 0x91,
    kPacketIdentifierNotFound = 0x92,
    kReceiveMaximumExceeded = 0x93,
    kTopicAliasInvalid = 0x94,
    kPacketTooLarge = 0x95,
    kMessageRateTooHigh = 0x96,
    kQuotaExceeded = 0x97,
    kAdministrativeAction = 0x98,
    kPayloadFormatInvalid = 0x99,
    kRetainNotSupported = 0x9A,
    kQosNotSupported = 0x9B,
    kUseAnotherServer = 0x9C,
    kServerMoved = 0x9D,
    kSharedSubscriptionsNotSupported = 0x9E,
    kConnectionRateExceeded = 0x9F,
    kMaximumConnectTime = 0xA0,
    kSubscriptionIdentifiersNotSupported = 0xA1,
    kWildcardSubscriptionsNotSupported = 0xA2,
};

// The name the specification gives the code in this packet; "" for a value that is no reason code.
[[nodiscard]] std::string_view name(ReasonCode code, PacketType type = PacketType::kPuback);

// True when packets of this type from this sender may carry the code. False for the types without
// one.
[[nodiscard]] bool may_carry(PacketType type, ReasonCode code, Sender sender);

// 0x80 and above: the operation failed (§2.4).
[[nodiscard]] constexpr bool is_error(ReasonCode code) {
    return code >= ReasonCode::kUnspecifiedError;
}

// The 3.1.1 CONNACK return code that comes nearest: 0 accepted, 1 protocol version, 2 identifier,
// 3 unavailable (also for busy, quota, rate, moved: "try again"), 4 user name or password, 5 the
// rest.
[[nodiscard]] std::uint8_t connect_return_code(ReasonCode code);

// The inverse; nullopt for 6 to 255, which are reserved.
[[nodiscard]] std::optional<ReasonCode> from_connect_return_code(std::uint8_t code);

}  // namespace causeway::mqtt
