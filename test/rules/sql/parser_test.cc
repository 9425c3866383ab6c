#include "rules/sql/parser.h"

#include <gtest/gtest.h>

#include <string>

#include "rules/sql/printer.h"

namespace causeway::rules::sql {
namespace {

// The expression in canonical form, or "line:column message".
std::string reprint(const std::string& expression) {
    const auto query = parse("SELECT VALUE " + expression + " FROM 'a'");
    if (!query) {
        return std::to_string(query.error().line) + ":" + std::to_string(query.error().column) +
               " " + query.error().message;
    }
    return print(*query, query->items[0].expr);
}

std::string repeated(const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) {
        out += text;
    }
    return out;
}

TEST(Parser, PrecedenceLowToHigh) {
    EXPECT_EQ(reprint("(a OR (b AND (NOT (c = (d + (e * (-f)))))))"),
              "a OR b AND NOT c = d + e * -f");
    EXPECT_EQ(reprint("((a OR b) AND c)"), "(a OR b) AND c");
    EXPECT_EQ(reprint("NOT (a AND b)"), "NOT (a AND b)");
    EXPECT_EQ(reprint("(a + b) * c"), "(a + b) * c");
    EXPECT_EQ(reprint("-(a + b)"), "-(a + b)");
}

TEST(Parser, OperatorsOfOneLevelGroupToTheLeft) {
    EXPECT_EQ(reprint("(a - b) - c"), "a - b - c");
    EXPECT_EQ(reprint("a - (b - c)"), "a - (b - c)");
    EXPECT_EQ(reprint("(a / b) % c"), "a / b % c");
    EXPECT_EQ(reprint("a div (b mod c)"), "a div (b % c)");
}

TEST(Parser, BetweenTakesItsOwnAnd) {
    EXPECT_EQ(reprint("a between 1 and 2 and b"), "a BETWEEN 1 AND 2 AND b");
    EXPECT_EQ(reprint("a not between (b and c) and 2"), "a NOT BETWEEN (b AND c) AND 2");
}

TEST(Parser, ComparisonsDoNotChain) {
    EXPECT_EQ(reprint("a = b < c"), "1:20 comparisons do not chain: use AND, or parentheses");
    EXPECT_EQ(reprint("a IS NULL IS NULL"),
              "1:24 comparisons do not chain: use AND, or parentheses");
    EXPECT_EQ(reprint("(a = b) = c"), "(a = b) = c");
}

TEST(Parser, PathsTakeNamesKeysIndexesAndRanges) {
    EXPECT_EQ(reprint("payload.select.'x'.\"y z\"[1][-2][1..-1]['k']"),
              "payload.select.x['y z'][1][-2][1..-1].k");
    EXPECT_EQ(reprint("\"odd name\".x"), "\"odd name\".x");
    EXPECT_EQ(reprint("f(a)[1].b"), "f(a)[1].b");
    EXPECT_EQ(reprint("(a.b).c"), "(a.b).c");
}

TEST(Parser, LiteralsKeepTheirKind) {
    EXPECT_EQ(reprint("[1, 1.0, -5, 1e3, 'a''b', null, true]"),
              "[1, 1.0, -5, 1000.0, 'a''b', NULL, TRUE]");
    EXPECT_EQ(reprint("{a: 1, 'b c': 2}"), "{'a': 1, 'b c': 2}");
    EXPECT_EQ(reprint("-(5)"), "-(5)");
    EXPECT_EQ(reprint("- -5"), "-(-5)");
}

TEST(Parser, StarMayBeMixedWithItems) {
    const auto query = parse("SELECT a AS x.y.z, * FROM 'a', \"b/+\" WHERE a");
    ASSERT_TRUE(query);
    EXPECT_EQ(print(*query), "SELECT *, a AS x.y.z FROM 'a', 'b/+' WHERE a");
    EXPECT_EQ(query->sources[1].filter, "b/+");
    EXPECT_EQ(query->sources[1].offset, 31U);
}

TEST(Parser, ErrorsStandAtLineAndColumn) {
    const auto query = parse("SELECT a,\n  'é' +\n  ) FROM 'x'");
    ASSERT_FALSE(query);
    EXPECT_EQ(query.error().line, 3U);
    EXPECT_EQ(query.error().column, 3U);
    EXPECT_EQ(query.error().offset, 21U);
    const LineColumn at = line_column("é\nüb", 5);
    EXPECT_EQ(at.line, 2U);
    EXPECT_EQ(at.column, 2U);
}

// Hostile text costs an error, not the stack.
TEST(Parser, NestingIsBounded) {
    constexpr int kMany = 20'000;
    EXPECT_NE(reprint(repeated("(", kMany) + "a").find("too deeply"), std::string::npos);
    EXPECT_NE(reprint(repeated("NOT ", kMany / 2) + "a").find("too deeply"), std::string::npos);
    EXPECT_NE(reprint(repeated("- ", kMany) + "a").find("too deeply"), std::string::npos);
    EXPECT_NE(reprint(repeated("[", kMany) + "a").find("too deeply"), std::string::npos);
    EXPECT_NE(reprint(repeated("f(", kMany) + "a").find("too deeply"), std::string::npos);
    EXPECT_NE(reprint("a" + repeated("+a", kMany)).find("too deeply"), std::string::npos);
    EXPECT_NE(reprint("a" + repeated(".a", kMany)).find("too long"), std::string::npos);
    EXPECT_NE(reprint(repeated("CASE WHEN ", 5000) + "a").find("too deeply"), std::string::npos);
}

TEST(Parser, LongListsOfAndAreNotDeep) {
    EXPECT_EQ(reprint("a" + repeated(" AND a", 1000)), "a" + repeated(" AND a", 1000));
}

TEST(Parser, LengthItemsAndSourcesAreBounded) {
    const auto error = [](const std::string& query) {
        const auto parsed = parse(query);
        return parsed ? "" : parsed.error().message;
    };
    EXPECT_EQ(error("SELECT 1 FROM 'a' --" + std::string(kQueryBytesMax, 'x')),
              "the query is longer than 65536 bytes");
    EXPECT_EQ(error("SELECT 1" + repeated(",1", 300) + " FROM 'a'"), "more than 256 items");
    EXPECT_EQ(error("SELECT 1 FROM 'a'" + repeated(",'a'", 80)), "more than 64 sources");
}

}  // namespace
}  // namespace causeway::rules::sql
