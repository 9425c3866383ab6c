// One run of a group under random faults, all of it decided by one seed: messages lost, doubled,
// reordered and partitioned, nodes that crash and lose what they had not fsynced, slow disks,
// snapshots, transfers, membership changes. Phase 1 looks at safety; phase 2 ends the faults and
// demands liveness (I20), then kills the leader and demands it again. Used by the property test,
// where a run must be clean, and by the test of seeded bugs, where one must not be.
#pragma once

#include <cstdint>
#include <string>

namespace causeway::raft::test {

struct RunTotals {
    std::uint64_t leaders = 0;
    std::uint64_t applied = 0;
    std::uint64_t crashes = 0;
    std::uint64_t truncations = 0;
    std::uint64_t snapshots = 0;
    std::uint64_t changes = 0;
};

struct RunOptions {
    std::uint64_t seed = 1;
    bool membership = false;  // Five nodes of which three begin as voters; else three or five.
    int events = 6000;
};

// The first violation, by the name of its invariant, or nothing. Effect: adds to `totals`.
std::string random_run(const RunOptions& options, RunTotals& totals);

}  // namespace causeway::raft::test
