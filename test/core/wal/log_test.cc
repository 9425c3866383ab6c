#include "core/wal/log.h"

#include <gtest/gtest.h>

#include "test/core/wal/model.h"

namespace causeway::wal {
namespace {

TEST(Log, WhatIsCommittedIsThereAfterPowerLoss) {
    Bench bench;
    Batch batch = entries(1, 1, {"a", "b", "c"});
    batch.hard_state = SharedBytes::copy("term 1");
    batch.configuration = SharedBytes::copy("members");
    ASSERT_TRUE(bench.append(batch));
    ASSERT_TRUE(bench.append(entries(2, 1, {"x"}, 4)));
    const Model before = model_of(*bench.log);
    bench.power_loss();
    EXPECT_EQ(model_of(*bench.log), before);
    EXPECT_EQ(before.at(1).entries.size(), 3U);
    EXPECT_EQ(before.at(1).hard_state, "term 1");
    EXPECT_EQ(before.at(1).configuration, "members");
    EXPECT_EQ(before.at(2).entries.at(1).first, 4U);
}

TEST(Log, WhatIsOnlyStagedIsNotThere) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    ASSERT_TRUE(bench.log->stage(entries(1, 2, {"b"})));
    EXPECT_EQ(bench.log->groups().front().last, Index(1));
    bench.power_loss();
    EXPECT_EQ(bench.log->groups().front().last, Index(1));
}

TEST(Log, ManyGroupsGoOutInOneWrite) {
    Bench bench;
    ASSERT_TRUE(bench.log->stage(entries(1, 1, {"a"})));
    ASSERT_TRUE(bench.log->stage(entries(2, 1, {"b"})));
    int changes = 0;
    bench.disk->on_change([&] { ++changes; });
    ASSERT_TRUE(bench.log->commit());
    EXPECT_EQ(changes, 2);  // One write, one sync.
    EXPECT_EQ(bench.log->status().batches, 1U);
}

TEST(Log, ATruncatedEntryStaysAwayAndTheEpochRises) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a", "b", "c"})));
    Batch batch = entries(1, 2, {"B"}, 2);
    batch.truncate_from = Index(2);
    const auto epoch = bench.log->stage(batch);
    ASSERT_TRUE(epoch.has_value());
    EXPECT_EQ(epoch->value(), 1U);
    ASSERT_TRUE(bench.log->commit());
    bench.power_loss();
    const auto read = bench.log->read(GroupId(1), Index(1), 1000);
    ASSERT_TRUE(read.has_value());
    ASSERT_EQ(read->size(), 2U);
    EXPECT_EQ(read->at(1).payload.view(), "B");
    EXPECT_EQ(read->at(1).term, Term(2));
    EXPECT_EQ(bench.log->groups().front().epoch.value(), 1U);
}

TEST(Log, AnInstalledSnapshotMovesTheStart) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a", "b"})));
    Batch batch = entries(1, 101, {"z"}, 9);
    batch.compaction = CompactionPoint{Index(100), Term(8)};
    ASSERT_TRUE(bench.append(batch));
    bench.power_loss();
    const GroupSummary group = bench.log->groups().front();
    EXPECT_EQ(group.compaction, (CompactionPoint{Index(100), Term(8)}));
    EXPECT_EQ(group.last, Index(101));
    EXPECT_EQ(group.last_term, Term(9));
    EXPECT_EQ(bench.log->read(GroupId(1), Index(100), 10).error().fault, LogFault::kNotFound);
}

// Also when the log goes on behind the snapshot with entries of a leader that lost.
TEST(Log, AnInstalledSnapshotReplacesTheWholeLog) {
    for (const std::uint64_t last : {0U, 2U, 5U, 9U}) {
        Bench bench;
        ASSERT_TRUE(bench.append(hard_state(1, "term 3")));
        for (std::uint64_t index = 1; index <= last; ++index) {
            ASSERT_TRUE(bench.append(entries(1, index, {"old"}, 3)));
        }
        Batch batch = entries(1, 6, {"new"}, 9);
        batch.replaces_log = true;
        batch.compaction = CompactionPoint{Index(5), Term(8)};
        ASSERT_TRUE(bench.append(batch));
        bench.power_loss();
        const GroupSummary group = bench.log->groups().front();
        EXPECT_EQ(group.compaction, (CompactionPoint{Index(5), Term(8)}));
        EXPECT_EQ(group.last, Index(6));
        EXPECT_EQ(group.hard_state, "term 3");
        EXPECT_EQ(bench.log->read(GroupId(1), Index(6), 10)->front().payload.view(), "new");
    }
}

TEST(Log, ReadIsBoundedInBytesAndGivesAtLeastOne) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {std::string(100, 'a'), std::string(100, 'b'), "c"})));
    EXPECT_EQ(bench.log->read(GroupId(1), Index(1), 10)->size(), 1U);
    EXPECT_EQ(bench.log->read(GroupId(1), Index(1), 200)->size(), 2U);
    EXPECT_EQ(bench.log->read(GroupId(1), Index(1), 201)->size(), 3U);
    EXPECT_TRUE(bench.log->read(GroupId(1), Index(4), 10)->empty());
    EXPECT_EQ(bench.log->read(GroupId(9), Index(1), 10).error().fault, LogFault::kNotFound);
    EXPECT_FALSE(bench.log->term(GroupId(1), Index(4)).has_value());
}

TEST(Log, FlagsAreKept) {
    Bench bench;
    Batch batch = entries(1, 1, {"a"});
    batch.entries[0].flags = 0x5A;
    ASSERT_TRUE(bench.append(batch));
    bench.power_loss();
    EXPECT_EQ(bench.log->read(GroupId(1), Index(1), 10)->front().flags, 0x5A);
}

TEST(Log, ARemovedGroupIsForgottenAndMayReturn) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    Batch gone;
    gone.group = GroupId(1);
    gone.remove = true;
    ASSERT_TRUE(bench.append(gone));
    EXPECT_TRUE(bench.log->groups().empty());
    ASSERT_TRUE(bench.append(entries(1, 1, {"again"})));
    bench.power_loss();
    EXPECT_EQ(bench.log->read(GroupId(1), Index(1), 10)->front().payload.view(), "again");
}

TEST(Log, CompactedSegmentsAreRecycled) {
    Bench bench;
    for (std::uint64_t index = 1; index <= 200; ++index) {
        Batch batch = entries(1, index, {std::string(300, static_cast<char>(index))});
        batch.compaction = CompactionPoint{Index(index - 1), Term(1)};
        ASSERT_TRUE(bench.append(batch));
    }
    EXPECT_LE(bench.disk->list()->size(), 4U);
    EXPECT_EQ(bench.disk->list()->back(), segment_name(bench.log->status().batches / 7 + 2));
    const Model before = model_of(*bench.log);
    bench.power_loss();
    EXPECT_EQ(model_of(*bench.log), before);
}

TEST(Log, AQuietGroupDoesNotPinSegments) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(2, 1, {"kept", "kept too"})));
    for (std::uint64_t index = 1; index <= 200; ++index) {
        Batch batch = entries(1, index, {std::string(300, 'x')});
        batch.compaction = CompactionPoint{Index(index - 1), Term(1)};
        ASSERT_TRUE(bench.append(batch));
    }
    const LogStatus status = bench.log->status();
    EXPECT_GT(status.bytes_moved, 0U);
    EXPECT_FALSE(status.over_limit);
    EXPECT_LE(status.used_bytes, bench.options.bytes_max + bench.options.segment_bytes);
    bench.power_loss();
    EXPECT_EQ(bench.log->read(GroupId(2), Index(2), 100)->front().payload.view(), "kept too");
}

TEST(Log, ALogThatCannotShrinkSaysSo) {
    Bench bench;
    for (std::uint64_t index = 1; index <= 50; ++index) {
        ASSERT_TRUE(bench.append(entries(1, index, {std::string(400, 'x')})));
    }
    EXPECT_TRUE(bench.log->status().over_limit);
    ASSERT_TRUE(bench.append(compaction(1, 50)));
    ASSERT_TRUE(bench.append(entries(1, 51, {"x"})));
    EXPECT_FALSE(bench.log->status().over_limit);
}

TEST(Log, OutOfSpaceIsReportedAheadAndPasses) {
    Bench bench;
    bench.disk->set_capacity(2 * 4096);
    std::uint64_t index = 1;
    while (bench.log->status().prepare_error.empty()) {
        ASSERT_TRUE(bench.append(entries(1, index++, {std::string(400, 'x')})));
        ASSERT_LT(index, 100U);
    }
    EXPECT_GT(bench.log->status().free_reserve_bytes, 2048U);
    tl::expected<void, LogError> outcome;
    while (outcome) {
        outcome = bench.append(entries(1, index++, {std::string(400, 'x')}));
        ASSERT_LT(index, 100U);
    }
    EXPECT_EQ(outcome.error().fault, LogFault::kNoSpace);
    EXPECT_FALSE(bench.log->status().failed);
    bench.disk->set_capacity(1U << 20);
    bench.log->run_jobs();
    ASSERT_TRUE(bench.log->commit());  // What was staged goes now.
    EXPECT_TRUE(bench.log->status().prepare_error.empty());
    bench.power_loss();
    EXPECT_EQ(bench.log->groups().front().last, Index(index - 1));
}

TEST(Log, AFailedSyncIsFinal) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    bench.disk->fail_sync();
    const auto outcome = bench.append(entries(1, 2, {"b"}));
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().fault, LogFault::kIo);
    EXPECT_EQ(outcome.error().file, segment_name(1));
    EXPECT_TRUE(bench.log->status().failed);
    EXPECT_FALSE(bench.log->stage(entries(1, 2, {"b"})).has_value());
    EXPECT_FALSE(bench.log->commit().has_value());
    EXPECT_EQ(bench.log->groups().front().last, Index(1));
}

TEST(Log, ABatchBeyondHalfASegmentIsRefused) {
    Bench bench;
    const Batch large = entries(1, 1, {std::string(2048, 'x')});
    const auto staged = bench.log->stage(large);
    ASSERT_FALSE(staged.has_value());
    EXPECT_EQ(staged.error().fault, LogFault::kTooLarge);
    EXPECT_EQ(bench.log->staged_bytes(), 0U);
    ASSERT_TRUE(bench.append(entries(1, 1, {std::string(2048 - kHeaderBytes, 'x')})));
    bench.power_loss();
    EXPECT_EQ(bench.log->groups().front().last, Index(1));
}

TEST(Log, AnotherSegmentSizeTakesEffect) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    bench.options.segment_bytes = 8192;
    bench.power_loss();
    for (std::uint64_t index = 2; index < 40; ++index) {
        ASSERT_TRUE(bench.append(entries(1, index, {std::string(400, 'x')})));
    }
    EXPECT_EQ(bench.disk->content(segment_name(2)).size(), 8192U);
    bench.power_loss();
    EXPECT_EQ(bench.log->groups().front().last, Index(39));
}

TEST(Log, BadOptionsAreRefused) {
    sim::SimDisk disk;
    for (auto change : std::vector<void (*)(LogOptions&)>{
             [](LogOptions& o) { o.block_bytes = 600; }, [](LogOptions& o) { o.block_bytes = 256; },
             [](LogOptions& o) { o.segment_bytes = 4000; },
             [](LogOptions& o) { o.segment_bytes = 2048; },
             [](LogOptions& o) { o.segment_bytes = std::uint64_t{1} << 32; },
             [](LogOptions& o) { o.reserve_segments = 0; }}) {
        LogOptions options = tiny_options();
        change(options);
        EXPECT_FALSE(Log::open(disk, options).has_value());
    }
}

TEST(LogDeathTest, AnEntryOutOfOrderIsOurMistake) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    EXPECT_DEATH((void)bench.log->stage(entries(1, 3, {"c"})), "check failed");
    EXPECT_DEATH((void)bench.log->stage(truncation(1, 3)), "check failed");
}

}  // namespace
}  // namespace causeway::wal
