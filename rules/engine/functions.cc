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
    static const std::vector<FunctionSpec> kTable = [] {
        std::vector<FunctionSpec> table;
        for (const auto part : {message_functions(), math_functions(), type_functions(),
                                text_functions(), codec_functions(), time_functions()}) {
            table.insert(table.end(), part.begin(), part.end());
        }
        return table;
    }();
    return kTable;
}

std::optional<std::uint32_t> find_function(std::string_view name) {
    static const auto kIndex = [] {
        absl::flat_hash_map<std::string_view, std::uint32_t> index;
        for (std::uint32_t i = 0; i < function_table().size(); ++i) {
            index.emplace(function_table()[i].name, i);
        }
        return index;
    }();
    const auto found = kIndex.find(lower(name));
    return found == kIndex.end() ? std::nullopt : std::optional(found->second);
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

Value finite(Machine& machine, double value) {
    return std::isfinite(value)
               ? Value::decimal(value)
               : machine.fail(FailReason::kArithmetic, "the decimal is out of range");
}

}  // namespace causeway::rules
