// Arrays: parts, order, sums. Positions count from 1, as in paths.
#include <algorithm>
#include <bit>
#include <compare>
#include <iterator>

#include "core/message/topic.h"
#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

// sublist(length, array), sublist(start, length, array).
Value sublist(Machine& machine, Args args) {
    const auto first = want_integer(machine, args[0]);
    const auto second = args.size() == 3 ? want_integer(machine, args[1]) : first;
    const auto items = want_array(machine, args.back());
    if (!first || !second || !items) {
        return {};
    }
    const auto size = static_cast<std::int64_t>(items->size());
    const std::int64_t start = args.size() == 3 ? *first : 1;
    if (start < 1 || *second < 0) {
        return machine.fail(FailReason::kType, "sublist() counts from 1, and no negative length");
    }
    if (start > size) {
        return Value::array({});
    }
    const auto length = std::min(*second, size - start + 1);
    return Value::array(
        items->subspan(static_cast<std::size_t>(start - 1), static_cast<std::size_t>(length)));
}

// reverse(text or array)
Value reverse(Machine& machine, Args args) {
    if (args[0].is(Type::kArray)) {
        const Value copy = machine.new_array(args[0].items());
        if (copy.undefined()) {
            return {};
        }
        auto* first = const_cast<Value*>(copy.items().data());  // Just made in the arena.
        std::reverse(first, first + copy.items().size());
        return copy;
    }
    const std::string_view text = want_text(machine, args[0]);
    if (machine.failed()) {
        return {};
    }
    std::string& out = machine.scratch();
    for (std::size_t end = text.size(); end > 0;) {
        std::size_t begin = end - 1;
        while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) {
            --begin;
        }
        out.append(text.substr(begin, end - begin));
        end = begin;
    }
    return machine.new_string(out);
}

enum class Sum : std::uint8_t { kSum, kAverage };

template <Sum kWhich>
Value sum(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    if (!items || !machine.charge(items->size())) {
        return {};
    }
    std::int64_t integer = 0;
    double decimal = 0;
    bool integers = true;
    for (const Value& item : *items) {
        const auto number = want_number(machine, item);
        if (!number) {
            return {};
        }
        decimal += *number;
        integers = integers && item.is(Type::kInteger);
        if (integers && __builtin_add_overflow(integer, item.as_integer(), &integer)) {
            return machine.fail(FailReason::kArithmetic, "integer overflow");
        }
    }
    if (kWhich == Sum::kAverage) {
        return items->empty() ? Value{}
                              : finite(machine, decimal / static_cast<double>(items->size()));
    }
    return integers ? Value::integer(integer) : finite(machine, decimal);
}

// The least or greatest number or text; undefined of none.
template <bool kLeast>
Value extreme(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    if (!items || !machine.charge(items->size())) {
        return {};
    }
    Value best;
    for (const Value& item : *items) {
        if (!machine.charge(comparison_cost(item))) {
            return {};
        }
        const auto found = order(item, best.undefined() ? item : best);
        if (found == std::partial_ordering::unordered) {
            return machine.fail(FailReason::kType, "numbers only, or texts only, are needed");
        }
        const bool better = kLeast ? std::is_lt(found) : std::is_gt(found);
        best = best.undefined() || better ? item : best;
    }
    return best;
}

// The order of numbers, or of texts by their bytes.
Value sort(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    if (!items) {
        return {};
    }
    std::uint64_t cost = 0;
    for (const Value& item : *items) {
        cost += 1 + comparison_cost(item);
        if (order(item, items->front()) == std::partial_ordering::unordered) {
            return machine.fail(FailReason::kType, "numbers only, or texts only, are needed");
        }
    }
    if (!machine.charge(cost * static_cast<std::uint64_t>(std::bit_width(items->size())))) {
        return {};
    }
    const Value copy = machine.new_array(*items);
    if (!copy.undefined()) {
        auto* first = const_cast<Value*>(copy.items().data());  // Just made in the arena.
        // Not stable_sort, which allocates; equal ones are told apart by their place.
        std::sort(first, first + copy.items().size(), [](const Value& a, const Value& b) {
            return std::is_lt(order(a, b)) || (std::is_eq(order(a, b)) && a.type() < b.type());
        });
    }
    return copy;
}

// Each value once, where it stands first.
Value distinct(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    if (!items) {
        return {};
    }
    Value* kept = machine.arena().make<Value>(items->size());
    if (kept == nullptr) {
        return out_of_memory(machine);
    }
    std::size_t count = 0;
    for (const Value& item : *items) {
        if (!machine.charge(1 + count * (1 + comparison_cost(item)) / 4)) {
            return {};
        }
        const bool seen =
            std::any_of(kept, kept + count, [&](const Value& other) { return equal(item, other); });
        if (!seen) {
            kept[count++] = item;
        }
    }
    return Value::array({kept, count});
}

// array_concat(a, …): the elements of all, in order; what is no array counts as one element.
Value concatenate(Machine& machine, Args args) {
    std::size_t size = 0;
    for (const Value& arg : args) {
        size += arg.is(Type::kArray) ? arg.items().size() : 1;
    }
    Value* items = machine.arena().make<Value>(size);
    if (items == nullptr || !machine.charge(size)) {
        return out_of_memory(machine);
    }
    Value* at = items;
    for (const Value& arg : args) {
        if (arg.is(Type::kArray)) {
            at = std::copy(arg.items().begin(), arg.items().end(), at);
        } else {
            *at++ = arg;
        }
    }
    return Value::array({items, size});
}

// One level of arrays in an array.
Value flatten(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    if (!items) {
        return {};
    }
    return concatenate(machine, *items);
}

// range(from, to): the integers, both ends included.
Value range(Machine& machine, Args args) {
    const auto from = want_integer(machine, args[0]);
    const auto to = want_integer(machine, args[1]);
    if (!from || !to || *to < *from) {
        return machine.failed() ? Value{} : Value::array({});
    }
    const std::uint64_t count =
        static_cast<std::uint64_t>(*to) - static_cast<std::uint64_t>(*from) + 1;
    if (count == 0 || !machine.charge(count)) {
        return machine.fail(FailReason::kBudget, "the evaluation took too many steps");
    }
    Value* items = machine.arena().make<Value>(count);
    if (items == nullptr) {
        return out_of_memory(machine);
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        items[i] = Value::integer(*from + static_cast<std::int64_t>(i));
    }
    return Value::array({items, count});
}

// pluck(array, key): that member of each element; left out where there is none.
Value pluck(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    const std::string_view key = want_text(machine, args[1]);
    if (!items || machine.failed()) {
        return {};
    }
    Value* kept = machine.arena().make<Value>(items->size());
    if (kept == nullptr || !machine.charge(items->size())) {
        return out_of_memory(machine);
    }
    std::size_t count = 0;
    for (const Value& item : *items) {
        const Value value = item.member(key);
        if (!value.undefined()) {
            kept[count++] = value;
        }
    }
    return Value::array({kept, count});
}

bool holds(std::string_view operation, const Value& a, const Value& b) {
    if (operation == "=" || operation == "<>") {
        return !a.undefined() && equal(a, b) == (operation == "=");
    }
    const std::partial_ordering found = order(a, b);
    return (operation == "<" && std::is_lt(found)) || (operation == "<=" && std::is_lteq(found)) ||
           (operation == ">" && std::is_gt(found)) || (operation == ">=" && std::is_gteq(found));
}

// array_filter(array, key, '>', value): the elements whose member compares so.
Value filter(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    const std::string_view key = want_text(machine, args[1]);
    const std::string_view operation = want_text(machine, args[2]);
    if (machine.failed()) {
        return {};
    }
    constexpr std::string_view kKnown[] = {"=", "<>", "<", "<=", ">", ">="};
    if (std::find(std::begin(kKnown), std::end(kKnown), operation) == std::end(kKnown)) {
        return machine.fail(FailReason::kType, "array_filter() knows = <> < <= > >=");
    }
    Value* kept = machine.arena().make<Value>(items->size());
    if (kept == nullptr) {
        return out_of_memory(machine);
    }
    std::size_t count = 0;
    const std::uint64_t cost = 1 + comparison_cost(args[3]);
    for (const Value& item : *items) {
        if (!machine.charge(cost)) {
            return {};
        }
        if (holds(operation, item.member(key), args[3])) {
            kept[count++] = item;
        }
    }
    return Value::array({kept, count});
}

// contains_topic(filters, topic): whether the text is among them; with kMatch: whether one matches.
template <bool kMatch>
Value contains_topic(Machine& machine, Args args) {
    const auto filters = want_array(machine, args[0]);
    const std::string_view topic = want_text(machine, args[1]);
    if (!filters || machine.failed()) {
        return {};
    }
    for (const Value& filter : *filters) {
        if (!machine.charge(1 + topic.size() / 64) || !filter.text_like()) {
            return machine.failed() ? Value{} : machine.fail_type("a string", filter);
        }
        const std::string_view text = filter.text();
        const bool found = kMatch ? valid_topic_filter(text) && valid_topic_name(topic) &&
                                        topic_matches(text, topic)
                                  : text == topic;
        if (found) {
            return Value::boolean(true);
        }
    }
    return Value::boolean(false);
}

constexpr FunctionSpec kFunctions[] = {
    {"sublist", sublist, 2, 3},
    {"reverse", reverse, 1, 1},
    {"array_sum", sum<Sum::kSum>, 1, 1},
    {"array_avg", sum<Sum::kAverage>, 1, 1},
    {"array_min", extreme<true>, 1, 1},
    {"array_max", extreme<false>, 1, 1},
    {"array_sort", sort, 1, 1},
    {"array_distinct", distinct, 1, 1},
    {"array_concat", concatenate, 1, kArgsMax},
    {"flatten", flatten, 1, 1},
    {"range", range, 2, 2},
    {"pluck", pluck, 2, 2},
    {"array_filter", filter, 4, 4},
    {"contains_topic", contains_topic<false>, 2, 2},
    {"contains_topic_match", contains_topic<true>, 2, 2},
};

}  // namespace

std::span<const FunctionSpec> array_functions() { return kFunctions; }

}  // namespace causeway::rules
