// Property: parse(print(q)) is q, for any tree; and print(parse(text)) is a fixed point.
#include <gtest/gtest.h>

#include "rules/sql/parser.h"
#include "rules/sql/printer.h"
#include "test/rules/sql/random_query.h"

namespace causeway::rules::sql {
namespace {

TEST(RoundTrip, ParseUndoesPrint) {
    constexpr std::uint64_t kSeed = 20'261'123;
    for (std::uint64_t i = 0; i < 5'000; ++i) {
        Random random(kSeed + i);
        const Query query = RandomQuery(random, {}, false).make();
        const std::string text = print(query);
        const auto parsed = parse(text);
        ASSERT_TRUE(parsed) << "seed " << kSeed + i << ": " << parsed.error().message << "\n"
                            << text;
        ASSERT_TRUE(same(query, *parsed)) << "seed " << kSeed + i << "\n"
                                          << text << "\n"
                                          << print(*parsed);
        ASSERT_EQ(print(*parsed), text);
    }
}

// Any bytes: an error or a tree that prints and parses again.
TEST(RoundTrip, DamagedTextIsAnErrorOrAQuery) {
    constexpr std::uint64_t kSeed = 77;
    std::size_t good = 0;
    for (std::uint64_t i = 0; i < 5'000; ++i) {
        Random random(kSeed + i);
        std::string text = print(RandomQuery(random, {}, false).make());
        for (std::uint64_t k = 1 + random.below(3); k > 0; --k) {
            const std::size_t at = random.below(text.size());
            if (random.chance(1, 2)) {
                text.erase(at, 1 + random.below(3));
            } else {
                text[at] = static_cast<char>(random.below(256));
            }
            if (text.empty()) {
                text = " ";
            }
        }
        const auto parsed = parse(text);
        if (!parsed) {
            ASSERT_LE(parsed.error().offset, text.size()) << "seed " << kSeed + i;
            continue;
        }
        ++good;
        const auto again = parse(print(*parsed));
        ASSERT_TRUE(again && same(*parsed, *again)) << "seed " << kSeed + i << "\n" << text;
    }
    EXPECT_GT(good, 100U);
}

}  // namespace
}  // namespace causeway::rules::sql
