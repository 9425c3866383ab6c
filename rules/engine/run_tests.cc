#include "rules/engine/run_tests.h"

#include <algorithm>
#include <utility>

#include "core/message/topic.h"
#include "rules/engine/evaluator.h"
#include "rules/engine/rule.h"

namespace causeway::rules {
namespace {

constexpr std::uint64_t kSeed = 1;

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(text, out);
    return out;
}

// Bytes for a person: as they are when they are text, else base64.
std::string shown(std::string_view bytes) {
    std::string out;
    append_json(Value::bytes(bytes), bytes.size() * 8 + 64, out);
    return out;
}

std::string shown(const JsonNode& node) {
    switch (node.kind) {
        case JsonNode::Kind::kNull:
            return "null";
        case JsonNode::Kind::kBoolean:
            return node.boolean ? "true" : "false";
        case JsonNode::Kind::kInteger:
            return std::to_string(node.integer);
        case JsonNode::Kind::kString:
            return quoted(node.text);
        case JsonNode::Kind::kDecimal: {
            std::string out;
            append_json(Value::decimal(node.decimal), 64, out);
            return out;
        }
        case JsonNode::Kind::kArray: {
            std::string out = "[";
            for (const JsonNode& item : node.items) {
                out += (out.size() > 1 ? "," : "") + shown(item);
            }
            return out + "]";
        }
        case JsonNode::Kind::kObject:
            break;
    }
    std::string out = "{";
    for (const JsonMember& member : node.members) {
        out += (out.size() > 1 ? "," : "") + quoted(member.key) + ":" + shown(member.value);
    }
    return out + "}";
}

// Lines "path: expected …, got …" for every place where two JSON values differ.
void compare_json(const std::string& path, const JsonNode& expected, const JsonNode& actual,
                  std::string& out) {
    if (same_json(expected, actual)) {
        return;
    }
    if (expected.is(JsonNode::Kind::kObject) && actual.is(JsonNode::Kind::kObject)) {
        for (const JsonMember& member : expected.members) {
            if (const JsonNode* other = actual.find(member.key)) {
                compare_json(path + "." + member.key, member.value, *other, out);
            } else {
                out += path + "." + member.key + ": expected " + shown(member.value) +
                       ", got nothing\n";
            }
        }
        for (const JsonMember& member : actual.members) {
            if (expected.find(member.key) == nullptr) {
                out += path + "." + member.key + ": expected nothing, got " + shown(member.value) +
                       "\n";
            }
        }
        return;
    }
    if (expected.is(JsonNode::Kind::kArray) && actual.is(JsonNode::Kind::kArray) &&
        expected.items.size() == actual.items.size()) {
        for (std::size_t i = 0; i < expected.items.size(); ++i) {
            compare_json(path + "[" + std::to_string(i + 1) + "]", expected.items[i],
                         actual.items[i], out);
        }
        return;
    }
    out += path + ": expected " + shown(expected) + ", got " + shown(actual) + "\n";
}

void compare_text(const std::string& path, const JsonNode& expected, std::string_view actual,
                  std::string& out) {
    if (!expected.is(JsonNode::Kind::kString) || expected.text != actual) {
        out += path + ": expected " + shown(expected) + ", got " + quoted(actual) + "\n";
    }
}

void compare_number(const std::string& path, const JsonNode& expected, std::uint64_t actual,
                    std::string& out) {
    if (!expected.is(JsonNode::Kind::kInteger) ||
        expected.integer != static_cast<std::int64_t>(actual)) {
        out += path + ": expected " + shown(expected) + ", got " + std::to_string(actual) + "\n";
    }
}

void compare_properties(const std::string& path, const JsonNode& expected,
                        const std::vector<Property>& actual, std::string& out) {
    JsonNode given;
    given.kind = JsonNode::Kind::kObject;
    for (const Property& property : actual) {
        JsonNode value;
        value.kind = JsonNode::Kind::kString;
        value.text = property.value;
        given.members.push_back({property.name, 0, std::move(value)});
    }
    compare_json(path, expected, given, out);
}

void compare_tags(const std::string& path, const JsonNode& expected,
                  const std::vector<std::string>& actual, std::string& out) {
    JsonNode given;
    given.kind = JsonNode::Kind::kArray;
    for (const std::string& tag : actual) {
        JsonNode& value = given.items.emplace_back();
        value.kind = JsonNode::Kind::kString;
        value.text = tag;
    }
    compare_json(path, expected, given, out);
}

// {"text": …} and {"base64": …} stand for bytes, as in a test's payload.
void compare_body(const std::string& path, const JsonNode& expected, const std::string& actual,
                  std::string& out) {
    const bool wrapped =
        expected.members.size() == 1 && expected.members[0].value.is(JsonNode::Kind::kString);
    if (wrapped && (expected.members[0].key == "text" || expected.members[0].key == "base64")) {
        std::string bytes = expected.members[0].value.text;
        if (expected.members[0].key == "base64") {
            bytes.clear();
            if (!decode_base64(expected.members[0].value.text, bytes)) {
                out += path + ": the expectation is not base64\n";
                return;
            }
        }
        if (bytes != actual) {
            out += path + ": expected " + shown(bytes) + ", got " + shown(actual) + "\n";
        }
        return;
    }
    const auto parsed = parse_json_text(actual);
    if (!parsed) {
        out += path + ": expected JSON, got " + shown(actual) + "\n";
        return;
    }
    compare_json(path, expected, *parsed, out);
}

void compare_output(const std::string& path, const JsonNode& expected, const Output& actual,
                    std::string& out) {
    const JsonNode* error = expected.find("error");
    const bool expects_error = error != nullptr && error->boolean;
    if (expects_error != actual.error_action) {
        out += path + ": expected " + (expects_error ? "an error action" : "no error action") +
               ", got " + (actual.error_action ? "one" : "none") + "\n";
    }
    for (const JsonMember& member : expected.members) {
        const std::string at = path + "." + member.key;
        const std::string& key = member.key;
        if (key == "action") {
            compare_text(at, member.value, name(actual.kind), out);
        } else if (key == "name" || key == "topic" || key == "sink") {
            compare_text(at, member.value, actual.target, out);
        } else if (key == "tags") {
            compare_tags(at, member.value, actual.tags, out);
        } else if (key == "key") {
            compare_text(at, member.value, actual.key, out);
        } else if (key == "path") {
            compare_text(at, member.value, actual.path, out);
        } else if (key == "method") {
            compare_text(at, member.value, actual.method, out);
        } else if (key == "delay_s") {
            compare_number(at, member.value, actual.delay_s, out);
        } else if (key == "qos") {
            compare_number(at, member.value, actual.qos, out);
        } else if (key == "retain" && member.value.boolean != actual.retain) {
            out += at + ": expected " + shown(member.value) + ", got " +
                   (actual.retain ? "true\n" : "false\n");
        } else if (key == "user_properties" || key == "headers") {
            compare_properties(at, member.value, actual.properties, out);
        } else if (key == "body") {
            compare_body(at, member.value, actual.body, out);
        }
    }
}

std::string summary(const Output& output) {
    return std::string(name(output.kind)) + " " + output.target + " " + shown(output.body);
}

class Runner {
public:
    explicit Runner(const RuleSet& set) : set_(set), counters_(set.make_counters()) {}

    TestReport run() {
        TestReport report;
        const auto& rules = set_.impl().rules;
        for (std::uint32_t i = 0; i < rules.size(); ++i) {
            report.rules_without_tests += rules[i].tests.empty() ? 1 : 0;
            for (const TestCase& test : rules[i].tests) {
                TestResult result{rules[i].id, test.name, test.where, false, {}};
                result.difference = difference(i, rules[i], test);
                result.passed = result.difference.empty();
                report.failed += result.passed ? 0 : 1;
                report.results.push_back(std::move(result));
            }
        }
        return report;
    }

private:
    void evaluate(std::uint32_t index, const TestCase& test) {
        ViewParts parts;
        const MessageView message = view_of(test.message, parts);
        Random random(kSeed);
        const EvalContext context{.now_ms = test.message.now_ms,
                                  .random = random,
                                  .evaluates_here = nowhere,
                                  .only_rule = index};
        evaluator_.evaluate(set_, message, context, counters_, evaluation_);
    }
    static bool nowhere(std::string_view) { return false; }

    std::string difference(std::uint32_t index, const Rule& rule, const TestCase& test) {
        if (!rule.enabled) {
            return test.expect.items.empty() ? "" : "the rule is disabled\n";
        }
        evaluate(index, test);
        std::string out;
        const auto& expected = test.expect.items;
        const auto& actual = evaluation_.outputs;
        for (std::size_t i = 0; i < std::max(expected.size(), actual.size()); ++i) {
            const std::string path = "output " + std::to_string(i + 1);
            if (i >= actual.size()) {
                out += path + ": expected " + shown(expected[i]) + ", got nothing\n";
            } else if (i >= expected.size()) {
                out += path + ": expected nothing, got " + summary(actual[i]) + "\n";
            } else {
                compare_output(path, expected[i], actual[i], out);
            }
        }
        for (const Failure& failure : evaluation_.failures) {
            out +=
                out.empty() ? "" : "note: " + failure.action + " failed: " + failure.error + "\n";
        }
        return out;
    }

    const RuleSet& set_;
    std::vector<RuleCounters> counters_;
    Evaluator evaluator_;
    Evaluation evaluation_;
};

std::string xml(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                // XML 1.0 has no other control characters, not even escaped.
                out.push_back(static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?'
                                                                                             : c);
        }
    }
    return out;
}

}  // namespace

TestReport run_tests(const RuleSet& set) { return Runner(set).run(); }

std::string to_text(const TestReport& report) {
    std::string out;
    for (const TestResult& result : report.results) {
        if (!result.passed) {
            out += result.where.file + ":" + std::to_string(result.where.line) + ": rule '" +
                   result.rule + "', test '" + result.test + "' failed\n";
            std::size_t from = 0;
            while (from < result.difference.size()) {
                const std::size_t end = result.difference.find('\n', from);
                out += "    " + result.difference.substr(from, end - from) + "\n";
                from = end + 1;
            }
        }
    }
    out += std::to_string(report.results.size() - report.failed) + " passed, " +
           std::to_string(report.failed) + " failed";
    if (report.rules_without_tests > 0) {
        out += ", " + std::to_string(report.rules_without_tests) + " rules without tests";
    }
    return out + "\n";
}

std::string to_junit(const TestReport& report) {
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"" +
                      std::to_string(report.results.size()) + "\" failures=\"" +
                      std::to_string(report.failed) + "\">\n";
    for (std::size_t i = 0; i < report.results.size();) {
        const std::string& rule = report.results[i].rule;
        std::string cases;
        std::size_t count = 0;
        std::size_t failed = 0;
        for (; i < report.results.size() && report.results[i].rule == rule; ++i, ++count) {
            const TestResult& result = report.results[i];
            cases += "    <testcase classname=\"" + xml(rule) + "\" name=\"" + xml(result.test) +
                     "\" file=\"" + xml(result.where.file) + "\" line=\"" +
                     std::to_string(result.where.line) + "\"";
            if (result.passed) {
                cases += "/>\n";
                continue;
            }
            ++failed;
            cases += ">\n      <failure message=\"the outputs differ\">" + xml(result.difference) +
                     "</failure>\n    </testcase>\n";
        }
        out += "  <testsuite name=\"" + xml(rule) + "\" tests=\"" + std::to_string(count) +
               "\" failures=\"" + std::to_string(failed) + "\">\n" + cases + "  </testsuite>\n";
    }
    return out + "</testsuites>\n";
}

std::string to_json(const TestReport& report) {
    std::string out = "{\"passed\":" + std::to_string(report.results.size() - report.failed) +
                      ",\"failed\":" + std::to_string(report.failed) +
                      ",\"rules_without_tests\":" + std::to_string(report.rules_without_tests) +
                      ",\"results\":[";
    std::string_view between;
    for (const TestResult& result : report.results) {
        out.append(between).append("{\"rule\":").append(quoted(result.rule));
        out.append(",\"test\":").append(quoted(result.test));
        out.append(",\"file\":").append(quoted(result.where.file));
        out.append(",\"line\":").append(std::to_string(result.where.line));
        out.append(",\"passed\":").append(result.passed ? "true" : "false");
        out.append(",\"difference\":").append(quoted(result.difference)).append("}");
        between = ",";
    }
    return out + "]}\n";
}

}  // namespace causeway::rules
