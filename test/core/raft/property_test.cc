// The random runs of random_run.h must be clean, and must have met what they are for.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "test/core/raft/random_run.h"

namespace causeway::raft::test {
namespace {

// CAUSEWAY_RAFT_SEEDS=<first>:<count> hunts elsewhere, or replays one seed.
RunTotals run_seeds(std::uint64_t from, std::uint64_t count, bool membership) {
    RunTotals totals;
    if (const char* wanted = std::getenv("CAUSEWAY_RAFT_SEEDS")) {
        char* rest = nullptr;
        from = std::strtoull(wanted, &rest, 10);
        count = *rest == ':' ? std::strtoull(rest + 1, nullptr, 10) : 1;
    }
    for (std::uint64_t seed = from; seed < from + count; ++seed) {
        const std::string failure = random_run({.seed = seed, .membership = membership}, totals);
        EXPECT_EQ(failure, "") << "seed " << seed;
        if (!failure.empty()) {
            break;
        }
    }
    std::printf("seeds %" PRIu64 ": leaders %" PRIu64 ", applied %" PRIu64 ", crashes %" PRIu64
                ", truncations %" PRIu64 ", snapshots %" PRIu64 ", changes %" PRIu64 "\n",
                count, totals.leaders, totals.applied, totals.crashes, totals.truncations,
                totals.snapshots, totals.changes);
    return totals;
}

TEST(RaftProperty, FixedMembers) {
    const RunTotals totals = run_seeds(1, 150, false);
    EXPECT_GT(totals.leaders, 300U);
    EXPECT_GT(totals.applied, 5000U);
    EXPECT_GT(totals.crashes, 500U);
    EXPECT_GT(totals.truncations, 30U);
    EXPECT_GT(totals.snapshots, 100U);
}

TEST(RaftProperty, MembersComeAndGo) {
    const RunTotals totals = run_seeds(1000, 150, true);
    EXPECT_GT(totals.changes, 100U);
    EXPECT_GT(totals.leaders, 250U);
}

}  // namespace
}  // namespace causeway::raft::test
