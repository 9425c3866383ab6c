// Crashes at every kind of moment with every kind of loss. After each: all that was committed is
// there, in order; a batch whose commit had not returned is there as a whole or not at all; what
// was truncated stays away.
#include <gtest/gtest.h>

#include "test/core/wal/model.h"

namespace causeway::wal {
namespace {

struct Totals {
    std::uint64_t crashes = 0;
    std::uint64_t torn = 0;  // Crashes after which the batch in flight was gone.
    std::uint64_t kept = 0;
    std::uint64_t moved = 0;
};

class CrashRun {
public:
    explicit CrashRun(std::uint64_t seed) : random_(seed) {}

    void run(int steps, Totals& totals) {
        for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
            const Model before = model_;
            stage_some();
            if (random_.chance(1, 6)) {
                crash_during_commit(before, totals);
            } else {
                commit();
                if (random_.chance(1, 10)) {
                    crash_between(totals);
                }
            }
        }
        totals.moved += bench_.log ? bench_.log->status().bytes_moved : 0;
    }

private:
    void stage_some() {
        for (std::uint64_t i = 1 + random_.below(3); i > 0; --i) {
            const Batch batch = random_batch(random_, model_, ++term_);
            if (bench_.log->staged_bytes() + Log::staged_bytes_of(batch) >
                bench_.log->batch_bytes_max()) {
                break;
            }
            ASSERT_TRUE(bench_.log->stage(batch));
            apply(model_, batch);
        }
    }
    void commit() {
        const auto done = bench_.log->commit();
        ASSERT_TRUE(done.has_value()) << done.error().text();
        bench_.log->run_jobs();
    }
    void reopen(std::unique_ptr<sim::SimDisk> image, Totals& totals) {
        totals.moved += bench_.log->status().bytes_moved;
        ++totals.crashes;
        bench_.reopen(std::move(image));
    }
    // Power is lost at one of the disk operations of the commit or of the jobs after it.
    void crash_during_commit(const Model& before, Totals& totals) {
        std::unique_ptr<sim::SimDisk> image;
        bool committed = false;
        bool committed_at_image = false;
        std::uint64_t countdown = random_.below(6);
        bench_.disk->on_change([&] {
            if (!image && countdown-- == 0) {
                image = random_.chance(1, 4) ? bench_.disk->kill() : bench_.disk->crash(random_);
                committed_at_image = committed;
            }
        });
        ASSERT_TRUE(bench_.log->commit());
        committed = true;
        bench_.log->run_jobs();
        if (!image) {
            bench_.disk->on_change(nullptr);
            return;
        }
        reopen(std::move(image), totals);
        ASSERT_NE(bench_.log, nullptr);
        const Model found = model_of(*bench_.log);
        if (found == model_) {
            ++totals.kept;
            return;
        }
        ++totals.torn;
        EXPECT_FALSE(committed_at_image);
        EXPECT_EQ(found, before);
        model_ = found;
    }
    void crash_between(Totals& totals) {
        reopen(bench_.disk->crash(random_), totals);
        ASSERT_NE(bench_.log, nullptr);
        EXPECT_EQ(model_of(*bench_.log), model_);
    }

    Random random_;
    Bench bench_;
    Model model_;
    std::uint64_t term_ = 0;
};

TEST(Crash, RandomTracesLoseNothingCommitted) {
    Totals totals;
    for (std::uint64_t seed = 1; seed <= 50 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        CrashRun(seed).run(150, totals);
    }
    // The traces reach what they are for.
    EXPECT_GT(totals.crashes, 1000U);
    EXPECT_GT(totals.torn, 100U);
    EXPECT_GT(totals.kept, 100U);
    EXPECT_GT(totals.moved, 10000U);
}

// Every prefix of the disk operations of a short trace x every subset of the unsynced sectors x
// every prefix of the unsynced directory changes.
class Enumeration {
public:
    // Runs the trace; `recovered` is judged against the state before and after the commit in
    // progress.
    void run(const std::vector<Batch>& trace) {
        bench_.disk->on_change([&] { judge_all(); });
        for (const Batch& batch : trace) {
            after_ = before_;
            apply(after_, batch);
            ASSERT_TRUE(bench_.log->stage(batch));
            ASSERT_TRUE(bench_.log->commit());
            before_ = after_;
            bench_.log->run_jobs();
        }
        bench_.disk->on_change(nullptr);
    }
    [[nodiscard]] std::uint64_t states() const { return states_; }
    [[nodiscard]] std::uint64_t sectors_max() const { return sectors_max_; }

private:
    void judge_all() {
        const std::size_t sectors = bench_.disk->unsynced_sectors();
        sectors_max_ = std::max<std::uint64_t>(sectors_max_, sectors);
        ASSERT_LE(sectors, 10U);
        for (std::size_t changes = 0; changes <= bench_.disk->unsynced_changes(); ++changes) {
            for (std::uint64_t subset = 0; subset < (1U << sectors); ++subset) {
                judge(*bench_.disk->crash([&](std::size_t i) { return (subset >> i & 1) != 0; },
                                          changes));
            }
        }
    }
    void judge(sim::SimDisk& disk) {
        ++states_;
        const auto log = Log::open(disk, tiny_options());
        ASSERT_TRUE(log.has_value()) << log.error().text();
        const Model found = model_of(**log);
        EXPECT_TRUE(found == before_ || found == after_);
    }

    Bench bench_;
    Model before_;
    Model after_;
    std::uint64_t states_ = 0;
    std::uint64_t sectors_max_ = 0;
};

TEST(Crash, EnumerationOfAShortTrace) {
    Enumeration enumeration;
    Batch replaced = entries(1, 2, {std::string(500, 'B'), "bb"}, 2);
    replaced.truncate_from = Index(2);
    enumeration.run({hard_state(1, "1"),
                     entries(1, 1, {std::string(600, 'a'), std::string(700, 'b')}),
                     entries(2, 1, {"x"}), replaced, compaction(1, 1), hard_state(1, "2")});
    EXPECT_GT(enumeration.states(), 60U);
    EXPECT_GE(enumeration.sectors_max(), 3U);
}

TEST(Crash, EnumerationAcrossRecycledSegments) {
    Enumeration enumeration;
    std::vector<Batch> trace;
    for (std::uint64_t index = 1; index <= 14; ++index) {
        Batch batch = entries(1, index, {std::string(900, static_cast<char>('a' + index))});
        if (index > 2) {
            batch.compaction = CompactionPoint{Index(index - 2), Term(1)};
        }
        trace.push_back(std::move(batch));
    }
    enumeration.run(trace);
    EXPECT_GT(enumeration.states(), 200U);
}

}  // namespace
}  // namespace causeway::wal
