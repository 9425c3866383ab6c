// Dates by a format: EMQX's (%Y-%m-%d) and AWS's (yyyy-MM-dd), which are read into the same parts.
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

constexpr std::int64_t kSecondsMin = -62'167'219'200;  // year 0
constexpr std::int64_t kSecondsMax = 253'402'300'799;  // the end of 9999
constexpr std::int64_t kNs = 1'000'000'000;
constexpr std::int64_t kOffsetMaxS = 24 * 3600;

enum class Part : std::uint8_t {
    kLiteral,
    kYear,
    kMonth,
    kDay,
    kHour,
    kMinute,
    kSecond,
    kFraction,  // so many digits
    kZone,      // +0800
    kZoneColon,
    kUnknown,
};

struct Piece {
    Part part = Part::kLiteral;
    char literal = 0;
    int digits = 2;
};

struct Clock {
    int year = 1970;
    int month = 1;
    int day = 1;
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::int64_t ns = 0;
    std::int64_t offset_s = 0;
};

// %Y %m %d %H %M %S %N %3N %6N %9N %z %:z %%
Piece percent_piece(std::string_view& format) {
    if (format.front() != '%') {
        const char literal = format.front();
        format.remove_prefix(1);
        return {Part::kLiteral, literal, 0};
    }
    constexpr std::pair<std::string_view, Piece> kPieces[] = {
        {"%Y", {Part::kYear, 0, 4}},      {"%m", {Part::kMonth, 0, 2}},
        {"%d", {Part::kDay, 0, 2}},       {"%H", {Part::kHour, 0, 2}},
        {"%M", {Part::kMinute, 0, 2}},    {"%S", {Part::kSecond, 0, 2}},
        {"%N", {Part::kFraction, 0, 9}},  {"%3N", {Part::kFraction, 0, 3}},
        {"%6N", {Part::kFraction, 0, 6}}, {"%9N", {Part::kFraction, 0, 9}},
        {"%z", {Part::kZone, 0, 0}},      {"%:z", {Part::kZoneColon, 0, 0}},
        {"%%", {Part::kLiteral, '%', 0}},
    };
    for (const auto& [name, piece] : kPieces) {
        if (format.starts_with(name)) {
            format.remove_prefix(name.size());
            return piece;
        }
    }
    return {Part::kUnknown, 0, 0};
}

// yyyy MM dd HH mm ss S… Z ZZ 'text'
Piece letter_piece(std::string_view& format) {
    const char c = format.front();
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    std::size_t run = 1;
    while (letter && run < format.size() && format[run] == c) {
        ++run;
    }
    format.remove_prefix(run);
    if (!letter) {
        return {Part::kLiteral, c, 0};
    }
    constexpr std::pair<char, Part> kTwo[] = {{'M', Part::kMonth},
                                              {'d', Part::kDay},
                                              {'H', Part::kHour},
                                              {'m', Part::kMinute},
                                              {'s', Part::kSecond}};
    for (const auto& [name, part] : kTwo) {
        if (c == name && run == 2) {
            return {part, 0, 2};
        }
    }
    if ((c == 'y' || c == 'Y') && run == 4) {
        return {Part::kYear, 0, 4};
    }
    if (c == 'S' && run <= 9) {
        return {Part::kFraction, 0, static_cast<int>(run)};
    }
    if (c == 'Z' && run <= 2) {
        return {run == 1 ? Part::kZone : Part::kZoneColon, 0, 0};
    }
    return {Part::kUnknown, 0, 0};
}

using NextPiece = Piece (*)(std::string_view& format);

// AWS's format has texts in quotes; they are taken off first.
bool take_quoted(std::string_view& format, std::string_view& text) {
    const std::size_t end = format.find('\'', 1);
    if (format.front() != '\'' || end == std::string_view::npos) {
        return false;
    }
    text = format.substr(1, end - 1);
    format.remove_prefix(end + 1);
    return true;
}

void append_zone(std::int64_t offset_s, bool colon, std::string& out) {
    std::array<char, 16> text{};
    const auto minutes = static_cast<int>(offset_s < 0 ? -offset_s / 60 : offset_s / 60);
    const int size = std::snprintf(text.data(), text.size(), colon ? "%c%02d:%02d" : "%c%02d%02d",
                                   offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
    out.append(text.data(), static_cast<std::size_t>(size));
}

void append_piece(const Piece& piece, const Clock& clock, std::string& out) {
    int value = 0;
    switch (piece.part) {
        case Part::kYear:
            value = clock.year;
            break;
        case Part::kMonth:
            value = clock.month;
            break;
        case Part::kDay:
            value = clock.day;
            break;
        case Part::kHour:
            value = clock.hour;
            break;
        case Part::kMinute:
            value = clock.minute;
            break;
        case Part::kSecond:
            value = clock.second;
            break;
        case Part::kFraction: {
            std::int64_t fraction = clock.ns;
            for (int i = piece.digits; i < 9; ++i) {
                fraction /= 10;
            }
            value = static_cast<int>(fraction);
            break;
        }
        case Part::kZone:
        case Part::kZoneColon:
            return append_zone(clock.offset_s, piece.part == Part::kZoneColon, out);
        default:
            out.push_back(piece.literal);
            return;
    }
    std::array<char, 16> text{};
    const int size = std::snprintf(text.data(), text.size(), "%0*d", piece.digits, value);
    out.append(text.data(), static_cast<std::size_t>(size));
}

Value unknown_format(Machine& machine) {
    return machine.fail(FailReason::kType, "this date format has a part that is not known");
}

Value write(Machine& machine, const Clock& clock, std::string_view format, NextPiece next) {
    std::string& out = machine.scratch();
    while (!format.empty()) {
        std::string_view text;
        if (next == letter_piece && take_quoted(format, text)) {
            out += text;
            continue;
        }
        const Piece piece = next(format);
        if (piece.part == Part::kUnknown) {
            return unknown_format(machine);
        }
        append_piece(piece, clock, out);
    }
    return machine.new_string(out);
}

// Z, +08:00, +0800, +08; seconds east of UTC.
std::optional<std::int64_t> take_zone(std::string_view& text) {
    if (text.starts_with('Z') || text.starts_with('z')) {
        text.remove_prefix(1);
        return 0;
    }
    const int sign = text.starts_with('-') ? -1 : text.starts_with('+') ? 1 : 0;
    const auto two = [&text](std::size_t at) -> std::optional<int> {
        int value = 0;
        if (text.size() < at + 2 ||
            std::from_chars(text.data() + at, text.data() + at + 2, value).ptr !=
                text.data() + at + 2 ||
            value < 0) {
            return std::nullopt;
        }
        return value;
    };
    const auto hours = two(1);
    if (sign == 0 || !hours) {
        return std::nullopt;
    }
    const bool colon = text.size() > 3 && text[3] == ':';
    const auto minutes = two(colon ? 4 : 3);
    if (*hours > 23 || (colon && !minutes) || minutes.value_or(0) > 59) {
        return std::nullopt;
    }
    text.remove_prefix(!minutes ? 3 : colon ? 6 : 5);
    return sign * (*hours * 3600 + minutes.value_or(0) * 60);
}

bool take_number(std::string_view& text, int digits, int& out) {
    const auto size = static_cast<std::size_t>(digits);
    if (text.size() < size || text.front() == '-' ||
        std::from_chars(text.data(), text.data() + size, out).ptr != text.data() + size) {
        return false;
    }
    text.remove_prefix(size);
    return true;
}

bool take_piece(const Piece& piece, std::string_view& text, Clock& clock) {
    int value = 0;
    switch (piece.part) {
        case Part::kYear:
            return take_number(text, 4, clock.year);
        case Part::kMonth:
            return take_number(text, 2, clock.month);
        case Part::kDay:
            return take_number(text, 2, clock.day);
        case Part::kHour:
            return take_number(text, 2, clock.hour) && clock.hour <= 23;
        case Part::kMinute:
            return take_number(text, 2, clock.minute) && clock.minute <= 59;
        case Part::kSecond:
            return take_number(text, 2, clock.second) && clock.second <= 60;
        case Part::kFraction:
            if (!take_number(text, piece.digits, value)) {
                return false;
            }
            clock.ns = value;
            for (int i = piece.digits; i < 9; ++i) {
                clock.ns *= 10;
            }
            return true;
        case Part::kZone:
        case Part::kZoneColon: {
            const auto zone = take_zone(text);
            clock.offset_s = zone.value_or(0);
            return zone.has_value();
        }
        default:
            if (!text.starts_with(piece.literal)) {
                return false;
            }
            text.remove_prefix(1);
            return true;
    }
}

Value read(Machine& machine, std::string_view text, Clock clock, std::string_view format,
           NextPiece next, std::int64_t per_second) {
    bool good = true;
    while (good && !format.empty()) {
        std::string_view quoted;
        if (next == letter_piece && take_quoted(format, quoted)) {
            good = text.starts_with(quoted);
            text.remove_prefix(good ? quoted.size() : 0);
            continue;
        }
        const Piece piece = next(format);
        if (piece.part == Part::kUnknown) {
            return unknown_format(machine);
        }
        good = take_piece(piece, text, clock);
    }
    const std::chrono::year_month_day date{std::chrono::year(clock.year),
                                           std::chrono::month(static_cast<unsigned>(clock.month)),
                                           std::chrono::day(static_cast<unsigned>(clock.day))};
    if (!good || !text.empty() || !date.ok()) {
        return machine.fail(FailReason::kType, "the text is no date of this format");
    }
    const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    return in_ticks(
        machine,
        days * 86'400 + clock.hour * 3600 + clock.minute * 60 + clock.second - clock.offset_s,
        clock.ns, per_second);
}

std::optional<Clock> clock_of(Machine& machine, std::int64_t time, std::int64_t per_second,
                              std::int64_t offset_s) {
    std::int64_t seconds = time / per_second - (time % per_second < 0 ? 1 : 0);
    if (seconds < kSecondsMin + kOffsetMaxS || seconds > kSecondsMax - kOffsetMaxS) {
        machine.fail(FailReason::kArithmetic, "the time is beyond the years 0 to 9999");
        return std::nullopt;
    }
    Clock clock;
    clock.ns = (time - seconds * per_second) * (kNs / per_second);
    clock.offset_s = offset_s;
    seconds += offset_s;
    const std::chrono::sys_seconds point{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(point);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss in_day(point - day);
    clock.year = static_cast<int>(date.year());
    clock.month = static_cast<int>(static_cast<unsigned>(date.month()));
    clock.day = static_cast<int>(static_cast<unsigned>(date.day()));
    clock.hour = static_cast<int>(in_day.hours().count());
    clock.minute = static_cast<int>(in_day.minutes().count());
    clock.second = static_cast<int>(in_day.seconds().count());
    return clock;
}

// 'Z', 'UTC', '+08:00', or a number of seconds.
std::optional<std::int64_t> want_offset(Machine& machine, const Value& value) {
    std::optional<std::int64_t> offset;
    if (value.is(Type::kInteger)) {
        offset = value.as_integer();
    } else if (value.text_like()) {
        std::string_view text = value.text();
        offset = text == "UTC" ? 0 : take_zone(text);
        offset = text == "UTC" || text.empty() ? offset : std::nullopt;
    }
    if (!offset || *offset <= -kOffsetMaxS || *offset >= kOffsetMaxS) {
        machine.fail(FailReason::kType, "the time zone must be 'Z', 'UTC' or like '+08:00'");
        return std::nullopt;
    }
    return offset;
}

// format_date(unit, offset, format [, time])
Value format_date(Machine& machine, Args args) {
    const auto per_second = time_unit(machine, args[0]);
    const auto offset = want_offset(machine, args[1]);
    const std::string_view format = want_text(machine, args[2]);
    if (machine.failed() || !machine.charge(1 + format.size() / 8)) {
        return {};
    }
    std::int64_t time = static_cast<std::int64_t>(machine.context().now_ms);
    std::int64_t time_per_second = 1000;
    if (args.size() == 4) {
        const auto given = want_integer(machine, args[3]);
        time = given.value_or(0);
        time_per_second = *per_second;
    }
    const auto clock =
        machine.failed() ? std::nullopt : clock_of(machine, time, time_per_second, *offset);
    return clock ? write(machine, *clock, format, percent_piece) : Value{};
}

// date_to_unix_ts(unit, [offset,] format, text)
Value date_to_unix_ts(Machine& machine, Args args) {
    const auto per_second = time_unit(machine, args[0]);
    Clock clock;
    if (args.size() == 4) {
        clock.offset_s = want_offset(machine, args[1]).value_or(0);
    }
    const std::string_view format = want_text(machine, args[args.size() - 2]);
    const std::string_view text = want_text(machine, args.back());
    if (machine.failed() || !machine.charge(1 + format.size() / 8)) {
        return {};
    }
    return read(machine, text, clock, format, percent_piece, *per_second);
}

Value offset_seconds(Machine& machine, Args args) {
    const auto offset = want_offset(machine, args[0]);
    return offset ? Value::integer(*offset) : Value{};
}

// AWS: parse_time(format, milliseconds [, zone])
Value parse_time(Machine& machine, Args args) {
    const std::string_view format = want_text(machine, args[0]);
    const auto time = want_integer(machine, args[1]);
    const auto offset =
        args.size() == 3 ? want_offset(machine, args[2]) : std::optional<std::int64_t>(0);
    if (machine.failed() || !machine.charge(1 + format.size() / 8)) {
        return {};
    }
    const auto clock = clock_of(machine, *time, 1000, *offset);
    return clock ? write(machine, *clock, format, letter_piece) : Value{};
}

// AWS: time_to_epoch(text, format), in milliseconds.
Value time_to_epoch(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const std::string_view format = want_text(machine, args[1]);
    if (machine.failed() || !machine.charge(1 + format.size() / 8)) {
        return {};
    }
    return read(machine, text, {}, format, letter_piece, 1000);
}

constexpr FunctionSpec kFunctions[] = {
    {"format_date", format_date, 3, 4},
    {"date_to_unix_ts", date_to_unix_ts, 3, 4},
    {"timezone_to_offset_seconds", offset_seconds, 1, 1},
    {"parse_time", parse_time, 2, 3},
    {"time_to_epoch", time_to_epoch, 2, 2},
};

}  // namespace

std::span<const FunctionSpec> date_functions() { return kFunctions; }

}  // namespace causeway::rules
