// Runs the examples of docs/rules.md: a block of JSON is a rule file whose tests must pass; below
// the SQL of a block stand lines "-- TOPIC PAYLOAD => RESULT", where RESULT is the outputs as JSON
// (between " ; "), "nothing", or "fails REASON". A payload "base64:…" is bytes.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "rules/engine/json_text.h"
#include "rules/engine/run_tests.h"
#include "rules/engine/value.h"
#include "test/rules/engine/fixture.h"

namespace causeway::rules {
namespace {

struct Block {
    std::string language;
    std::string text;
    std::size_t line = 0;
};

std::vector<Block> blocks_of_manual() {
    std::ifstream in(std::string(CAUSEWAY_SOURCE_DIR) + "/docs/rules.md");
    EXPECT_TRUE(in);
    std::vector<Block> blocks;
    bool inside = false;
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (!line.starts_with("```")) {
            if (inside) {
                blocks.back().text += line + "\n";
            }
            continue;
        }
        inside = !inside;
        if (inside) {
            blocks.push_back({line.substr(3), {}, number});
        }
    }
    EXPECT_FALSE(inside);
    return blocks;
}

TEST(Manual, RulesPassTheirTests) {
    std::size_t rules = 0;
    std::size_t tests = 0;
    for (const Block& block : blocks_of_manual()) {
        if (block.language != "json") {
            continue;
        }
        SCOPED_TRACE("docs/rules.md:" + std::to_string(block.line));
        const auto set = compile_or_fail(block.text);
        const TestReport report = run_tests(*set);
        EXPECT_EQ(report.failed, 0U) << to_text(report);
        EXPECT_EQ(report.rules_without_tests, 0U);
        rules += set->rules().size();
        tests += report.results.size();
    }
    EXPECT_GE(rules, 5U);
    EXPECT_GE(tests, 7U);
}

std::string payload_of(const std::string& text) {
    constexpr std::string_view kBase64 = "base64:";
    if (!text.starts_with(kBase64)) {
        return text;
    }
    std::string bytes;
    EXPECT_TRUE(decode_base64(std::string_view(text).substr(kBase64.size()), bytes)) << text;
    return bytes;
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
    std::vector<std::string> parts;
    std::size_t from = 0;
    for (std::size_t at = text.find(separator); at != std::string::npos;
         at = text.find(separator, from)) {
        parts.push_back(text.substr(from, at - from));
        from = at + separator.size();
    }
    parts.push_back(text.substr(from));
    return parts;
}

void expect_result(const Evaluation& evaluation, const std::string& result) {
    if (result.starts_with("fails ")) {
        ASSERT_EQ(evaluation.failures.size(), 1U);
        EXPECT_EQ(name(evaluation.failures[0].reason), result.substr(6));
        EXPECT_TRUE(evaluation.outputs.empty());
        return;
    }
    ASSERT_TRUE(evaluation.failures.empty()) << evaluation.failures[0].error;
    const auto expected = result == "nothing" ? std::vector<std::string>{} : split(result, " ; ");
    ASSERT_EQ(evaluation.outputs.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto wanted = parse_json_text(expected[i]);
        const auto found = parse_json_text(evaluation.outputs[i].body);
        ASSERT_TRUE(wanted) << expected[i];
        ASSERT_TRUE(found) << evaluation.outputs[i].body;
        EXPECT_TRUE(same_json(*wanted, *found))
            << evaluation.outputs[i].body << " is not " << expected[i];
    }
}

TEST(Manual, QueriesGiveWhatIsSaid) {
    std::size_t cases = 0;
    for (const Block& block : blocks_of_manual()) {
        if (block.language != "sql") {
            continue;
        }
        std::string sql;
        std::size_t cases_here = 0;
        for (const std::string& line : split(block.text, "\n")) {
            if (!line.starts_with("-- ")) {
                sql += line + "\n";
                continue;
            }
            SCOPED_TRACE("docs/rules.md:" + std::to_string(block.line) + ": " + line);
            const std::size_t arrow = line.rfind(" => ");
            ASSERT_NE(arrow, std::string::npos);
            const std::string message = line.substr(3, arrow - 3);
            const std::size_t blank = message.find(' ');
            ASSERT_NE(blank, std::string::npos);
            std::string file = "{\"id\": \"r\", \"sql\": ";
            append_json_string(sql, file);
            Bench bench(file + ", \"actions\": [{\"queue\": {\"name\": \"q\"}}]}");
            const std::string topic = message.substr(0, blank);
            const std::string payload = payload_of(message.substr(blank + 1));
            MessageView view = message_on(topic, payload);
            view.timestamp_ms = 1'700'000'000'123;
            expect_result(bench.run(view, {.now_ms = 1'700'000'001'500, .random = bench.random()}),
                          line.substr(arrow + 4));
            ++cases_here;
        }
        EXPECT_GE(cases_here, 1U) << "docs/rules.md:" << block.line;
        cases += cases_here;
    }
    EXPECT_GE(cases, 35U);
}

}  // namespace
}  // namespace causeway::rules
