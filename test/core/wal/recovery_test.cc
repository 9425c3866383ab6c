// Where the log ends after damage of every kind: torn, rotten, leftover, misdirected, missing.
#include <gtest/gtest.h>

#include "test/core/wal/model.h"

namespace causeway::wal {
namespace {

LogError open_error(sim::SimDisk& disk, const LogOptions& options = tiny_options()) {
    const auto log = Log::open(disk, options);
    if (log) {
        ADD_FAILURE() << "the log opened";
        return {};
    }
    return log.error();
}

TEST(Recovery, ATornTailIsACleanEnd) {
    for (std::size_t lost = 0; lost < 3; ++lost) {
        Bench bench;
        ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
        std::unique_ptr<sim::SimDisk> image;
        int changes = 0;
        bench.disk->on_change([&] {
            if (++changes == 2) {  // Written, not synced.
                image = bench.disk->crash([&](std::size_t i) { return i != lost; }, 0);
            }
        });
        ASSERT_TRUE(
            bench.log->stage(entries(1, 2, {std::string(400, 'x'), std::string(800, 'y')})));
        ASSERT_TRUE(bench.log->commit());
        bench.reopen(std::move(image));
        EXPECT_EQ(bench.log->groups().front().last, Index(1)) << lost;
        // A shorter batch over the torn one, whose later records are still there and valid.
        ASSERT_TRUE(bench.append(entries(1, 2, {"b"}, 2)));
        bench.power_loss();
        EXPECT_EQ(bench.log->groups().front().last, Index(2)) << lost;
        EXPECT_EQ(bench.log->groups().front().last_term, Term(2)) << lost;
    }
}

TEST(Recovery, DamageBeforeTheLastBatchNamesFileAndOffset) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));               // Block 0.
    ASSERT_TRUE(bench.append(entries(1, 2, {"b", "bb", "bbb"})));  // Block 1.
    ASSERT_TRUE(bench.append(entries(1, 5, {"c"})));               // Block 2.
    const std::uint64_t second = 512 + record_bytes(1);
    for (const std::uint64_t at : {second + 3, second + 20, second + kHeaderBytes}) {
        auto disk = bench.disk->kill();
        disk->flip_bit(segment_name(1), at, 2);
        const LogError error = open_error(*disk);
        EXPECT_EQ(error.fault, LogFault::kCorrupt);
        EXPECT_EQ(error.file, segment_name(1));
        EXPECT_EQ(error.offset, second);
        EXPECT_NE(error.text().find("wal-00000001.log offset "), std::string::npos);
    }
}

TEST(Recovery, EveryFlippedBitBeforeTheLastBatchIsFound) {
    Bench bench;
    for (std::uint64_t index = 1; index <= 12; ++index) {
        ASSERT_TRUE(bench.append(entries(1, index, {std::string(300, 'x')})));
    }
    ASSERT_EQ(bench.log->status().batches, 12U);  // Two segments.
    const Model good = model_of(*bench.log);
    Random random(1);
    for (int round = 0; round < 400; ++round) {
        const std::uint32_t seq = random.chance(2, 3) ? 1 : 2;
        auto disk = bench.disk->kill();
        const std::uint64_t used = seq == 1 ? 4096 : 1024;
        const std::uint64_t at = random.below(used);
        disk->flip_bit(segment_name(seq), at, static_cast<unsigned>(random.below(8)));
        const auto log = Log::open(*disk, tiny_options());
        if (log) {  // In the padding of a block, or in the last batch.
            const auto last = (*log)->groups().front().last.value();
            EXPECT_GE(last, 11U) << seq << " " << at;
            EXPECT_EQ((*log)->read(GroupId(1), Index(1), 10000)->size(), last);
        } else {
            EXPECT_EQ(log.error().fault, LogFault::kCorrupt);
            EXPECT_EQ(log.error().file, segment_name(seq)) << log.error().text();
            EXPECT_LE(log.error().offset, at);
            EXPECT_GT(log.error().offset + 512, at);
        }
    }
    EXPECT_EQ(model_of(*bench.log), good);
}

TEST(Recovery, AFullyErasedBatchIsFoundByTheGap) {
    Bench bench;
    for (std::uint64_t index = 1; index <= 9; ++index) {
        ASSERT_TRUE(bench.append(entries(1, index, {std::string(300, 'x')})));
    }
    // The last batch of segment 1; the batch after it is in segment 2.
    std::string content = bench.disk->content(segment_name(1));
    std::fill(content.end() - 512, content.end(), '\0');
    bench.disk->put(segment_name(1), content);
    const LogError error = open_error(*bench.disk);
    EXPECT_EQ(error.fault, LogFault::kCorrupt);
    EXPECT_EQ(error.file, segment_name(1));
    EXPECT_EQ(error.offset, 4096U - 512);
}

TEST(Recovery, AMissingSegmentIsFound) {
    Bench bench;
    for (std::uint64_t index = 1; index <= 30; ++index) {
        ASSERT_TRUE(bench.append(entries(1, index, {std::string(300, 'x')})));
    }
    auto middle = bench.disk->kill();
    ASSERT_TRUE(middle->remove(segment_name(2)));
    EXPECT_EQ(open_error(*middle).file, segment_name(2));
    auto oldest = bench.disk->kill();
    ASSERT_TRUE(oldest->remove(segment_name(1)));
    const LogError error = open_error(*oldest);
    EXPECT_EQ(error.fault, LogFault::kCorrupt);
    EXPECT_NE(error.message.find("entry 1 of group 1"), std::string::npos) << error.message;
}

TEST(Recovery, AMisdirectedWriteIsFound) {
    for (const std::uint64_t distance : {512U, 1024U}) {
        Bench bench;
        ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
        bench.disk->misdirect_next_write(distance);
        ASSERT_TRUE(bench.append(entries(1, 2, {"b"})));
        const LogError error = open_error(*bench.disk);
        EXPECT_EQ(error.fault, LogFault::kCorrupt);
        EXPECT_EQ(error.offset, 512U);
    }
}

TEST(Recovery, ALostDirectorySyncIsFound) {
    Bench bench;
    bench.disk->ignore_directory_syncs();
    for (std::uint64_t index = 1; index <= 60; ++index) {
        Batch batch = entries(1, index, {std::string(300, 'x')});
        batch.compaction = CompactionPoint{Index(index - 1), Term(1)};
        ASSERT_TRUE(bench.append(batch));
    }
    // Renames are lost: recycled content under old names, or files gone.
    auto disk = bench.disk->crash([](std::size_t) { return true; }, 1);
    EXPECT_EQ(open_error(*disk).fault, LogFault::kCorrupt);
}

TEST(Recovery, ALogOfAnotherIdentityOrLayoutIsRefusedUntouched) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    const std::string before = bench.disk->content(segment_name(1));
    LogOptions other = tiny_options();
    other.log_id = 78;
    EXPECT_EQ(open_error(*bench.disk, other).fault, LogFault::kForeign);
    other = tiny_options();
    other.block_bytes = 1024;
    other.segment_bytes = 8192;
    EXPECT_EQ(open_error(*bench.disk, other).fault, LogFault::kForeign);
    EXPECT_EQ(bench.disk->content(segment_name(1)), before);
}

TEST(Recovery, AnImageOfTheLogInsideAPayloadIsNotEvidence) {
    Bench writer;
    writer.options.log_id = 1;  // An attacker does not know the identity.
    writer.open();
    writer.log.reset();
    writer.disk = std::make_unique<sim::SimDisk>();
    writer.open();
    ASSERT_TRUE(writer.append(entries(1, 1, {"a"})));
    ASSERT_TRUE(writer.append(entries(1, 2, {"b"})));
    ASSERT_TRUE(writer.append(entries(1, 3, {"c"})));
    const std::string image = writer.disk->content(segment_name(1)).substr(512, 1024);

    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    ASSERT_TRUE(bench.append(entries(1, 2, {image})));
    bench.disk->flip_bit(segment_name(1), 512, 0);  // As if torn.
    bench.open();
    EXPECT_EQ(bench.log->groups().front().last, Index(1));
}

// The process dies between write and sync. What the next one has read and relied on must be
// durable.
TEST(Recovery, TheLastBatchIsMadeDurableAgain) {
    for (const bool sync_fails : {false, true}) {
        Bench bench;
        ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
        std::unique_ptr<sim::SimDisk> image;
        if (sync_fails) {  // The page cache shows what the disk does not have.
            bench.disk->fail_sync();
            ASSERT_FALSE(bench.append(entries(1, 2, {"b"})));
            image = bench.disk->kill();
        } else {
            int changes = 0;
            bench.disk->on_change([&] {
                if (++changes == 2) {
                    image = bench.disk->kill();
                }
            });
            ASSERT_TRUE(bench.append(entries(1, 2, {"b"})));
        }
        bench.reopen(std::move(image));
        ASSERT_EQ(bench.log->groups().front().last, Index(2));
        bench.power_loss();
        EXPECT_EQ(bench.log->groups().front().last, Index(2)) << sync_fails;
    }
}

TEST(Recovery, AnUnfinishedSegmentFileIsIgnored) {
    Bench bench;
    ASSERT_TRUE(bench.append(entries(1, 1, {"a"})));
    bench.disk->put(std::string(kPrepareName), "half");
    bench.disk->put("something else", "x");
    bench.power_loss();
    for (std::uint64_t index = 2; index <= 30; ++index) {
        ASSERT_TRUE(bench.append(entries(1, index, {std::string(300, 'x')})));
    }
}

}  // namespace
}  // namespace causeway::wal
