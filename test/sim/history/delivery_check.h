// Whether a history of messages keeps the hub's promises to devices. One pass over the events and
// one over what was acknowledged; about a microsecond per event.
//
//   acknowledged  Every message of QoS 1 or 2 that was acknowledged reaches each persistent session
//                 whose matching subscription (QoS >= 1) was acknowledged before the message was
//                 first sent and holds to the end: delivered, or found stored by a drain.
//   invented      Nothing is delivered, stored or acknowledged that was not sent before; nor under
//                 another topic; nor after it was refused (unless it was sent again).
//   twice         What is delivered with QoS 2 is delivered once per subscriber.
//   order         First deliveries to one subscriber of one publisher, topic and published QoS
//                 stand in the order in which they were first sent; a message that was sent again
//                 may come late to a subscription that was acknowledged after it was first sent.
//   lost          No session ends unasked.
//
// A message neither acknowledged nor refused is unknown: it may appear, or not. Deliveries from the
// retained store are no part of "twice" and "order"; register_check.h judges them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "test/sim/history/event.h"

namespace causeway::sim {

enum class Rule : std::uint8_t { kAcknowledged, kInvented, kTwice, kOrder, kLost };
inline constexpr std::size_t kRuleCount = 5;
std::string_view name_of(Rule rule);

struct Violation {
    Rule rule;
    std::string text;
    std::string publisher = {};  // kOrder: of the message that came late
};

// How much was looked at: a run that asserts nothing of these may have tested nothing.
struct DeliveryTotals {
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t refused = 0;
    std::uint64_t unknown = 0;
    std::uint64_t delivered = 0;    // First deliveries, per subscriber.
    std::uint64_t redelivered = 0;  // Further ones.
    std::uint64_t drained = 0;
    std::uint64_t owed = 0;     // Pairs of acknowledged message and subscriber that were checked.
    std::uint64_t evicted = 0;  // Of these, missing but covered by an eviction the hub counted.
};

struct DeliveryReport {
    DeliveryTotals totals;
    std::array<std::uint64_t, kRuleCount> counts{};  // Violations by rule, all of them.
    std::vector<Violation> violations;               // The first hundred.

    [[nodiscard]] bool ok() const { return violations.empty(); }
    [[nodiscard]] std::uint64_t count(Rule rule) const {
        return counts[static_cast<std::size_t>(rule)];
    }
};

// `history` is judged as it stands: call it when every subscriber has taken what it was owed, or
// with the events of a drain at the end.
DeliveryReport check_deliveries(const History& history);

// Whether a filter without $share selects a topic («MQTT 5.0 §4.7»). Written anew for the checkers.
bool filter_selects(std::string_view filter, std::string_view topic);

}  // namespace causeway::sim
