// Who is kept out, for how long, and that a flood of names keeps nobody out.
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/strikes.h"

namespace causeway::auth {
namespace {

constexpr StrikeLimits kThree{3, 1000, 5000};

TEST(Strikes, TheOneAfterTheLastKeepsOut) {
    StrikeTable table(kThree, 64);
    EXPECT_FALSE(table.strike(7, 100));
    EXPECT_FALSE(table.strike(7, 100));
    EXPECT_FALSE(table.strike(7, 100));
    EXPECT_EQ(table.out_ms(7, 100), 0U);
    EXPECT_TRUE(table.strike(7, 100));
    EXPECT_EQ(table.out_ms(7, 100), 5000U);
    EXPECT_EQ(table.out_ms(8, 100), 0U);
    EXPECT_FALSE(table.strike(7, 4000));  // trying on does not make it longer
    EXPECT_EQ(table.out_ms(7, 5099), 1U);
    EXPECT_EQ(table.out_ms(7, 5100), 0U);
    EXPECT_FALSE(table.strike(7, 5100));  // and begins anew
}

TEST(Strikes, TheWindowForgets) {
    StrikeTable table(kThree, 64);
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(table.strike(7, static_cast<MonoMs>(1000 + i * 400)));
    }
}

TEST(Strikes, ForgivenUnlessKeptOut) {
    StrikeTable table(kThree, 64);
    for (int i = 0; i < 3; ++i) {
        table.strike(7, 100);
    }
    table.forgive(7, 100);
    EXPECT_FALSE(table.strike(7, 100));
    for (int i = 0; i < 3; ++i) {
        table.strike(7, 100);
    }
    table.forgive(7, 200);
    EXPECT_GT(table.out_ms(7, 200), 0U);
}

TEST(Strikes, AFloodOfNamesKeepsNobodyOutAndTakesNoMemory) {
    StrikeTable table(kThree, 64);
    const std::size_t before = table.memory_bytes();
    for (std::uint64_t key = 1; key < 100'000; ++key) {
        EXPECT_FALSE(table.strike(key * 0x9E3779B97F4A7C15U, 100));
    }
    EXPECT_EQ(table.memory_bytes(), before);
    for (std::uint64_t key = 1; key < 100'000; ++key) {
        ASSERT_EQ(table.out_ms(key * 0x9E3779B97F4A7C15U, 100), 0U);
    }
}

TEST(Strikes, WhoIsKeptOutIsForgottenLast) {
    StrikeTable table(kThree, 4);
    for (int i = 0; i < 4; ++i) {
        table.strike(1, 100);
    }
    for (std::uint64_t key = 2; key < 100; ++key) {
        table.strike(key, 200);
    }
    EXPECT_GT(table.out_ms(1, 200), 0U);
}

TEST(Strikes, NoLimitNoTable) {
    StrikeTable table(StrikeLimits{}, 64);
    EXPECT_EQ(table.memory_bytes(), 0U);
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(table.strike(7, 100));
    }
    table.forgive(7, 100);
    EXPECT_EQ(table.out_ms(7, 100), 0U);
}

}  // namespace
}  // namespace causeway::auth
