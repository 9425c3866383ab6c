#include "rules/engine/json_text.h"

#include <gtest/gtest.h>

#include <string>

namespace causeway::rules {
namespace {

std::string error(std::string_view text) {
    const auto parsed = parse_json_text(text);
    return parsed ? "" : std::to_string(parsed.error().offset) + " " + parsed.error().message;
}

TEST(JsonText, KeepsPlaceOfKeysAndValues) {
    const std::string text = R"( {"a": [1, -2.5e1, "x"], "b": {"c": null}} )";
    const auto root = parse_json_text(text);
    ASSERT_TRUE(root);
    EXPECT_EQ(root->members[1].key_offset, text.find("\"b\""));
    const JsonNode& list = *root->find("a");
    EXPECT_EQ(text.substr(list.offset, list.end - list.offset), R"([1, -2.5e1, "x"])");
    EXPECT_EQ(list.items[0].integer, 1);
    EXPECT_EQ(list.items[1].decimal, -25.0);
    EXPECT_TRUE(root->find("b")->find("c")->is(JsonNode::Kind::kNull));
    EXPECT_EQ(root->find("none"), nullptr);
}

TEST(JsonText, FindsBytesOfAStringBehindEscapes) {
    const std::string text = "[\"a\\n\\u00e9\\ud83d\\ude00z\"]";
    const auto root = parse_json_text(text);
    ASSERT_TRUE(root);
    const JsonNode& string = root->items[0];
    EXPECT_EQ(string.text, "a\né😀z");
    EXPECT_EQ(offset_in_file(text, string, 0), 2U);
    EXPECT_EQ(offset_in_file(text, string, 2), 5U);
    EXPECT_EQ(offset_in_file(text, string, string.text.find('z')), text.find('z'));
    EXPECT_EQ(offset_in_file(text, string, string.text.size()), text.size() - 2);
}

TEST(JsonText, RefusesWhatIsNotJson) {
    EXPECT_EQ(error(""), "0 expected a JSON value");
    EXPECT_EQ(error("{"), "1 expected a key in quotes");
    EXPECT_EQ(error("{\"a\" 1}"), "5 expected ':'");
    EXPECT_EQ(error("[1 2]"), "3 expected ',' or ']'");
    EXPECT_EQ(error("[1,]"), "3 expected a JSON value");
    EXPECT_EQ(error("01"), "0 expected a JSON value");
    EXPECT_EQ(error("1 x"), "2 the file should end here");
    EXPECT_EQ(error("\"a"), "0 this string has no closing quote");
    EXPECT_EQ(error("\"\\x\""), "1 bad escape in a string");
    EXPECT_EQ(error("\"\\ud800\""), "1 bad escape in a string");
    EXPECT_EQ(error("\"\\"), "1 bad escape in a string");
    EXPECT_EQ(error("\"\n\""), "1 a string holds a control character: write it as an escape");
    EXPECT_EQ(error("9223372036854775808"), "0 the integer is out of range");
    EXPECT_EQ(error("1e999"), "0 the number is out of range");
    EXPECT_EQ(error("\"\xff\""), "0 the file is not UTF-8");
    EXPECT_EQ(error("{\"a\":1,\"a\":2}"), "7 the key 'a' is given twice");
    EXPECT_EQ(error(std::string(100'000, '[')), "64 the JSON is nested too deeply");
    EXPECT_EQ(error("nul"), "0 expected a JSON value");
}

TEST(JsonText, ComparesByValue) {
    const auto same = [](std::string_view a, std::string_view b) {
        return same_json(*parse_json_text(a), *parse_json_text(b));
    };
    EXPECT_TRUE(same(R"({"a":1,"b":[2]})", R"({"b":[2.0],"a":1.0})"));
    EXPECT_FALSE(same(R"({"a":1})", R"({"a":1,"b":2})"));
    EXPECT_FALSE(same("[1,2]", "[2,1]"));
    EXPECT_FALSE(same("1", "\"1\""));
    EXPECT_FALSE(same("true", "false"));
    EXPECT_FALSE(same("9007199254740993", "9007199254740992"));
}

}  // namespace
}  // namespace causeway::rules
