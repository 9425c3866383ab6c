// Evaluates programs against one message. Internal to rules/engine; owned by an Evaluator. No
// exceptions, no virtual calls; recursion is bounded by kEvalDepthMax. After a failure every value
// is undefined and failed() stays true until begin_rule().
//
// Three lines say how operators and functions treat odd operands (docs/rules.md):
//   an undefined operand gives undefined, a null one null (undefined wins);
//   comparisons, IN, BETWEEN, LIKE and =~ with an undefined operand are false, negated or not;
//   any other wrong type is a failure of the rule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/engine/document.h"
#include "rules/engine/evaluation.h"
#include "rules/engine/message_view.h"
#include "rules/engine/program.h"
#include "rules/engine/value.h"

namespace causeway::rules {

struct MachineLimits {
    std::uint64_t steps_per_rule = 0;
    std::uint64_t steps = 0;
    std::size_t scratch_bytes = 0;
    std::size_t payload_bytes_as_json = 0;
    std::size_t payload_depth = 0;
};

class Machine {
public:
    explicit Machine(const MachineLimits& limits);

    // Effect: a new message for the same or a new budget. Both must outlive the rules' evaluation.
    void begin_message(const MessageView& message, const EvalContext& context);
    void refill_steps() { steps_left_ = limits_.steps; }
    void begin_rule(const Program& program);

    // Effect: the next action of the same rule goes on, with the values and the budget that are
    // left.
    void forget_failure() { failed_ = false; }

    // Effect: the element that DO and INCASE see; what was computed of another is forgotten.
    void begin_element(const Value& element);

    // WHERE is there and true, or not there. False also on failure: ask failed().
    bool where();
    // One output of the rule: an object, or any value for SELECT VALUE.
    Value output();
    // Effect: `out` holds what the rule makes: one output, or for FOREACH one for each element that
    // INCASE lets through. Empty on failure, and when the array is undefined, null or empty. More
    // than `outputs_max` is a failure.
    void outputs(std::size_t outputs_max, std::vector<Value>& out);
    Value evaluate(std::uint32_t node);
    // A field of the message, or what lies behind it.
    Value field(Field field, std::span<const sql::Segment> path);

    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] FailReason reason() const { return reason_; }
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] std::uint32_t error_offset() const { return error_offset_; }
    // The rule itself was too expensive; false when others had used up the message's budget.
    [[nodiscard]] bool over_own_budget() const {
        return failed_ && reason_ == FailReason::kBudget && !shared_budget_spent_;
    }
    // A path went into a payload that is not JSON.
    [[nodiscard]] bool saw_no_json() const { return saw_no_json_; }

    // --- for functions
    [[nodiscard]] const MessageView& message() const { return *message_; }
    [[nodiscard]] const EvalContext& context() const { return *context_; }
    [[nodiscard]] const re2::RE2& pattern(const Value& index) const;
    Arena& arena() { return arena_; }
    Document& document() { return document_; }
    // Keeps its memory between calls; empty when handed out.
    std::string& scratch();
    // Effect: records the first failure. Result: undefined.
    Value fail(FailReason reason, std::string message);
    Value fail_type(std::string_view wanted, const Value& found);
    // Copies into the arena; undefined and failed when that is full.
    Value new_string(std::string_view text);
    Value new_bytes(std::string_view bytes);
    Value new_array(std::span<const Value> items);
    // [{action, resource, error}]
    Value failures(std::span<const Failure> all);
    // False and failed when the budget is used up. One step is one node or about 64 bytes of text.
    bool charge(std::uint64_t steps) {
        if (steps > rule_steps_left_ || steps > steps_left_) {
            return overspend(steps);
        }
        rule_steps_left_ -= steps;
        steps_left_ -= steps;
        return true;
    }
    bool charge_bytes(std::size_t bytes) { return charge(bytes / 64); }

private:
    struct Slot {
        Value value;
        bool set = false;
    };

    [[nodiscard]] std::span<const std::uint32_t> operands(const Node& node) const {
        return std::span(program_->operands).subspan(node.first, node.count);
    }
    [[nodiscard]] std::span<const sql::Segment> path(const Node& node) const {
        return std::span(program_->segments).subspan(node.path_first, node.path_count);
    }
    bool overspend(std::uint64_t steps);
    Value slot(std::uint32_t index);
    bool holds(std::uint32_t node, std::string_view word);
    void loop(std::size_t outputs_max, std::vector<Value>& out);
    Value dispatch(const Node& node);
    Value call(const Node& node);
    Value negate(const Value& value);
    Value negation(const Value& value);
    Value connective(const Node& node);
    Value binary(const Node& node);
    Value arithmetic(sql::Operation operation, const Value& a, const Value& b);
    Value integers(sql::Operation operation, std::int64_t a, std::int64_t b);
    Value decimals(sql::Operation operation, double a, double b);
    Value compare(sql::Operation operation, const Value& a, const Value& b);
    Value in(const Node& node);
    Value between(const Node& node);
    Value like(const Node& node);
    Value case_searched(const Node& node);
    Value case_of(const Node& node);
    Value list(const Node& node);
    Value object(const Node& node);
    Value scalar_field(Field field);
    Value event_field(Field field, std::span<const sql::Segment> path);
    [[nodiscard]] bool lacks(Field field) const;
    Value user_properties(std::span<const sql::Segment> path);
    Value payload(std::span<const sql::Segment> path);
    Value output_node(std::uint32_t index);
    Value overlay(const OutputNode& shape, const Value& base);

    MachineLimits limits_;
    Arena arena_;
    Document document_;
    std::vector<Slot> slots_;
    Value item_;  // of FOREACH
    std::string scratch_;
    const Program* program_ = nullptr;
    const MessageView* message_ = nullptr;
    const EvalContext* context_ = nullptr;
    std::uint64_t steps_left_ = 0;
    std::uint64_t rule_steps_left_ = 0;
    std::uint32_t current_offset_ = 0;
    bool failed_ = false;
    bool saw_no_json_ = false;
    bool shared_budget_spent_ = false;
    FailReason reason_ = FailReason::kType;
    std::string error_;
    std::uint32_t error_offset_ = 0;
};

}  // namespace causeway::rules
