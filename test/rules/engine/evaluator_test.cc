#include "rules/engine/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "test/rules/engine/fixture.h"

namespace causeway::rules {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A rule `r` on '#' with these actions.
std::string rule(const std::string& sql, const std::string& actions, const std::string& more = "") {
    return R"([{"sink": "hook", "url": "http://127.0.0.1:1", "method": "PUT"}, {"id": "r", "sql": ")" +
           sql + R"(", "actions": [)" + actions + "]" + more + "}]";
}

TEST(Evaluator, EachKindOfActionIsMade) {
    Bench bench(rule("SELECT topic(2) AS device, payload.t AS t FROM 'plant/#'",
                     R"({"queue": {"name": "alarms", "key": "${device}", "delay_s": 5}},
                        {"republish": {"topic": "alarm/${device}", "qos": 1, "retain": true, "user_properties": {"rule": "${rule_id}"}}},
                        {"http": {"sink": "hook", "path": "/hot/${device}", "method": "POST", "headers": {"X-T": "${t}"}, "key": "k", "body": "t=${t}"}},
                        {"http": {"sink": "hook"}})"));
    const auto& out = bench.run("plant/7/up", R"({"t": 31})").outputs;
    ASSERT_EQ(out.size(), 4U);
    EXPECT_EQ(out[0].kind, ActionKind::kQueue);
    EXPECT_EQ(out[0].target, "alarms");
    EXPECT_EQ(out[0].key, "7");
    EXPECT_EQ(out[0].delay_s, 5U);
    EXPECT_EQ(out[0].body, R"({"device":"7","t":31})");
    EXPECT_EQ(out[1].kind, ActionKind::kRepublish);
    EXPECT_EQ(out[1].target, "alarm/7");
    EXPECT_EQ(out[1].qos, 1);
    EXPECT_TRUE(out[1].retain);
    EXPECT_EQ(out[1].hops, 1);
    EXPECT_THAT(out[1].properties, ElementsAre(Property{"rule", "r"}));
    EXPECT_EQ(out[2].kind, ActionKind::kHttp);
    EXPECT_EQ(out[2].target, "hook");
    EXPECT_EQ(out[2].path, "/hot/7");
    EXPECT_EQ(out[2].method, "POST");
    EXPECT_EQ(out[2].key, "k");
    EXPECT_EQ(out[2].body, "t=31");
    EXPECT_THAT(out[2].properties, ElementsAre(Property{"X-T", "31"}));
    EXPECT_EQ(out[3].method, "PUT");
    bench.expect_sums();
}

TEST(Evaluator, RulesFireInTheOrderOfTheSetOnceEach) {
    Bench bench(R"([
        {"id": "b", "sql": "SELECT 1 AS x FROM 'a/#', 'a/+', '#'", "actions": [{"queue": {"name": "b"}}]},
        {"id": "off", "enabled": false, "sql": "SELECT 1 AS x FROM '#'", "actions": [{"queue": {"name": "off"}}]},
        {"id": "a", "sql": "SELECT 2 AS x FROM 'a/b'", "actions": [{"queue": {"name": "a"}}]}])");
    EXPECT_THAT(Bench::lines(bench.run("a/b", "")),
                ElementsAre("queue b {\"x\":1}", "queue a {\"x\":2}"));
    EXPECT_EQ(bench.counters(0).matched, 1U);
    EXPECT_EQ(bench.counters(1).matched, 0U);
    EXPECT_THAT(Bench::lines(bench.run("c", "")), ElementsAre("queue b {\"x\":1}"));
    EXPECT_TRUE(bench.set().interested("c"));
    bench.expect_sums();
}

TEST(Evaluator, BodiesReadTheOutputOrTheMessage) {
    Bench bench(rule("SELECT payload.s AS s, payload.n AS n, payload.o AS o FROM '#'",
                     R"({"queue": {"name": "all", "body": "${.}"}},
                        {"queue": {"name": "raw", "body": "${$.payload}"}},
                        {"queue": {"name": "text", "body": "s=${s} n=${n} o=${o} x=${o.x} none=${o.none}|"}},
                        {"queue": {"name": "field", "body": "${$.topic} ${$.payload.o.x} ${$.username} $${s}"}},
                        {"queue": {"name": "json", "body": {"s": "${s}", "n": "${n}", "none": "${o.none}", "mix": "<${s}>", "list": ["${o}", 1.50, true]}}})"));
    EXPECT_THAT(
        Bench::lines(bench.run("a", R"({ "s": "q\"uote", "n": null, "o": {"x": 5} })")),
        ElementsAre(
            R"(queue all {"s":"q\"uote","n":null,"o":{"x":5}})",
            R"(queue raw { "s": "q\"uote", "n": null, "o": {"x": 5} })",
            R"(queue text s=q"uote n=null o={"x":5} x=5 none=|)", R"(queue field a 5  ${s})",
            R"(queue json {"s":"q\"uote","n":null,"none":null,"mix":"<q\"uote>","list":[{"x":5},1.50,true]})"));
}

// Where a path led is remembered for the rules after it: by the whole path, of this payload.
TEST(Evaluator, PathsThatLookAlikeAreFieldsOfTheirOwn) {
    const std::string query =
        "SELECT payload.axd AS a, payload.ayd AS b, payload.l[1] AS c, "
        "payload.l[2] AS d, payload.l[1..2] AS e, payload.axd.x AS f FROM '#'";
    Bench bench(R"([{"id": "a", "sql": ")" + query + R"(", "actions": [{"queue": {"name": "a"}}]},
                    {"id": "b", "sql": ")" +
                query + R"(", "actions": [{"queue": {"name": "b"}}]}])");
    EXPECT_THAT(Bench::lines(bench.run("t", R"({"axd": 1, "ayd": 2, "l": [3, 4, 5]})")),
                ElementsAre(R"(queue a {"a":1,"b":2,"c":3,"d":4,"e":[3,4]})",
                            R"(queue b {"a":1,"b":2,"c":3,"d":4,"e":[3,4]})"));
    EXPECT_THAT(Bench::lines(bench.run("t", R"({"ayd": {"axd": 6}, "axd": {"x": 7}})")),
                ElementsAre(R"(queue a {"a":{"x":7},"b":{"axd":6},"f":7})",
                            R"(queue b {"a":{"x":7},"b":{"axd":6},"f":7})"));
}

TEST(Evaluator, BytesGoThroughUnchanged) {
    Bench bench(rule("SELECT payload AS p FROM '#'", R"({"queue": {"name": "raw", "body": "${p}"}},
                                                       {"queue": {"name": "json"}})"));
    EXPECT_THAT(
        Bench::lines(bench.run("a", std::string_view("\xff\x00\x01", 3))),
        ElementsAre(std::string("queue raw \xff\x00\x01", 13), R"(queue json {"p":"/wAB"})"));
}

TEST(Evaluator, MissingIsEmptyOrAnError) {
    Bench bench(rule("SELECT payload.x AS x FROM '#'",
                     R"({"queue": {"name": "empty", "body": "[${x}]"}},
                        {"queue": {"name": "error", "body": "[${x}]", "missing": "error"}})"));
    const Evaluation& out = bench.run("a", "{}");
    EXPECT_THAT(Bench::lines(out), ElementsAre("queue empty []"));
    ASSERT_EQ(out.failures.size(), 1U);
    EXPECT_EQ(out.failures[0].reason, FailReason::kMissing);
    EXPECT_EQ(out.failures[0].action, "queue");
    EXPECT_EQ(out.failures[0].resource, "error");
    EXPECT_THAT(Bench::lines(bench.run("a", R"({"x": null})")),
                ElementsAre("queue empty [null]", "queue error [null]"));
    EXPECT_EQ(bench.counters(0).actions[1].failed, 1U);
    EXPECT_EQ(bench.counters(0).actions[1].sent, 1U);
    bench.expect_sums();
}

// What a device sends must not forge topic levels, headers, URLs or QoS.
TEST(Evaluator, ValuesCannotForgeTheirSurroundings) {
    Bench bench(rule("SELECT payload.v AS v FROM 'in'",
                     R"({"republish": {"topic": "out/${v}"}},
                        {"republish": {"topic": "${v}/x"}},
                        {"republish": {"topic": "lv/${v:levels}"}},
                        {"republish": {"topic": "q", "qos": "${v}"}},
                        {"http": {"sink": "hook", "path": "/p/${v}?a=b"}},
                        {"http": {"sink": "hook", "headers": {"H": "${v}"}}})"));
    const auto sent = [&](const std::string& value) {
        std::string out;
        const std::string payload = R"({"v": ")" + value + "\"}";
        const Evaluation& result = bench.run("in", payload);
        for (const Output& output : result.outputs) {
            out += std::to_string(output.action);
        }
        return out;
    };
    EXPECT_EQ(sent("1"), "012345");
    EXPECT_EQ(sent("a/b"), "245");
    EXPECT_EQ(sent("+"), "45");
    EXPECT_EQ(sent("#"), "45");
    EXPECT_EQ(sent("x\\u0000"), "4");
    EXPECT_EQ(sent("a\\r\\nEvil: 1"), "0124");
    EXPECT_EQ(sent("$SYS"), "0245");
    EXPECT_EQ(sent("3"), "01245");
    const Evaluation& result = bench.run("in", R"({"v": "a b/ü?#"})");
    EXPECT_EQ(result.outputs[0].path, "/p/a%20b%2F%C3%BC%3F%23?a=b");
    bench.expect_sums();
}

TEST(Evaluator, ErrorActionsGetTheEnvelopeOnce) {
    Bench bench(rule(
        "SELECT payload.x * 2 AS x FROM '#'", R"({"queue": {"name": "q"}})",
        R"(, "error_actions": [{"queue": {"name": "errors"}}, {"republish": {"topic": "errors/${rule}"}}])"));
    const Evaluation& out = bench.run("a", R"({"x":"no"})");
    ASSERT_EQ(out.outputs.size(), 2U);
    EXPECT_TRUE(out.outputs[0].error_action);
    EXPECT_EQ(out.outputs[0].target, "errors");
    EXPECT_EQ(
        out.outputs[0].body,
        R"x({"rule":"r","topic":"a","clientid":"c1","trace_id":"t1","payload_base64":"eyJ4Ijoibm8ifQ==",)x"
        R"x("failures":[{"action":"sql","resource":"","error":"a number is needed, found string (at byte 17 of the SQL)"}]})x");
    EXPECT_EQ(out.outputs[1].target, "errors/r");
    EXPECT_EQ(bench.counters(0).failed, 1U);
    EXPECT_EQ(bench.counters(0).failed_by_reason[static_cast<std::size_t>(FailReason::kType)], 1U);
    EXPECT_EQ(bench.counters(0).error_actions[0].sent, 1U);
    bench.expect_sums();
}

TEST(Evaluator, ErrorActionsGetAllFailuresOfTheActions) {
    Bench bench(rule(
        "SELECT payload.v AS v FROM 'in'",
        R"({"republish": {"topic": "a/${v}"}}, {"queue": {"name": "ok"}}, {"republish": {"topic": "b/${v}"}})",
        R"(, "error_actions": [{"queue": {"name": "errors", "body": "${failures}"}}])"));
    const Evaluation& out = bench.run("in", R"({"v":"+"})");
    ASSERT_EQ(out.outputs.size(), 2U);
    EXPECT_EQ(out.outputs[0].target, "ok");
    EXPECT_THAT(out.outputs[1].body, HasSubstr(R"("resource":"a/${v}")"));
    EXPECT_THAT(out.outputs[1].body, HasSubstr(R"("resource":"b/${v}")"));
    bench.expect_sums();
}

TEST(Evaluator, PayloadThatIsNotJsonIsCountedAndHarmless) {
    Bench bench(
        rule("SELECT payload.x AS x FROM '#' WHERE payload.x = 1", R"({"queue": {"name": "q"}})"));
    EXPECT_THAT(bench.run("a", "not json").outputs, IsEmpty());
    EXPECT_THAT(bench.run("a", R"({"x": 1)").outputs, IsEmpty());
    EXPECT_THAT(bench.run("a", "").outputs, IsEmpty());
    EXPECT_EQ(bench.run("a", R"({"x": 1})").outputs.size(), 1U);
    EXPECT_EQ(bench.counters(0).not_json, 3U);
    EXPECT_EQ(bench.counters(0).no_result, 3U);
    bench.expect_sums();
}

constexpr std::string_view kChain = R"([
    {"id": "r1", "sql": "SELECT payload.n AS n FROM 'in'", "actions": [{"republish": {"topic": "mid", "user_properties": {"from": "${rule_id}"}}}]},
    {"id": "r2", "sql": "SELECT n + 1 AS n, user_properties.from AS from, clientid AS c FROM 'mid' WHERE n > 0",
     "actions": [{"queue": {"name": "q"}}]}])";

TEST(Evaluator, RepublishesAreEvaluatedOnAndJoin) {
    const std::string text = std::string(kChain);
    std::string fixed = text;
    const std::string from = "SELECT n + 1 AS n,";
    fixed.replace(fixed.find(from), from.size(), "SELECT payload.n + 1 AS n,");
    Bench bench(fixed);
    const Evaluation& out = bench.run("in", R"({"n": 1})");
    EXPECT_THAT(Bench::lines(out),
                ElementsAre(R"(republish mid {"n":1})", R"(queue q {"n":2,"from":"r1","c":"c1"})"));
    EXPECT_EQ(out.messages, 2U);
    bench.expect_sums();
}

bool nowhere(std::string_view) { return false; }

TEST(Evaluator, RepublishesElsewhereAreOnlyOutput) {
    Bench bench(R"([
        {"id": "r1", "sql": "SELECT 1 AS n FROM 'in'", "actions": [{"republish": {"topic": "mid"}}]},
        {"id": "r2", "sql": "SELECT 2 AS n FROM 'mid'", "actions": [{"queue": {"name": "q"}}]}])");
    const MessageView first = message_on("in", "");
    const Evaluation& here =
        bench.run(first, {.random = bench.random(), .evaluates_here = nowhere});
    ASSERT_EQ(here.outputs.size(), 1U);
    // The owner of the other topic goes on with hops and trail.
    const Output sent = here.outputs[0];
    MessageView second = message_on(sent.target, sent.body);
    second.hops = sent.hops;
    second.trail = sent.trail;
    EXPECT_THAT(Bench::lines(bench.run(second, {.random = bench.random()})),
                ElementsAre(R"(queue q {"n":2})"));
}

TEST(Evaluator, LoopsAreCutAndCounted) {
    Bench bench(R"([
        {"id": "ping", "sql": "SELECT payload.n AS n FROM 'ping' WHERE payload.n < 100", "actions": [{"republish": {"topic": "pong"}}]},
        {"id": "pong", "sql": "SELECT payload.n AS n FROM 'pong' WHERE payload.n < 100", "actions": [{"republish": {"topic": "ping"}}]}])");
    const Evaluation& out = bench.run("ping", R"({"n": 1})");
    EXPECT_EQ(out.outputs.size(), 2U);
    EXPECT_EQ(out.loops_cut, 1U);
    EXPECT_EQ(bench.counters(0).matched, 2U);
    EXPECT_EQ(bench.counters(0).passed, 1U);
    EXPECT_EQ(bench.counters(0).cut, 1U);
    bench.expect_sums();
}

TEST(Evaluator, HopsAreLimited) {
    std::string text = "[";
    for (int i = 0; i < 12; ++i) {
        text += (i > 0 ? "," : "") + std::string(R"({"id": "r)") + std::to_string(i) +
                R"(", "sql": "SELECT 1 AS n FROM 't)" + std::to_string(i) +
                R"('", "actions": [{"republish": {"topic": "t)" + std::to_string(i + 1) +
                R"("}}]})";
    }
    Bench bench(text + "]");
    const Evaluation& out = bench.run("t0", "");
    EXPECT_EQ(out.outputs.size(), 8U);
    EXPECT_EQ(out.outputs.back().hops, 8);
    EXPECT_EQ(out.loops_cut, 1U);
    EXPECT_EQ(bench.counters(8).actions[0].cut, 1U);
    EXPECT_EQ(
        bench.run(message_on("t0", ""), {.random = bench.random(), .hops_max = 2}).outputs.size(),
        2U);
    bench.expect_sums();
}

TEST(Evaluator, OutputBytesAreLimited) {
    EvalLimits limits;
    limits.output_bytes = 1000;
    Bench bench(
        rule(
            "SELECT payload AS p FROM '#'",
            R"({"queue": {"name": "a", "body": "${$.payload}"}}, {"queue": {"name": "b", "body": "${$.payload}"}})",
            R"(, "error_actions": [{"queue": {"name": "e", "body": "${failures[1].action}"}}])"),
        limits);
    const std::string payload(600, 'x');
    const Evaluation& out = bench.run("t", payload);
    ASSERT_EQ(out.outputs.size(), 2U);
    EXPECT_EQ(out.outputs[0].target, "a");
    EXPECT_EQ(out.outputs[1].target, "e");
    EXPECT_EQ(out.outputs[1].body, "queue");
    ASSERT_EQ(out.failures.size(), 1U);
    EXPECT_EQ(out.failures[0].reason, FailReason::kBudget);
    bench.expect_sums();
}

TEST(Evaluator, NumberOfOutputsIsLimited) {
    EvalLimits limits;
    limits.outputs = 3;
    std::string actions;
    for (int i = 0; i < 5; ++i) {
        actions += (i > 0 ? "," : "") + std::string(R"({"queue": {"name": "q", "body": "x"}})");
    }
    Bench bench(rule("SELECT 1 AS x FROM '#'", actions), limits);
    EXPECT_EQ(bench.run("t", "").outputs.size(), 3U);
    bench.expect_sums();
}

TEST(Evaluator, StepsAreLimitedPerRuleAndMessage) {
    EvalLimits limits;
    limits.steps_per_rule = 100;
    std::string sum = "payload.x";
    for (int i = 0; i < 60; ++i) {
        sum += " + 1";
    }
    Bench bench(rule("SELECT " + sum + " AS x FROM '#'", R"({"queue": {"name": "q"}})"), limits);
    const Evaluation& out = bench.run("t", R"({"x": 1})");
    EXPECT_THAT(out.outputs, IsEmpty());
    ASSERT_EQ(out.failures.size(), 1U);
    EXPECT_EQ(out.failures[0].reason, FailReason::kBudget);
    bench.expect_sums();
}

TEST(Evaluator, DeepAndLargePayloadsAreBytes) {
    Bench bench(rule("SELECT is_bytes(payload) AS b FROM '#'",
                     R"({"queue": {"name": "q", "body": "${b}"}})"));
    const std::string deep = std::string(80, '[') + std::string(80, ']');
    EXPECT_EQ(bench.run("t", deep).outputs[0].body, "true");
    const std::string shallow = std::string(40, '[') + std::string(40, ']');
    EXPECT_EQ(bench.run("t", shallow).outputs[0].body, "false");
    const std::string large = "\"" + std::string(2 * 1024 * 1024, 'x') + "\"";
    EXPECT_EQ(bench.run("t", large).outputs[0].body, "true");
}

TEST(Evaluator, SameArgumentsGiveTheSameOutputs) {
    Bench bench(
        rule("SELECT newuuid() AS id, random() AS r, now_timestamp('millisecond') AS t FROM '#'",
             R"({"queue": {"name": "q"}})"));
    Random one(5);
    Random two(5);
    const MessageView message = message_on("a", "");
    const std::string first = bench.run(message, {.now_ms = 9, .random = one}).outputs[0].body;
    const std::string second = bench.run(message, {.now_ms = 9, .random = two}).outputs[0].body;
    EXPECT_EQ(first, second);
    EXPECT_THAT(first, HasSubstr(R"("t":9)"));
    EXPECT_NE(bench.run(message, {.now_ms = 9, .random = one}).outputs[0].body, first);
}

// Constants stay where they are when the set grows while it is read.
TEST(Evaluator, EveryRuleOfManyKeepsItsConstants) {
    std::string text = "[";
    for (int i = 0; i < 70; ++i) {
        const std::string n = std::to_string(i);
        text +=
            (i > 0 ? "," : "") + std::string(R"({"id": "r)") + n +
            R"(", "sql": "SELECT {'a rather long key )" + n +
            R"(': 'and a value'} AS x FROM '#' WHERE payload.name = 'a text that is not short )" +
            n + R"('", "actions": [{"queue": {"name": "q)" + n + R"("}}]})";
    }
    Bench bench(text + "]");
    for (int i = 0; i < 70; ++i) {
        const std::string n = std::to_string(i);
        EXPECT_THAT(
            Bench::lines(bench.run("t", R"({"name": "a text that is not short )" + n + "\"}")),
            ElementsAre("queue q" + n + R"( {"x":{"a rather long key )" + n +
                        R"(":"and a value"}})"));
    }
}

TEST(Evaluator, OnlyRuleRunsAlone) {
    Bench bench(R"([
        {"id": "a", "sql": "SELECT 1 AS x FROM '#'", "actions": [{"queue": {"name": "a"}}]},
        {"id": "b", "sql": "SELECT 1 AS x FROM '#'", "actions": [{"queue": {"name": "b"}}]}])");
    const Evaluation& out =
        bench.run(message_on("t", ""), {.random = bench.random(), .only_rule = 1});
    EXPECT_THAT(Bench::lines(out), ElementsAre("queue b {\"x\":1}"));
}

// --- FOREACH

TEST(Foreach, RunsTheActionsOncePerElement) {
    Bench bench(R"({"id": "r", "sql": "FOREACH payload.l AS e DO e.v AS v INCASE e.v > 1 FROM 't'",
                    "actions": [{"queue": {"name": "a"}}, {"queue": {"name": "b", "body": "${v}"}}]})");
    EXPECT_EQ(Bench::lines(bench.run("t", R"({"l": [{"v": 1}, {"v": 2}, {"v": 3}]})")),
              (std::vector<std::string>{"queue a {\"v\":2}", "queue b 2", "queue a {\"v\":3}",
                                        "queue b 3"}));
    EXPECT_EQ(bench.counters(0).passed, 1U);
    EXPECT_EQ(bench.counters(0).outputs, 2U);
    EXPECT_TRUE(bench.run("t", R"({"l": [{"v": 1}]})").outputs.empty());
    EXPECT_EQ(bench.counters(0).no_result, 1U);
    bench.expect_sums();
}

TEST(Foreach, AnElementThatFailsFailsTheWholeRule) {
    Bench bench(R"({"id": "r", "sql": "FOREACH payload DO 1 / item AS x FROM 't'",
                    "actions": [{"queue": {"name": "a"}}], "error_actions": [{"queue": {"name": "e", "body": "${rule}"}}]})");
    EXPECT_EQ(Bench::lines(bench.run("t", "[1, 2, 0]")), std::vector<std::string>{"queue e r"});
    EXPECT_EQ(bench.counters(0).failed, 1U);
    EXPECT_EQ(bench.counters(0).outputs, 0U);
    bench.expect_sums();
}

TEST(Foreach, MakesAtMostTheMessagesOutputs) {
    EvalLimits limits;
    limits.outputs = 3;
    Bench bench(
        R"({"id": "r", "sql": "FOREACH payload FROM 't'", "actions": [{"queue": {"name": "a"}}]})",
        limits);
    EXPECT_EQ(bench.run("t", "[1, 2, 3]").outputs.size(), 3U);
    EXPECT_TRUE(bench.run("t", "[1, 2, 3, 4]").outputs.empty());
    EXPECT_EQ(bench.counters(0).failed_by_reason[static_cast<std::size_t>(FailReason::kBudget)],
              1U);
    bench.expect_sums();
}

TEST(Foreach, ListsABoundedNumberOfFailures) {
    Bench each(R"({"id": "r", "sql": "FOREACH payload DO item AS i FROM 't'",
                   "actions": [{"republish": {"topic": "a/${i}"}}]})");
    std::string payload = "[\"x/y\"";
    for (int i = 0; i < 99; ++i) {
        payload += ",\"x/y\"";
    }
    EXPECT_EQ(each.run("t", payload + "]").failures.size(), 32U);
    EXPECT_EQ(each.counters(0).actions[0].failed, 100U);
    each.expect_sums();
}

// --- suspension

TEST(Suspension, ARuleThatKeepsGoingOverItsBudgetIsNotRunAnyMore) {
    EvalLimits limits;
    limits.suspend_after = 3;
    limits.steps_per_rule = 100;
    Bench bench(
        R"([{"id": "r", "sql": "SELECT array_sum(payload) AS s FROM 't'", "actions": [{"queue": {"name": "a"}}]},
                    {"id": "other", "sql": "SELECT 1 AS one FROM 't'", "actions": [{"queue": {"name": "b"}}]}])",
        limits);
    std::string large = "[1";
    for (int i = 0; i < 200; ++i) {
        large += ",1";
    }
    large += "]";
    bench.run("t", large);
    bench.run("t", large);
    EXPECT_EQ(bench.run("t", "[1]").outputs.size(), 2U);  // Ends well: counted anew.
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(bench.run("t", large).outputs.size(), 1U);
    }
    EXPECT_EQ(bench.counters(0).failed, 5U);
    EXPECT_EQ(bench.run("t", "[1]").outputs.size(), 1U);
    EXPECT_EQ(bench.counters(0).suspended, 1U);
    EXPECT_EQ(bench.counters(1).suspended, 0U);
    bench.expect_sums();
}

TEST(Suspension, OthersSpendingTheMessagesBudgetIsNotTheRulesFault) {
    EvalLimits limits;
    limits.suspend_after = 1;
    limits.steps = 150;
    Bench bench(
        R"([{"id": "greedy", "sql": "SELECT range(1, 120) AS l FROM 't'", "actions": [{"queue": {"name": "a"}}]},
                    {"id": "late", "sql": "SELECT range(1, 100) AS l FROM 't'", "actions": [{"queue": {"name": "b"}}]}])",
        limits);
    bench.run("t", "{}");
    bench.run("t", "{}");
    EXPECT_EQ(bench.counters(1).failed, 2U);
    EXPECT_EQ(bench.counters(1).suspended, 0U);
    bench.expect_sums();
}

}  // namespace
}  // namespace causeway::rules
