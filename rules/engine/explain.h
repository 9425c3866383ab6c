// Why a rule fires for a message or does not: `causeway rules explain`. Each rule that matches is
// evaluated as the hub does it, and then once more part by part, so that every sub-expression of
// its conditions and outputs is shown with its value. Pure; for tools, not for the way of a
// message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/engine/message_view.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {

enum class Verdict : std::uint8_t {
    kFired,
    kNoResult,  // WHERE, or INCASE for every element, was not true
    kFailed,    // the SQL failed
    kNoMatch,   // no source matches the topic
    kDisabled,
};
[[nodiscard]] std::string_view name(Verdict verdict);

struct ExplainedPart {
    std::uint32_t depth = 0;
    std::string text;   // an expression, or a title of what is below: "WHERE", "element 2"
    std::string value;  // JSON, `undefined`, "fails: …"; empty for a title
};

struct Explanation {
    std::string rule;
    Verdict verdict = Verdict::kNoMatch;
    std::string reason;  // one line
    std::vector<ExplainedPart> parts;
    std::vector<std::string> outputs;  // JSON, as of to_json(); failures of actions too
};

// Of FOREACH so many elements are shown.
inline constexpr std::size_t kExplainedElementsMax = 8;

// Effect: one explanation for each rule, in their order; with `matching_only` not for those whose
// sources do not match. Republishes are not followed.
[[nodiscard]] std::vector<Explanation> explain(const RuleSet& set, const MessageView& message,
                                               const EvalContext& context, bool matching_only);

// Lines for a person.
[[nodiscard]] std::string to_text(const std::vector<Explanation>& explanations);
// [{"rule", "verdict", "reason", "parts": [{"depth", "text", "value"}], "outputs": […]}]
[[nodiscard]] std::string to_json(const std::vector<Explanation>& explanations);

}  // namespace causeway::rules
