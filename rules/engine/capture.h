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
};

// What a rule sees of it; `properties` is filled, and both must live as long as the view.
[[nodiscard]] MessageView view_of(const CapturedMessage& message,
                                  std::vector<UserProperty>& properties);

// Effect: reads one message, a JSON object. `line` stands in the error. Errors: not such an object;
// the first thing that is wrong.
[[nodiscard]] tl::expected<CapturedMessage, Diagnostic> read_captured(const std::string& path,
                                                                      std::uint32_t line,
                                                                      std::string text);

}  // namespace causeway::rules
