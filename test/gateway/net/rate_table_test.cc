#include "gateway/net/rate_table.h"

#include <gtest/gtest.h>

namespace causeway::net {
namespace {

TEST(RateTable, GivesEachKeyASecondsWorthAtOnceAndThenItsRate) {
    RateTable table(4, 64);
    for (const std::uint64_t key : {1U, 2U}) {
        for (int i = 0; i < 4; ++i) {
            EXPECT_TRUE(table.admit(key, 10'000));
        }
        EXPECT_FALSE(table.admit(key, 10'000));
        EXPECT_EQ(table.wait_ms(key, 10'000), 250U);
        EXPECT_FALSE(table.admit(key, 10'249));
        EXPECT_TRUE(table.admit(key, 10'250));
        EXPECT_FALSE(table.admit(key, 10'250));
    }
    EXPECT_EQ(table.wait_ms(3, 10'250), 0U);
}

TEST(RateTable, OnceASecond) {
    RateTable table(1, 64);
    EXPECT_TRUE(table.admit(7, 500));
    EXPECT_FALSE(table.admit(7, 1'499));
    EXPECT_TRUE(table.admit(7, 1'500));
}

TEST(RateTable, WithoutARateEverybodyMay) {
    RateTable table(0, 64);
    for (int i = 0; i < 1'000; ++i) {
        EXPECT_TRUE(table.admit(1, 1));
    }
    EXPECT_EQ(table.wait_ms(1, 1), 0U);
}

// More keys than it holds: whoever comes once is never refused for the others.
TEST(RateTable, AFloodOfKeysRefusesNobodyWithinTheRate) {
    RateTable table(2, 64);
    for (std::uint64_t key = 1; key <= 10'000; ++key) {
        EXPECT_TRUE(table.admit(key * 0x9E3779B97F4A7C15U, 1'000));
    }
}

}  // namespace
}  // namespace causeway::net
