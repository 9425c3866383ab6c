// The counters of rules and their actions in the text format of Prometheus. Pure.
#pragma once

#include <span>
#include <string>

#include "gateway/router/rules_router.h"

namespace causeway::router {

// Effect: every family once, with its lines together. Sums (docs/rules.md, "Counters") hold in it.
[[nodiscard]] std::string rule_metrics(std::span<const rules::RuleStatistics> rules);

}  // namespace causeway::router
