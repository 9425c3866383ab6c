#include "rules/engine/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/engine/loops.h"
#include "test/rules/engine/fixture.h"

namespace causeway::rules {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> hints(const CheckReport& report) {
    std::vector<std::string> out;
    for (const Hint& hint : report.hints) {
        out.push_back(std::string(name(hint.kind)) + " " + std::to_string(hint.diagnostic.line) +
                      ":" + std::to_string(hint.diagnostic.column));
    }
    return out;
}

TEST(Check, NamesWhatIsOdd) {
    const auto set = compile_or_fail(R"([
{"sink": "used", "url": "http://a"},
{"sink": "unused", "url": "http://a"},
{"id": "off", "enabled": false, "sql": "SELECT topic FROM 'a'", "actions": [{"http": {"sink": "used"}}]},
{"id": "idle", "sql": "SELECT topic FROM 'a'"},
{"id": "never", "sql": "SELECT topic FROM 'a' WHERE 1 > 2", "actions": [{"queue": {"name": "q"}}]},
{"id": "shadow", "sql": "SELECT topic FROM 'a/b', 'c', 'a/+', 'c'", "actions": [{"queue": {"name": "q"}}]}
])");
    const CheckReport report = check(*set);
    EXPECT_THAT(hints(report), ElementsAre("disabled 4:1", "no actions 5:1", "unreachable 6:55",
                                           "shadowed 7:44", "shadowed 7:63", "unused sink 3:1"));
    EXPECT_THAT(report.unused_sinks, ElementsAre("unused"));
    EXPECT_EQ(report.version, set->version());
    EXPECT_THAT(to_text(report), HasSubstr("rules.json:6:55: rule 'never' never fires"));
}

TEST(Check, ConditionsThatDependAreNotUnreachable) {
    for (const char* where : {"payload.x > 2", "random() > 2", "now_timestamp() < 0",
                              "topic(1) = 'x'", "qos() > 2", "x > 2", "2 > 1", "uuid_v4() = ''"}) {
        const auto set =
            compile_or_fail(R"({"id": "r", "sql": "SELECT payload.x AS x FROM 'a' WHERE )" +
                            std::string(where) + R"(", "actions": [{"queue": {"name": "q"}}]})");
        EXPECT_THAT(check(*set).hints, testing::IsEmpty()) << where;
    }
}

TEST(Check, LoopGraph) {
    const auto set = compile_or_fail(R"([
{"id": "a", "sql": "SELECT payload.d AS d FROM 'in/+' WHERE payload.x = 1", "actions": [{"republish": {"topic": "out/${d}"}}]},
{"id": "b", "sql": "SELECT topic AS t FROM 'out/7'", "actions": [{"republish": {"topic": "in/7"}}]},
{"id": "c", "sql": "SELECT topic AS t FROM 'out/#'", "actions": [{"republish": {"topic": "end"}}]},
{"id": "d", "sql": "SELECT topic AS t FROM 'end'", "actions": [{"queue": {"name": "q"}}]}])");
    const CheckReport report = check(*set);
    std::vector<std::string> edges;
    for (const LoopEdge& edge : report.edges) {
        edges.push_back(report.rules[edge.from].id + ">" + report.rules[edge.to].id +
                        (edge.certain ? "!" : "?"));
    }
    EXPECT_THAT(edges, ElementsAre("a>b?", "a>c?", "b>a?", "c>d!"));
    EXPECT_THAT(hints(report), ElementsAre("loop 2:103"));
    EXPECT_THAT(to_text(report), HasSubstr("a -> b -> a"));
}

TEST(Loops, FiltersMeetAndCover) {
    struct Case {
        const char* wide;
        const char* narrow;
        bool meet;
        bool covers;
    };
    for (const Case& c : {Case{"a/+", "a/b", true, true}, Case{"a/b", "a/+", true, false},
                          Case{"#", "a/+/c", true, true}, Case{"a/#", "a", true, true},
                          Case{"a", "a/#", true, false}, Case{"+/b", "a/+", true, false},
                          Case{"a/+", "a/#", true, false}, Case{"a/+", "a/+", true, true},
                          Case{"a/b", "a/c", false, false}, Case{"a", "a/b", false, false},
                          Case{"+", "$x", false, false}, Case{"#", "$x/y", false, false},
                          Case{"$x/#", "$x/y", true, true}, Case{"a/+/c", "a/#", true, false}}) {
        EXPECT_EQ(filters_meet(c.wide, c.narrow), c.meet) << c.wide << " " << c.narrow;
        EXPECT_EQ(filters_meet(c.narrow, c.wide), c.meet) << c.wide << " " << c.narrow;
        EXPECT_EQ(filter_covers(c.wide, c.narrow), c.covers) << c.wide << " " << c.narrow;
    }
}

}  // namespace
}  // namespace causeway::rules
