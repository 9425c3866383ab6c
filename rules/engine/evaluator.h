// Evaluates a rule set against messages. One Evaluator per thread holds the scratch memory (JSON
// parser, arena, match list); a rule that does not fire costs no heap allocation once that is warm.
// Called by the leader of a set before it proposes a publish (through the Router port), by
// run_tests() and by the tools. Pure: time and chance come in EvalContext. Source: docs/rules.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "rules/engine/evaluation.h"
#include "rules/engine/message_view.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {

// What one message may cost. Beyond it the rule at work fails with FailReason::kBudget; steps,
// output bytes and outputs are shared by all rules and republishes of the message.
struct EvalLimits {
    std::uint64_t steps_per_rule = 20'000;
    std::uint64_t steps = 1'000'000;
    std::size_t scratch_bytes = std::size_t{1024} * 1024;  // values made by one rule
    std::size_t output_bytes =
        std::size_t{256} * 1024;  // bodies, keys, properties; error actions: twice that, apart
    std::size_t outputs = 1024;
    std::uint32_t suspend_after = 100;  // evaluations over budget in a row; 0: never suspended
    std::size_t payload_bytes_as_json = std::size_t{1024} * 1024;  // a larger payload is bytes
    std::size_t payload_depth = 64;                                // a deeper payload is bytes
};

class Evaluator {
public:
    explicit Evaluator(EvalLimits limits = {});
    ~Evaluator();
    Evaluator(const Evaluator&) = delete;
    Evaluator& operator=(const Evaluator&) = delete;

    // Effect: `out` is cleared, then holds what all matching enabled rules make of `message`, and
    // of the republishes that context.evaluates_here claims (breadth first; a rule runs once along
    // a chain of republishes, and hops are limited). Deterministic in its arguments. `counters`
    // grow. Failures become outputs of the rule's error actions, once per message and rule.
    // Preconditions: counters has rules.rules().size() elements from rules.make_counters();
    // valid_topic_name(message.topic). Nothing in the payload or properties can make it fail.
    void evaluate(const RuleSet& rules, const MessageView& message, const EvalContext& context,
                  std::span<RuleCounters> counters, Evaluation& out);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::rules
