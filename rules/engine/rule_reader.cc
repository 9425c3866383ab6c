#include "rules/engine/rule_reader.h"

#include <utility>

#include "core/base/hash.h"
#include "core/message/topic.h"
#include "rules/sql/parser.h"
#include "rules/sql/printer.h"

namespace causeway::rules {
namespace {

constexpr std::size_t kTestsMax = 1000;

// Where a byte of the SQL stands in the file.
struct SqlPlace {
    const FileReader& file;
    const JsonNode& node;
    void report(std::uint32_t offset, std::string message) const {
        file.report(in_file(offset), std::move(message));
    }
    [[nodiscard]] std::uint32_t in_file(std::uint32_t offset) const {
        return offset_in_file(file.text(), node, offset);
    }
};

std::string all_events() {
    std::string all;
    for (const std::string_view event : kEventNames) {
        all.append(all.empty() ? "" : ", ").append(event);
    }
    return all;
}

bool read_sql(const FileReader& file, const JsonNode& object, Rule& rule) {
    const JsonNode* node = object.find("sql");
    if (node == nullptr) {
        file.report(object.offset, "the key 'sql' is missing");
        return false;
    }
    if (!file.want(*node, JsonNode::Kind::kString, "'sql'")) {
        return false;
    }
    const SqlPlace place{file, *node};
    auto query = sql::parse(node->text);
    if (!query) {
        place.report(query.error().offset, "SQL: " + query.error().message);
        return false;
    }
    bool good = true;
    for (const sql::Source& source : query->sources) {
        rule.source_where.push_back(file.at(place.in_file(source.offset)));
        if (!valid_topic_filter(source.filter) || is_shared_filter(source.filter)) {
            place.report(source.offset, "SQL: this is not a topic filter");
            good = false;
        } else if (is_event_source(source.filter) && events_matching(source.filter) == 0) {
            place.report(source.offset, "SQL: there is no such event; there are " + all_events());
            good = false;
        }
    }
    auto program = compile_query(*query);
    if (!program) {
        place.report(program.error().offset, "SQL: " + program.error().message);
        return false;
    }
    if (query->where) {
        rule.condition_where = file.at(place.in_file(query->nodes[*query->where].offset));
    }
    rule.program = std::move(*program);
    rule.query = std::move(*query);
    return good;
}

// False: something was reported.
bool read_actions(const FileReader& file, const JsonNode& object, std::string_view key,
                  const Program* program, std::vector<Action>& out) {
    const JsonNode* node = object.find(key);
    if (node == nullptr) {
        return true;
    }
    if (!file.want(*node, JsonNode::Kind::kArray, "'" + std::string(key) + "'")) {
        return false;
    }
    if (node->items.size() > kActionsMax) {
        file.report(node->offset, "more than " + std::to_string(kActionsMax) + " actions");
        return false;
    }
    bool good = true;
    for (const JsonNode& item : node->items) {
        auto action = read_action(file, item, program);
        good = good && action.has_value();
        if (action) {
            out.push_back(std::move(*action));
        }
    }
    return good;
}

void read_tests(const FileReader& file, const JsonNode& object, Rule& rule) {
    const JsonNode* node = object.find("tests");
    if (node == nullptr || !file.want(*node, JsonNode::Kind::kArray, "'tests'")) {
        return;
    }
    if (node->items.size() > kTestsMax) {
        return file.report(node->offset, "more than " + std::to_string(kTestsMax) + " tests");
    }
    for (const JsonNode& item : node->items) {
        if (auto test = read_test(file, item)) {
            if (test->name.empty()) {
                test->name = std::to_string(rule.tests.size() + 1);
            }
            rule.tests.push_back(std::move(*test));
        }
    }
}

}  // namespace

std::optional<Rule> read_rule(const FileReader& file, const JsonNode& object) {
    file.check_keys(object,
                    {"id", "description", "enabled", "sql", "actions", "error_actions", "tests"});
    Rule rule;
    rule.id = file.identifier(object, "id");
    rule.id_hash = hash64(rule.id);
    rule.description = file.string(object, "description", "");
    rule.enabled = file.boolean(object, "enabled", true);
    rule.where = file.at(object.offset);
    if (!read_sql(file, object, rule)) {
        return std::nullopt;
    }
    // Templates are checked against the output, which takes a query that compiles.
    const bool actions = read_actions(file, object, "actions", &rule.program, rule.actions);
    const bool error_actions =
        read_actions(file, object, "error_actions", nullptr, rule.error_actions);
    read_tests(file, object, rule);
    return actions && error_actions && !rule.id.empty() ? std::optional(std::move(rule))
                                                        : std::nullopt;
}

namespace {

void check_expectation(const FileReader& file, const JsonNode& node) {
    if (!file.want(node, JsonNode::Kind::kObject, "an expectation")) {
        return;
    }
    file.check_keys(node,
                    {"action", "error", "name", "key", "delay_s", "tags", "topic", "qos", "retain",
                     "user_properties", "sink", "path", "method", "headers", "body"});
    const std::string action = file.string(node, "action", "");
    if (!known_action(action)) {
        file.report(node.offset, "'action' must be queue, republish, http, file or console");
    }
    file.boolean(node, "error", false);
}

}  // namespace

std::optional<TestCase> read_test(const FileReader& file, const JsonNode& node) {
    if (!file.want(node, JsonNode::Kind::kObject, "a test")) {
        return std::nullopt;
    }
    std::vector<std::string_view> keys(kMessageKeys.begin(), kMessageKeys.end());
    keys.insert(keys.end(), {"name", "expect"});
    file.check_keys(node, keys);
    TestCase test;
    test.where = file.at(node.offset);
    test.name = file.string(node, "name", "");
    if (!read_message(file, node, test.message)) {
        return std::nullopt;
    }
    const JsonNode* expect = node.find("expect");
    if (expect == nullptr || !expect->is(JsonNode::Kind::kArray)) {
        file.report(expect == nullptr ? node.offset : expect->offset,
                    "a test needs 'expect': the list of actions, [] for none");
        return std::nullopt;
    }
    for (const JsonNode& item : expect->items) {
        check_expectation(file, item);
    }
    test.expect = *expect;
    return test;
}

}  // namespace causeway::rules
