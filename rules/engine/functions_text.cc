// Text: cutting, joining, searching. Positions and lengths are in characters
// (code points), from 0.
#include <algorithm>
#include <limits>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

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
            return too_long(machine);
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
        return out_of_memory(machine);
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
            return too_long(machine);
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

// left(text, n), right(text, n): at most n characters.
template <bool kLeft>
Value end_part(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const auto count = want_integer(machine, args[1]);
    if (machine.failed() || !machine.charge_bytes(text.size())) {
        return {};
    }
    const std::int64_t wanted = std::max<std::int64_t>(*count, 0);
    if (kLeft) {
        return slice(text, 0, wanted);
    }
    const std::int64_t size = characters(text);
    return slice(text, wanted > size ? 0 : size - wanted, size);
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
        return too_long(machine);
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

// EMQX: pad(text, length [, 'trailing' | 'leading' | 'both' [, fill]])
Value pad_at(Machine& machine, Args args) {
    const std::string_view where = args.size() > 2 ? want_text(machine, args[2]) : "trailing";
    const Value fill = args.size() > 3 ? args[3] : Value::string(" ");
    const Value wanted[] = {args[0], args[1], fill};
    if (where == "trailing" || where == "leading") {
        return where == "leading" ? pad<true>(machine, wanted) : pad<false>(machine, wanted);
    }
    const std::string_view text = want_text(machine, args[0]);
    const auto length = want_integer(machine, args[1]);
    if (machine.failed() || where != "both") {
        return machine.failed() ? Value{}
                                : machine.fail(FailReason::kType,
                                               "pad() knows 'trailing', 'leading' and 'both'");
    }
    const std::int64_t size = characters(text);
    const std::int64_t missing = std::max<std::int64_t>(*length - size, 0);
    const Value left[] = {args[0], Value::integer(size + missing / 2), fill};
    const Value padded = pad<true>(machine, left);
    const Value right[] = {padded, Value::integer(size + missing), fill};
    return machine.failed() ? Value{} : pad<false>(machine, right);
}

constexpr FunctionSpec kFunctions[] = {
    {"lower", change_case<'A', 'a'>, 1, 1},
    {"upper", change_case<'a', 'A'>, 1, 1},
    {"trim", trim<true, true>, 1, 1},
    {"ltrim", trim<true, false>, 1, 1},
    {"rtrim", trim<false, true>, 1, 1},
    {"concat", concat, 1, kArgsMax},
    {"substr", substr, 2, 3},
    {"substring", substring, 2, 3},
    {"strlen", length, 1, 1},
    {"length", length, 1, 1},
    {"numbytes", byte_size, 1, 1},
    {"bytesize", byte_size, 1, 1},
    {"split", split, 1, 2},
    {"replace", replace, 3, 3},
    {"startswith", has_end<true>, 2, 2},
    {"endswith", has_end<false>, 2, 2},
    {"indexof", index_of, 2, 2},
    {"lpad", pad<true>, 2, 3},
    {"rpad", pad<false>, 2, 3},
    {"pad", pad_at, 2, 4},
    {"left", end_part<true>, 2, 2},
    {"right", end_part<false>, 2, 2},
};

}  // namespace

std::span<const FunctionSpec> text_functions() { return kFunctions; }

}  // namespace causeway::rules
