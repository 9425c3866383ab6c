// What the runs have reached, summed up, and the floors below which a run has tested nothing.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <type_traits>

#include "test/sim/cluster/app.h"
#include "test/sim/cluster/checker.h"
#include "test/sim/cluster/device.h"
#include "test/sim/cluster/faults.h"
#include "test/sim/cluster/node.h"

namespace causeway::sim {

// Of structs that hold nothing but 64-bit counters.
template <typename Counters>
void sum_counters(Counters& into, const Counters& one) {
    static_assert(std::is_trivially_copyable_v<Counters>);
    using Words = std::array<std::uint64_t, sizeof(Counters) / sizeof(std::uint64_t)>;
    auto words = std::bit_cast<Words>(into);
    const auto more = std::bit_cast<Words>(one);
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] += more[i];
    }
    into = std::bit_cast<Counters>(words);
}

struct RunTotals {
    std::uint64_t runs = 0;
    std::uint64_t events = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t delivered = 0;
    std::uint64_t redelivered = 0;
    std::uint64_t owed = 0;
    FaultTotals faults;
    CheckTotals log;
    DeviceTotals devices;
    NodeTotals nodes;
    QueueTotals queue;

    void add(const RunTotals& one);
    // Several lines.
    [[nodiscard]] std::string text() const;
    // Empty, or a line for each floor that was missed. A single run must have a minimum of events
    // and acknowledged publishes; rarer things are demanded of ten runs or more.
    [[nodiscard]] std::string too_few() const;
};

}  // namespace causeway::sim
