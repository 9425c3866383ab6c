// One simulated run of a whole cluster, from one seed: nodes with gateways, devices, a network, and
// in its first phase faults; in its second everything is healed and must come right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/sim/cluster/totals.h"

namespace causeway::sim {

struct RunOptions {
    std::uint64_t seed = 1;
    std::size_t trace_lines = 0;  // the last so many are kept; 0: none
    TimeUs faults_for = 15 * kSecond;
};

struct RunResult {
    std::string failure;  // empty: all held
    std::string settings;
    std::vector<std::string> trace;
    RunTotals totals;
};

RunResult run_cluster(const RunOptions& options);

}  // namespace causeway::sim
