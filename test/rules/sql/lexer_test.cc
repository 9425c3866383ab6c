#include "rules/sql/lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace causeway::rules::sql {
namespace {

using testing::ElementsAre;

// "kind letter:text" of every token: n name, q quoted name, s string, i integer, d decimal, .
// symbol.
std::vector<std::string> tokens(std::string_view query) {
    std::vector<std::string> out;
    Lexer lexer(query);
    for (Token token = lexer.next();; token = lexer.next()) {
        out.push_back(std::string(1, ".nqsid.!"[static_cast<int>(token.kind)]) + ":" + token.text);
        if (token.kind == TokenKind::kEnd || token.kind == TokenKind::kError) {
            return out;
        }
    }
}

TEST(Lexer, SplitsWordsNumbersAndSymbols) {
    EXPECT_THAT(tokens("SELECT a1_ , 12 1.5 1e3 2E-4"),
                ElementsAre("n:SELECT", "n:a1_", ".:,", "i:12", "d:1.5", "d:1e3", "d:2E-4", ".:"));
    EXPECT_THAT(tokens("<=>=<>!==~.."),
                ElementsAre(".:<=", ".:>=", ".:<>", ".:!=", ".:=~", ".:..", ".:"));
}

TEST(Lexer, RangeIsNotADecimal) {
    EXPECT_THAT(tokens("[1..2]"), ElementsAre(".:[", "i:1", ".:..", "i:2", ".:]", ".:"));
}

TEST(Lexer, DoubledQuotesStandForOne) {
    EXPECT_THAT(tokens("'a''b' \"c\"\"d\" ''"), ElementsAre("s:a'b", "q:c\"d", "s:", ".:"));
}

TEST(Lexer, CommentsRunToTheEndOfTheLine) {
    EXPECT_THAT(tokens("a -- b 'c\n- d -- e"), ElementsAre("n:a", ".:-", "n:d", ".:"));
}

TEST(Lexer, OpenQuotesAndStrangeCharactersAreErrors) {
    EXPECT_EQ(tokens("'a").back().substr(0, 2), "!:");
    EXPECT_EQ(tokens("\"a").back().substr(0, 2), "!:");
    EXPECT_EQ(tokens("1a").back().substr(0, 2), "!:");
    EXPECT_EQ(tokens("a ; b").back().substr(0, 2), "!:");
    EXPECT_EQ(tokens("\xff").back().substr(0, 2), "!:");
}

TEST(Lexer, KeywordsKnowNoCase) {
    EXPECT_TRUE(is_keyword("sElEcT", "SELECT"));
    EXPECT_FALSE(is_keyword("selects", "SELECT"));
    EXPECT_TRUE(is_reserved("between"));
    EXPECT_FALSE(is_reserved("payload"));
    EXPECT_TRUE(is_bare_name("_a1"));
    EXPECT_FALSE(is_bare_name("1a"));
    EXPECT_FALSE(is_bare_name(""));
    EXPECT_FALSE(is_bare_name("a b"));
}

}  // namespace
}  // namespace causeway::rules::sql
