// Long random traces with crashes at every kind of moment and every kind of loss (short ones, with
// every loss there is: enumeration_test.cc). After each: all that was committed is there, in order;
// a batch whose commit had not returned is there as a whole or not at all; what was truncated stays
// away.
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

}  // namespace
}  // namespace causeway::wal
