// PUBLISH and its four acknowledgements as values. Strings are views into the packet they were
// decoded from; decoding a PUBLISH with at most four user properties allocates nothing. Source:
// MQTT 5.0 §3.3 to §3.7; MQTT 3.1.1 §3.3 to §3.7.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/mqtt/property.h"
#include "gateway/mqtt/reason_code.h"
#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

struct PublishProperties {
    std::optional<std::uint32_t> message_expiry_interval_s{};
    std::optional<std::uint16_t> topic_alias{};          // never 0
    SubscriptionIdentifiers subscription_identifiers{};  // from servers only; never 0
    ForwardProperties forward{};

    friend bool operator==(const PublishProperties&, const PublishProperties&) = default;
};

struct Publish {
    std::string_view topic{};     // a valid topic name, or empty when there is a topic alias
    std::uint16_t packet_id = 0;  // 0 exactly at QoS 0
    std::uint8_t qos = 0;
    bool retain = false;
    bool duplicate = false;  // never at QoS 0
    PublishProperties properties{};
    std::string_view payload{};

    friend bool operator==(const Publish&, const Publish&) = default;
};

struct AckProperties {
    std::optional<std::string_view> reason_string{};
    UserProperties user_properties{};

    friend bool operator==(const AckProperties&, const AckProperties&) = default;
};

// PUBACK, PUBREC, PUBREL and PUBCOMP differ in their type and reason codes only. 3.1.1 has the
// packet id alone.
template <PacketType kType>
struct Ack {
    std::uint16_t packet_id = 0;
    ReasonCode reason_code = ReasonCode::kSuccess;
    AckProperties properties{};

    friend bool operator==(const Ack&, const Ack&) = default;
};
using Puback = Ack<PacketType::kPuback>;
using Pubrec = Ack<PacketType::kPubrec>;
using Pubrel = Ack<PacketType::kPubrel>;
using Pubcomp = Ack<PacketType::kPubcomp>;

}  // namespace causeway::mqtt
