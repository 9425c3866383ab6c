// Conversions, tests of types, choices between values, and parts of arrays and objects.
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "core/message/topic.h"
#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

Value str(Machine& machine, Args args) {
    const Value& value = args[0];
    if (value.is(Type::kString)) {
        return value;
    }
    if (value.is(Type::kBytes)) {
        return valid_utf8(value.text())
                   ? Value::string(value.text())
                   : machine.fail(FailReason::kType, "the bytes are not UTF-8");
    }
    std::string& out = machine.scratch();
    if (!append_text(value, kTextMax, out)) {
        return too_long(machine);
    }
    return machine.new_string(out);
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

template <typename T>
std::optional<T> number_in(std::string_view text) {
    text = trimmed(text);
    T value{};
    const char* end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value);
    if (text.empty() || result.ec != std::errc{} || result.ptr != end) {
        return std::nullopt;
    }
    return value;
}

std::optional<double> decimal_in(std::string_view text) {
    const auto value = number_in<double>(text);
    return value && std::isfinite(*value) ? value : std::nullopt;
}

// A decimal loses its fraction; a text must be a number; a boolean is 0 or 1.
Value to_integer(Machine& machine, Args args) {
    const Value& value = args[0];
    double decimal = 0;
    if (value.is(Type::kInteger)) {
        return value;
    }
    if (value.is(Type::kBoolean)) {
        return Value::integer(value.as_boolean() ? 1 : 0);
    }
    if (value.text_like()) {
        if (const auto integer = number_in<std::int64_t>(value.text())) {
            return Value::integer(*integer);
        }
        const auto parsed = decimal_in(value.text());
        if (!parsed) {
            return machine.fail(FailReason::kType, "the text is not a number");
        }
        decimal = *parsed;
    } else if (value.is(Type::kDecimal)) {
        decimal = value.as_decimal();
    } else {
        return machine.fail_type("a number or a text", value);
    }
    if (!(decimal >= -0x1p63 && decimal < 0x1p63)) {
        return machine.fail(FailReason::kArithmetic, "integer overflow");
    }
    return Value::integer(static_cast<std::int64_t>(decimal));
}

Value to_decimal(Machine& machine, Args args) {
    const Value& value = args[0];
    if (value.number()) {
        return Value::decimal(value.as_decimal());
    }
    if (!value.text_like()) {
        return machine.fail_type("a number or a text", value);
    }
    const auto parsed = decimal_in(value.text());
    return parsed ? Value::decimal(*parsed)
                  : machine.fail(FailReason::kType, "the text is not a number");
}

Value to_boolean(Machine& machine, Args args) {
    const Value& value = args[0];
    if (value.is(Type::kBoolean)) {
        return value;
    }
    if (value.is(Type::kInteger) && (value.as_integer() == 0 || value.as_integer() == 1)) {
        return Value::boolean(value.as_integer() == 1);
    }
    if (value.text_like() && (value.text() == "true" || value.text() == "false")) {
        return Value::boolean(value.text() == "true");
    }
    return machine.fail(FailReason::kType, "a boolean, 0, 1, 'true' or 'false' is needed");
}

template <bool (*kTest)(const Value&)>
Value test(Machine&, Args args) {
    return Value::boolean(kTest(args[0]));
}
bool is_absent(const Value& v) { return v.absent(); }
bool is_present(const Value& v) { return !v.absent(); }
bool is_number(const Value& v) { return v.number(); }
template <Type kType>
bool is_type(const Value& v) {
    return v.is(kType);
}

Value is_empty(Machine& machine, Args args) {
    const Value& value = args[0];
    switch (value.type()) {
        case Type::kString:
        case Type::kBytes:
            return Value::boolean(value.text().empty());
        case Type::kArray:
            return Value::boolean(value.items().empty());
        case Type::kObject:
            return Value::boolean(value.members().empty());
        default:
            return machine.fail_type("a text, an array or an object", value);
    }
}

// The first argument that is neither undefined nor null; else the last one.
Value coalesce(Machine&, Args args) {
    for (const Value& arg : args) {
        if (!arg.absent()) {
            return arg;
        }
    }
    return args.back();
}

// The first argument that is neither undefined, null nor an empty text, array or object.
Value coalesce_not_empty(Machine&, Args args) {
    for (const Value& arg : args) {
        const bool empty = (arg.text_like() && arg.text().empty()) ||
                           (arg.is(Type::kArray) && arg.items().empty()) ||
                           (arg.is(Type::kObject) && arg.members().empty());
        if (!arg.absent() && !empty) {
            return arg;
        }
    }
    return {};
}

// eq(a, b): `a = b` as a function.
Value equals(Machine& machine, Args args) {
    return machine.charge(comparison_cost(args[0])) ? Value::boolean(equal(args[0], args[1]))
                                                    : Value{};
}

Value type_of(Machine&, Args args) { return Value::string(name(args[0].type())); }

// cast(x AS type), cast(x, 'type')
Value cast(Machine& machine, Args args) {
    constexpr std::pair<std::string_view, Function> kTypes[] = {
        {"int", to_integer},
        {"integer", to_integer},
        {"bigint", to_integer},
        {"decimal", to_decimal},
        {"float", to_decimal},
        {"double", to_decimal},
        {"numeric", to_decimal},
        {"string", str},
        {"varchar", str},
        {"char", str},
        {"str", str},
        {"bool", to_boolean},
        {"boolean", to_boolean},
    };
    const std::string_view wanted = args[1].text_like() ? args[1].text() : std::string_view{};
    std::string lower(wanted);
    for (char& c : lower) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    for (const auto& [type, run] : kTypes) {
        if (lower == type) {
            return run(machine, args.first(1));
        }
    }
    return machine.fail(FailReason::kType, "cast() knows int, decimal, string and bool");
}

// get(x, key) or get(x, index): AWS's index, from 0.
Value get(Machine& machine, Args args) {
    if (args[1].is(Type::kInteger)) {
        const std::int64_t index = args[1].as_integer();
        return index < 0 || index > 0xFFFF'FFFF ? Value{} : args[0].element(index + 1);
    }
    const std::string_view key = want_text(machine, args[1]);
    return machine.failed() ? Value{} : args[0].member(key);
}

// nth(n, array): EMQX's index, from 1.
Value nth(Machine& machine, Args args) {
    const auto n = want_integer(machine, args[0]);
    return n ? args[1].element(*n) : Value{};
}
template <std::int64_t kIndex>
Value end_of(Machine& machine, Args args) {
    return args[0].is(Type::kArray) ? args[0].element(kIndex)
                                    : machine.fail_type("an array", args[0]);
}

Value contains(Machine& machine, Args args) {
    if (!args[1].is(Type::kArray)) {
        return machine.fail_type("an array", args[1]);
    }
    const std::uint64_t cost = 1 + comparison_cost(args[0]);
    for (const Value& item : args[1].items()) {
        if (equal(args[0], item)) {
            return Value::boolean(true);
        }
        if (!machine.charge(cost)) {
            return {};
        }
    }
    return Value::boolean(false);
}

template <bool kKeys>
Value map_parts(Machine& machine, Args args) {
    if (!args[0].is(Type::kObject)) {
        return machine.fail_type("an object", args[0]);
    }
    const auto members = args[0].members();
    Value* items = machine.arena().make<Value>(members.size());
    if (items == nullptr || !machine.charge(members.size())) {
        return out_of_memory(machine);
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
        items[i] = kKeys ? Value::string(members[i].key) : members[i].value;
    }
    return Value::array({items, members.size()});
}

constexpr FunctionSpec kFunctions[] = {
    {"str", str, 1, 1},
    {"str_utf8", str, 1, 1},
    {"cast", cast, 2, 2},
    {"typeof", type_of, 1, 1, Absent::kSeen},
    {"eq", equals, 2, 2},
    {"int", to_integer, 1, 1},
    {"float", to_decimal, 1, 1},
    {"bool", to_boolean, 1, 1},
    {"is_null", test<is_absent>, 1, 1, Absent::kSeen},
    {"is_not_null", test<is_present>, 1, 1, Absent::kSeen},
    {"isnull", test<is_type<Type::kNull>>, 1, 1, Absent::kSeen},
    {"is_null_var", test<is_absent>, 1, 1, Absent::kSeen},
    {"is_not_null_var", test<is_present>, 1, 1, Absent::kSeen},
    {"is_undefined", test<is_type<Type::kUndefined>>, 1, 1, Absent::kSeen},
    {"isundefined", test<is_type<Type::kUndefined>>, 1, 1, Absent::kSeen},
    {"is_str", test<is_type<Type::kString>>, 1, 1, Absent::kSeen},
    {"is_bytes", test<is_type<Type::kBytes>>, 1, 1, Absent::kSeen},
    {"is_bool", test<is_type<Type::kBoolean>>, 1, 1, Absent::kSeen},
    {"is_int", test<is_type<Type::kInteger>>, 1, 1, Absent::kSeen},
    {"is_float", test<is_type<Type::kDecimal>>, 1, 1, Absent::kSeen},
    {"is_num", test<is_number>, 1, 1, Absent::kSeen},
    {"is_map", test<is_type<Type::kObject>>, 1, 1, Absent::kSeen},
    {"is_array", test<is_type<Type::kArray>>, 1, 1, Absent::kSeen},
    {"is_empty", is_empty, 1, 1},
    {"coalesce", coalesce, 1, kArgsMax, Absent::kSeen},
    {"nvl", coalesce, 2, 2, Absent::kSeen},
    {"coalesce_ne", coalesce_not_empty, 1, kArgsMax, Absent::kSeen},
    {"get", get, 2, 2},
    {"nth", nth, 2, 2},
    {"first", end_of<1>, 1, 1},
    {"last", end_of<-1>, 1, 1},
    {"contains", contains, 2, 2},
    {"map_keys", map_parts<true>, 1, 1},
    {"map_values", map_parts<false>, 1, 1},
};

}  // namespace

std::span<const FunctionSpec> type_functions() { return kFunctions; }

}  // namespace causeway::rules
