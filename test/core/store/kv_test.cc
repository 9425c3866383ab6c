// One contract, two implementations: what a Kv promises is asked of RocksDB and of the simulated
// table, and random operations must look the same on both.
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/store/store.h"
#include "test/core/store/temp_dir.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::store {
namespace {

StoreOptions small_options() {
    return StoreOptions{.write_buffer_bytes = 1U << 20, .block_cache_bytes = 1U << 20, .fatal = {}};
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs scan(state::Kv& kv, std::string_view from, std::string_view to, std::size_t limit = 1000) {
    Pairs pairs;
    kv.scan(from, to, [&](std::string_view key, std::string_view value) {
        pairs.emplace_back(key, value);
        return pairs.size() < limit;
    });
    return pairs;
}

void expect_contract(state::Kv& kv) {
    std::string value;
    EXPECT_FALSE(kv.get("a", value));
    kv.put("a", "1");
    kv.put("b", "2");
    EXPECT_TRUE(kv.get("a", value));  // Before commit.
    EXPECT_EQ(value, "1");
    EXPECT_EQ(kv.applied(), Index(0));
    kv.commit(Index(7));
    EXPECT_EQ(kv.applied(), Index(7));
    kv.erase("a");
    kv.put("b", "3");
    kv.put("c", "");
    EXPECT_FALSE(kv.get("a", value));
    EXPECT_TRUE(kv.get("c", value));
    EXPECT_EQ(value, "");
    EXPECT_EQ(scan(kv, "a", "z"), (Pairs{{"b", "3"}, {"c", ""}}));
    EXPECT_EQ(scan(kv, "a", "c"), (Pairs{{"b", "3"}}));
    EXPECT_EQ(scan(kv, "a", "z", 1), (Pairs{{"b", "3"}}));
    EXPECT_EQ(scan(kv, "z", "a"), Pairs{});
    EXPECT_EQ(scan(kv, "b", ""), Pairs{});
    kv.commit(Index(8));
    kv.commit(Index(9));  // Nothing but the index.
    EXPECT_EQ(kv.applied(), Index(9));
    EXPECT_FALSE(kv.get("a", value));
    kv.put(std::string("\0\xff", 2), std::string("\0", 1));  // Keys and values are bytes.
    EXPECT_EQ(scan(kv, std::string("\0", 1), "a").size(), 1U);
}

TEST(Kv, RocksKeepsTheContract) {
    const TempDir dir;
    auto store = Store::open(dir.path(), small_options());
    ASSERT_TRUE(store.has_value()) << store.error().message;
    const auto kv = (*store)->kv(GroupId(5));
    expect_contract(*kv);
}

TEST(Kv, SimulatedKeepsTheContract) {
    sim::MemoryKv kv;
    expect_contract(kv);
}

TEST(Kv, GroupsDoNotSeeEachOther) {
    const TempDir dir;
    auto store = Store::open(dir.path(), small_options());
    ASSERT_TRUE(store.has_value());
    std::vector<std::unique_ptr<state::Kv>> kvs;
    for (const std::uint32_t group : {0U, 1U, 255U, 256U, 0xFFFFFFFFU}) {
        kvs.push_back((*store)->kv(GroupId(group)));
        kvs.back()->put("key", std::to_string(group));
        kvs.back()->put("\xff\xff", "last");
        kvs.back()->commit(Index(group / 2 + 1));
    }
    std::string value;
    for (const auto& kv : kvs) {
        EXPECT_EQ(scan(*kv, std::string("\0", 1), "\xff\xff\xff").size(), 2U);
    }
    EXPECT_TRUE(kvs[2]->get("key", value));
    EXPECT_EQ(value, "255");
    EXPECT_EQ(kvs[4]->applied(), Index(0x80000000));
}

TEST(Kv, RandomOperationsLookTheSameOnBoth) {
    constexpr std::uint64_t kSeed = 11;
    SCOPED_TRACE("seed " + std::to_string(kSeed));
    const TempDir dir;
    Random random(kSeed);
    auto store = Store::open(dir.path(), small_options());
    ASSERT_TRUE(store.has_value());
    auto real = (*store)->kv(GroupId(1));
    sim::MemoryKv model;
    const auto key = [&] {
        return std::string(1 + random.below(2), static_cast<char>('a' + random.below(12)));
    };
    std::uint64_t applied = 0;
    for (int step = 0; step < 4000; ++step) {
        const std::string k = key();
        std::string found;
        std::string expected;
        switch (random.below(6)) {
            case 0:
            case 1: {
                const std::string v = std::to_string(random.next());
                real->put(k, v);
                model.put(k, v);
                break;
            }
            case 2:
                real->erase(k);
                model.erase(k);
                break;
            case 3:
                ASSERT_EQ(real->get(k, found), model.get(k, expected));
                if (!expected.empty()) {
                    ASSERT_EQ(found, expected);
                }
                break;
            case 4: {
                const std::string to = key();
                const std::size_t limit = 1 + random.below(5);
                ASSERT_EQ(scan(*real, k, to, limit), scan(model, k, to, limit));
                break;
            }
            default:
                real->commit(Index(++applied));
                model.commit(Index(applied));
                if (random.chance(1, 60)) {
                    ASSERT_TRUE((*store)->flush());
                    model.flush();
                }
        }
    }
    EXPECT_EQ((*store)->flushed_applied(GroupId(1)), model.flushed_applied());
}

}  // namespace
}  // namespace causeway::store
