// Property: whatever the program and the payload, evaluation ends, its counters add up, and its
// JSON bodies are JSON.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/message/topic.h"
#include "rules/engine/functions.h"
#include "rules/engine/json_text.h"
#include "rules/sql/printer.h"
#include "test/rules/engine/fixture.h"
#include "test/rules/sql/random_query.h"

namespace causeway::rules {
namespace {

std::string random_json(Random& random, int depth) {
    constexpr const char* kLeaves[] = {"null",
                                       "true",
                                       "0",
                                       "-7",
                                       "2.5",
                                       "1e300",
                                       "\"a\"",
                                       "\"é\\n\"",
                                       "9223372036854775807",
                                       "18446744073709551615",
                                       "\"31\"",
                                       "\"\""};
    switch (depth <= 0 ? 0 : random.below(3)) {
        case 1: {
            std::string out = "[";
            for (std::uint64_t i = random.below(4); i > 0; --i) {
                out += random_json(random, depth - 1) + (i > 1 ? "," : "");
            }
            return out + "]";
        }
        case 2: {
            constexpr const char* kKeys[] = {"a", "b1", "select", "odd name", "temp"};
            std::string out = "{";
            for (std::uint64_t i = random.below(5); i > 0; --i) {
                out += "\"" + std::string(kKeys[i]) + "\":" + random_json(random, depth - 1) +
                       (i > 1 ? "," : "");
            }
            return out + "}";
        }
        default:
            return kLeaves[random.below(12)];
    }
}

std::string random_payload(Random& random) {
    std::string payload = random_json(random, 4);
    if (random.chance(1, 4) && !payload.empty()) {
        payload[random.below(payload.size())] = static_cast<char>(random.below(256));
    }
    return payload;
}

std::string rule_text(const std::string& sql) {
    std::string text;
    append_json_string(sql, text);
    return R"({"id": "r", "sql": )" + text +
           R"(, "actions": [{"queue": {"name": "q"}}, {"republish": {"topic": "a/${$.payload.a}", "body": {"v": "${.}", "s": "-${.}-"}}}],
              "error_actions": [{"queue": {"name": "e"}}]})";
}

TEST(Random, EvaluationAlwaysEnds) {
    constexpr std::uint64_t kSeed = 41'000;
    std::vector<std::string> functions;
    for (const FunctionSpec& spec : function_table()) {
        functions.emplace_back(spec.name);
    }
    EvalLimits limits;
    limits.steps_per_rule = 2000;
    limits.scratch_bytes = 64 * 1024;
    Evaluator evaluator(limits);
    Evaluation out;
    std::size_t compiled = 0;
    std::size_t passed = 0;
    std::size_t failed = 0;
    for (std::uint64_t i = 0; i < 4000; ++i) {
        Random random(kSeed + i);
        const std::string sql = sql::print(sql::RandomQuery(random, functions, true).make());
        const SourceFile file{"f", rule_text(sql)};
        const auto set = RuleSet::compile({&file, 1});
        if (!set) {
            continue;
        }
        ++compiled;
        auto counters = (*set)->make_counters();
        for (int k = 0; k < 4; ++k) {
            const std::string payload = random_payload(random);
            SCOPED_TRACE("seed " + std::to_string(kSeed + i) + "\n" + sql + "\n" + payload);
            evaluator.evaluate(**set, message_on("a/b", payload), {.now_ms = 1, .random = random},
                               counters, out);
            for (const Output& output : out.outputs) {
                if (output.kind == ActionKind::kRepublish) {
                    ASSERT_TRUE(valid_topic_name(output.target));
                    ASSERT_TRUE(parse_json_text(output.body)) << output.body;
                }
            }
        }
        ASSERT_EQ(counters[0].matched, counters[0].passed + counters[0].no_result +
                                           counters[0].failed + counters[0].cut);
        ASSERT_GE(counters[0].outputs, counters[0].passed);
        ASSERT_EQ(counters[0].outputs, counters[0].actions[0].sent + counters[0].actions[0].failed);
        passed += counters[0].passed;
        failed += counters[0].failed;
    }
    // The generator is of use only while all of these happen.
    EXPECT_GT(compiled, 500U);
    EXPECT_GT(passed, 200U);
    EXPECT_GT(failed, 200U);
}

}  // namespace
}  // namespace causeway::rules
