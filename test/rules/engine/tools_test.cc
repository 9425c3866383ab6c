// The tools' part of the engine: captures, replays, explanations, excerpts.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/engine/explain.h"
#include "rules/engine/json_text.h"
#include "rules/engine/replay.h"
#include "test/rules/engine/fixture.h"

namespace causeway::rules {
namespace {

CapturedMessage captured(const std::string& text) {
    auto message = read_captured("capture", 1, text);
    EXPECT_TRUE(message) << to_string(message.error());
    return message.value_or(CapturedMessage{});
}

TEST(Capture, ReadsEveryKey) {
    const CapturedMessage message = captured(
        R"({"topic": "a/b", "payload": {"x": 1}, "clientid": "c", "username": "u", "qos": 2, "retain": true,
            "timestamp": 5, "now": 6, "user_properties": {"k": "v"}})");
    ViewParts parts;
    const MessageView view = view_of(message, parts);
    EXPECT_EQ(view.topic, "a/b");
    EXPECT_EQ(view.payload, R"({"x": 1})");
    EXPECT_EQ(view.clientid, "c");
    EXPECT_EQ(view.username, "u");
    EXPECT_EQ(view.qos, 2);
    EXPECT_TRUE(view.retain);
    EXPECT_EQ(view.timestamp_ms, 5U);
    EXPECT_EQ(message.now_ms, 6U);
    ASSERT_EQ(view.user_properties.size(), 1U);
    EXPECT_EQ(view.user_properties[0].value, "v");
    EXPECT_EQ(captured(R"({"topic": "t", "payload": {"base64": "/w=="}})").payload, "\xff");
    EXPECT_EQ(captured(R"({"topic": "t", "payload": {"text": "hi"}})").payload, "hi");
}

TEST(Capture, SaysWhereALineIsWrong) {
    const auto error = [](const std::string& text) {
        const auto message = read_captured("capture", 7, text);
        return message ? std::string("ok") : to_string(message.error());
    };
    EXPECT_EQ(error("{"), "capture:7:2: expected a key in quotes");
    EXPECT_EQ(error("[]"), "capture:7:1: a message must be of type object, found array");
    EXPECT_EQ(error(R"({"payload": 1})"),
              "capture:7:1: a message needs a 'topic' that is a topic name");
    EXPECT_EQ(error(R"({"topic": "a/#"})"),
              "capture:7:1: a message needs a 'topic' that is a topic name");
    EXPECT_TRUE(error(R"({"topic": "a", "expect": []})").starts_with("capture:7:16: unknown key"));
}

constexpr const char* kRules =
    R"([{"id": "hot", "sql": "SELECT payload.t AS t, payload.s AS s FROM 'p/+' WHERE payload.t > 30",
         "actions": [{"queue": {"name": "q", "key": "${t}"}}, {"republish": {"topic": "alarm/${s}", "qos": 1}}]},
        {"id": "alarms", "sql": "SELECT payload.t AS t FROM 'alarm/+'", "actions": [{"queue": {"name": "a"}}]}])";

TEST(Replay, FollowsRepublishesAndPrintsWhatIsMade) {
    Replay replay(compile_or_fail(kRules));
    replay.run(captured(R"({"topic": "p/7", "payload": {"t": 31, "s": "x"}})"), 1);
    EXPECT_EQ(
        replay.lines(),
        (std::vector<std::string>{
            R"({"rule":"hot","action":"queue","name":"q","key":"31","body":{"t":31,"s":"x"}})",
            R"({"rule":"hot","action":"republish","topic":"alarm/x","qos":1,"body":{"t":31,"s":"x"}})",
            R"({"rule":"alarms","action":"queue","name":"a","body":{"t":31}})"}));
    replay.run(captured(R"({"topic": "p/7", "payload": {"t": 31, "s": "+"}})"), 2);
    const auto lines = replay.lines();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_NE(lines[1].find(R"("failed":{"action":"republish")"), std::string::npos) << lines[1];
    for (const std::string& line : lines) {
        EXPECT_TRUE(parse_json_text(line)) << line;
    }
    EXPECT_EQ(replay.counters()[0].matched, 2U);
    EXPECT_EQ(replay.counters()[1].matched, 1U);
}

TEST(Replay, ASecondRunIsTheSameToTheLastId) {
    constexpr const char* kIds =
        R"({"id": "r", "sql": "SELECT uuid_v4() AS id, now_timestamp() AS t FROM '#'", "actions": [{"queue": {"name": "q"}}]})";
    Replay one(compile_or_fail(kIds));
    Replay two(compile_or_fail(kIds));
    const CapturedMessage message = captured(R"({"topic": "t"})");
    one.run(message, 5);
    two.run(message, 5);
    EXPECT_EQ(one.lines(), two.lines());
    two.run(message, 6);
    EXPECT_NE(one.lines(), two.lines());
}

TEST(Replay, DifferenceCountsLinesGivenTwice) {
    const auto change = difference({"a", "b", "b", "c"}, {"b", "d", "a"});
    EXPECT_EQ(change.removed, (std::vector<std::string>{"b", "c"}));
    EXPECT_EQ(change.added, (std::vector<std::string>{"d"}));
    EXPECT_TRUE(difference({"a", "b"}, {"b", "a"}).removed.empty());
}

std::vector<Explanation> explained(const char* rules, const std::string& text, bool matching) {
    const auto set = compile_or_fail(rules);
    const CapturedMessage message = captured(text);
    ViewParts parts;
    Random random(1);
    return explain(*set, view_of(message, parts), {.now_ms = 1, .random = random}, matching);
}

TEST(Explain, ShowsTheValueOfEverySubExpression) {
    const auto all = explained(kRules, R"({"topic": "p/7", "payload": {"t": 29}})", false);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].verdict, Verdict::kNoResult);
    EXPECT_EQ(all[1].verdict, Verdict::kNoMatch);
    ASSERT_EQ(all[0].parts.size(), 3U);
    EXPECT_EQ(all[0].parts[1].text, "payload.t > 30");
    EXPECT_EQ(all[0].parts[1].value, "false");
    EXPECT_EQ(all[0].parts[2].text, "payload.t");
    EXPECT_EQ(all[0].parts[2].value, "29");
    EXPECT_EQ(explained(kRules, R"({"topic": "p/7", "payload": {"t": 29}})", true).size(), 1U);
    EXPECT_TRUE(parse_json_text(to_json(all)));
    EXPECT_NE(to_text(all).find("payload.t > 30"), std::string::npos);
}

TEST(Explain, ShowsWhatFiredAndWhatFailed) {
    const auto fired =
        explained(kRules, R"({"topic": "p/7", "payload": {"t": 31, "s": "x"}})", true);
    ASSERT_EQ(fired.size(), 1U);
    EXPECT_EQ(fired[0].verdict, Verdict::kFired);
    EXPECT_EQ(fired[0].outputs.size(), 2U);
    const auto failed = explained(
        R"({"id": "r", "sql": "SELECT payload.x * 2 AS y FROM '#'", "actions": [{"queue": {"name": "q"}}]})",
        R"({"topic": "t", "payload": {"x": "a"}})", true);
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].verdict, Verdict::kFailed);
    ASSERT_EQ(failed[0].parts.size(), 3U);
    EXPECT_EQ(failed[0].parts[1].value, "fails: a number is needed, found string");
    EXPECT_EQ(failed[0].parts[2].value, "\"a\"");
}

TEST(Explain, GoesThroughTheElementsOfForeach) {
    const auto all = explained(
        R"({"id": "r", "sql": "FOREACH payload.l AS e DO e.v AS v INCASE e.v > 1 FROM '#' WHERE payload.on",
            "actions": [{"queue": {"name": "q"}}]})",
        R"({"topic": "t", "payload": {"on": true, "l": [{"v": 1}, {"v": 2}]}})", true);
    ASSERT_EQ(all.size(), 1U);
    const std::string text = to_text(all);
    EXPECT_NE(text.find("element 1"), std::string::npos) << text;
    EXPECT_NE(text.find("e.v > 1"), std::string::npos) << text;
    EXPECT_EQ(all[0].outputs.size(), 1U);
}

TEST(Diagnostics, PointAtThePlace) {
    const SourceFile file{"f.json", "{\"id\": \"r\",\n \"sql\": \"SELECT héllo FROM 'a'\"}"};
    const auto set = RuleSet::compile({&file, 1});
    ASSERT_FALSE(set);
    EXPECT_EQ(to_string(set.error()[0], {&file, 1}),
              "f.json:2:18: SQL: this character has no meaning here\n"
              "     \"sql\": \"SELECT héllo FROM 'a'\"}\n"
              "                     ^");
    EXPECT_EQ(to_string(Diagnostic{"other", 1, 1, "x"}, {&file, 1}), "other:1:1: x");
}

TEST(Diagnostics, CutALongLine) {
    const SourceFile file{"f.json", "{\"id\": \"r\", \"description\": \"" + std::string(500, 'd') +
                                        "\", \"sql\": \"SELECT nothing FROM 'a'\", \"actions\": [" +
                                        std::string(500, ' ') + "]}"};
    const auto set = RuleSet::compile({&file, 1});
    ASSERT_FALSE(set);
    const std::string text = to_string(set.error()[0], {&file, 1});
    EXPECT_LT(text.size(), 400U);
    const std::size_t line = text.find('\n') + 1;
    const std::size_t caret = text.find('\n', line) + 1;
    EXPECT_EQ(text.substr(text.size() - 1), "^");
    EXPECT_EQ(text.substr(line + (text.size() - 1 - caret), 7), "nothing");
}

}  // namespace
}  // namespace causeway::rules
