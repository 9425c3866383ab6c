// Snapshots of a table: one contract for the store and for the simulated table, and what the store
// leaves on its disk when it is closed without a flush (a crash) at any moment of an install.
#include "core/state/snapshot.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "core/base/random.h"
#include "core/store/store.h"
#include "test/core/store/temp_dir.h"
#include "test/sim/kv/memory_snapshot.h"

namespace causeway::store {
namespace {

using Table = std::map<std::string, std::string, std::less<>>;

StoreOptions crash_options() {
    StoreOptions options;
    options.write_buffer_bytes = 1U << 20;
    options.block_cache_bytes = 1U << 20;
    options.flush_on_close = false;  // Closing is then a crash: what is not flushed is lost.
    return options;
}

std::unique_ptr<Store> open(const TempDir& dir, const StoreOptions& options = crash_options()) {
    auto store = Store::open(dir.path(), options);
    if (!store) {
        ADD_FAILURE() << store.error().message;
        return nullptr;
    }
    return *std::move(store);
}

Table table_of(state::Kv& kv) {
    Table table;
    kv.scan("", std::string(40, '\xff'), [&](std::string_view key, std::string_view value) {
        table.emplace(key, value);
        return true;
    });
    return table;
}

Table random_table(Random& random, std::size_t records) {
    Table table;
    for (std::size_t i = 0; i < records; ++i) {
        std::string key(1 + random.below(12), '\0');
        for (char& c : key) {
            c = static_cast<char>(random.chance(1, 4) ? 0xFF : random.next());
        }
        table[key] = std::string(random.below(random.chance(1, 10) ? 3000 : 60),
                                 static_cast<char>(random.next()));
    }
    return table;
}

void fill(state::Kv& kv, const Table& table, Index applied) {
    for (const auto& [key, value] : table) {
        kv.put(key, value);
    }
    kv.commit(applied);
}

std::vector<std::string> chunks_of(state::SnapshotReader& reader, std::size_t bytes_max) {
    std::vector<std::string> chunks(1);
    while (reader.next(chunks.back(), bytes_max)) {
        chunks.emplace_back();
    }
    return chunks;
}

std::vector<std::string> chunks_of(const Table& table, std::size_t bytes_max) {
    sim::MemoryKv kv;
    fill(kv, table, Index(1));
    sim::MemorySnapshotReader reader(kv);
    return chunks_of(reader, bytes_max);
}

// The chunks hold the table, within the bound, and any of them can be read again.
void expect_reads(state::SnapshotReader& reader, const Table& table, std::size_t bytes_max) {
    std::vector<std::string> chunks;
    std::vector<state::SnapshotPosition> positions;
    for (bool more = true; more;) {
        positions.push_back(reader.position());
        more = reader.next(chunks.emplace_back(), bytes_max);
    }
    Table found;
    state::ChunkSequence sequence;
    for (const std::string& chunk : chunks) {
        std::size_t records = 0;
        ASSERT_TRUE(sequence.take(chunk, [&](std::string_view key, std::string_view value) {
            found.emplace(key, value);
            ++records;
        }));
        EXPECT_TRUE(chunk.size() <= bytes_max || records == 1) << chunk.size();
        EXPECT_TRUE(records > 0 || table.empty());
    }
    EXPECT_EQ(found, table);
    for (std::size_t i = chunks.size(); i-- > 0;) {
        reader.seek(positions[i]);
        std::string again;
        EXPECT_EQ(reader.next(again, bytes_max), i + 1 < chunks.size());
        EXPECT_EQ(again, chunks[i]);
    }
}

void expect_install(state::SnapshotInstaller& installer, const std::vector<std::string>& chunks,
                    Index applied, std::string_view meta) {
    for (const std::string& chunk : chunks) {
        ASSERT_TRUE(installer.add(chunk));
    }
    const auto finished = installer.finish(applied, meta);
    ASSERT_TRUE(finished) << finished.error().message;
}

// What both implementations promise of an installer: chunks in order and whole, or not at all.
void expect_refusals(state::SnapshotInstaller& installer, const std::vector<std::string>& chunks) {
    ASSERT_GE(chunks.size(), 3U);
    EXPECT_FALSE(installer.add(chunks[1]));
    EXPECT_FALSE(installer.add(""));
    std::string damaged = chunks[0];
    damaged[damaged.size() / 2] ^= 1;
    EXPECT_FALSE(installer.add(damaged));
    ASSERT_TRUE(installer.add(chunks[0]));
    EXPECT_FALSE(installer.add(chunks[0]));
    EXPECT_FALSE(installer.add(chunks[2]));
    ASSERT_TRUE(installer.add(chunks[1]));
}

TEST(Snapshot, ReadsAreTheSameOfTheStoreAndOfTheSimulatedTable) {
    const TempDir dir;
    const auto store = open(dir);
    Random random(3);
    for (std::uint32_t group = 1; group <= 6; ++group) {
        const Table table = random_table(random, group == 1 ? 0 : 200);
        const auto kv = store->kv(GroupId(group));
        sim::MemoryKv model;
        fill(*kv, table, Index(group));
        fill(model, table, Index(group));
        const auto reader = store->snapshot_reader(GroupId(group));
        sim::MemorySnapshotReader expected(model);
        EXPECT_EQ(reader->applied(), Index(group));
        EXPECT_EQ(expected.applied(), Index(group));
        for (const std::size_t bytes_max : {64U, 1000U, 100000U}) {
            expect_reads(*reader, table, bytes_max);
            expect_reads(expected, table, bytes_max);
            reader->seek({});
            expected.seek({});
            EXPECT_EQ(chunks_of(*reader, bytes_max), chunks_of(expected, bytes_max));
            reader->seek({});
            expected.seek({});
        }
    }
}

TEST(Snapshot, AReaderStaysAtItsMoment) {
    const TempDir dir;
    const auto store = open(dir);
    Random random(4);
    const Table table = random_table(random, 300);
    auto kv = store->kv(GroupId(1));
    fill(*kv, table, Index(7));
    const auto reader = store->snapshot_reader(GroupId(1));
    for (const auto& [key, value] : table) {
        kv->erase(key);
    }
    kv->put("new", "value");
    kv->commit(Index(8));
    ASSERT_TRUE(store->flush());
    expect_reads(*reader, table, 500);
    reader->seek({});
    kv.reset();
    expect_install(*store->snapshot_installer(GroupId(1)), chunks_of({{"x", "y"}}, 100), Index(20),
                   "");
    expect_reads(*reader, table, 500);
    EXPECT_EQ(reader->applied(), Index(7));
}

TEST(Snapshot, AnInstallReplacesTheTableAndIsDurable) {
    const TempDir dir;
    Random random(5);
    const Table other = random_table(random, 100);
    Table last;
    {
        const auto store = open(dir);
        fill(*store->kv(GroupId(2)), other, Index(3));
        fill(*store->kv(GroupId(1)), random_table(random, 100), Index(9));
        for (std::uint64_t round = 1; round <= 4; ++round) {
            last = random_table(random, 150);
            const auto installer = store->snapshot_installer(GroupId(1));
            expect_install(*installer, chunks_of(last, 400), Index(100 * round), "origin");
            EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(100 * round));
        }
        EXPECT_EQ(store->snapshot_meta(GroupId(1)), "origin");
        EXPECT_EQ(store->snapshot_meta(GroupId(2)), "");
    }
    const auto store = open(dir);
    const auto kv = store->kv(GroupId(1));
    EXPECT_EQ(table_of(*kv), last);
    EXPECT_EQ(kv->applied(), Index(400));
    EXPECT_EQ(store->snapshot_meta(GroupId(1)), "origin");
    // The table lives on as any other.
    kv->put("after", "1");
    kv->commit(Index(401));
    std::string value;
    EXPECT_TRUE(kv->get("after", value));
    // A finish is a flush, so what others had committed is durable too.
    EXPECT_EQ(table_of(*store->kv(GroupId(2))), other);
}

TEST(Snapshot, RefusesWhatIsNotTheNextWholeChunk) {
    const TempDir dir;
    const auto store = open(dir);
    Random random(6);
    const auto chunks = chunks_of(random_table(random, 200), 500);
    expect_refusals(*store->snapshot_installer(GroupId(1)), chunks);
    sim::MemoryKv kv;
    sim::MemorySnapshotInstaller simulated(kv);
    expect_refusals(simulated, chunks);
}

// At every step of an install: the store is closed without a flush, or with everything so far
// flushed. The table is the old one; and the next install finds nothing of the broken one.
TEST(Snapshot, ACrashBeforeFinishLeavesTheOldTable) {
    Random random(7);
    const Table old = random_table(random, 60);
    const Table wide = random_table(random, 120);
    const Table next = random_table(random, 20);
    const auto chunks = chunks_of(wide, 6000);
    ASSERT_GE(chunks.size(), 3U);
    for (std::size_t taken = 0; taken <= chunks.size(); ++taken) {
        for (const bool flushed : {false, true}) {
            SCOPED_TRACE(std::to_string(taken) + (flushed ? " flushed" : ""));
            const TempDir dir;
            {
                const auto store = open(dir);
                fill(*store->kv(GroupId(1)), old, Index(5));
                ASSERT_TRUE(store->flush());
                // Left by a crash: never destroyed while the store lives.
                auto installer = store->snapshot_installer(GroupId(1));
                for (std::size_t i = 0; i < taken; ++i) {
                    ASSERT_TRUE(installer->add(chunks[i]));
                }
                EXPECT_EQ(table_of(*store->kv(GroupId(1))), old);
                if (flushed) {
                    ASSERT_TRUE(store->flush());
                }
                // Its clean-up is a write after the flush, so it is lost with the crash.
            }
            const auto store = open(dir);
            EXPECT_EQ(table_of(*store->kv(GroupId(1))), old);
            EXPECT_EQ(store->kv(GroupId(1))->applied(), Index(5));
            expect_install(*store->snapshot_installer(GroupId(1)), chunks_of(next, 300), Index(50),
                           "m");
            EXPECT_EQ(table_of(*store->kv(GroupId(1))), next);
        }
    }
}

TEST(Snapshot, AnAbandonedInstallLeavesNothing) {
    const TempDir dir;
    const auto store = open(dir);
    Random random(8);
    const Table old = random_table(random, 30);
    fill(*store->kv(GroupId(1)), old, Index(5));
    const auto chunks = chunks_of(random_table(random, 100), 500);
    const auto installer = store->snapshot_installer(GroupId(1));
    for (const std::string& chunk : chunks) {
        ASSERT_TRUE(installer->add(chunk));
    }
    installer->abandon();
    EXPECT_EQ(table_of(*store->kv(GroupId(1))), old);
    const Table next = random_table(random, 10);
    expect_install(*store->snapshot_installer(GroupId(1)), chunks_of(next, 300), Index(6), "");
    EXPECT_EQ(table_of(*store->kv(GroupId(1))), next);
}

TEST(Snapshot, AnErasedGroupMayReturnByASnapshot) {
    const TempDir dir;
    Random random(9);
    const Table next = random_table(random, 40);
    {
        const auto store = open(dir);
        expect_install(*store->snapshot_installer(GroupId(1)),
                       chunks_of(random_table(random, 40), 300), Index(6), "first");
        store->erase_group(GroupId(1));
        EXPECT_EQ(table_of(*store->kv(GroupId(1))), Table{});
        EXPECT_EQ(store->kv(GroupId(1))->applied(), Index(0));
        EXPECT_EQ(store->snapshot_meta(GroupId(1)), "");
        expect_install(*store->snapshot_installer(GroupId(1)), chunks_of(next, 300), Index(9),
                       "second");
    }
    const auto store = open(dir);
    EXPECT_EQ(table_of(*store->kv(GroupId(1))), next);
    EXPECT_EQ(store->kv(GroupId(1))->applied(), Index(9));
}

TEST(Snapshot, AnEmptyTableCanBeInstalled) {
    const TempDir dir;
    const auto store = open(dir);
    fill(*store->kv(GroupId(1)), {{"a", "b"}}, Index(5));
    expect_install(*store->snapshot_installer(GroupId(1)), chunks_of(Table{}, 300), Index(9), "");
    EXPECT_EQ(table_of(*store->kv(GroupId(1))), Table{});
    EXPECT_EQ(store->kv(GroupId(1))->applied(), Index(9));
}

TEST(Snapshot, TheSimulatedTableLosesWhatWasNotFinished) {
    sim::MemoryKv kv;
    fill(kv, {{"a", "b"}}, Index(5));
    kv.flush();
    const auto chunks = chunks_of({{"c", "d"}, {"e", "f"}}, 16);
    ASSERT_EQ(chunks.size(), 2U);
    {
        sim::MemorySnapshotInstaller installer(kv);
        ASSERT_TRUE(installer.add(chunks[0]));
    }
    kv.crash();
    EXPECT_EQ(table_of(kv), (Table{{"a", "b"}}));
    sim::MemorySnapshotInstaller installer(kv);
    expect_install(installer, chunks, Index(9), "m");
    kv.crash();
    EXPECT_EQ(table_of(kv), (Table{{"c", "d"}, {"e", "f"}}));
    EXPECT_EQ(kv.applied(), Index(9));
    EXPECT_EQ(kv.snapshot_meta(), "m");
}

#if CAUSEWAY_FAULTS

StoreOptions behind(std::shared_ptr<const std::atomic<bool>> no_space = nullptr) {
    StoreOptions options = crash_options();
    options.write_behind = true;
    options.no_space = std::move(no_space);
    return options;
}

// Only what was synced is on the disk.
TEST(Snapshot, AFinishedInstallSurvivesPowerLoss) {
    const TempDir dir;
    Random random(10);
    const Table next = random_table(random, 200);
    {
        const auto store = open(dir, behind());
        fill(*store->kv(GroupId(1)), random_table(random, 100), Index(5));
        expect_install(*store->snapshot_installer(GroupId(1)), chunks_of(next, 2000), Index(90),
                       "m");
    }
    const auto store = open(dir);
    EXPECT_EQ(table_of(*store->kv(GroupId(1))), next);
    EXPECT_EQ(store->kv(GroupId(1))->applied(), Index(90));
}

TEST(Snapshot, AFinishWithoutSpaceIsNotDurableAndCanBeRepeated) {
    for (const bool space_returns : {false, true}) {
        const TempDir dir;
        Random random(11);
        const auto full = std::make_shared<std::atomic<bool>>(false);
        const Table old = random_table(random, 50);
        const Table next = random_table(random, 50);
        {
            const auto store = open(dir, behind(full));
            fill(*store->kv(GroupId(1)), old, Index(5));
            ASSERT_TRUE(store->flush());
            const auto installer = store->snapshot_installer(GroupId(1));
            for (const std::string& chunk : chunks_of(next, 500)) {
                ASSERT_TRUE(installer->add(chunk));
            }
            *full = true;
            EXPECT_FALSE(installer->finish(Index(90), "m"));
            EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(5));
            if (space_returns) {
                *full = false;
                while (!installer->finish(Index(90), "m")) {  // RocksDB recovers in its time.
                    std::this_thread::yield();
                }
            }
        }
        const auto store = open(dir);
        EXPECT_EQ(table_of(*store->kv(GroupId(1))), space_returns ? next : old);
        EXPECT_EQ(store->kv(GroupId(1))->applied(), Index(space_returns ? 90 : 5));
    }
}

#endif

}  // namespace
}  // namespace causeway::store
