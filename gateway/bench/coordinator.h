// The parent of the generator's processes: forks them, lets them begin together, shows progress,
// decides when all is said, and joins their outcomes. Runs poll() on one thread, no loop.
#pragma once

#include <cstdint>
#include <functional>

#include "core/base/result.h"
#include "gateway/bench/outcome.h"
#include "gateway/bench/plan.h"

namespace causeway::bench {

struct Measured {
    Outcome outcome;
    double window_s = 0;       // How long the measurement was; shorter when interrupted.
    bool interrupted = false;  // By SIGINT or SIGTERM.
};

// Effect: the whole run. Handles SIGINT and SIGTERM until it returns. The error is one line: the
// plan cannot be carried out on this machine (files, processes) or its TLS files are not usable. A
// process that dies is a reason in the outcome, and its clients count as broken.
// `step`: called when a step of the plan is complete and settled, from none connected on, with the
// number of clients there are; false ends the run.
using OnStep = std::function<bool(std::uint64_t connected)>;
[[nodiscard]] Result<Measured> carry_out(const Plan& plan, const OnStep& step = nullptr);

}  // namespace causeway::bench
