// Text: cutting, joining, searching, regular expressions. Positions and lengths are in characters
// (code points), from 0.
#include <algorithm>
#include <limits>

#include <re2/re2.h>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

constexpr std::size_t kTextMax = std::size_t{1024} * 1024;

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

std::int64_t characters(std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); });
}

// The byte where character n begins; the size when there are fewer.
std::size_t byte_of(std::string_view text, std::int64_t n) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!continues(text[i]) && n-- == 0) {
            return i;
        }
    }
    return text.size();
}

template <char kFrom, char kTo>
Value change_case(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    if (machine.failed()) {
        return {};
    }
    std::string& out = machine.scratch();
    out.assign(text);
    for (char& c : out) {
        c = c >= kFrom && c < kFrom + 26 ? static_cast<char>(c - kFrom + kTo) : c;
    }
    return machine.new_string(out);
}

template <bool kLeft, bool kRight>
Value trim(Machine& machine, Args args) {
    constexpr std::string_view kBlanks = " \t\r\n\f\v";
    std::string_view text = want_text(machine, args[0]);
    if (kLeft) {
        text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    }
    if (kRight) {
        const std::size_t last = text.find_last_not_of(kBlanks);
        text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
    }
    return Value::string(text);
}

Value concat(Machine& machine, Args args) {
    std::string& out = machine.scratch();
    for (const Value& arg : args) {
        if (!append_text(arg, kTextMax, out)) {
            return machine.fail(FailReason::kBudget, "the text is too long");
        }
    }
    return machine.new_string(out);
}

Value slice(std::string_view text, std::int64_t from, std::int64_t to) {
    from = std::max<std::int64_t>(from, 0);
    if (to <= from) {
        return Value::string("");
    }
    const std::size_t begin = byte_of(text, from);
    const std::size_t end = byte_of(text.substr(begin), to - from);
    return Value::string(text.substr(begin, end));
}

// substr(text, start [, length])
Value substr(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const auto start = want_integer(machine, args[1]);
    std::optional<std::int64_t> length = std::numeric_limits<std::int64_t>::max();
    if (args.size() == 3) {
        length = want_integer(machine, args[2]);
    }
    if (machine.failed() || !machine.charge_bytes(text.size())) {
        return {};
    }
    std::int64_t end = 0;
    if (__builtin_add_overflow(std::max<std::int64_t>(*start, 0), *length, &end)) {
        end = std::numeric_limits<std::int64_t>::max();
    }
    return slice(text, *start, end);
}

// substring(text, start [, end]): end not included.
Value substring(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const auto start = want_integer(machine, args[1]);
    std::optional<std::int64_t> end = std::numeric_limits<std::int64_t>::max();
    if (args.size() == 3) {
        end = want_integer(machine, args[2]);
    }
    if (machine.failed() || !machine.charge_bytes(text.size())) {
        return {};
    }
    return slice(text, *start, *end);
}

Value length(Machine& machine, Args args) {
    if (args[0].is(Type::kArray)) {
        return Value::integer(static_cast<std::int64_t>(args[0].items().size()));
    }
    const std::string_view text = want_text(machine, args[0]);
    return machine.failed() || !machine.charge_bytes(text.size())
               ? Value{}
               : Value::integer(characters(text));
}

Value byte_size(Machine& machine, Args args) {
    return args[0].text_like() ? Value::integer(static_cast<std::int64_t>(args[0].text().size()))
                               : machine.fail_type("a text", args[0]);
}

// Every part, also empty ones; an empty separator is a failure.
Value split(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const std::string_view separator =
        args.size() == 2 ? want_text(machine, args[1]) : std::string_view(" ");
    if (machine.failed()) {
        return {};
    }
    if (separator.empty()) {
        return machine.fail(FailReason::kType, "the separator is empty");
    }
    std::size_t count = 1;
    for (std::size_t at = text.find(separator); at != std::string_view::npos;
         at = text.find(separator, at + separator.size())) {
        ++count;
    }
    Value* parts = machine.arena().make<Value>(count);
    if (parts == nullptr || !machine.charge(count)) {
        return machine.fail(FailReason::kBudget, "the evaluation took too much memory");
    }
    std::size_t from = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t to = std::min(text.find(separator, from), text.size());
        parts[i] = Value::string(text.substr(from, to - from));
        from = to + separator.size();
    }
    return Value::array({parts, count});
}

Value replace(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const std::string_view what = want_text(machine, args[1]);
    const std::string_view with = want_text(machine, args[2]);
    if (machine.failed() || what.empty()) {
        return machine.failed() ? Value{} : args[0];
    }
    std::string& out = machine.scratch();
    std::size_t from = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, from)) {
        out.append(text.substr(from, at - from)).append(with);
        from = at + what.size();
        if (out.size() > kTextMax) {
            return machine.fail(FailReason::kBudget, "the text is too long");
        }
    }
    out.append(text.substr(from));
    return machine.new_string(out);
}

template <bool kStart>
Value has_end(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const std::string_view part = want_text(machine, args[1]);
    if (machine.failed()) {
        return {};
    }
    return Value::boolean(kStart ? text.starts_with(part) : text.ends_with(part));
}

// -1: not found.
Value index_of(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const std::string_view part = want_text(machine, args[1]);
    if (machine.failed() || !machine.charge_bytes(text.size())) {
        return {};
    }
    const std::size_t at = text.find(part);
    return Value::integer(at == std::string_view::npos ? -1 : characters(text.substr(0, at)));
}

template <bool kLeft>
Value pad(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const auto wanted = want_integer(machine, args[1]);
    const std::string_view fill =
        args.size() == 3 ? want_text(machine, args[2]) : std::string_view(" ");
    if (machine.failed()) {
        return {};
    }
    const std::int64_t missing = *wanted - characters(text);
    if (missing <= 0 || fill.empty()) {
        return Value::string(text);
    }
    if (missing > static_cast<std::int64_t>(kTextMax / fill.size())) {
        return machine.fail(FailReason::kBudget, "the text is too long");
    }
    std::string& out = machine.scratch();
    out.append(kLeft ? "" : text);
    const std::int64_t whole = characters(fill);
    for (std::int64_t left = missing; left > 0; left -= whole) {
        out.append(left >= whole ? fill : fill.substr(0, byte_of(fill, left)));
    }
    out.append(kLeft ? text : "");
    return machine.new_string(out);
}

// RE2 takes time linear in the text.
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
    const auto growth = static_cast<std::size_t>(characters(text) + 1);
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

constexpr FunctionSpec kFunctions[] = {
    {"lower", 1, 1, change_case<'A', 'a'>},
    {"upper", 1, 1, change_case<'a', 'A'>},
    {"trim", 1, 1, trim<true, true>},
    {"ltrim", 1, 1, trim<true, false>},
    {"rtrim", 1, 1, trim<false, true>},
    {"concat", 1, kArgsMax, concat},
    {"substr", 2, 3, substr},
    {"substring", 2, 3, substring},
    {"strlen", 1, 1, length},
    {"length", 1, 1, length},
    {"numbytes", 1, 1, byte_size},
    {"bytesize", 1, 1, byte_size},
    {"split", 1, 2, split},
    {"replace", 3, 3, replace},
    {"startswith", 2, 2, has_end<true>},
    {"endswith", 2, 2, has_end<false>},
    {"indexof", 2, 2, index_of},
    {"lpad", 2, 3, pad<true>},
    {"rpad", 2, 3, pad<false>},
    {"regexp_matches", 2, 2, regexp_matches, Absent::kPropagates, 1},
    {"regex_match", 2, 2, regexp_matches, Absent::kPropagates, 1},
    {"regexp_substr", 2, 2, regexp_substr, Absent::kPropagates, 1},
    {"regexp_replace", 3, 3, regexp_replace, Absent::kPropagates, 1},
    {"regex_replace", 3, 3, regexp_replace, Absent::kPropagates, 1},
};

}  // namespace

std::span<const FunctionSpec> text_functions() { return kFunctions; }

}  // namespace causeway::rules
