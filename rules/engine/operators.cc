// Machine's operators: logic, comparison, arithmetic, CASE. The tables of cases in test/rules are
// their specification.
#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>

#include "core/message/topic.h"
#include "rules/engine/machine.h"

namespace causeway::rules {
namespace {

using sql::Operation;

std::size_t next_character(std::string_view text, std::size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) {
        ++at;
    }
    return at;
}

// % any text, _ one character. Greedy with one point to come back to, so at most
// text.size() * pattern.size() steps; counted in `steps`.
bool like_matches(std::string_view text, std::string_view pattern, std::uint64_t& steps) {
    std::size_t t = 0;
    std::size_t p = 0;
    std::size_t after_percent = std::string_view::npos;
    std::size_t resume = 0;
    while (t < text.size()) {
        ++steps;
        if (p < pattern.size() && pattern[p] == '%') {
            after_percent = ++p;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == '_') {
            t = next_character(text, t);
            ++p;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++t;
            ++p;
        } else if (after_percent != std::string_view::npos) {
            resume = next_character(text, resume);
            t = resume;
            p = after_percent;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '%') {
        ++p;
    }
    return p == pattern.size();
}

}  // namespace

Value Machine::negation(const Value& value) {
    if (value.absent()) {
        return value;
    }
    return value.is(Type::kBoolean) ? Value::boolean(!value.as_boolean())
                                    : fail_type("a boolean", value);
}

Value Machine::connective(const Node& node) {
    const bool decisive = node.op == Op::kOr;
    bool has_undefined = false;
    bool has_null = false;
    for (const std::uint32_t operand : operands(node)) {
        const Value value = evaluate(operand);
        if (value.is(Type::kBoolean)) {
            if (value.as_boolean() == decisive) {
                return value;
            }
        } else if (value.undefined()) {
            has_undefined = true;
        } else if (value.is(Type::kNull)) {
            has_null = true;
        } else {
            return fail_type("a boolean", value);
        }
    }
    if (has_undefined) {
        return {};
    }
    return has_null ? Value::null() : Value::boolean(!decisive);
}

Value Machine::negate(const Value& value) {
    if (value.absent()) {
        return value;
    }
    if (value.is(Type::kInteger)) {
        return integers(Operation::kSubtract, 0, value.as_integer());
    }
    return value.is(Type::kDecimal) ? Value::decimal(-value.as_decimal())
                                    : fail_type("a number", value);
}

Value Machine::binary(const Node& node) {
    const Value a = evaluate(operands(node)[0]);
    const Value b = evaluate(operands(node)[1]);
    if (failed_) {
        return {};
    }
    return node.operation >= Operation::kEqual ? compare(node.operation, a, b)
                                               : arithmetic(node.operation, a, b);
}

Value Machine::arithmetic(Operation operation, const Value& a, const Value& b) {
    if (a.undefined() || b.undefined()) {
        return {};
    }
    if (a.absent() || b.absent()) {
        return Value::null();
    }
    if (!a.number() || !b.number()) {
        return fail_type("a number", a.number() ? b : a);
    }
    if (a.is(Type::kInteger) && b.is(Type::kInteger) && operation != Operation::kDivide) {
        return integers(operation, a.as_integer(), b.as_integer());
    }
    return decimals(operation, a.as_decimal(), b.as_decimal());
}

Value Machine::integers(Operation operation, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    bool overflow = false;
    switch (operation) {
        case Operation::kAdd:
            overflow = __builtin_add_overflow(a, b, &result);
            break;
        case Operation::kSubtract:
            overflow = __builtin_sub_overflow(a, b, &result);
            break;
        case Operation::kMultiply:
            overflow = __builtin_mul_overflow(a, b, &result);
            break;
        default:  // kDiv, kMod: rounded towards zero; the remainder has the sign of the dividend
            if (b == 0) {
                return fail(FailReason::kArithmetic, "division by zero");
            }
            if (operation == Operation::kMod) {
                return Value::integer(b == -1 ? 0 : a % b);
            }
            overflow = a == std::numeric_limits<std::int64_t>::min() && b == -1;
            result = overflow ? 0 : a / b;
            break;
    }
    return overflow ? fail(FailReason::kArithmetic, "integer overflow") : Value::integer(result);
}

Value Machine::decimals(Operation operation, double a, double b) {
    double result = 0;
    switch (operation) {
        case Operation::kAdd:
            result = a + b;
            break;
        case Operation::kSubtract:
            result = a - b;
            break;
        case Operation::kMultiply:
            result = a * b;
            break;
        case Operation::kDivide:
            if (b == 0) {
                return fail(FailReason::kArithmetic, "division by zero");
            }
            result = a / b;
            break;
        default:
            return fail(FailReason::kType, "div and mod (%) need integers; see fmod()");
    }
    return std::isfinite(result) ? Value::decimal(result)
                                 : fail(FailReason::kArithmetic, "the decimal is out of range");
}

Value Machine::compare(Operation operation, const Value& a, const Value& b) {
    if (a.undefined() || b.undefined()) {
        return Value::boolean(false);
    }
    if (!charge(comparison_cost(a))) {
        return {};
    }
    switch (operation) {
        case Operation::kEqual:
            return Value::boolean(equal(a, b));
        case Operation::kNotEqual:
            return Value::boolean(!equal(a, b));
        case Operation::kTopicMatch:
            return Value::boolean(a.text_like() && b.text_like() && valid_topic_name(a.text()) &&
                                  valid_topic_filter(b.text()) &&
                                  topic_matches(b.text(), a.text()));
        default:
            break;
    }
    const std::partial_ordering found = order(a, b);
    switch (operation) {
        case Operation::kLess:
            return Value::boolean(std::is_lt(found));
        case Operation::kLessEqual:
            return Value::boolean(std::is_lteq(found));
        case Operation::kGreater:
            return Value::boolean(std::is_gt(found));
        default:
            return Value::boolean(std::is_gteq(found));
    }
}

Value Machine::in(const Node& node) {
    const auto args = operands(node);
    const Value value = evaluate(args[0]);
    if (value.undefined()) {
        return Value::boolean(false);
    }
    const std::uint64_t cost = comparison_cost(value);
    for (const std::uint32_t operand : args.subspan(1)) {
        if (equal(value, evaluate(operand))) {
            return Value::boolean(!node.negated);
        }
        if (!charge(cost)) {
            return {};
        }
    }
    return Value::boolean(node.negated);
}

Value Machine::between(const Node& node) {
    const auto args = operands(node);
    const Value value = evaluate(args[0]);
    const Value low = evaluate(args[1]);
    const Value high = evaluate(args[2]);
    if (value.undefined() || low.undefined() || high.undefined()) {
        return Value::boolean(false);
    }
    return Value::boolean((std::is_gteq(order(value, low)) && std::is_lteq(order(value, high))) !=
                          node.negated);
}

Value Machine::like(const Node& node) {
    const Value text = evaluate(operands(node)[0]);
    const Value pattern = evaluate(operands(node)[1]);
    if (text.undefined() || pattern.undefined()) {
        return Value::boolean(false);
    }
    if (!text.text_like() || !pattern.text_like()) {
        return Value::boolean(node.negated);
    }
    // Bounded before it is run: nothing can be charged inside.
    if (!charge(text.text().size() * pattern.text().size() / 256)) {
        return {};
    }
    std::uint64_t steps = 0;
    const bool matches = like_matches(text.text(), pattern.text(), steps);
    charge(steps / 64);
    return Value::boolean(matches != node.negated);
}

Value Machine::case_searched(const Node& node) {
    const auto args = operands(node);
    std::uint32_t at = 0;
    for (; at + 1 < node.extra; at += 2) {
        const Value condition = evaluate(args[at]);
        if (!condition.absent() && !condition.is(Type::kBoolean)) {
            return fail_type("a boolean", condition);
        }
        if (condition.is_true()) {
            return evaluate(args[at + 1]);
        }
        if (failed_) {
            return {};
        }
    }
    return at < args.size() ? evaluate(args[at]) : Value{};
}

Value Machine::case_of(const Node& node) {
    const auto args = operands(node);
    const Value operand = evaluate(args[0]);
    const std::uint64_t cost = comparison_cost(operand);
    std::uint32_t at = 1;
    for (; at + 1 < node.extra; at += 2) {
        if (equal(operand, evaluate(args[at]))) {
            return evaluate(args[at + 1]);
        }
        if (!charge(cost)) {
            return {};
        }
    }
    return at < args.size() ? evaluate(args[at]) : Value{};
}

}  // namespace causeway::rules
