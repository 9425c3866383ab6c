// A rule as it is kept in a RuleSet, and the set behind the public class. Internal to rules/engine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "core/message/event.h"
#include "core/message/trie.h"
#include "rules/engine/capture.h"
#include "rules/engine/json_text.h"
#include "rules/engine/program.h"
#include "rules/engine/rule_set.h"
#include "rules/engine/template.h"
#include "rules/sql/ast.h"

namespace causeway::rules {

struct Action {
    ActionKind kind = ActionKind::kQueue;
    std::string target;  // queue or sink; of a republish: the topic template as written
    Template topic;      // republish
    Template key;        // queue, http
    Template body;
    Template path;       // http
    std::string method;  // http; empty: the sink's
    std::vector<std::pair<std::string, Template>> properties;
    std::vector<Template> tags;  // queue
    std::uint32_t delay_s = 0;
    std::uint8_t qos = 0;
    bool retain = false;
    std::optional<Template> qos_template;
    bool missing_is_error = false;
    bool body_is_json = false;  // certainly
    Diagnostic where;           // message empty
};

// A case of a rule's "tests".
struct TestCase {
    std::string name;
    CapturedMessage message;
    JsonNode expect;
    Diagnostic where;
};

struct Rule {
    std::string id;
    std::string description;
    std::uint64_t id_hash = 0;
    bool enabled = true;
    sql::Query query;
    Program program;
    std::vector<Action> actions;
    std::vector<Action> error_actions;
    std::vector<TestCase> tests;
    Diagnostic where;
    std::vector<Diagnostic> source_where;
    Diagnostic condition_where;  // of WHERE's expression
};

struct RuleSetImpl {
    std::vector<Rule> rules;
    std::vector<RuleInfo> infos;
    std::vector<SinkConfig> sinks;
    std::vector<Diagnostic> sink_where;
    std::vector<QueueConfig> queues;
    absl::flat_hash_map<std::string, std::uint32_t> sink_index;
    absl::flat_hash_map<std::string, std::uint32_t> queue_index;
    TopicTrie<std::uint32_t> trie;                                        // of enabled rules
    std::array<std::vector<std::uint32_t>, kEventNames.size()> of_event;  // by kind; ascending
    EventMask events = 0;                                                 // those with a rule
    std::uint64_t version = 0;
};

}  // namespace causeway::rules
