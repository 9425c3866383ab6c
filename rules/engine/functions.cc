#include "rules/engine/functions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <absl/container/flat_hash_map.h>

#include "core/message/topic.h"

namespace causeway::rules {
namespace {

std::string lower(std::string_view name) {
    std::string out(name);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

}  // namespace

const std::vector<FunctionSpec>& function_table() {
    static const std::vector<FunctionSpec> all = [] {
        std::vector<FunctionSpec> table;
        for (const auto part :
             {message_functions(), math_functions(), bit_functions(), type_functions(),
              text_functions(), format_functions(), pattern_functions(), array_functions(),
              map_functions(), codec_functions(), compress_functions(), time_functions(),
              date_functions()}) {
            table.insert(table.end(), part.begin(), part.end());
        }
        return table;
    }();
    return all;
}

std::optional<std::uint32_t> find_function(std::string_view name) {
    static const auto by_name = [] {
        absl::flat_hash_map<std::string_view, std::uint32_t> index;
        for (std::uint32_t i = 0; i < function_table().size(); ++i) {
            index.emplace(function_table()[i].name, i);
        }
        return index;
    }();
    const auto found = by_name.find(lower(name));
    return found == by_name.end() ? std::nullopt : std::optional(found->second);
}

std::string_view want_text(Machine& machine, const Value& value) {
    if (value.is(Type::kString) || (value.is(Type::kBytes) && valid_utf8(value.text()))) {
        const std::string_view text = value.text();
        return text.data() == nullptr ? std::string_view("") : text;
    }
    machine.fail_type("a string", value);
    return {};
}

std::optional<std::int64_t> want_integer(Machine& machine, const Value& value) {
    if (value.is(Type::kInteger)) {
        return value.as_integer();
    }
    machine.fail_type("an integer", value);
    return std::nullopt;
}

std::optional<double> want_number(Machine& machine, const Value& value) {
    if (value.number()) {
        return value.as_decimal();
    }
    machine.fail_type("a number", value);
    return std::nullopt;
}

std::string_view want_bytes(Machine& machine, const Value& value) {
    if (value.text_like()) {
        const std::string_view text = value.text();
        return text.data() == nullptr ? std::string_view("") : text;
    }
    std::string& out = machine.scratch();
    if (!append_text(value, kTextMax, out)) {
        too_long(machine);
        return {};
    }
    return machine.new_string(out).text();
}

std::string_view want_printable(Machine& machine, const Value& value) {
    if (value.is(Type::kArray) || value.is(Type::kObject)) {
        machine.fail_type("a text or a number", value);
        return {};
    }
    return value.text_like() ? want_text(machine, value) : want_bytes(machine, value);
}

std::optional<std::span<const Value>> want_array(Machine& machine, const Value& value) {
    if (value.is(Type::kArray)) {
        return value.items();
    }
    machine.fail_type("an array", value);
    return std::nullopt;
}

std::optional<std::span<const Member>> want_object(Machine& machine, const Value& value) {
    if (value.is(Type::kObject)) {
        return value.members();
    }
    machine.fail_type("an object", value);
    return std::nullopt;
}

Value out_of_memory(Machine& machine) {
    return machine.fail(FailReason::kBudget, "the evaluation took too much memory");
}

Value too_long(Machine& machine) {
    return machine.fail(FailReason::kBudget, "the text is too long");
}

Value finite(Machine& machine, double value) {
    return std::isfinite(value)
               ? Value::decimal(value)
               : machine.fail(FailReason::kArithmetic, "the decimal is out of range");
}

}  // namespace causeway::rules
