// The report of a run, for people or machines, and whether it is a success.
#pragma once

#include <cstdint>
#include <string>

#include "gateway/bench/coordinator.h"
#include "gateway/bench/plan.h"

namespace causeway::bench {

// Messages that were owed to subscribers and did not come.
[[nodiscard]] std::uint64_t lost_messages(const Plan& plan, const Counters& counters);

// True when nothing failed that the exit code is about (bench.h).
[[nodiscard]] bool succeeded(const Plan& plan, const Measured& measured);

// Several lines, the last one ended.
[[nodiscard]] std::string text_report(const Plan& plan, const Measured& measured);
// One JSON object on one line; docs/bench/README.md names its fields.
[[nodiscard]] std::string json_report(const Plan& plan, const Measured& measured);

}  // namespace causeway::bench
