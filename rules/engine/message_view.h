// What a rule reads: one message, as views, and what evaluation may ask of its surroundings. Filled
// by the caller of Evaluator::evaluate for the time of the call. Plain values. Source:
// docs/rules.md, "Fields".
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include <absl/functional/function_ref.h>

#include "core/base/random.h"
#include "core/message/event.h"

namespace causeway::rules {

struct UserProperty {
    std::string_view name;
    std::string_view value;
};

struct Failure;

// What an event has besides the fields of its message. nullopt is *undefined* in SQL.
struct EventView {
    EventKind kind{};
    std::optional<std::string_view> reason;
    std::optional<std::string_view> from_clientid;
    std::optional<bool> session_present;
    std::optional<bool> clean_start;
    std::optional<std::uint32_t> session_expiry_s;
    std::optional<std::string_view> queue;
    std::optional<std::string_view> sink;
    std::optional<std::string_view> dead_letter;
    std::optional<std::string_view> key;
    std::optional<std::string_view> rule;
    std::optional<std::span<const Failure>> failures;
    bool has_message = false;  // topic, payload, qos and retain are of a message
};

// nullopt is *undefined* in SQL.
struct MessageView {
    std::string_view id;
    std::string_view trace_id;
    std::string_view clientid;
    std::optional<std::string_view> username;
    std::optional<std::string_view> product;
    std::optional<std::string_view> device;
    std::string_view topic;  // a valid topic name, unless it is an event
    std::string_view payload;
    std::uint8_t qos = 0;
    bool retain = false;
    bool dup = false;
    std::uint64_t timestamp_ms = 0;    // set time, since the Unix epoch
    std::uint64_t received_at_ms = 0;  // gateway's wall clock, since the Unix epoch
    std::optional<std::string_view> peerhost;
    std::string_view node;
    std::span<const UserProperty> user_properties;
    std::optional<std::string_view> content_type;
    std::optional<std::string_view> response_topic;
    std::optional<std::string_view> correlation_data;
    std::optional<std::uint32_t> message_expiry_s;
    std::uint64_t session_epoch = 0;

    // Of an event: rules are picked by it and not by `topic`, which may be a filter or empty then.
    const EventView* event = nullptr;

    // A message that a rule republished carries how often that happened and which rules made it
    // (Output::hops and Output::trail of the republish); otherwise 0 and empty.
    std::uint8_t hops = 0;
    std::span<const std::uint64_t> trail;
};

inline constexpr std::uint8_t kHopsMax = 8;

struct EvalContext {
    std::uint64_t now_ms = 0;  // since the Unix epoch: now_timestamp(), now_rfc3339()
    Random& random;            // random(), uuid_v4()
    std::uint8_t hops_max = kHopsMax;

    // Whether a republish to this topic is evaluated in the same call and joins its outputs; false:
    // only the republish itself is output, and evaluated by whoever owns that topic.
    absl::FunctionRef<bool(std::string_view topic)> evaluates_here = everywhere;

    // Evaluates this rule alone (by index), as if it were the only one of the set.
    std::uint32_t only_rule = kAllRules;

    static constexpr std::uint32_t kAllRules = std::numeric_limits<std::uint32_t>::max();
    static bool everywhere(std::string_view) { return true; }
};

}  // namespace causeway::rules
