// Crash-state enumeration. For short traces: every prefix of the disk operations x every subset of
// the unsynced 512-byte sectors x every prefix of the unsynced directory changes. In each of these
// states the log opens (a torn tail is never taken for damage), holds what was committed, and the
// batch in progress as a whole or not at all; it goes on from there, also when power fails while it
// recovers. And after each commit: every sector lost or rotten is either of no account, or of the
// last batch (which is then gone as a whole), or reported as damage. CAUSEWAY_SEEDS=n: more random
// traces.
#include <gtest/gtest.h>

#include <cstdlib>

#include "test/core/wal/model.h"

namespace causeway::wal {
namespace {

using Step = std::vector<Batch>;  // One commit.

struct Totals {
    std::uint64_t states = 0, torn = 0, kept = 0, sectors_max = 0, changes_max = 0;
    std::uint64_t torn_again = 0;  // Two batches torn in the same place.
    std::uint64_t recoveries = 0;  // Crashes while recovering.
    std::uint64_t damaged = 0, damage_found = 0, last_lost = 0;
    std::uint64_t moved = 0, recycled = 0;
};

class Enumeration {
public:
    explicit Enumeration(Totals& totals, const LogOptions& options = tiny_options())
        : totals_(totals) {
        bench_.options = options;
        bench_.reopen(std::make_unique<sim::SimDisk>());
        bench_.disk->on_change([this] { judge_all(); });
    }
    ~Enumeration() { bench_.disk->on_change(nullptr); }
    Enumeration(const Enumeration&) = delete;
    Enumeration& operator=(const Enumeration&) = delete;

    void run(const std::vector<Step>& trace) {
        for (const Step& step : trace) {
            if (testing::Test::HasFailure()) {
                return;
            }
            commit(step);
            judge_damage();
        }
        totals_.moved += bench_.log->status().bytes_moved;
        totals_.recycled += bench_.disk->list()->front() == segment_name(1) ? 0 : 1;
    }
    // What the log holds after the steps so far.
    [[nodiscard]] const Model& model() const { return after_; }

private:
    void commit(const Step& step) {
        before_ = after_;
        step_ = &step;
        for (const Batch& batch : step) {
            apply(after_, batch);
            ASSERT_TRUE(bench_.log->stage(batch));
        }
        const std::uint64_t written = bench_.log->status().bytes_written;
        const auto done = bench_.log->commit();
        ASSERT_TRUE(done) << done.error().text();
        batch_bytes_ = bench_.log->status().bytes_written - written;
        previous_ = before_;
        before_ = after_;
        preparing_ = true;
        bench_.log->run_jobs();
        preparing_ = false;
        EXPECT_EQ(model_of(*bench_.log), after_);
    }
    void judge_all() {
        const std::size_t sectors = bench_.disk->unsynced_sectors();
        totals_.sectors_max = std::max<std::uint64_t>(totals_.sectors_max, sectors);
        totals_.changes_max =
            std::max<std::uint64_t>(totals_.changes_max, bench_.disk->unsynced_changes());
        ASSERT_LE(sectors, 9U);
        for (std::size_t changes = 0; changes <= bench_.disk->unsynced_changes(); ++changes) {
            // While segments are made ready only a file without a segment's name has unsynced
            // sectors, all of them zeros: none, one half and all of them are enough.
            const std::uint64_t all = (1U << sectors) - 1;
            const std::uint64_t stride = preparing_ ? std::max<std::uint64_t>(all / 2, 1) : 1;
            for (std::uint64_t subset = 0; subset <= all; subset += stride) {
                const auto keep = [&](std::size_t i) { return (subset >> i & 1) != 0; };
                judge([&] { return bench_.disk->crash(keep, changes); });
            }
        }
        judge([this] { return bench_.disk->kill(); });
    }
    template <typename Make>
    void judge(Make make) {
        ++totals_.states;
        Bench next;
        next.options = bench_.options;
        next.reopen(make());
        if (next.log == nullptr) {
            return;
        }
        const Model found = model_of(*next.log);
        EXPECT_TRUE(found == before_ || found == after_);
        (found == after_ ? totals_.kept : totals_.torn) += 1;
        if (found != after_ && totals_.torn % 3 == 0) {
            tear_again(make(), found);
        }
        go_on(next, found);
        if (totals_.states % 4 == 0) {
            recover_twice(*make(), found);
        }
    }
    // What was found is durable, and a batch after it does not bring back a piece of a torn one.
    static void go_on(Bench& next, Model found) {
        const Batch batch = hard_state(77, "after");
        ASSERT_TRUE(next.append(batch));
        apply(found, batch);
        next.power_loss();
        ASSERT_NE(next.log, nullptr);
        EXPECT_EQ(model_of(*next.log), found);
    }
    // The next batch has the shape of the torn one and other bytes, and is torn as well: what is
    // left of the two never makes one. (A batch number is never used again.)
    void tear_again(std::unique_ptr<sim::SimDisk> disk, const Model& found) {
        Bench next;
        next.options = bench_.options;
        next.reopen(std::move(disk));
        ASSERT_NE(next.log, nullptr);
        Model after = found;
        for (Batch batch : *step_) {
            for (Entry& entry : batch.entries) {
                entry.payload = SharedBytes::take(std::string(entry.payload.size(), '!'));
            }
            wal::apply(after, batch);
            ASSERT_TRUE(next.log->stage(batch));
        }
        next.disk->on_change([&] {
            const std::size_t sectors = next.disk->unsynced_sectors();
            for (std::uint64_t subset = 0; sectors <= 5 && subset < (1U << sectors); ++subset) {
                ++totals_.torn_again;
                const auto image =
                    next.disk->crash([&](std::size_t i) { return (subset >> i & 1) != 0; }, 0);
                const auto log = Log::open(*image, bench_.options);
                ASSERT_TRUE(log) << log.error().text();
                const Model again = model_of(**log);
                EXPECT_TRUE(again == found || again == after)
                    << testing::PrintToString(again) << " of " << testing::PrintToString(found)
                    << " or " << testing::PrintToString(after) << " subset " << subset << " of "
                    << sectors;
            }
        });
        EXPECT_TRUE(next.log->commit());
        next.disk->on_change(nullptr);
    }
    // Power fails again at each operation of the recovery, with all, none or every other sector
    // lost.
    void recover_twice(sim::SimDisk& disk, const Model& found) {
        std::vector<std::unique_ptr<sim::SimDisk>> images;
        disk.on_change([&] {
            for (const std::size_t keep : {0U, 1U, 2U}) {
                images.push_back(disk.crash(
                    [&](std::size_t i) { return keep == 2 || (keep == 1 && i % 2 == 0); },
                    keep == 0 ? 0 : disk.unsynced_changes()));
            }
        });
        ASSERT_TRUE(Log::open(disk, bench_.options));
        for (const auto& image : images) {
            ++totals_.recoveries;
            const auto log = Log::open(*image, bench_.options);
            ASSERT_TRUE(log) << log.error().text();
            const Model again = model_of(**log);
            // What is torn for one reader may be whole for none, but never the other way round.
            EXPECT_TRUE(again == found || again == before_);
        }
    }

    void judge_damage() {
        const std::vector<std::string> names = *bench_.disk->list();
        std::uint64_t lost = 0;
        for (const std::string& name : names) {
            const std::uint64_t bytes = bench_.disk->content(name).size();
            for (std::uint64_t at = 0; at < bytes; at += sim::SimDisk::kSector) {
                for (const bool erased : {true, false}) {
                    lost += judge_sector(name, at, erased);
                }
            }
        }
        EXPECT_LE(lost, 2 * batch_bytes_ / sim::SimDisk::kSector);
    }
    // Returns 1 if the last batch was lost by it.
    std::uint64_t judge_sector(const std::string& name, std::uint64_t at, bool erased) {
        auto disk = bench_.disk->kill();
        std::string content = disk->content(name);
        if (erased) {
            content.replace(at, sim::SimDisk::kSector, sim::SimDisk::kSector, '\0');
        } else {
            content[at + 9] ^= 0x20;
        }
        if (content == disk->content(name)) {
            return 0;
        }
        ++totals_.damaged;
        disk->put(name, std::move(content));
        const auto log = Log::open(*disk, bench_.options);
        if (!log) {
            ++totals_.damage_found;
            EXPECT_TRUE(log.error().fault == LogFault::kCorrupt) << log.error().text();
            return 0;
        }
        const Model found = model_of(**log);
        if (found == after_) {
            return 0;
        }
        EXPECT_EQ(found, previous_) << name << " " << at;
        ++totals_.last_lost;
        return 1;
    }

    Totals& totals_;
    Bench bench_;
    Model previous_;  // Before the last commit.
    Model before_;    // Before the commit in progress, or as after_.
    Model after_;
    const Step* step_ = nullptr;  // The commit in progress.
    std::uint64_t batch_bytes_ = 0;
    bool preparing_ = false;
};

Batch removal(std::uint32_t group) {
    Batch batch;
    batch.group = GroupId(group);
    batch.remove = true;
    return batch;
}

Batch replacing(std::uint32_t group, std::uint64_t from, std::vector<std::string> payloads) {
    Batch batch = entries(group, from, std::move(payloads), 2);
    batch.truncate_from = Index(from);
    return batch;
}

std::string text(std::size_t size, char c = 'x') { return std::string(size, c); }

TEST(Enumeration, SeveralGroupsTruncationAndCompaction) {
    Totals totals;
    Batch members = hard_state(3, "3");
    members.configuration = SharedBytes::copy("members");
    Enumeration(totals).run(
        {{hard_state(1, "1")},
         {entries(1, 1, {text(300), text(300)}), entries(2, 1, {text(200)}), members},
         {entries(2, 2, {"x"}), entries(1, 3, {text(100)})},
         {replacing(1, 2, {text(500, 'B'), "bb"}), compaction(2, 1)},
         {replacing(2, 2, {"y"}), hard_state(2, "2"), compaction(1, 2, 2)},
         {compaction(2, 2, 2), entries(3, 1, {"z"})}});
    EXPECT_GT(totals.torn, 20U);
    EXPECT_GT(totals.kept, 20U);
    EXPECT_GE(totals.sectors_max, 3U);
}

TEST(Enumeration, AcrossRecycledSegments) {
    Totals totals;
    std::vector<Step> trace;
    for (std::uint64_t index = 1; index <= 18; ++index) {
        Batch batch = entries(1, index, {text(900, static_cast<char>('a' + index))});
        if (index > 2) {
            batch.compaction = CompactionPoint{Index(index - 2), Term(1)};
        }
        trace.push_back({std::move(batch), hard_state(2, std::to_string(index))});
    }
    Enumeration(totals).run(trace);
    EXPECT_GT(totals.recycled, 0U);
    EXPECT_GT(totals.changes_max, 0U);
    EXPECT_GT(totals.damage_found, 200U);
}

// A quiet group pins the oldest segment until its entries are moved.
TEST(Enumeration, EntriesThatAreMoved) {
    Totals totals;
    LogOptions options = tiny_options();
    options.bytes_max = 2 * 4096;
    std::vector<Step> trace = {{entries(2, 1, {text(100), text(300), text(40)})}};
    for (std::uint64_t index = 1; index <= 18; ++index) {
        Batch batch = entries(1, index, {text(700)});
        batch.compaction = CompactionPoint{Index(index - 1), Term(index == 1 ? 0 : 1)};
        trace.push_back({std::move(batch)});
        if (index == 12) {  // An entry is truncated in the batch after the one that moved it.
            trace.push_back({replacing(2, 2, {text(60, 'n')})});
        }
    }
    Enumeration(totals, options).run(trace);
    EXPECT_GT(totals.moved, 500U);
    EXPECT_GT(totals.recycled, 0U);
}

TEST(Enumeration, GroupsThatLeaveAndReturn) {
    Totals totals;
    std::vector<Step> trace = {{entries(2, 1, {text(300), text(300)}), hard_state(2, "old")},
                               {entries(1, 1, {text(100)})}};
    for (std::uint64_t round = 1; round <= 6; ++round) {
        trace.push_back({removal(2), entries(1, 2 * round, {text(600)})});
        trace.push_back({entries(2, 1, {text(200, 'r'), "r"}, 1 + round)});
        // Gone and back in one batch.
        trace.push_back({removal(2), entries(2, 1, {text(100, 's')}, 1 + round),
                         entries(1, 2 * round + 1, {text(300)}), compaction(1, 2 * round)});
    }
    trace.push_back({removal(2), removal(1)});
    trace.push_back({hard_state(1, "again")});
    Enumeration(totals).run(trace);
    EXPECT_GT(totals.recycled, 0U);
}

TEST(Enumeration, AnInstalledSnapshot) {
    Totals totals;
    Batch snapshot = entries(1, 31, {"new"}, 3);
    snapshot.replaces_log = true;
    snapshot.compaction = CompactionPoint{Index(30), Term(3)};
    snapshot.configuration = SharedBytes::copy("members");
    Batch behind = snapshot;  // The log goes on behind it, with what another leader had.
    behind.compaction = CompactionPoint{Index(40), Term(4)};
    behind.entries.clear();
    Enumeration(totals).run({{entries(1, 1, {text(400), text(100)})},
                             {snapshot, entries(2, 1, {text(300)})},
                             {entries(1, 32,
                                      {text(500), text(90), text(80), text(70), text(60), text(50),
                                       "a", "b", "c", "d", "e"},
                                      3)},
                             {behind},
                             {entries(1, 41, {"go on"}, 4)}});
    EXPECT_GT(totals.torn, 20U);
}

// Blocks larger than a sector: what is torn may be torn inside a block.
TEST(Enumeration, BlocksOfEightSectors) {
    Totals totals;
    LogOptions options = tiny_options();
    options.block_bytes = 4096;
    options.segment_bytes = 8 * 4096;
    options.bytes_max = 4 * options.segment_bytes;
    Enumeration(totals, options)
        .run({{entries(1, 1, {text(900), text(900)}), entries(2, 1, {text(1500)})},
              {replacing(1, 2, {text(600)}), hard_state(2, "h")}});
    EXPECT_EQ(totals.sectors_max, 8U);
    EXPECT_GT(totals.torn, 200U);
}

TEST(Enumeration, RandomTraces) {
    const char* more = std::getenv("CAUSEWAY_SEEDS");
    const std::uint64_t seeds = more != nullptr ? std::strtoull(more, nullptr, 10) : 3;
    Totals totals;
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        LogOptions options = tiny_options();
        options.bytes_max = 2 * 4096;
        Enumeration enumeration(totals, options);
        for (std::uint64_t term = 1; term <= 25; ++term) {
            Model model = enumeration.model();
            Step step;
            std::uint64_t bytes = 0;
            for (std::uint64_t i = 1 + random.below(3); i > 0; --i) {
                Batch batch = random_batch(random, model, term);
                bytes += Log::staged_bytes_of(batch);
                if (bytes > 1200) {
                    break;
                }
                wal::apply(model, batch);
                step.push_back(std::move(batch));
            }
            if (!step.empty()) {
                enumeration.run({step});
            }
        }
    }
    EXPECT_GT(totals.states, 250 * seeds);
    EXPECT_GT(totals.recoveries, 150 * seeds);
    EXPECT_GT(totals.torn_again, 150 * seeds);
    EXPECT_GT(totals.damage_found, 500 * seeds);
    EXPECT_GT(totals.last_lost, 30 * seeds);
    EXPECT_GT(totals.recycled, 0U);
}

}  // namespace
}  // namespace causeway::wal
