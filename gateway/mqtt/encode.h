// Packets to bytes. encode() takes any packet in either direction; deliveries take the fast path,
// which builds only a head and shares the message's body between all receivers. Called by
// gateway/session, gateway/net and gateway/bench. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gateway/mqtt/packet.h"
#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

// Effect: appends the packet to `out`. What the version does not know is left out: properties and
// reason codes to 3.1.1 clients; CONNECT is written in its own version. The shortest form is chosen
// (§3.4.2.1, §3.14.2.1) and properties with their default value are not written.
// False, with `out` as it was: a string or binary longer than 65,535 bytes, a packet longer than
// 268,435,455, or AUTH to 3.1.1. Not checked: the UTF-8 and the topics of our own packets. The
// caller compares the growth of `out` with the peer's Maximum Packet Size [MQTT-3.1.2-24].
[[nodiscard]] bool encode(const Packet& packet, Version version, std::string& out);

// Everything of an outgoing PUBLISH but its body. The packet is
//   5.0:    head, BodyView::properties, BodyView::payload    3.1.1: head, BodyView::payload
// (core/message/body.h). The properties here are those that differ between receivers.
struct PublishHead {
    std::string_view topic{};     // may be empty with an alias
    std::uint16_t packet_id = 0;  // not written at QoS 0
    std::uint8_t qos = 0;
    bool retain = false;
    bool duplicate = false;
    std::optional<std::uint32_t> message_expiry_interval_s{};
    std::optional<std::uint16_t> topic_alias{};
    std::span<const std::uint32_t> subscription_identifiers{};
    std::size_t body_properties_bytes = 0;  // 3.1.1: ignored
    std::size_t payload_bytes = 0;
};

// The size of the whole packet, body included: what is compared with the receiver's Maximum Packet
// Size. Beyond kPacketBytesMax the packet cannot be sent to anyone.
[[nodiscard]] std::size_t publish_size(const PublishHead& head, Version version);

// Effect: appends the head: at most 64 bytes beside topic and subscription identifiers. False, with
// `out` as it was, when the topic is longer than 65,535 bytes or the packet than kPacketBytesMax.
[[nodiscard]] bool encode_publish_head(const PublishHead& head, Version version, std::string& out);

}  // namespace causeway::mqtt
