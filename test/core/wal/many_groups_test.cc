// Many groups share the log, and some of them are slow: what they hold must not pin the segments
// of all the others.
#include <gtest/gtest.h>

#include "test/core/wal/model.h"

namespace causeway::wal {
namespace {

constexpr std::uint32_t kGroups = 64;

class ManyGroups {
public:
    explicit ManyGroups(std::uint64_t seed = 1) : random_(seed) {
        bench_.options = LogOptions{.segment_bytes = 64U << 10,
                                    .block_bytes = 512,
                                    .bytes_max = 512U << 10,
                                    .rewrite_bytes = 4U << 10,
                                    .fill_slice_bytes = 64U << 10,
                                    .log_id = 77};
        bench_.reopen(std::make_unique<sim::SimDisk>());
    }

    // One commit: some groups append up to `bytes_max` bytes each, and forget all but a few of
    // their entries. Groups below `idle` do nothing.
    void commit_some(std::uint32_t idle, std::uint64_t groups, std::uint64_t bytes_max) {
        const LogStatus before = bench_.log->status();
        std::uint64_t staged = 0;
        for (std::uint64_t i = 0; i < groups; ++i) {
            const auto group = static_cast<std::uint32_t>(random_.between(idle, kGroups));
            std::uint64_t& last = last_[group];
            Batch batch = entries(group, last + 1, {std::string(random_.below(bytes_max), 'x')});
            last += 1;
            batch.compaction =
                CompactionPoint{Index(last > 3 ? last - 3 : 0), Term(last > 3 ? 1 : 0)};
            staged += Log::staged_bytes_of(batch);
            ASSERT_TRUE(bench_.log->stage(batch));
        }
        ASSERT_TRUE(bench_.log->commit());
        bench_.log->run_jobs();
        const LogStatus after = bench_.log->status();
        EXPECT_LE(after.bytes_moved - before.bytes_moved,
                  std::max<std::uint64_t>(bench_.options.rewrite_bytes, staged));
        EXPECT_TRUE(within_limit(after) || after.over_limit) << after.used_bytes;
        used_max_ = std::max(used_max_, after.used_bytes);
        said_over_limit_ = said_over_limit_ || after.over_limit;
    }
    // A group appends and forgets nothing.
    void hoard(std::uint32_t group, std::uint64_t count, std::size_t size) {
        for (std::uint64_t i = 0; i < count; ++i) {
            std::uint64_t& last = last_[group];
            ASSERT_TRUE(bench_.append(
                entries(group, last + 1, {std::string(size, static_cast<char>('a' + group))})));
            ++last;
        }
    }
    [[nodiscard]] bool within_limit(const LogStatus& status) const {
        return status.used_bytes <= bench_.options.bytes_max + bench_.options.segment_bytes;
    }
    void expect_hoard_after_power_loss(std::uint32_t group, std::size_t size) {
        bench_.power_loss();
        ASSERT_NE(bench_.log, nullptr);
        std::uint64_t found = 0;
        for (Index from(1); from.value() <= last_[group];) {
            const auto read = bench_.log->read(GroupId(group), from, 100000);
            ASSERT_TRUE(read && !read->empty());
            for (const Entry& entry : *read) {
                EXPECT_EQ(entry.payload.view(), std::string(size, static_cast<char>('a' + group)));
                ++found;
            }
            from = read->back().index.next();
        }
        EXPECT_EQ(found, last_[group]);
    }

    Random random_;
    Bench bench_;
    std::map<std::uint32_t, std::uint64_t> last_;
    std::uint64_t used_max_ = 0;
    bool said_over_limit_ = false;
};

TEST(ManyGroups, AnIdleOnePinsNothing) {
    ManyGroups groups;
    groups.hoard(1, 20, 500);
    for (int i = 0; i < 2500; ++i) {
        groups.commit_some(2, 4, 600);
    }
    EXPECT_FALSE(groups.said_over_limit_);
    EXPECT_GT(groups.bench_.log->status().bytes_moved, 10000U);
    groups.expect_hoard_after_power_loss(1, 500);
}

TEST(ManyGroups, LargeBatchesAreFollowedAsFast) {
    ManyGroups groups;
    groups.hoard(1, 50, 500);
    for (int i = 0; i < 400; ++i) {
        groups.commit_some(60, 8, 4000);
    }
    EXPECT_FALSE(groups.said_over_limit_);
    groups.expect_hoard_after_power_loss(1, 500);
}

// It wrote whole segments in one go, then nothing more: they are moved although they are all alive,
// because the rest of the log is dead.
TEST(ManyGroups, AnIdleOneWithWholeSegmentsIsMovedToo) {
    ManyGroups groups;
    groups.hoard(1, 300, 500);  // About three segments.
    for (int i = 0; i < 3000; ++i) {
        groups.commit_some(2, 4, 600);
    }
    EXPECT_LE(groups.used_max_, groups.bench_.options.bytes_max * 3 / 2);
    EXPECT_TRUE(groups.within_limit(groups.bench_.log->status()));
    EXPECT_FALSE(groups.bench_.log->status().over_limit);
    groups.expect_hoard_after_power_loss(1, 500);
}

// More than half of the limit is alive: only a compaction helps, and the log says so.
TEST(ManyGroups, ASlowOneThatIsNeverCompactedIsReported) {
    ManyGroups groups;
    for (int i = 0; i < 600; ++i) {
        groups.hoard(1, 2, 500);
        groups.commit_some(2, 2, 600);
    }
    EXPECT_TRUE(groups.bench_.log->status().over_limit);
    Batch forget = compaction(1, groups.last_[1]);
    ASSERT_TRUE(groups.bench_.append(forget));
    for (int i = 0; i < 20; ++i) {
        groups.commit_some(2, 2, 600);
    }
    EXPECT_FALSE(groups.bench_.log->status().over_limit);
    EXPECT_TRUE(groups.within_limit(groups.bench_.log->status()));
}

TEST(ManyGroups, ARemovedOneFreesItsSegments) {
    ManyGroups groups;
    for (std::uint32_t group = 1; group <= 5; ++group) {
        groups.hoard(group, 200, 500);
    }
    const std::uint64_t used = groups.bench_.log->status().used_bytes;
    for (std::uint32_t group = 1; group <= 5; ++group) {
        Batch gone;
        gone.group = GroupId(group);
        gone.remove = true;
        ASSERT_TRUE(groups.bench_.append(gone));
    }
    EXPECT_LT(groups.bench_.log->status().used_bytes, used / 4);
    EXPECT_TRUE(groups.bench_.log->groups().empty());
    groups.bench_.power_loss();
    EXPECT_TRUE(groups.bench_.log->groups().empty());
}

// Groups come and go, some for ever idle; everything is as the model says after power losses.
TEST(ManyGroups, RandomTracesAreAsTheModelSays) {
    for (std::uint64_t seed = 1; seed <= 3 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        Bench bench;
        bench.options.segment_bytes = 32U << 10;
        bench.options.fill_slice_bytes = 32U << 10;
        bench.options.bytes_max = 128U << 10;
        bench.reopen(std::make_unique<sim::SimDisk>());
        Model model;
        for (std::uint64_t step = 1; step <= 1500; ++step) {
            Batch batch = random_batch(random, model, step, kGroups);
            wal::apply(model, batch);
            ASSERT_TRUE(bench.append(batch));
            if (random.chance(1, 150)) {
                bench.reopen(bench.disk->crash(random));
                ASSERT_NE(bench.log, nullptr);
                ASSERT_EQ(model_of(*bench.log), model);
            }
        }
        EXPECT_GT(bench.log->status().batches, 0U);
        EXPECT_EQ(model_of(*bench.log), model);
    }
}

}  // namespace
}  // namespace causeway::wal
