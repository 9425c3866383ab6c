// What evaluation gives back: outputs for the log entry, failures, and counters that add up. Plain
// values owned by the caller. Source: docs/rules.md, "Guarantees".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::rules {

// Those from kHttp on are deliveries to a sink of that type.
enum class ActionKind : std::uint8_t { kQueue, kRepublish, kHttp, kFile, kConsole };
[[nodiscard]] std::string_view name(ActionKind kind);

// Why a rule or an action failed.
enum class FailReason : std::uint8_t {
    kType,        // a wrong type: 'abc' * 2, a WHERE that is no boolean
    kArithmetic,  // integer overflow, division by zero, a decimal out of range
    kBudget,      // steps, memory, output bytes or number of outputs
    kMissing,     // a template's value is undefined and the action says "missing": "error"
    kTemplate,    // a value may not stand where the template puts it (topic, header, qos, key)
};
inline constexpr std::size_t kFailReasons = 5;
[[nodiscard]] std::string_view name(FailReason reason);

struct Property {
    std::string name;
    std::string value;

    friend bool operator==(const Property&, const Property&) = default;
};

// One thing to do. Fields that a kind does not have are empty or zero.
struct Output {
    ActionKind kind = ActionKind::kQueue;
    std::uint32_t rule = 0;    // index in the RuleSet
    std::uint32_t action = 0;  // index in the rule's actions, or error actions
    bool error_action = false;
    std::string target;                // queue name, topic name, or sink id
    std::string key;                   // queue, sinks: ordering key; empty: none
    std::string body;                  // republish: the payload
    std::uint32_t delay_s = 0;         // queue
    std::vector<std::string> tags;     // queue
    std::uint8_t qos = 0;              // republish
    bool retain = false;               // republish
    std::uint8_t hops = 0;             // republish: pass on in MessageView
    std::vector<std::uint64_t> trail;  // republish: pass on in MessageView
    std::vector<Property> properties;  // republish: user properties; http: headers of the action
    std::string method;                // http
    std::string path;                  // http: appended to the sink's url; percent-encoded
};

// `resource` is what the action names: queue, topic template, sink; empty when the SQL failed.
struct Failure {
    std::uint32_t rule = 0;
    FailReason reason = FailReason::kType;
    std::string action;  // "sql", or the name of the action's kind
    std::string resource;
    std::string error;
    bool in_error_action = false;
};

// The outcome of one evaluate(). Reuse one object to keep its memory.
struct Evaluation {
    std::vector<Output> outputs;  // in the order of evaluation: message, rule, action
    std::vector<Failure> failures;
    std::uint32_t messages = 0;   // evaluated: 1, and 1 for every republish and failed rule here
    std::uint32_t loops_cut = 0;  // rules not run again, and republishes not made, to end a loop

    void clear();
};

// The rule's outputs = sent + failed + cut; of an error action: its runs.
struct ActionCounters {
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;
    std::uint64_t cut = 0;  // a republish beyond the hop limit
};

// matched = passed + no_result + failed + cut + suspended; failed = the sum of failed_by_reason.
struct RuleCounters {
    std::uint64_t matched = 0;    // a message on one of its sources
    std::uint64_t passed = 0;     // WHERE was true and something was made
    std::uint64_t no_result = 0;  // WHERE was not true, or FOREACH made nothing
    std::uint64_t failed = 0;     // the SQL failed
    std::uint64_t cut = 0;        // it had made this message before: a loop
    std::uint64_t suspended = 0;  // not run, because it kept going over its budget
    std::uint64_t outputs = 0;    // = passed, and more with FOREACH: each runs the actions
    std::uint64_t not_json = 0;   // of matched: it looked into a payload that is not JSON
    std::array<std::uint64_t, kFailReasons> failed_by_reason{};
    std::vector<ActionCounters> actions;
    std::vector<ActionCounters> error_actions;
    // Evaluations in a row that went over the rule's own budget. At EvalLimits::suspend_after the
    // rule is suspended for as long as these counters are used.
    std::uint32_t over_budget_in_row = 0;
};

// What a rule's counters say, with the names that make them readable.
struct RuleStatistics {
    std::string id;
    std::vector<ActionKind> actions;
    std::vector<ActionKind> error_actions;
    RuleCounters counters;
};

}  // namespace causeway::rules
