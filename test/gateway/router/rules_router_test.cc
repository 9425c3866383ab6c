// The Router over rules: what a publish becomes, sets that change under load, and the metrics.
#include "gateway/router/rules_router.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/base/encoding.h"
#include "core/message/body.h"
#include "gateway/router/rule_metrics.h"
#include "rules/sink/http_request.h"

namespace causeway::router {
namespace {

std::shared_ptr<const rules::RuleSet> compiled(std::string text) {
    const rules::SourceFile file{"rules.json", std::move(text)};
    auto set = rules::RuleSet::compile({&file, 1});
    EXPECT_TRUE(set) << to_string(set.error()[0]);
    return *set;
}

struct Made {
    RouteKind kind = RouteKind::kQueue;
    std::string target;
    std::string key;
    std::string payload;
};

std::vector<Made> decoded(const std::string& outputs) {
    std::vector<Made> made;
    ByteReader in(outputs);
    RouteOutput output;
    while (!in.at_end()) {
        if (!next_route_output(in, output)) {
            ADD_FAILURE() << "the outputs cannot be read";
            break;
        }
        made.push_back({output.kind, std::string(output.target), std::string(output.key),
                        std::string(parse_body(output.body).payload)});
    }
    return made;
}

struct Routed {
    std::uint64_t version = 0;
    std::vector<Made> made;
};

Routed route(RulesRouter& router, std::string_view topic, std::string_view payload) {
    std::string body;
    append_body({}, payload, body);
    Publish publish;
    publish.client_id = "c1";
    publish.topic = topic;
    publish.body = body;
    std::string outputs;
    Routed routed;
    routed.version = router.route(publish, 1'700'000'000'000, outputs);
    routed.made = decoded(outputs);
    return routed;
}

TEST(RulesRouterTest, EveryKindOfActionBecomesARoute) {
    RulesRouter router("n1", 1);
    EXPECT_EQ(route(router, "t", "{}").version, 0U);
    const auto set = compiled(
        R"([{"sink": "web", "url": "http://127.0.0.1/"}, {"sink": "log", "type": "file", "path": "/tmp/x"},
            {"sink": "out", "type": "console"},
            {"id": "r", "sql": "SELECT payload.v AS v FROM 't'", "actions": [
              {"queue": {"name": "q", "key": "k${v}"}}, {"republish": {"topic": "again/${v}"}},
              {"http": {"sink": "web", "path": "/p/${v}", "body": "${v}"}},
              {"file": {"sink": "log"}}, {"console": {"sink": "out", "body": "v=${v}"}}]}])");
    router.activate(set);
    EXPECT_TRUE(router.interested("t"));
    EXPECT_FALSE(router.interested("u"));
    const Routed routed = route(router, "t", R"({"v": 7})");
    EXPECT_EQ(routed.version, set->version());
    ASSERT_EQ(routed.made.size(), 5U);
    EXPECT_EQ(routed.made[0].kind, RouteKind::kQueue);
    EXPECT_EQ(routed.made[0].key, "k7");
    EXPECT_EQ(routed.made[0].payload, R"({"v":7})");
    EXPECT_EQ(routed.made[1].kind, RouteKind::kRepublish);
    EXPECT_EQ(routed.made[1].target, "again/7");
    const std::vector<std::string> sinks = {"web", "log", "out"};
    const std::vector<std::string> bodies = {"7", R"({"v":7})", "v=7"};
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(routed.made[2 + i].kind, RouteKind::kSink);
        EXPECT_EQ(routed.made[2 + i].target, sinks[i]);
        EXPECT_EQ(routed.made[2 + i].payload, bodies[i]);
    }
}

TEST(RulesRouterTest, EventsGoToTheRulesThatAskForThem) {
    RulesRouter router("n1", 1);
    EXPECT_EQ(router.events(), 0U);
    std::string none;
    Event event;
    event.kind = EventKind::kQueueDeadLetter;
    event.at = 5;
    event.client_id = "c7";
    event.reason = "http 400";
    event.topic = "plant/7";
    event.queue = "hook";
    event.is_sink = true;
    const std::string body = make_body({}, R"({"v":1})");
    event.body = body;
    EXPECT_EQ(router.route_event(event, 9, none), 0U);
    const auto set = compiled(
        R"({"id": "r", "sql": "SELECT clientid, sink, queue, reason, payload.v AS v, timestamp AS t,)"
        R"( received_at AS r FROM '$events/queue/+'",
            "actions": [{"queue": {"name": "q", "tags": ["dead", "${sink}"]}}]})");
    router.activate(set);
    EXPECT_EQ(router.events(), mask_of(EventKind::kQueueDeadLetter));
    EXPECT_FALSE(router.interested("plant/7"));
    std::string outputs;
    EXPECT_EQ(router.route_event(event, 9, outputs), set->version());
    const auto made = decoded(outputs);
    ASSERT_EQ(made.size(), 1U);
    EXPECT_EQ(made[0].payload,
              R"({"clientid":"c7","sink":"hook","reason":"http 400","v":1,"t":5,"r":9})");
    ByteReader in(outputs);
    RouteOutput output;
    ASSERT_TRUE(next_route_output(in, output));
    EXPECT_EQ(output.tags, std::string("\x04"
                                       "dead"
                                       "\x04"
                                       "hook"));
    event.kind = EventKind::kClientConnected;
    EXPECT_EQ(router.route_event(event, 9, none), 0U);
    EXPECT_EQ(none, "");
}

// One thread routes, as the core loop does; another activates 100 sets meanwhile. A message's
// outputs all come from the version that is said to have made them.
TEST(RulesRouterTest, EachMessageIsEvaluatedByExactlyOneSet) {
    constexpr int kSets = 100;
    std::vector<std::shared_ptr<const rules::RuleSet>> sets;
    std::map<std::uint64_t, std::string> names;
    for (int i = 0; i < kSets; ++i) {
        const std::string name = "q" + std::to_string(i);
        const std::string action = R"(", "actions": [{"queue": {"name": ")" + name + R"("}}]})";
        sets.push_back(compiled(R"([{"id": "a", "sql": "SELECT 1 AS one FROM 't')" + action +
                                R"(,{"id": "b", "sql": "SELECT 2 AS two FROM '#')" + action + "]"));
        names[sets.back()->version()] = name;
    }
    ASSERT_EQ(names.size(), static_cast<std::size_t>(kSets));
    RulesRouter router("n1", 1);
    router.activate(sets[0]);
    std::map<std::uint64_t, int> seen;
    ++seen[route(router, "t", "{}").version];  // Before the next set can take its place.
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> routed_count{0};
    std::thread operator_thread([&] {
        for (int i = 1; i < kSets; ++i) {
            router.activate(sets[static_cast<std::size_t>(i)]);
            static_cast<void>(router.statistics());
            const std::uint64_t before = routed_count.load();
            while (routed_count.load() < before + 3) {
                std::this_thread::yield();
            }
        }
        done = true;
    });
    while (!done) {
        const Routed routed = route(router, "t", "{}");
        ++routed_count;
        ++seen[routed.version];
        EXPECT_EQ(routed.made.size(), 2U);
        for (const Made& made : routed.made) {
            EXPECT_EQ(made.target, names[routed.version]);
        }
    }
    operator_thread.join();
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(kSets)) << "every set had its messages";
    EXPECT_EQ(router.version(), sets.back()->version());
}

TEST(RulesRouterTest, MetricsAddUp) {
    RulesRouter router("n1", 1);
    router.activate(compiled(
        R"({"id": "r-1", "sql": "FOREACH payload.l AS e DO 10 / e AS v FROM 't'", "actions": [{"queue": {"name": "q"}},
            {"republish": {"topic": "to/${v}"}}], "error_actions": [{"queue": {"name": "e"}}]})"));
    route(router, "t", R"({"l": [1, 2, 5]})");
    route(router, "t", R"({"l": []})");
    route(router, "t", R"({"l": [0]})");
    route(router, "t", "no json");
    const std::string text = rule_metrics(router.statistics());
    for (const char* line :
         {"causeway_rule_matched_total{rule=\"r-1\"} 4\n",
          "causeway_rule_results_total{rule=\"r-1\",outcome=\"passed\"} 1\n",
          "causeway_rule_results_total{rule=\"r-1\",outcome=\"no_result\"} 2\n",
          "causeway_rule_results_total{rule=\"r-1\",outcome=\"failed\"} 1\n",
          "causeway_rule_results_total{rule=\"r-1\",outcome=\"suspended\"} 0\n",
          "causeway_rule_failures_total{rule=\"r-1\",reason=\"arithmetic\"} 1\n",
          "causeway_rule_outputs_total{rule=\"r-1\"} 3\n",
          "causeway_rule_payload_not_json_total{rule=\"r-1\"} 1\n",
          "causeway_rule_actions_total{rule=\"r-1\",action=\"1\",kind=\"queue\",outcome=\"sent\"} "
          "3\n",
          "causeway_rule_actions_total{rule=\"r-1\",action=\"2\",kind=\"republish\",outcome="
          "\"sent\"} "
          "3\n",
          "causeway_rule_actions_total{rule=\"r-1\",action=\"error_1\",kind=\"queue\",outcome="
          "\"sent\"} 1\n"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line << text;
    }
}

}  // namespace
}  // namespace causeway::router
