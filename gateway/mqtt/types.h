// The words every part of the codec shares: versions, packet types, who sends, property
// identifiers. Values are those of the wire. Source: MQTT 3.1.1 §2.2.1, MQTT 5.0 §2.1.2, §2.2.2.2.
#pragma once

#include <cstdint>
#include <string_view>

#include <absl/container/inlined_vector.h>

namespace causeway::mqtt {

// The protocol level of CONNECT. k31 is "MQIsdp", accepted in CONNECT and otherwise read as 3.1.1.
enum class Version : std::uint8_t { k31 = 3, k311 = 4, k5 = 5 };

// Whose packet it is: some packets, properties and reason codes go in one direction only.
enum class Sender : std::uint8_t { kClient, kServer };

enum class PacketType : std::uint8_t {
    kConnect = 1,
    kConnack,
    kPublish,
    kPuback,
    kPubrec,
    kPubrel,
    kPubcomp,
    kSubscribe,
    kSuback,
    kUnsubscribe,
    kUnsuback,
    kPingreq,
    kPingresp,
    kDisconnect,
    kAuth,
};

// "CONNECT", "CONNACK", ...
[[nodiscard]] std::string_view name(PacketType type);

enum class PropertyId : std::uint8_t {
    kPayloadFormatIndicator = 0x01,
    kMessageExpiryInterval = 0x02,
    kContentType = 0x03,
    kResponseTopic = 0x08,
    kCorrelationData = 0x09,
    kSubscriptionIdentifier = 0x0B,
    kSessionExpiryInterval = 0x11,
    kAssignedClientIdentifier = 0x12,
    kServerKeepAlive = 0x13,
    kAuthenticationMethod = 0x15,
    kAuthenticationData = 0x16,
    kRequestProblemInformation = 0x17,
    kWillDelayInterval = 0x18,
    kRequestResponseInformation = 0x19,
    kResponseInformation = 0x1A,
    kServerReference = 0x1C,
    kReasonString = 0x1F,
    kReceiveMaximum = 0x21,
    kTopicAliasMaximum = 0x22,
    kTopicAlias = 0x23,
    kMaximumQos = 0x24,
    kRetainAvailable = 0x25,
    kUserProperty = 0x26,
    kMaximumPacketSize = 0x27,
    kWildcardSubscriptionAvailable = 0x28,
    kSubscriptionIdentifierAvailable = 0x29,
    kSharedSubscriptionAvailable = 0x2A,
};

// The largest Variable Byte Integer (§1.5.5), so also the largest remaining length.
inline constexpr std::uint32_t kVarintMax = 268'435'455;
// The largest packet there can be: one type byte, four length bytes and the rest.
inline constexpr std::uint32_t kPacketBytesMax = 1 + 4 + kVarintMax;
// Strings and binary data carry a 16-bit length.
inline constexpr std::uint32_t kStringBytesMax = 65'535;

// The bytes a Variable Byte Integer takes. Precondition: value <= kVarintMax.
[[nodiscard]] constexpr std::uint32_t varint_size(std::uint32_t value) {
    return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

struct UserProperty {
    std::string_view name{};
    std::string_view value{};

    friend bool operator==(const UserProperty&, const UserProperty&) = default;
};

// Order is kept and names may repeat [MQTT-3.3.2-18].
using UserProperties = absl::InlinedVector<UserProperty, 4>;
using SubscriptionIdentifiers = absl::InlinedVector<std::uint32_t, 2>;

}  // namespace causeway::mqtt
