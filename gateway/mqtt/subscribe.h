// SUBSCRIBE, UNSUBSCRIBE and their acknowledgements, and the pings, as values. Strings are views
// into the packet they were decoded from. Source: MQTT 5.0 §3.8 to §3.13; MQTT 3.1.1 §3.8 to §3.13.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <absl/container/inlined_vector.h>

#include "gateway/mqtt/publish.h"
#include "gateway/mqtt/reason_code.h"
#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

enum class RetainHandling : std::uint8_t { kSend = 0, kSendIfNew = 1, kDoNotSend = 2 };

// The options besides the QoS are 5.0 only; 3.1.1 has the defaults.
struct Subscription {
    std::string_view filter{};  // valid; a "$share/..." one is well-formed
    std::uint8_t qos = 0;
    bool no_local = false;  // never on a shared filter
    bool retain_as_published = false;
    RetainHandling retain_handling = RetainHandling::kSend;

    friend bool operator==(const Subscription&, const Subscription&) = default;
};

struct SubscribeProperties {
    std::optional<std::uint32_t> subscription_identifier{};  // 1 to 268,435,455
    UserProperties user_properties{};

    friend bool operator==(const SubscribeProperties&, const SubscribeProperties&) = default;
};

struct Subscribe {
    std::uint16_t packet_id = 0;
    SubscribeProperties properties{};
    absl::InlinedVector<Subscription, 4> subscriptions{};  // at least one

    friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

// One code per filter of SUBSCRIBE. To 3.1.1 clients every error goes as 0x80 (§3.9.3).
struct Suback {
    std::uint16_t packet_id = 0;
    AckProperties properties{};
    absl::InlinedVector<ReasonCode, 8> reason_codes{};

    friend bool operator==(const Suback&, const Suback&) = default;
};

struct UnsubscribeProperties {
    UserProperties user_properties{};

    friend bool operator==(const UnsubscribeProperties&, const UnsubscribeProperties&) = default;
};

struct Unsubscribe {
    std::uint16_t packet_id = 0;
    UnsubscribeProperties properties{};
    absl::InlinedVector<std::string_view, 4> filters{};  // at least one, each valid

    friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

// One code per filter of UNSUBSCRIBE; 3.1.1 has none.
struct Unsuback {
    std::uint16_t packet_id = 0;
    AckProperties properties{};
    absl::InlinedVector<ReasonCode, 8> reason_codes{};

    friend bool operator==(const Unsuback&, const Unsuback&) = default;
};

struct Pingreq {
    friend bool operator==(const Pingreq&, const Pingreq&) = default;
};
struct Pingresp {
    friend bool operator==(const Pingresp&, const Pingresp&) = default;
};

}  // namespace causeway::mqtt
