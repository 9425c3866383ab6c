#include "core/store/store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "core/base/random.h"
#include "test/core/store/temp_dir.h"

namespace causeway::store {
namespace {

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

TEST(Store, WhatIsFlushedIsThereAndTheRestIsNot) {
    const TempDir dir;
    {
        const auto store = open(dir);
        const auto kv = store->kv(GroupId(1));
        kv->put("a", "1");
        kv->commit(Index(1));
        EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(0));
        ASSERT_TRUE(store->flush());
        EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(1));
        kv->put("a", "2");
        kv->put("b", "2");
        kv->commit(Index(2));
        EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(1));
        EXPECT_EQ(kv->applied(), Index(2));
    }
    const auto store = open(dir);
    const auto kv = store->kv(GroupId(1));
    std::string value;
    EXPECT_EQ(kv->applied(), Index(1));
    EXPECT_TRUE(kv->get("a", value));
    EXPECT_EQ(value, "1");
    EXPECT_FALSE(kv->get("b", value));
}

// Every commit writes its number to each of several keys; after a crash all of them, and the
// applied index, must show the same number: a prefix of the commits.
TEST(Store, ACrashLeavesAPrefixOfTheCommits) {
    const TempDir dir;
    Random random(5);
    std::uint64_t seen = 0;
    for (int round = 0; round < 6; ++round) {
        std::uint64_t flushed = seen;
        {
            const auto store = open(dir);
            const auto kv = store->kv(GroupId(1));
            for (std::uint64_t n = 0; n < 200; ++n) {
                ++seen;
                for (const char* key : {"x", "y", "z"}) {
                    kv->put(key, std::to_string(seen) + ":" + std::string(2000, 'p'));
                }
                kv->commit(Index(seen));
                if (random.chance(1, 50)) {
                    ASSERT_TRUE(store->flush());
                    flushed = seen;
                }
            }
            flushed = std::max(flushed, store->flushed_applied(GroupId(1)).value());
        }
        const auto store = open(dir);
        const auto kv = store->kv(GroupId(1));
        const std::uint64_t applied = kv->applied().value();
        EXPECT_GE(applied, flushed);
        EXPECT_LE(applied, seen);
        for (const char* key : {"x", "y", "z"}) {
            std::string value;
            ASSERT_EQ(kv->get(key, value), applied > 0);
            if (applied > 0) {
                EXPECT_EQ(value.substr(0, value.find(':')), std::to_string(applied));
            }
        }
        seen = applied;
    }
}

TEST(Store, FlushOnCloseKeepsEverything) {
    const TempDir dir;
    StoreOptions options = crash_options();
    options.flush_on_close = true;
    {
        const auto store = open(dir, options);
        const auto kv = store->kv(GroupId(1));
        kv->put("a", "1");
        kv->commit(Index(3));
    }
    EXPECT_EQ(open(dir, options)->flushed_applied(GroupId(1)), Index(3));
}

TEST(Store, FlushAsyncShowsInFlushedApplied) {
    const TempDir dir;
    const auto store = open(dir);
    const auto kv = store->kv(GroupId(1));
    kv->put("a", "1");
    kv->commit(Index(1));
    store->flush_async();
    while (store->flushed_applied(GroupId(1)) != Index(1)) {
        std::this_thread::yield();
    }
    EXPECT_EQ(kv->applied(), Index(1));
}

TEST(Store, AnErasedGroupIsGoneAndOthersStay) {
    const TempDir dir;
    {
        const auto store = open(dir);
        for (const std::uint32_t group : {1U, 2U, 3U}) {
            const auto kv = store->kv(GroupId(group));
            kv->put("a", "1");
            kv->commit(Index(4));
        }
        ASSERT_TRUE(store->flush());
        store->erase_group(GroupId(2));
        ASSERT_TRUE(store->flush());
    }
    const auto store = open(dir);
    std::string value;
    EXPECT_TRUE(store->kv(GroupId(1))->get("a", value));
    EXPECT_FALSE(store->kv(GroupId(2))->get("a", value));
    EXPECT_EQ(store->kv(GroupId(2))->applied(), Index(0));
    EXPECT_EQ(store->kv(GroupId(3))->applied(), Index(4));
}

TEST(Store, ABadDirectoryIsAnErrorThatNamesIt) {
    const auto store = Store::open("/dev/null/store", crash_options());
    ASSERT_FALSE(store.has_value());
    EXPECT_NE(store.error().message.find("/dev/null/store"), std::string::npos);
}

TEST(Store, OneProcessAtATime) {
    const TempDir dir;
    const auto store = open(dir);
    EXPECT_FALSE(Store::open(dir.path(), crash_options()).has_value());
}

void write_many(const TempDir& dir) {
    Random random(12);
    const auto store = open(dir);
    const auto kv = store->kv(GroupId(1));
    for (int i = 0; i < 1000; ++i) {
        kv->put("key" + std::to_string(i), std::to_string(random.next()) + std::string(50, 'x'));
    }
    kv->commit(Index(1));
    ASSERT_TRUE(store->flush());
}

void damage_tables(const TempDir& dir, std::uint64_t offset) {
    for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
        if (entry.path().extension() == ".sst") {
            ASSERT_GT(entry.file_size(), offset + 1000);
            std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(static_cast<std::streamoff>(offset));
            file.write("damage damage damage", 20);
        }
    }
}

TEST(Store, DamageFoundAtTheStartIsAnErrorThatNamesTheDirectory) {
    const TempDir dir;
    write_many(dir);
    damage_tables(dir, 200);
    const auto store = Store::open(dir.path(), crash_options());
    ASSERT_FALSE(store.has_value());
    EXPECT_NE(store.error().message.find(dir.path()), std::string::npos) << store.error().message;
}

TEST(StoreDeathTest, ADamagedTableEndsTheProcessWithALine) {
    const TempDir dir;
    write_many(dir);
    damage_tables(dir, 20000);
    StoreOptions options = crash_options();
    options.fatal = [](const std::string& line) {
        std::fprintf(stderr, "fatal: %s\n", line.c_str());
        std::_Exit(3);
    };
    const auto store = open(dir, options);
    EXPECT_EXIT(store->kv(GroupId(1))->scan("", "z", [](auto, auto) { return true; }),
                testing::ExitedWithCode(3), "fatal: the store failed in a .*: Corruption");
}

#if CAUSEWAY_FAULTS

StoreOptions behind(bool ignore_sync) {
    StoreOptions options = crash_options();
    options.write_behind = true;
    options.ignore_sync = ignore_sync;
    return options;
}

// Writes, flushes and closes with the write-behind file system; what the real files hold is what a
// power failure leaves.
TEST(Store, WriteBehindKeepsWhatWasFlushed) {
    const TempDir dir;
    for (std::uint64_t round = 1; round <= 4; ++round) {
        const auto store = open(dir, behind(false));
        const auto kv = store->kv(GroupId(1));
        EXPECT_EQ(kv->applied(), Index(round - 1));
        for (int i = 0; i < 200; ++i) {
            kv->put("key" + std::to_string(i), std::to_string(round) + std::string(1000, 'x'));
        }
        kv->commit(Index(round));
        ASSERT_TRUE(store->flush());
        std::string value;
        ASSERT_TRUE(kv->get("key7", value));
        EXPECT_EQ(value.substr(0, 1), std::to_string(round));
    }
    EXPECT_EQ(open(dir)->flushed_applied(GroupId(1)), Index(4));
}

TEST(Store, WithoutSyncsAFlushIsLost) {
    const TempDir dir;
    {
        const auto store = open(dir);
        const auto kv = store->kv(GroupId(1));
        kv->put("a", "1");
        kv->commit(Index(1));
        ASSERT_TRUE(store->flush());
    }
    {
        const auto store = open(dir, behind(true));
        const auto kv = store->kv(GroupId(1));
        kv->put("a", "2");
        kv->commit(Index(2));
        ASSERT_TRUE(store->flush());
        EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(2));
    }
    EXPECT_EQ(open(dir)->flushed_applied(GroupId(1)), Index(1));
}

// The disk is full for a while: commits wait, nothing is lost, and service resumes by itself.
TEST(Store, CommitsWaitWhileThereIsNoSpace) {
    const TempDir dir;
    const auto full = std::make_shared<std::atomic<bool>>(false);
    {
        StoreOptions options = behind(false);
        options.no_space = full;
        const auto store = open(dir, options);
        const auto kv = store->kv(GroupId(1));
        kv->put("a", "1");
        kv->commit(Index(1));
        *full = true;
        const auto flushed = store->flush();
        ASSERT_FALSE(flushed.has_value());
        EXPECT_NE(flushed.error().message.find("no space"), std::string::npos);
        EXPECT_TRUE(store->status().out_of_space);
        std::atomic<bool> committed = false;
        std::thread apply([&] {
            kv->put("a", "2");
            kv->commit(Index(2));
            committed = true;
        });
        EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(0));
        EXPECT_FALSE(committed);
        *full = false;
        apply.join();
        ASSERT_TRUE(store->flush());
        EXPECT_FALSE(store->status().out_of_space);
        EXPECT_EQ(store->flushed_applied(GroupId(1)), Index(2));
    }
    EXPECT_EQ(open(dir)->flushed_applied(GroupId(1)), Index(2));
}

// The process is told to leave while the disk is full: nothing waits any more, nothing is half
// there.
TEST(Store, StopWaitingEndsACommitThatWaitsForSpace) {
    const TempDir dir;
    const auto full = std::make_shared<std::atomic<bool>>(false);
    {
        StoreOptions options = behind(false);
        options.no_space = full;
        const auto store = open(dir, options);
        const auto kv = store->kv(GroupId(1));
        kv->put("a", "1");
        kv->commit(Index(1));
        ASSERT_TRUE(store->flush());
        *full = true;
        kv->put("a", "2");
        kv->commit(Index(2));  // In memory there is room.
        ASSERT_FALSE(store->flush());
        std::thread apply([&] {
            kv->put("b", "3");
            kv->commit(Index(3));
        });
        store->stop_waiting();
        apply.join();
        std::string value;
        EXPECT_EQ(kv->applied(), Index(2));
        EXPECT_TRUE(kv->get("b", value));
        kv->commit(Index(4));
        EXPECT_EQ(kv->applied(), Index(2));
        EXPECT_FALSE(store->flush());
    }
    const auto store = open(dir);
    const auto kv = store->kv(GroupId(1));
    std::string value;
    EXPECT_EQ(kv->applied(), Index(1));
    EXPECT_TRUE(kv->get("a", value));
    EXPECT_EQ(value, "1");
    EXPECT_FALSE(kv->get("b", value));
}

#endif

}  // namespace
}  // namespace causeway::store
