// What can be said of a rule set without a message: the report of `causeway rules check`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/engine/rule_set.h"

namespace causeway::rules {

enum class HintKind : std::uint8_t {
    kDisabled,     // "enabled": false
    kUnreachable,  // WHERE can never be true
    kShadowed,     // a source is covered by another one of the same rule
    kNoActions,    // fires for nothing
    kUnusedSink,   // no action names it
    kLoop,         // a republish may come back; cut at run time
};
[[nodiscard]] std::string_view name(HintKind kind);

struct Hint {
    HintKind kind = HintKind::kDisabled;
    Diagnostic diagnostic;
};

// A republish of `from` that reaches `to` (indices in RuleSet::rules()).
struct LoopEdge {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    bool certain = false;  // whenever `from` fires, `to` does
};

struct CheckReport {
    std::vector<RuleInfo> rules;
    std::vector<LoopEdge> edges;
    std::vector<Hint> hints;
    std::vector<std::string> unused_sinks;
    std::uint64_t version = 0;
};

// At most so many edges are looked for.
inline constexpr std::size_t kLoopEdgesMax = 100'000;

[[nodiscard]] CheckReport check(const RuleSet& set);

// The report as lines for a person.
[[nodiscard]] std::string to_text(const CheckReport& report);

}  // namespace causeway::rules
