// Whether reads and writes of registers are linearizable: each takes effect at one instant between
// its call and its return, and a read returns what was written last (Herlihy and Wing 1990).
//
// The search is that of Wing and Gong (1993) with Lowe's memory of configurations already tried
// (2017), per key: registers are independent, so a history is linearizable if that of each key is.
// Two shortcuts that lose nothing, because reads change nothing:
//   - a read that fits the present value and may come next is taken at once;
//   - a write whose outcome nobody knows (it may take effect at any time after its call, or never)
//     is put just before a read that returns its value: anywhere else nobody could tell.
// A configuration is remembered as 128 random bits (the sum of one number per operation taken), so
// that a step costs the same however long the history is; two of a billion configurations are
// confused with a chance below 10^-20.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/sim/history/event.h"

namespace causeway::sim {

struct RegisterReport {
    std::uint64_t operations = 0;
    std::uint64_t keys = 0;
    std::uint64_t configurations = 0;
    std::vector<std::string> violations;  // One per key that is not linearizable.
    std::vector<std::string> undecided;   // One per key that exceeded configurations_max.

    [[nodiscard]] bool ok() const { return violations.empty() && undecided.empty(); }
};

// `configurations_max` bounds time and memory, per key.
RegisterReport check_registers(const History& history,
                               std::uint64_t configurations_max = 5'000'000);

}  // namespace causeway::sim
