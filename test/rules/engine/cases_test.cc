// Runs the tables of cases in test/rules/engine/cases: the specification of the SQL, readable
// without the code. `rules_cases_test --rewrite` writes the results of this build into the tables.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/message/topic.h"
#include "rules/engine/evaluator.h"
#include "rules/engine/functions.h"
#include "rules/engine/machine.h"
#include "rules/engine/program.h"
#include "rules/engine/rule_set.h"
#include "rules/sql/parser.h"

namespace causeway::rules {
namespace {

bool rewrite = false;

const UserProperty kProperties[] = {{"site", "north"}, {"site", "south"}, {"line", "2"}};

MessageView message_with(std::string_view payload) {
    MessageView m;
    m.id = "m1";
    m.trace_id = "t1";
    m.clientid = "c1";
    m.username = "u1";
    m.topic = "plant/7/up";
    m.payload = payload;
    m.qos = 1;
    m.retain = true;
    m.timestamp_ms = 1'700'000'000'123;
    m.received_at_ms = 1'700'000'000'100;
    m.peerhost = "10.0.0.1";
    m.node = "n1";
    m.user_properties = kProperties;
    m.correlation_data = std::string_view("\xff\x01", 2);
    m.message_expiry_s = 60;
    m.session_epoch = 9;
    return m;
}

std::string shown(const Value& value) {
    std::string out = value.undefined() ? "undefined" : value.is(Type::kBytes) ? "bytes " : "";
    if (!value.undefined()) {
        append_json(value, 1024 * 1024, out);
    }
    return out;
}

std::string result_of(const std::string& sql, const std::string& payload) {
    const auto query = sql::parse(sql);
    if (!query) {
        return "error " + std::to_string(query.error().line) + ":" +
               std::to_string(query.error().column) + ": " + query.error().message;
    }
    const auto at = [&](std::uint32_t offset) {
        const sql::LineColumn place = sql::line_column(sql, offset);
        return "error " + std::to_string(place.line) + ":" + std::to_string(place.column) + ": ";
    };
    const auto program = compile_query(*query);
    if (!program) {
        return at(program.error().offset) + program.error().message;
    }
    Machine machine({20'000, 20'000, 1024 * 1024, 1024 * 1024, 64});
    Random random(7);
    const MessageView message = message_with(payload);
    const EvalContext context{.now_ms = 1'700'000'001'500, .random = random};
    machine.begin_message(message, context);
    machine.refill_steps();
    machine.begin_rule(*program);
    std::string out;
    bool matches = false;
    for (const sql::Source& source : query->sources) {
        if (!valid_topic_filter(source.filter)) {
            return at(source.offset) + "not a topic filter";
        }
        matches = matches || topic_matches(source.filter, message.topic);
    }
    if (!matches) {
        return "no match";
    }
    std::vector<Value> values;
    if (machine.where()) {
        machine.outputs(100, values);
    }
    if (machine.failed()) {
        return "fail " + std::string(name(machine.reason())) + ": " + machine.error();
    }
    for (const Value& value : values) {
        out += (out.empty() ? "" : " ; ") + shown(value);
    }
    return values.empty() ? "no result" : out;
}

std::vector<std::string> lines_of(const std::string& file) {
    std::ifstream in(file);
    EXPECT_TRUE(in) << file;
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

void finish(const std::string& file, const std::vector<std::string>& lines) {
    if (rewrite) {
        std::ofstream out(file);
        for (const std::string& line : lines) {
            out << line << '\n';
        }
    }
}

std::string path_of(std::string_view name) {
    return std::string(CAUSEWAY_SOURCE_DIR) + "/test/rules/engine/cases/" + std::string(name);
}

// "expression ==> result", under "payload …".
std::size_t run_expressions(std::string_view name) {
    const std::string file = path_of(name);
    std::vector<std::string> lines = lines_of(file);
    std::string payload;
    std::size_t cases = 0;
    constexpr std::string_view kArrow = "==>";
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::string& line = lines[i];
        const std::size_t arrow = line.rfind(kArrow);
        if (line.starts_with("payload ") && arrow == std::string::npos) {
            payload = line.substr(8);
            continue;
        }
        if (line.empty() || line.starts_with("#") || arrow == std::string::npos) {
            continue;
        }
        ++cases;
        const std::string expression = line.substr(0, arrow);
        const std::string expected =
            line.size() > arrow + 4 ? line.substr(arrow + 4) : std::string();
        // The expression is on a line of its own, so its columns are those of the table.
        const std::string actual = result_of("SELECT VALUE\n" + expression + "\nFROM '#'", payload);
        if (rewrite) {
            line = expression + std::string(kArrow) + " " + actual;
        } else {
            EXPECT_EQ(actual, expected) << name << ":" << i + 1 << ": " << expression;
        }
    }
    finish(file, lines);
    return cases;
}

TEST(Cases, Operators) { EXPECT_GE(run_expressions("operators.txt"), 150U); }
TEST(Cases, Functions) { EXPECT_GE(run_expressions("functions.txt"), 500U); }
TEST(Cases, OddOperands) { EXPECT_GE(run_expressions("odd_operands.txt"), 700U); }

// A function that is added has its cases, and its line in the operator's manual.
TEST(Cases, EveryFunctionIsThere) {
    const auto whole = [](const std::string& file) {
        std::string text;
        for (const std::string& line : lines_of(file)) {
            text += line + "\n";
        }
        return text;
    };
    const std::string odd = whole(path_of("odd_operands.txt"));
    const std::string manual = whole(std::string(CAUSEWAY_SOURCE_DIR) + "/docs/rules.md");
    std::string cases = whole(path_of("functions.txt"));
    for (char& c : cases) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    for (const FunctionSpec& function : function_table()) {
        const std::string name(function.name);
        EXPECT_TRUE(cases.find(name + "(") != std::string::npos) << name << " in functions.txt";
        EXPECT_TRUE(odd.find("\n" + name + "(") != std::string::npos)
            << name << " in odd_operands.txt";
        EXPECT_TRUE(manual.find(name) != std::string::npos) << name << " in docs/rules.md";
    }
    EXPECT_GE(function_table().size(), 180U);
}

// "> query", "< payload", "= result".
TEST(Cases, Queries) {
    const std::string file = path_of("queries.txt");
    std::vector<std::string> lines = lines_of(file);
    std::string query;
    std::string payload;
    std::size_t cases = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::string& line = lines[i];
        if (line.starts_with("> ")) {
            query += query.empty() ? line.substr(2) : "\n" + line.substr(2);
        } else if (line.starts_with("< ")) {
            payload = line.substr(2);
        } else if (line.starts_with("=")) {
            ++cases;
            const std::string actual = result_of(query, payload);
            if (rewrite) {
                line = "= " + actual;
            } else {
                EXPECT_EQ("= " + actual, line) << "queries.txt:" << i + 1;
            }
            query.clear();
            payload.clear();
        }
    }
    finish(file, lines);
    EXPECT_GE(cases, 40U);
}

// Blocks of "--- file" lines and the diagnostics expected for them, each after "= ".
TEST(Cases, Files) {
    const std::string file = path_of("files.txt");
    std::vector<std::string> in = lines_of(file);
    std::vector<std::string> out;
    std::string text;
    std::vector<std::string> expected;
    std::size_t cases = 0;
    const auto run = [&] {
        if (text.empty()) {
            return;
        }
        ++cases;
        const SourceFile source{"f.json", text};
        const auto set = RuleSet::compile({&source, 1});
        std::vector<std::string> actual;
        if (set) {
            actual.emplace_back("ok");
        } else {
            for (const Diagnostic& diagnostic : set.error()) {
                actual.push_back(to_string(diagnostic));
            }
        }
        for (const std::string& line : actual) {
            out.push_back("= " + line);
        }
        if (!rewrite) {
            EXPECT_EQ(actual, expected) << text;
        }
        text.clear();
        expected.clear();
    };
    for (const std::string& line : in) {
        if (line.starts_with("= ")) {
            expected.push_back(line.substr(2));
            continue;
        }
        if (line.empty() || line.starts_with("#")) {
            run();
        } else if (line != "=") {
            text += text.empty() ? line : "\n" + line;
        }
        out.push_back(line);
    }
    run();
    finish(file, out);
    EXPECT_GE(cases, 40U);
}

}  // namespace
}  // namespace causeway::rules

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    causeway::rules::rewrite = argc > 1 && std::string_view(argv[1]) == "--rewrite";
    return RUN_ALL_TESTS();
}
