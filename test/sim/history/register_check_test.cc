// The judge of registers: hand-made histories, and random ones against two other judges: the zones
// of Gibbons and Korach («Testing shared memories», 1997; distinct values), and plain trial of all
// orders (any values, few operations).
#include "test/sim/history/register_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/base/random.h"

namespace causeway::sim {
namespace {

constexpr std::uint64_t kNever = Operation::kNever;

struct Op {
    bool write;
    std::uint64_t value;
    std::uint64_t call;
    std::uint64_t end;
};

History one_key(const std::vector<Op>& ops) {
    History history;
    const Name key = history.names.intern("retained/a");
    const Name client = history.names.intern("dev7");
    for (const Op& op : ops) {
        history.operations.push_back({.key = key,
                                      .client = client,
                                      .write = op.write,
                                      .value = op.value,
                                      .call_us = op.call,
                                      .return_us = op.end});
    }
    return history;
}

bool linearizable(const std::vector<Op>& ops) {
    const RegisterReport report = check_registers(one_key(ops));
    EXPECT_TRUE(report.undecided.empty());
    return report.violations.empty();
}

TEST(RegisterCheck, SequentialHistories) {
    EXPECT_TRUE(linearizable({}));
    EXPECT_TRUE(linearizable({{false, 0, 1, 2}}));
    EXPECT_FALSE(linearizable({{false, 1, 1, 2}}));
    EXPECT_TRUE(
        linearizable({{true, 1, 1, 2}, {false, 1, 3, 4}, {true, 0, 5, 6}, {false, 0, 7, 8}}));
}

TEST(RegisterCheck, StaleReadFails) {
    const std::vector<Op> stale{{true, 1, 1, 2}, {true, 2, 3, 4}, {false, 1, 5, 6}};
    EXPECT_FALSE(linearizable(stale));
    const RegisterReport report = check_registers(one_key(stale));
    ASSERT_EQ(report.violations.size(), 1U);
    EXPECT_THAT(report.violations[0], testing::HasSubstr("retained/a: dev7 reads 1 in [5, 6] us"));
}

TEST(RegisterCheck, ClearedRetainedMessageMayNotComeBack) {
    EXPECT_FALSE(linearizable({{true, 1, 1, 2}, {true, 0, 3, 4}, {false, 1, 5, 6}}));
}

TEST(RegisterCheck, ConcurrentReadsMaySeeEitherButNotGoBack) {
    EXPECT_TRUE(
        linearizable({{true, 1, 1, 2}, {true, 2, 3, 9}, {false, 1, 4, 5}, {false, 2, 6, 7}}));
    EXPECT_FALSE(
        linearizable({{true, 1, 1, 2}, {true, 2, 3, 9}, {false, 2, 4, 5}, {false, 1, 6, 7}}));
}

TEST(RegisterCheck, UnknownWriteMayTakeEffectLateOrNever) {
    EXPECT_TRUE(linearizable({{true, 1, 1, kNever}, {false, 0, 2, 3}}));
    EXPECT_TRUE(
        linearizable({{true, 1, 1, kNever}, {true, 2, 2, 3}, {false, 2, 4, 5}, {false, 1, 6, 7}}));
    EXPECT_FALSE(linearizable({{false, 1, 1, 2}, {true, 1, 3, kNever}})) << "before its call";
    EXPECT_FALSE(linearizable({{true, 1, 1, kNever},
                               {true, 2, 2, 3},
                               {false, 1, 4, 5},
                               {false, 2, 6, 7},
                               {false, 1, 8, 9}}))
        << "it takes effect once";
    EXPECT_TRUE(linearizable({{true, 1, 1, kNever},
                              {true, 1, 1, kNever},
                              {true, 2, 2, 3},
                              {false, 1, 4, 5},
                              {true, 2, 6, 7},
                              {false, 1, 8, 9}}))
        << "sent twice, it may twice";
}

TEST(RegisterCheck, AReadWithoutAnswerSaysNothing) {
    EXPECT_TRUE(linearizable({{true, 1, 1, 2}, {false, 9, 3, kNever}}));
}

TEST(RegisterCheck, SessionOwnerThatComesBackFromTheDeadFails) {
    // Connection 1 opens, connection 2 takes over, a command of connection 1 is acknowledged.
    EXPECT_FALSE(
        linearizable({{true, 1, 1, 2}, {false, 1, 3, 4}, {true, 2, 5, 6}, {false, 1, 7, 8}}));
    // Sent before the takeover and answered while it ran: that may be.
    EXPECT_TRUE(linearizable({{true, 1, 1, 2}, {false, 1, 3, 6}, {true, 2, 5, 8}}));
}

TEST(RegisterCheck, KeysAreIndependent) {
    History history = one_key({{true, 1, 1, 2}, {false, 1, 3, 4}});
    const Name other = history.names.intern("retained/b");
    history.operations.push_back(
        {.key = other, .client = 0, .write = false, .value = 1, .call_us = 5, .return_us = 6});
    const RegisterReport report = check_registers(history);
    EXPECT_EQ(report.keys, 2U);
    ASSERT_EQ(report.violations.size(), 1U);
    EXPECT_THAT(report.violations[0], testing::HasSubstr("retained/b"));
}

TEST(RegisterCheck, TheBoundIsReportedNotSilent) {
    std::vector<Op> ops;
    for (std::uint64_t i = 1; i <= 14; ++i) {
        ops.push_back({true, i, 1, 100});
    }
    ops.push_back({false, 99, 101, 102});
    const RegisterReport report = check_registers(one_key(ops), 1000);
    EXPECT_TRUE(report.violations.empty());
    EXPECT_EQ(report.undecided.size(), 1U);
    EXPECT_FALSE(report.ok());
}

// --- against other judges ----------------------------------------------------------------------

// Any order in which each operation takes effect inside its interval.
bool try_all(const std::vector<Op>& ops, unsigned taken, std::uint64_t value) {
    bool left = false;
    std::uint64_t first_return = kNever;
    for (std::size_t i = 0; i < ops.size(); ++i) {
        if ((taken >> i & 1U) == 0 && ops[i].end != kNever) {
            left = true;
            first_return = std::min(first_return, ops[i].end);
        }
    }
    if (!left) {
        return true;
    }
    for (std::size_t i = 0; i < ops.size(); ++i) {
        const bool open = (taken >> i & 1U) == 0 && ops[i].call <= first_return;
        if (open && (ops[i].write || ops[i].value == value) &&
            try_all(ops, taken | 1U << i, ops[i].value)) {
            return true;
        }
    }
    return false;
}

// A register that behaves, watched by clients whose operations overlap; then maybe one answer is
// altered. `values`: how many different ones are written, 0 for all different.
std::vector<Op> random_ops(Random& random, std::size_t count, std::uint64_t values,
                           bool may_alter) {
    std::vector<Op> ops;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t at = 100 + 10 * i;
        Op op{random.chance(1, 2), 0, at - random.below(35), at + random.below(35)};
        const bool effective = !op.write || random.chance(5, 6);
        if (op.write) {
            op.value = values == 0 ? i + 1 : random.below(values);
        }
        if (op.write && (!effective || random.chance(1, 6))) {
            op.end = kNever;
        }
        if (!op.write) {
            op.value = value;
        } else if (effective) {
            value = op.value;
        }
        ops.push_back(op);
    }
    if (may_alter && random.chance(2, 3)) {
        std::vector<std::size_t> reads;
        for (std::size_t i = 0; i < count; ++i) {
            if (!ops[i].write) {
                reads.push_back(i);
            }
        }
        if (!reads.empty()) {
            ops[reads[random.below(reads.size())]].value =
                random.below(values == 0 ? count + 1 : values + 1);
        }
    }
    return ops;
}

TEST(RegisterCheck, AgreesWithTheTrialOfAllOrders) {
    int good = 0;
    int bad = 0;
    for (std::uint64_t seed = 1; seed <= 6000; ++seed) {
        Random random(seed);
        const auto ops = random_ops(random, 3 + random.below(7), 1 + random.below(4), true);
        const bool expected = try_all(ops, 0, 0);
        ++(expected ? good : bad);
        ASSERT_EQ(linearizable(ops), expected) << "seed " << seed;
    }
    EXPECT_GT(good, 1000);
    EXPECT_GT(bad, 1000);
}

struct Zone {
    std::uint64_t first_return = kNever;
    std::uint64_t last_call = 0;
    std::uint64_t write_call = kNever;
    bool written = false;
    bool read = false;
    bool known = false;

    [[nodiscard]] bool forward() const { return first_return < last_call; }
};

// Distinct values: a write and its reads form a zone; two forward zones may not overlap, and none
// may hold a backward one.
bool zones_agree(std::vector<Op> ops) {
    ops.push_back({true, 0, 0, 1});
    std::map<std::uint64_t, Zone> zones;
    for (const Op& op : ops) {
        Zone& zone = zones[op.value];
        zone.first_return = std::min(zone.first_return, op.end);
        zone.last_call = std::max(zone.last_call, op.call);
        if (op.write) {
            zone.written = true;
            zone.known = op.end != kNever;
            zone.write_call = op.call;
        } else {
            zone.read = true;
        }
    }
    std::vector<Zone> all;
    for (const auto& [value, zone] : zones) {
        if (!zone.written) {
            return false;
        }
        if (zone.known || zone.read) {
            all.push_back(zone);
        }
    }
    for (const Op& op : ops) {
        if (!op.write && op.end < zones[op.value].write_call) {
            return false;
        }
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t j = 0; j < all.size(); ++j) {
            if (i == j || !all[i].forward()) {
                continue;
            }
            const Zone& a = all[i];
            const Zone& b = all[j];
            const bool apart = b.forward()
                                   ? a.last_call <= b.first_return || b.last_call <= a.first_return
                                   : b.last_call <= a.first_return || b.first_return >= a.last_call;
            if (!apart) {
                return false;
            }
        }
    }
    return true;
}

TEST(RegisterCheck, AgreesWithZonesOnLongHistories) {
    int good = 0;
    int bad = 0;
    for (std::uint64_t seed = 1; seed <= 600; ++seed) {
        Random random(seed);
        auto ops = random_ops(random, 20 + random.below(60), 0, true);
        const bool expected = zones_agree(ops);
        ++(expected ? good : bad);
        ASSERT_EQ(linearizable(ops), expected) << "seed " << seed;
    }
    EXPECT_GT(good, 150);
    EXPECT_GT(bad, 100);
}

TEST(RegisterCheck, LongHistoriesAreCheap) {
    Random random(7);
    const auto ops = random_ops(random, 100'000, 0, false);
    const RegisterReport report = check_registers(one_key(ops));
    EXPECT_TRUE(report.ok());
    EXPECT_LT(report.configurations, 400'000U);
}

}  // namespace
}  // namespace causeway::sim
