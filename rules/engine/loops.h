// Loops: rules whose republishes come back to them. Internal to rules/engine.
//
// A republish's topic template, with every value as "+", is the pattern of the topics it can make.
// A rule that has neither WHERE nor FOREACH always fires; if one of its sources matches *every*
// topic of the pattern, the step is certain, and a cycle of certain steps runs for ever: such a set
// is refused. Where a source matches only some topics, or a WHERE may say no, the step is possible;
// evaluation cuts it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/engine/rule.h"

namespace causeway::rules {

struct LoopStep {
    std::uint32_t from = 0;    // rule
    std::uint32_t action = 0;  // its republish
    std::uint32_t to = 0;      // rule that the republished message reaches
    bool certain = false;
};

// The topics that a republish can make, as a filter: "alarm/${x}" -> "alarm/+"; with `:levels` from
// there on "#".
[[nodiscard]] std::string topic_pattern(const Template& topic);

// True when some topic matches both filters.
[[nodiscard]] bool filters_meet(std::string_view a, std::string_view b);
// True when every topic that matches `narrow` matches `wide`.
[[nodiscard]] bool filter_covers(std::string_view wide, std::string_view narrow);

// Certain steps only, in rule order. Disabled rules take no part.
[[nodiscard]] std::vector<LoopStep> certain_steps(const RuleSetImpl& set);

// Possible and certain steps, in rule order; at most `steps_max`.
[[nodiscard]] std::vector<LoopStep> all_steps(const RuleSetImpl& set, std::size_t steps_max);

// One cycle of the steps as a list of steps, for every cycle's first rule; empty: there is none.
[[nodiscard]] std::vector<LoopStep> find_cycle(std::size_t rules,
                                               const std::vector<LoopStep>& steps);

}  // namespace causeway::rules
