#include "rules/engine/rule_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/rules/engine/fixture.h"

namespace causeway::rules {
namespace {

using testing::ElementsAre;

constexpr std::string_view kRule = R"({"id": "r", "sql": "SELECT topic FROM 'a'"})";

TEST(RuleSet, ManyFilesMakeOneSet) {
    const std::vector<SourceFile> files = {
        {"b.json", R"([{"id": "x", "sql": "select topic from 'a/+' where qos>0", "description": "d",
                       "actions": [{"http": {"sink": "s"}}], "error_actions": [{"queue": {"name": "e"}}]}])"},
        {"a.json",
         R"([{"sink": "s", "url": "https://x/y", "headers": {"A": {"env": "TOKEN"}, "B": "c"},
                       "retry": {"initial_ms": 5, "max_attempts": 7}, "ordered_by": "key", "dead_letter": "dead"},
                      {"queue": "q", "max_messages": 9}])"}};
    const auto set = RuleSet::compile(files);
    ASSERT_TRUE(set) << to_string(set.error()[0]);
    const RuleInfo& rule = (*set)->rules()[0];
    EXPECT_EQ(rule.id, "x");
    EXPECT_EQ(rule.sql, "SELECT topic FROM 'a/+' WHERE qos > 0");
    EXPECT_THAT(rule.sources, ElementsAre("a/+"));
    EXPECT_EQ(rule.actions[0].target, "s");
    EXPECT_EQ(rule.error_actions[0].kind, ActionKind::kQueue);
    EXPECT_EQ(rule.where_defined.file, "b.json");
    const SinkConfig& sink = *(*set)->find_sink("s");
    EXPECT_EQ(sink.url, (SecretText{SecretText::From::kText, "https://x/y"}));
    EXPECT_EQ(sink.headers[0].value, (SecretText{SecretText::From::kEnv, "TOKEN"}));
    EXPECT_EQ(sink.retry.initial_ms, 5U);
    EXPECT_EQ(sink.retry.max_attempts, 7U);
    EXPECT_EQ(sink.retry.max_age_s, RetryConfig{}.max_age_s);
    EXPECT_TRUE(sink.ordered_by_key);
    EXPECT_EQ((*set)->find_queue("q")->max_messages, 9U);
    EXPECT_EQ((*set)->find_queue("e"), nullptr);
    EXPECT_TRUE((*set)->interested("a/b"));
    EXPECT_FALSE((*set)->interested("a"));
}

TEST(RuleSet, VersionIsAHashOfTheTexts) {
    const auto version = [](std::vector<SourceFile> files) {
        return (*RuleSet::compile(files))->version();
    };
    const SourceFile a{"a.json", std::string(kRule)};
    const SourceFile b{"b.json", "[]"};
    EXPECT_EQ(version({a, b}), version({b, a}));
    EXPECT_NE(version({a, b}), version({a}));
    EXPECT_NE(version({a}), version({{"a.json", std::string(kRule) + " "}}));
    EXPECT_NE(version({}), 0U);
}

TEST(RuleSet, ErrorsOfAllFilesAreReportedInOrder) {
    const std::vector<SourceFile> files = {
        {"1.json", R"([{"id": "r", "sql": "SELECT"}, {"sink": "s"}])"},
        {"2.json", "{"},
        {"3.json", std::string(kRule)},
        {"4.json", std::string(kRule)}};
    const auto set = RuleSet::compile(files);
    ASSERT_FALSE(set);
    std::vector<std::string> lines;
    for (const Diagnostic& diagnostic : set.error()) {
        lines.push_back(to_string(diagnostic));
    }
    EXPECT_THAT(
        lines,
        ElementsAre("1.json:1:28: SQL: expected an expression, found the end of the query",
                    "1.json:1:32: the key 'url' is missing", "2.json:1:2: expected a key in quotes",
                    "3.json:1:8: the id 'r' is defined twice, first at 1.json:1",
                    "4.json:1:8: the id 'r' is defined twice, first at 1.json:1"));
}

TEST(RuleSet, DiagnosticsAreBounded) {
    std::string text = "[0";
    for (int i = 0; i < 1000; ++i) {
        text += ",0";
    }
    const SourceFile file{"f", text + "]"};
    const auto set = RuleSet::compile({&file, 1});
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().size(), kDiagnosticsMax);
}

}  // namespace
}  // namespace causeway::rules
