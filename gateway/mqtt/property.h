// The properties a server forwards unaltered with a message: of PUBLISH and of the will in CONNECT.
// Source: MQTT 5.0 §3.3.2.3, §3.1.3.2. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

// What goes to every subscriber as it came [MQTT-3.3.2-4, -15, -16, -17, -20]. Views into the
// packet.
struct ForwardProperties {
    std::optional<bool> payload_is_utf8{};  // Payload Format Indicator
    std::optional<std::string_view> content_type{};
    std::optional<std::string_view> response_topic{};
    std::optional<std::string_view> correlation_data{};
    UserProperties user_properties{};

    // Set by decode when the forwarded properties lay side by side in the packet: their very bytes,
    // without the length prefix; "" when there are none. Absent: use append_forward_properties,
    // which encodes the fields above. Who changes a field resets it. No part of the value: ==
    // ignores it.
    std::optional<std::string_view> wire{};

    friend bool operator==(const ForwardProperties& a, const ForwardProperties& b) {
        return a.payload_is_utf8 == b.payload_is_utf8 && a.content_type == b.content_type &&
               a.response_topic == b.response_topic && a.correlation_data == b.correlation_data &&
               a.user_properties == b.user_properties;
    }
};

// Effect: appends the properties in wire form, without length prefix: what a message body holds
// (core/message/body.h). False, with `out` as it was, when a string is longer than 65,535 bytes
// (not possible for what decode gave).
[[nodiscard]] bool append_forward_properties(const ForwardProperties& properties, std::string& out);

// How many bytes append_forward_properties would append.
[[nodiscard]] std::size_t forward_properties_size(const ForwardProperties& properties);

// Effect: parses such bytes again (of a stored body, for a reader that wants a field). False when
// they are no well-formed list of forwarded properties; `properties` is then of no use.
[[nodiscard]] bool parse_forward_properties(std::string_view wire, ForwardProperties& properties);

}  // namespace causeway::mqtt
