// Messages written down: in the "tests" of rules, and line by line in captures (JSON Lines) that
// `causeway rules run`, `explain` and `diff` read. Pure. Source: docs/formats/rule-file.md,
// "Tests".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "rules/engine/evaluation.h"
#include "rules/engine/message_view.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {

// See EventView.
struct CapturedEvent {
    EventKind kind{};
    bool has_message = false;
    std::optional<std::string> reason;
    std::optional<std::string> from_clientid;
    std::optional<bool> session_present;
    std::optional<bool> clean_start;
    std::optional<std::uint32_t> session_expiry_s;
    std::optional<std::string> queue;
    std::optional<std::string> sink;
    std::optional<std::string> dead_letter;
    std::optional<std::string> key;
    std::optional<std::string> rule;
    std::vector<Failure> failures;
};

struct CapturedMessage {
    std::string topic;
    std::string payload;
    std::string clientid;
    std::optional<std::string> username;
    std::uint8_t qos = 0;
    bool retain = false;
    std::uint64_t timestamp_ms = 0;
    std::uint64_t now_ms = 0;
    std::vector<Property> user_properties;
    std::uint64_t session_epoch = 0;
    std::optional<CapturedEvent> event;
};

// What a view of a captured message points to.
struct ViewParts {
    std::vector<UserProperty> properties;
    EventView event;
};

// What a rule sees of it; `parts` is filled, and both must live as long as the view.
[[nodiscard]] MessageView view_of(const CapturedMessage& message, ViewParts& parts);

// Effect: reads one message, a JSON object. `line` stands in the error. Errors: not such an object;
// the first thing that is wrong.
[[nodiscard]] tl::expected<CapturedMessage, Diagnostic> read_captured(const std::string& path,
                                                                      std::uint32_t line,
                                                                      std::string text);

}  // namespace causeway::rules
