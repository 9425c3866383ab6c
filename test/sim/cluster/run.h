// One simulated run of a whole cluster, from one seed: nodes with gateways, devices, a network, and
// in its first phase faults; in its second everything is healed and must come right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/sim/cluster/checker.h"
#include "test/sim/cluster/device.h"
#include "test/sim/cluster/node.h"

namespace causeway::sim {

struct RunOptions {
    std::uint64_t seed = 1;
    std::size_t trace_lines = 0;  // the last so many are kept; 0: none
    TimeUs faults_for = 15 * kSecond;
};

struct RunTotals {
    std::uint64_t runs = 0;
    std::uint64_t events = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t delivered = 0;
    std::uint64_t redelivered = 0;
    std::uint64_t owed = 0;
    std::uint64_t gateway_deaths = 0;  // streams declared dead by a leader
    std::uint64_t streams_lost = 0;
    std::uint64_t faults = 0;
    std::uint64_t freezes = 0;
    std::uint64_t cuts = 0;
    std::uint64_t transfers = 0;
    std::uint64_t power_losses = 0;
    CheckTotals log;
    DeviceTotals devices;
    NodeTotals nodes;

    void add(const RunTotals& one);
    [[nodiscard]] std::string text() const;
};

struct RunResult {
    std::string failure;  // empty: all held
    std::string settings;
    std::vector<std::string> trace;
    RunTotals totals;
};

RunResult run_cluster(const RunOptions& options);

}  // namespace causeway::sim
