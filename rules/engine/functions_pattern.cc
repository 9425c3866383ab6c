// Regular expressions. RE2 takes time linear in the text; patterns are literals, compiled with the
// rule.
#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

constexpr int kGroupsMax = 16;

bool charge_match(Machine& machine, std::string_view text) {
    return !machine.failed() && machine.charge(1 + text.size() / 16);
}

Value regexp_matches(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    if (!charge_match(machine, text)) {
        return {};
    }
    return Value::boolean(re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()),
                                                 machine.pattern(args[1])));
}

// The first match, or undefined.
Value regexp_substr(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    if (!charge_match(machine, text)) {
        return {};
    }
    re2::StringPiece found;
    if (!machine.pattern(args[1]).Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                                        re2::RE2::UNANCHORED, &found, 1)) {
        return {};
    }
    return Value::string({found.data(), found.size()});
}

// All matches; \0 to \9 in the replacement are the groups.
Value regexp_replace(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const std::string_view with = want_text(machine, args[2]);
    if (!charge_match(machine, text)) {
        return {};
    }
    const auto growth = static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(),
                      [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }) +
        1);
    const std::size_t references =
        static_cast<std::size_t>(std::count(with.begin(), with.end(), '\\'));
    if ((with.size() + references * text.size()) > kTextMax / growth) {
        return machine.fail(FailReason::kBudget, "the text may become too long");
    }
    const re2::RE2& pattern = machine.pattern(args[1]);
    const re2::StringPiece rewrite(with.data(), with.size());
    std::string problem;
    if (!pattern.CheckRewriteString(rewrite, &problem)) {
        return machine.fail(FailReason::kType, "bad replacement: " + problem);
    }
    std::string& out = machine.scratch();
    out.assign(text);
    re2::RE2::GlobalReplace(&out, pattern, rewrite);
    return machine.new_string(out);
}

// The groups of the first match, or all of it when the pattern has none; undefined: no match. A
// group that took no part is an empty string.
Value regex_extract(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    if (!charge_match(machine, text)) {
        return {};
    }
    const re2::RE2& pattern = machine.pattern(args[1]);
    const int groups = std::min(pattern.NumberOfCapturingGroups(), kGroupsMax);
    std::array<re2::StringPiece, kGroupsMax + 1> found;
    if (!pattern.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                       re2::RE2::UNANCHORED, found.data(), groups + 1)) {
        return {};
    }
    std::array<Value, kGroupsMax + 1> parts;
    const int first = groups == 0 ? 0 : 1;
    for (int i = first; i <= groups; ++i) {
        const re2::StringPiece& part = found[static_cast<std::size_t>(i)];
        parts[static_cast<std::size_t>(i)] = Value::string({part.data(), part.size()});
    }
    return machine.new_array(std::span(parts).subspan(
        static_cast<std::size_t>(first), static_cast<std::size_t>(groups - first + 1)));
}

constexpr FunctionSpec kFunctions[] = {
    {"regexp_matches", regexp_matches, 2, 2, Absent::kPropagates, 1},
    {"regex_match", regexp_matches, 2, 2, Absent::kPropagates, 1},
    {"regexp_substr", regexp_substr, 2, 2, Absent::kPropagates, 1},
    {"regexp_replace", regexp_replace, 3, 3, Absent::kPropagates, 1},
    {"regex_replace", regexp_replace, 3, 3, Absent::kPropagates, 1},
    {"regex_extract", regex_extract, 2, 2, Absent::kPropagates, 1},
};

}  // namespace

std::span<const FunctionSpec> pattern_functions() { return kFunctions; }

}  // namespace causeway::rules
