#include "rules/engine/run_tests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "rules/engine/json_text.h"
#include "test/rules/engine/fixture.h"

namespace causeway::rules {
namespace {

using testing::HasSubstr;

// A rule with one test; `expect` is its list.
TestReport run(const std::string& test) {
    const auto set = compile_or_fail(R"([{"sink": "s", "url": "http://a"}, {"id": "r",
        "sql": "SELECT topic(2) AS d, payload.t AS t, user_properties.p AS p FROM 'a/+' WHERE payload.t > 1",
        "actions": [{"queue": {"name": "q", "key": "${d}", "delay_s": 3}},
                    {"republish": {"topic": "b/${d}", "qos": 1, "retain": true, "user_properties": {"k": "${t}"}, "body": "${t}"}},
                    {"http": {"sink": "s", "path": "/${d}", "headers": {"H": "1"}, "body": "x"}}],
        "tests": [)" + test + "]}]");
    return run_tests(*set);
}

constexpr const char* kAll =
    R"({"name": "all", "topic": "a/7", "payload": {"t": 2}, "user_properties": {"p": "v"}, "expect": [
    {"action": "queue", "name": "q", "key": "7", "delay_s": 3, "body": {"t": 2.0, "d": "7", "p": "v"}},
    {"action": "republish", "topic": "b/7", "qos": 1, "retain": true, "user_properties": {"k": "2"}, "body": 2},
    {"action": "http", "sink": "s", "path": "/7", "method": "POST", "headers": {"H": "1"}, "body": {"text": "x"}}]})";

TEST(RunTests, PassWhenEverythingIsAsExpected) {
    const TestReport report = run(kAll);
    EXPECT_EQ(report.failed, 0U) << to_text(report);
    EXPECT_EQ(to_text(report), "1 passed, 0 failed\n");
    EXPECT_EQ(report.results[0].test, "all");
}

TEST(RunTests, EveryFieldCanFail) {
    const auto difference = [](const std::string& from, const std::string& to) {
        std::string test = kAll;
        const std::size_t at = test.find(from, test.find("expect"));
        EXPECT_NE(at, std::string::npos) << from;
        test.replace(at, from.size(), to);
        return run(test).results[0].difference;
    };
    EXPECT_EQ(difference("\"queue\"", "\"http\""),
              "output 1.action: expected \"http\", got \"queue\"\n");
    EXPECT_EQ(difference("\"name\": \"q\"", "\"name\": \"z\""),
              "output 1.name: expected \"z\", got \"q\"\n");
    EXPECT_EQ(difference("\"key\": \"7\"", "\"key\": \"8\""),
              "output 1.key: expected \"8\", got \"7\"\n");
    EXPECT_EQ(difference("\"delay_s\": 3", "\"delay_s\": 4"),
              "output 1.delay_s: expected 4, got 3\n");
    EXPECT_EQ(difference("\"t\": 2.0", "\"t\": 3"), "output 1.body.t: expected 3, got 2\n");
    EXPECT_EQ(
        difference("\"t\": 2.0", "\"u\": 3"),
        "output 1.body.u: expected 3, got nothing\noutput 1.body.t: expected nothing, got 2\n");
    EXPECT_EQ(difference("\"b/7\"", "\"b/8\""), "output 2.topic: expected \"b/8\", got \"b/7\"\n");
    EXPECT_EQ(difference("\"qos\": 1", "\"qos\": 2"), "output 2.qos: expected 2, got 1\n");
    EXPECT_EQ(difference("\"retain\": true", "\"retain\": false"),
              "output 2.retain: expected false, got true\n");
    EXPECT_EQ(difference("{\"k\": \"2\"}", "{\"k\": \"3\"}"),
              "output 2.user_properties.k: expected \"3\", got \"2\"\n");
    EXPECT_EQ(difference("\"body\": 2}", "\"body\": [2]}"), "output 2.body: expected [2], got 2\n");
    EXPECT_EQ(difference("\"/7\"", "\"/8\""), "output 3.path: expected \"/8\", got \"/7\"\n");
    EXPECT_EQ(difference("\"POST\"", "\"PUT\""),
              "output 3.method: expected \"PUT\", got \"POST\"\n");
    EXPECT_EQ(difference("{\"text\": \"x\"}", "{\"text\": \"y\"}"),
              "output 3.body: expected \"y\", got \"x\"\n");
    EXPECT_EQ(difference("{\"text\": \"x\"}", "{\"base64\": \"eQ==\"}"),
              "output 3.body: expected \"y\", got \"x\"\n");
    EXPECT_EQ(difference("{\"text\": \"x\"}", "1"), "output 3.body: expected JSON, got \"x\"\n");
}

TEST(RunTests, TheListIsExact) {
    EXPECT_THAT(run(R"({"topic": "a/7", "payload": {"t": 2}, "expect": []})").results[0].difference,
                HasSubstr("output 1: expected nothing, got queue q \"{\\\"d\\\":"));
    EXPECT_THAT(run(R"({"topic": "a/7", "payload": {"t": 1}, "expect": [{"action": "queue"}]})")
                    .results[0]
                    .difference,
                HasSubstr("output 1: expected {\"action\":\"queue\"}, got nothing"));
    EXPECT_EQ(run(R"({"topic": "a/7", "payload": {"t": 1}, "expect": []})").failed, 0U);
    EXPECT_EQ(run(R"({"topic": "elsewhere", "expect": []})").failed, 0U);
}

TEST(RunTests, ErrorActionsAndFailuresShow) {
    const auto set = compile_or_fail(R"([{"id": "r", "sql": "SELECT payload + 1 AS x FROM 'a'",
        "error_actions": [{"queue": {"name": "e", "body": "${failures[1].action}"}}],
        "tests": [{"topic": "a", "payload": {"text": "no"}, "expect": [{"action": "queue", "error": true, "body": {"text": "sql"}}]},
                  {"topic": "a", "payload": {"base64": "/w=="}, "expect": []},
                  {"topic": "a", "payload": 1, "expect": []}]}, {"id": "s", "sql": "SELECT 1 AS x FROM 'a'"}])");
    const TestReport report = run_tests(*set);
    EXPECT_TRUE(report.results[0].passed) << report.results[0].difference;
    EXPECT_THAT(report.results[1].difference,
                HasSubstr("note: sql failed: a number is needed, found bytes"));
    EXPECT_TRUE(report.results[2].passed);
    EXPECT_EQ(report.failed, 1U);
    EXPECT_EQ(report.rules_without_tests, 1U);
}

TEST(RunTests, ReportsForMachines) {
    const TestReport report =
        run(R"({"name": "<a&\"b\">", "topic": "a/7", "payload": {"t": 2}, "expect": []})");
    const std::string xml = to_junit(report);
    EXPECT_THAT(xml, HasSubstr("<testsuite name=\"r\" tests=\"1\" failures=\"1\">"));
    EXPECT_THAT(xml, HasSubstr("name=\"&lt;a&amp;&quot;b&quot;&gt;\""));
    EXPECT_THAT(xml, HasSubstr("<failure message="));
    const auto json = parse_json_text(to_json(report));
    ASSERT_TRUE(json);
    EXPECT_EQ(json->find("failed")->integer, 1);
    EXPECT_EQ(json->find("results")->items[0].find("test")->text, "<a&\"b\">");
}

// The rules that come with the project pass their own tests.
TEST(RunTests, ShippedExamplesPass) {
    std::vector<SourceFile> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(CAUSEWAY_SOURCE_DIR "/docs/examples/rules")) {
        std::ifstream in(entry.path());
        files.push_back(
            {entry.path().filename(), std::string(std::istreambuf_iterator<char>(in), {})});
    }
    const auto set = RuleSet::compile(files);
    ASSERT_TRUE(set) << to_string(set.error()[0]);
    const TestReport report = run_tests(**set);
    EXPECT_GE(report.results.size(), 8U);
    EXPECT_EQ(report.failed, 0U) << to_text(report);
    EXPECT_EQ(report.rules_without_tests, 0U);
}

}  // namespace
}  // namespace causeway::rules
