// Events: what happened in a set, as rules may ask for it by `FROM '$events/…'`. The state machine
// makes an event only when the active rules name its kind (StateLimits::events); it is an item of the set's
// stream to itself, so it survives restarts and leader changes, and the leader gives it to the
// rules in order. rule/failed alone is made by the rules themselves. Pure; any thread. Source:
// docs/rules.md, "Events".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace causeway {

// Stored: never renumber.
enum class EventKind : std::uint8_t {
    kClientConnected,
    kClientDisconnected,
    kClientConnack,
    kSessionSubscribed,
    kSessionUnsubscribed,
    kMessageDelivered,
    kMessageAcked,
    kMessageDropped,
    kQueueDeadLetter,
    kRuleFailed,
};

inline constexpr std::array<std::string_view, 10> kEventNames = {
    "$events/client/connected",   "$events/client/disconnected",  "$events/client/connack",
    "$events/session/subscribed", "$events/session/unsubscribed", "$events/message/delivered",
    "$events/message/acked",      "$events/message/dropped",      "$events/queue/dead_letter",
    "$events/rule/failed"};

[[nodiscard]] constexpr std::string_view name(EventKind kind) {
    return kEventNames[static_cast<std::size_t>(kind)];
}

// Bit n is the kind of number n.
using EventMask = std::uint32_t;
[[nodiscard]] constexpr EventMask mask_of(EventKind kind) {
    return EventMask{1} << static_cast<unsigned>(kind);
}
// A source of a rule that names events and not topics.
[[nodiscard]] constexpr bool is_event_source(std::string_view filter) {
    return filter.starts_with("$events/");
}
// The kinds whose name matches the filter; 0: none.
[[nodiscard]] EventMask events_matching(std::string_view filter);

// One event. Views; what an event of its kind does not have is empty or zero.
struct Event {
    EventKind kind{};
    SetMs at = 0;
    std::string_view client_id;  // whose connection, session or delivery; of a dead letter and a
                                 // failed rule: the publisher
    std::uint64_t session_epoch = 0;
    std::string_view username;  // connected, connack
    std::string_view reason;    // disconnected, connack, dropped, dead letter
    bool session_present = false;
    bool clean_start = false;
    std::uint32_t session_expiry_interval_s = 0;
    // Of a message; of subscribed and unsubscribed: the filter, and the QoS granted.
    std::string_view topic;
    std::string_view body;
    std::string_view from_client_id;  // delivered, acked, dropped: the publisher
    std::uint8_t qos = 0;
    bool retain = false;
    // Dead letters: where it was, where it is now, its key.
    std::string_view queue;
    bool is_sink = false;  // `queue` names a sink
    std::string_view dead_letter;
    std::string_view key;
};

// All of it but `at`, `client_id`, `topic` and `body`, which the item that holds it has itself.
void encode(const Event& event, std::string& out);
// False: no such event. Bytes behind its fields are skipped.
bool decode(std::string_view in, Event& out);

}  // namespace causeway
