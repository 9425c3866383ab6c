// Events as sources: which rules they reach, their fields, and rule/failed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/rules/engine/fixture.h"

namespace causeway::rules {
namespace {

using Lines = std::vector<std::string>;

std::string rule(const std::string& id, const std::string& sql, const std::string& more = "") {
    return R"({"id": ")" + id + R"(", "sql": ")" + sql + R"(", "actions": [{"queue": {"name": ")" +
           id + R"("}}])" + more + "}";
}

const Evaluation& tell(Bench& bench, const EventView& event, MessageView message) {
    message.event = &event;
    return bench.run(message, {.now_ms = 1, .random = bench.random()});
}

std::string fault_of(const std::string& sql) {
    const SourceFile file{"f", rule("r", sql)};
    const auto set = RuleSet::compile({&file, 1});
    return set ? "" : set.error().front().message;
}

TEST(EventsTest, ReachTheRulesThatNameThem) {
    Bench bench("[" + rule("all", "SELECT event FROM '$events/#'") + "," +
                rule("client", "SELECT event FROM '$events/client/+', 'plant/#'") + "," +
                rule("some", "SELECT event FROM '$events/client/connected', '$events/+/acked'") +
                "," + rule("topics", "SELECT topic FROM '#'") + "," +
                rule("off", "SELECT topic FROM '$events/rule/failed'", R"(, "enabled": false)") +
                "]");
    EXPECT_EQ(bench.set().events(), (EventMask{1} << kEventNames.size()) - 1);
    EventView event;
    event.kind = EventKind::kClientConnected;
    const std::string body = R"({"event":"$events/client/connected"})";
    EXPECT_EQ(Bench::lines(tell(bench, event, message_on("", ""))),
              (Lines{"queue all " + body, "queue client " + body, "queue some " + body}));
    event.kind = EventKind::kMessageAcked;
    EXPECT_EQ(tell(bench, event, message_on("plant/7/up", "{}")).outputs.size(), 2U)
        << "the topic of its message is no source";
    // What a client publishes there is a message.
    EXPECT_EQ(Bench::lines(bench.run("$events/client/connected", "{}")), Lines{});
    EXPECT_EQ(Bench::lines(bench.run("plant/x", "{}")),
              (Lines{"queue client {}", R"(queue topics {"topic":"plant/x"})"}));
    EXPECT_FALSE(bench.set().interested("$events/client/connected"));
    bench.expect_sums();
    EXPECT_EQ(compile_or_fail(rule("r", "SELECT topic FROM 'a'"))->events(), 0U);
    EXPECT_EQ(compile_or_fail(rule("r", "SELECT 1 AS a FROM '$events/session/#'"))->events(),
              mask_of(EventKind::kSessionSubscribed) | mask_of(EventKind::kSessionUnsubscribed));
}

TEST(EventsTest, HaveTheirFields) {
    Bench bench("[" + rule("r", "SELECT * FROM '$events/#'") + "]");
    EventView event;
    event.kind = EventKind::kClientConnack;
    event.reason = "success";
    event.session_present = true;
    event.clean_start = false;
    event.session_expiry_s = 60;
    MessageView message = message_on("", "");
    message.username = "u";
    message.timestamp_ms = 5;
    message.received_at_ms = 6;
    message.session_epoch = 9;
    EXPECT_EQ(Bench::lines(tell(bench, event, message)),
              Lines{R"(queue r {"id":"m1","clientid":"c1","username":"u","timestamp":5,)"
                    R"("received_at":6,"node":"n1","user_properties":{},"session_epoch":9,)"
                    R"("event":"$events/client/connack","reason":"success",)"
                    R"("session_present":true,"clean_start":false,"session_expiry":60})"});
    EventView dead;
    dead.kind = EventKind::kQueueDeadLetter;
    dead.has_message = true;
    dead.queue = "jobs";
    dead.dead_letter = "dead";
    dead.reason = "receive count exceeded";
    dead.key = "k";
    Bench letters("[" +
                  rule("r",
                       "SELECT queue, sink, dead_letter, reason, key, topic(2) AS device, "
                       "payload.n AS n FROM '$events/queue/dead_letter'") +
                  "]");
    EXPECT_EQ(Bench::lines(tell(letters, dead, message_on("plant/7", R"({"n":3})"))),
              Lines{R"(queue r {"queue":"jobs","dead_letter":"dead","reason":"receive count )"
                    R"(exceeded","key":"k","device":"7","n":3})"});
}

TEST(EventsTest, AMessageHasNoneOfTheirFields) {
    Bench bench("[" +
                rule("r",
                     "SELECT event, reason IS UNDEFINED AS none FROM 'a', "
                     "'$events/client/#'") +
                "]");
    EXPECT_EQ(Bench::lines(bench.run("a", "{}")), Lines{R"(queue r {"none":true})"});
    EXPECT_NE(fault_of("SELECT reason FROM 'a'").find("'reason' is a field of events"),
              std::string::npos);
    EXPECT_EQ(fault_of("SELECT reason.x FROM '$events/client/connack'"),
              "SQL: 'reason' has no parts");
    EXPECT_NE(fault_of("SELECT topic FROM '$events/client/conected'")
                  .find("there is no such event; there are $events/client/connected, "),
              std::string::npos);
    EXPECT_NE(fault_of("SELECT topic FROM '$events/#/x'"), "");
}

TEST(EventsTest, AFailedRuleIsOneForEachRuleAndMessage) {
    Bench bench("[" + rule("bad", "SELECT payload.x * 2 AS y FROM 'in/#'") + "," +
                rule("good", "SELECT payload.x AS x FROM 'in/#'") + "," +
                R"({"id": "topics", "sql": "SELECT payload.x AS x FROM 'in/#'", "actions": [
                    {"republish": {"topic": "out/${x}"}}, {"republish": {"topic": "more/${x}"}}]})" +
                "," +
                rule("watch",
                     "SELECT rule, failures[1].action AS action, failures, "
                     "clientid, topic, payload FROM '$events/rule/failed'") +
                "]");
    const Evaluation& evaluation = bench.run("in/1", R"({"x": "a/b"})");
    ASSERT_EQ(evaluation.outputs.size(), 3U);  // of `good`, and two of `watch`
    EXPECT_EQ(Bench::lines(evaluation)[1],
              R"_(queue watch {"rule":"bad","action":"sql","failures":[{"action":"sql",)_"
              R"_("resource":"","error":"a number is needed, found string (at byte 17 of the )_"
              R"_(SQL)"}],"clientid":"c1","topic":"in/1","payload":{"x":"a/b"}})_");
    EXPECT_NE(Bench::lines(evaluation)[2].find(R"("rule":"topics","action":"republish")"),
              std::string::npos);
    EXPECT_NE(Bench::lines(evaluation)[2].find("more/"), std::string::npos) << "both failures";
    bench.expect_sums();
}

TEST(EventsTest, AFailedRuleOfAFailedRuleIsOnlyCounted) {
    Bench bench("[" + rule("bad", "SELECT payload.x * 2 AS y FROM 'in'") + "," +
                rule("watch", "SELECT rule * 2 AS y FROM '$events/rule/failed'",
                     R"(, "error_actions": [{"queue": {"name": "errors"}}])") +
                "]");
    const Evaluation& evaluation = bench.run("in", R"({"x": "a"})");
    EXPECT_EQ(evaluation.outputs.size(), 1U) << "the error action of `watch`";
    EXPECT_EQ(evaluation.failures.size(), 2U);
    EXPECT_EQ(bench.counters(1).failed, 1U);
    EXPECT_EQ(bench.counters(1).matched, 1U);
    bench.expect_sums();
    // A republish that fails further on has its event too.
    Bench chain("[" + std::string(R"({"id": "first", "sql": "SELECT payload.x AS x FROM 'a'",
                    "actions": [{"republish": {"topic": "b"}}]})") +
                "," + rule("second", "SELECT payload.x * 2 AS y FROM 'b'") + "," +
                rule("watch", "SELECT rule, topic FROM '$events/rule/failed'") + "]");
    EXPECT_EQ(Bench::lines(chain.run("a", R"({"x": "s"})")),
              (Lines{R"(republish b {"x":"s"})", R"(queue watch {"rule":"second","topic":"b"})"}));
}

TEST(EventsTest, TheirRepublishesAreMessages) {
    Bench bench("[" + std::string(R"({"id": "presence", "sql":
                    "SELECT clientid AS id, session_epoch AS epoch FROM '$events/client/connected'",
                    "actions": [{"republish": {"topic": "presence/${id}", "retain": true}}]})") +
                "," +
                rule("seen",
                     "SELECT topic, event, payload.epoch AS epoch FROM 'presence/#', "
                     "'$events/client/disconnected'") +
                "]");
    EventView event;
    event.kind = EventKind::kClientConnected;
    MessageView message = message_on("", "");
    message.session_epoch = 4;
    EXPECT_EQ(Bench::lines(tell(bench, event, message)),
              (Lines{R"(republish presence/c1 {"id":"c1","epoch":4})",
                     R"(queue seen {"topic":"presence/c1","epoch":4})"}));
}

TEST(TagsTest, AreTemplatesOfAQueueAction) {
    Bench bench(R"({"id": "r", "sql": "SELECT payload.v AS v FROM 'a'", "actions": [
        {"queue": {"name": "q", "tags": ["hot", "v-${v}", "${$.clientid}"]}}]})");
    const Evaluation& evaluation = bench.run("a", R"({"v": 7})");
    EXPECT_EQ(evaluation.outputs.at(0).tags, (Lines{"hot", "v-7", "c1"}));
    const auto fault = [](const std::string& tags) {
        const SourceFile file{"f", R"({"id": "r", "sql": "SELECT 1 AS a FROM 'a'", "actions": [
            {"queue": {"name": "q", "tags": )" +
                                       tags + "}}]}"};
        const auto set = RuleSet::compile({&file, 1});
        return set ? std::string() : set.error().front().message;
    };
    EXPECT_EQ(fault("[]"), "");
    EXPECT_EQ(fault("7"), "'tags' must be of type array, found integer");
    EXPECT_EQ(fault("[7]"), "a tag must be of type string, found integer");
    std::string many = "[\"t\"";
    for (int i = 0; i < 32; ++i) {
        many += ",\"t\"";
    }
    EXPECT_EQ(fault(many + "]"), "more than 32 tags");
}

}  // namespace
}  // namespace causeway::rules
