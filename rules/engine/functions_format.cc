// Text that is put together or taken apart: sprintf, tokens, padding, escapes.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "core/message/topic.h"
#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

// One directive of sprintf: %[-0+][width][.precision]kind.
struct Directive {
    bool left = false;
    bool zero = false;
    bool plus = false;
    int width = 0;
    int precision = -1;
    char kind = 0;
};

int take_number(std::string_view& text) {
    int value = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        value = std::min(value * 10 + (text.front() - '0'), 10'000);
        text.remove_prefix(1);
    }
    return value;
}

std::optional<Directive> take_directive(std::string_view& text) {
    Directive d;
    for (; !text.empty(); text.remove_prefix(1)) {
        const char c = text.front();
        d.left = d.left || c == '-';
        d.zero = d.zero || c == '0';
        d.plus = d.plus || c == '+';
        if (c != '-' && c != '0' && c != '+') {
            break;
        }
    }
    d.width = take_number(text);
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        d.precision = take_number(text);
    }
    if (text.empty() || d.width > 1000 || d.precision > 100) {
        return std::nullopt;
    }
    d.kind = text.front();
    text.remove_prefix(1);
    return std::string_view("sdixXofeg").find(d.kind) == std::string_view::npos ? std::nullopt
                                                                                : std::optional(d);
}

void pad_to(const Directive& d, std::string_view text, bool number, std::string& out) {
    const auto shown = static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
    const auto missing = static_cast<std::size_t>(std::max(d.width - shown, 0));
    if (d.left) {
        out.append(text).append(missing, ' ');
    } else if (d.zero && number) {
        const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
        out.append(text.substr(0, sign)).append(missing, '0').append(text.substr(sign));
    } else {
        out.append(missing, ' ').append(text);
    }
}

bool format_integer(Machine& machine, const Directive& d, const Value& value, std::string& out) {
    const auto integer = want_integer(machine, value);
    if (!integer) {
        return false;
    }
    std::array<char, 72> buffer{};
    char* at = buffer.data();
    const int base = d.kind == 'o' ? 8 : d.kind == 'x' || d.kind == 'X' ? 16 : 10;
    if (d.plus && *integer >= 0 && base == 10) {
        *at++ = '+';
    }
    char* const end = buffer.data() + buffer.size();
    const auto result = base == 10
                            ? std::to_chars(at, end, *integer)
                            : std::to_chars(at, end, static_cast<std::uint64_t>(*integer), base);
    if (d.kind == 'X') {
        std::transform(at, result.ptr, at,
                       [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
    }
    pad_to(d, {buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data())}, true, out);
    return true;
}

bool format_decimal(Machine& machine, const Directive& d, const Value& value, std::string& out) {
    const auto decimal = want_number(machine, value);
    if (!decimal) {
        return false;
    }
    std::array<char, 512> buffer{};
    char* at = buffer.data();
    if (d.plus && *decimal >= 0) {
        *at++ = '+';
    }
    const auto form = d.kind == 'f'   ? std::chars_format::fixed
                      : d.kind == 'e' ? std::chars_format::scientific
                                      : std::chars_format::general;
    const auto result = std::to_chars(at, buffer.data() + buffer.size(), *decimal, form,
                                      d.precision < 0 ? 6 : d.precision);
    if (result.ec != std::errc{}) {
        too_long(machine);
        return false;
    }
    pad_to(d, {buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data())}, true, out);
    return true;
}

std::string_view first_characters(std::string_view text, int count) {
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        if ((static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U && count-- == 0) {
            break;
        }
    }
    return text.substr(0, at);
}

bool format_one(Machine& machine, const Directive& d, const Value& value, std::string& out) {
    if (d.kind != 's') {
        const bool decimal = d.kind == 'f' || d.kind == 'e' || d.kind == 'g';
        return decimal ? format_decimal(machine, d, value, out)
                       : format_integer(machine, d, value, out);
    }
    std::string text;
    if (!append_text(value, kTextMax, text)) {
        too_long(machine);
        return false;
    }
    if (!valid_utf8(text)) {
        machine.fail(FailReason::kType, "the bytes are not UTF-8");
        return false;
    }
    pad_to(d, d.precision < 0 ? std::string_view(text) : first_characters(text, d.precision), false,
           out);
    return true;
}

// sprintf('%s is %.1f', name, t), as in C; also EMQX's ~s and ~p.
Value format(Machine& machine, Args args) {
    std::string_view text = want_text(machine, args[0]);
    std::string out;
    std::size_t next = 1;
    while (!machine.failed() && !text.empty()) {
        const std::size_t at = std::min(text.find_first_of("%~"), text.size());
        out.append(text.substr(0, at));
        text.remove_prefix(at);
        if (text.empty()) {
            break;
        }
        const char mark = text.front();
        text.remove_prefix(1);
        if (text.starts_with(mark)) {
            out.push_back(mark);
            text.remove_prefix(1);
            continue;
        }
        std::optional<Directive> directive = Directive{.kind = 's'};
        if (mark == '%') {
            directive = take_directive(text);
        } else if (text.starts_with('s') || text.starts_with('p')) {
            text.remove_prefix(1);
        } else {
            directive.reset();
        }
        if (!directive) {
            return machine.fail(FailReason::kType,
                                "sprintf() does not know this directive; known: "
                                "%s %d %i %x %X %o %f %e %g %% ~s ~p ~~");
        }
        if (next >= args.size()) {
            return machine.fail(FailReason::kType, "sprintf() has too few arguments");
        }
        if (!format_one(machine, *directive, args[next++], out)) {
            return {};
        }
        if (out.size() > kTextMax) {
            return too_long(machine);
        }
    }
    if (!machine.failed() && next != args.size()) {
        return machine.fail(FailReason::kType, "sprintf() has too many arguments");
    }
    return machine.new_string(out);
}

// tokens(text, separators [, 'nocrlf']): the parts between any of the characters, without empty
// ones.
Value tokens(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    std::string separators(want_text(machine, args[1]));
    if (args.size() == 3) {
        if (!args[2].text_like() || args[2].text() != "nocrlf") {
            return machine.fail(FailReason::kType, "tokens() knows 'nocrlf'");
        }
        separators += "\r\n";
    }
    if (machine.failed() || !machine.charge(1 + text.size() / 16)) {
        return {};
    }
    Value* parts = machine.arena().make<Value>(text.size() / 2 + 1);
    if (parts == nullptr) {
        return out_of_memory(machine);
    }
    std::size_t count = 0;
    std::size_t at = text.find_first_not_of(separators);
    while (at != std::string_view::npos) {
        const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
        parts[count++] = Value::string(text.substr(at, end - at));
        at = text.find_first_not_of(separators, end);
    }
    return machine.charge(count) ? Value::array({parts, count}) : Value{};
}

// join_to_string([separator,] array); the separator is ', ' if none is given.
Value join(Machine& machine, Args args) {
    const std::string_view separator =
        args.size() == 2 ? want_text(machine, args[0]) : std::string_view(", ");
    const auto items = want_array(machine, args.back());
    if (machine.failed() || !machine.charge(items->size())) {
        return {};
    }
    std::string& out = machine.scratch();
    bool first = true;
    for (const Value& item : *items) {
        out += first ? std::string_view{} : separator;
        first = false;
        if (!append_text(item, kTextMax, out)) {
            return too_long(machine);
        }
    }
    return valid_utf8(out) ? machine.new_string(out)
                           : machine.fail(FailReason::kType, "the bytes are not UTF-8");
}

// 'a', 1, NULL: texts quoted for SQL.
Value join_sql(Machine& machine, Args args) {
    const auto items = want_array(machine, args[0]);
    if (machine.failed() || !machine.charge(items->size())) {
        return {};
    }
    std::string out;
    for (const Value& item : *items) {
        out += out.empty() ? "" : ", ";
        std::string text;
        if (!append_text(item, kTextMax, text) || out.size() + 2 * text.size() > kTextMax) {
            return too_long(machine);
        }
        if (!item.text_like() && !item.is(Type::kArray) && !item.is(Type::kObject)) {
            out += item.is(Type::kNull) ? "NULL" : text;
            continue;
        }
        out.push_back('\'');
        for (const char c : text) {
            out.append(c == '\'' ? 2 : 1, c);
        }
        out.push_back('\'');
    }
    return valid_utf8(out) ? machine.new_string(out)
                           : machine.fail(FailReason::kType, "the bytes are not UTF-8");
}

void append_utf8(std::uint32_t code, std::string& out) {
    const auto tail = [code](unsigned shift) {
        return static_cast<char>(0x80U | (code >> shift & 0x3FU));
    };
    if (code < 0x80) {
        out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
        out.push_back(static_cast<char>(0xC0U | code >> 6));
        out.push_back(tail(0));
    } else if (code < 0x10000) {
        out.push_back(static_cast<char>(0xE0U | code >> 12));
        out.push_back(tail(6));
        out.push_back(tail(0));
    } else {
        out.push_back(static_cast<char>(0xF0U | code >> 18));
        out.push_back(tail(12));
        out.push_back(tail(6));
        out.push_back(tail(0));
    }
}

Value chr(Machine& machine, Args args) {
    const auto code = want_integer(machine, args[0]);
    if (!code) {
        return {};
    }
    if (*code < 0 || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)) {
        return machine.fail(FailReason::kType, "this is no character");
    }
    std::string& out = machine.scratch();
    append_utf8(static_cast<std::uint32_t>(*code), out);
    return machine.new_string(out);
}

// The code point of the first character.
Value ascii(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    if (machine.failed() || text.empty()) {
        return machine.failed() ? Value{} : machine.fail(FailReason::kType, "the text is empty");
    }
    const auto lead = static_cast<unsigned char>(text[0]);
    std::uint32_t code = lead < 0x80   ? lead
                         : lead < 0xE0 ? lead & 31U
                         : lead < 0xF0 ? lead & 15U
                                       : lead & 7U;
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    for (std::size_t i = 1; i < size; ++i) {  // Valid UTF-8: they are there.
        code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    return Value::integer(code);
}

// What "\" and the character behind it stand for; 0: nothing.
char escaped(char c) {
    constexpr std::string_view kNames = "ntrbfav0s\"'\\/?";
    constexpr std::string_view kMeant("\n\t\r\b\f\a\v\0 \"'\\/?", 14);
    const std::size_t at = kNames.find(c);
    return at == std::string_view::npos ? '\1' : kMeant[at];
}

// unescape('a\nb'): \n \t \r \b \f \a \v \s \" \' \\ \/ \? and \xHH.
Value unescape(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    if (machine.failed()) {
        return {};
    }
    std::string& out = machine.scratch();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out.push_back(text[i]);
            continue;
        }
        const char kind = i + 1 < text.size() ? text[i + 1] : '\1';
        unsigned code = 0;
        if (kind == 'x') {
            const char* begin = text.data() + std::min(i + 2, text.size());
            const char* end = text.data() + std::min(i + 4, text.size());
            const auto result = std::from_chars(begin, end, code, 16);
            if (result.ptr != end || end - begin != 2) {
                return machine.fail(FailReason::kType, "\\x needs two hexadecimal digits");
            }
            append_utf8(code, out);
            i += 3;
            continue;
        }
        const char meant = escaped(kind);
        if (meant == '\1') {
            return machine.fail(FailReason::kType, "this escape has no meaning");
        }
        out.push_back(meant);
        ++i;
    }
    return machine.new_string(out);
}

// find(text, part [, 'leading' | 'trailing']): the text from the first (last) match on; or ''.
Value find(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const std::string_view part = want_text(machine, args[1]);
    const std::string_view from = args.size() == 3 ? want_text(machine, args[2]) : "leading";
    if (machine.failed() || !machine.charge_bytes(text.size())) {
        return {};
    }
    if (from != "leading" && from != "trailing") {
        return machine.fail(FailReason::kType, "find() knows 'leading' and 'trailing'");
    }
    const std::size_t at = from == "leading" ? text.find(part) : text.rfind(part);
    return Value::string(at == std::string_view::npos ? std::string_view("") : text.substr(at));
}

Value remove_prefix(Machine& machine, Args args) {
    std::string_view text = want_text(machine, args[0]);
    const std::string_view prefix = want_text(machine, args[1]);
    if (text.starts_with(prefix)) {
        text.remove_prefix(prefix.size());
    }
    return machine.failed() ? Value{} : Value::string(text);
}

Value repeat(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const auto count = want_integer(machine, args[1]);
    if (machine.failed()) {
        return {};
    }
    if (*count < 0) {
        return machine.fail(FailReason::kType, "a text is repeated 0 times or more");
    }
    if (text.empty()) {
        return Value::string("");
    }
    if (static_cast<std::uint64_t>(*count) > kTextMax / text.size()) {
        return too_long(machine);
    }
    std::string& out = machine.scratch();
    for (std::int64_t i = 0; i < *count; ++i) {
        out += text;
    }
    return machine.new_string(out);
}

// float2str(x, places): at most so many places, no zeros at the end.
Value float_to_text(Machine& machine, Args args) {
    const auto decimal = want_number(machine, args[0]);
    const auto places = want_integer(machine, args[1]);
    if (!decimal || !places) {
        return {};
    }
    if (*places < 0 || *places > 17) {
        return machine.fail(FailReason::kType, "float2str() takes 0 to 17 places");
    }
    std::array<char, 400> buffer{};
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), *decimal,
                                      std::chars_format::fixed, static_cast<int>(*places));
    std::string_view text(buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data()));
    if (text.find('.') != std::string_view::npos) {
        text = text.substr(0, text.find_last_not_of('0') + 1);
        text = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
    }
    return machine.new_string(text);
}

constexpr FunctionSpec kFunctions[] = {
    {"sprintf", format, 1, kArgsMax},
    {"tokens", tokens, 2, 3},
    {"join_to_string", join, 1, 2},
    {"join_to_sql_values_string", join_sql, 1, 1},
    {"chr", chr, 1, 1},
    {"ascii", ascii, 1, 1},
    {"unescape", unescape, 1, 1},
    {"find", find, 2, 3},
    {"rm_prefix", remove_prefix, 2, 2},
    {"repeat", repeat, 2, 2},
    {"float2str", float_to_text, 2, 2},
};

}  // namespace

std::span<const FunctionSpec> format_functions() { return kFunctions; }

}  // namespace causeway::rules
