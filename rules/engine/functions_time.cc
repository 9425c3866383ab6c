// Time. Now is EvalContext::now_ms, so it is one moment for a message and can be replayed.
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

// Year 0 to 9999, which is what RFC 3339 can say.
constexpr std::int64_t kSecondsMin = -62'167'219'200;
constexpr std::int64_t kSecondsMax = 253'402'300'799;

// 1000 for 'millisecond', 1 for 'second' (the default).
std::optional<std::int64_t> unit(Machine& machine, Args args, std::size_t at) {
    if (args.size() <= at) {
        return 1;
    }
    const std::string_view text = args[at].text_like() ? args[at].text() : std::string_view{};
    if (text == "second" || text == "millisecond") {
        return text == "second" ? 1 : 1000;
    }
    machine.fail(FailReason::kType, "the unit must be 'second' or 'millisecond'");
    return std::nullopt;
}

std::int64_t now(Machine& machine, std::int64_t per_second) {
    return static_cast<std::int64_t>(machine.context().now_ms /
                                     static_cast<std::uint64_t>(1000 / per_second));
}

Value rfc3339(Machine& machine, std::int64_t time, std::int64_t per_second) {
    const std::int64_t seconds = time / per_second - (time % per_second < 0 ? 1 : 0);
    const std::int64_t fraction = time - seconds * per_second;
    if (seconds < kSecondsMin || seconds > kSecondsMax) {
        return machine.fail(FailReason::kArithmetic, "the time is beyond the years 0 to 9999");
    }
    const std::chrono::sys_seconds point{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(point);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(point - day);
    std::array<char, 40> text{};
    int size = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()));
    std::string& out = machine.scratch();
    out.assign(text.data(), static_cast<std::size_t>(size));
    if (per_second == 1000) {
        size = std::snprintf(text.data(), text.size(), ".%03d", static_cast<int>(fraction));
        out.append(text.data(), static_cast<std::size_t>(size));
    }
    out.push_back('Z');
    return machine.new_string(out);
}

Value now_timestamp(Machine& machine, Args args) {
    const auto per_second = unit(machine, args, 0);
    return per_second ? Value::integer(now(machine, *per_second)) : Value{};
}

Value now_rfc3339(Machine& machine, Args args) {
    const auto per_second = unit(machine, args, 0);
    return per_second ? rfc3339(machine, now(machine, *per_second), *per_second) : Value{};
}

Value to_rfc3339(Machine& machine, Args args) {
    const auto time = want_integer(machine, args[0]);
    const auto per_second = unit(machine, args, 1);
    return time && per_second ? rfc3339(machine, *time, *per_second) : Value{};
}

// Reads exactly `digits` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
    int value = 0;
    if (text.size() < digits) {
        return std::nullopt;
    }
    const auto result = std::from_chars(text.data(), text.data() + digits, value);
    if (result.ec != std::errc{} || result.ptr != text.data() + digits || value < 0) {
        return std::nullopt;
    }
    text.remove_prefix(digits);
    return value;
}

bool take(std::string_view& text, std::string_view any_of) {
    if (text.empty() || any_of.find(text.front()) == std::string_view::npos) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

// The fraction of a second in milliseconds, rounded down.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
    std::int64_t ms = 0;
    int digits = 0;
    if (!take(text, ".")) {
        return 0;
    }
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
        ms = digits < 3 ? ms * 10 + (text.front() - '0') : ms;
        text.remove_prefix(1);
    }
    for (int i = digits; i < 3; ++i) {
        ms *= 10;
    }
    return digits == 0 ? std::nullopt : std::optional(ms);
}

// Seconds east of UTC.
std::optional<std::int64_t> take_zone(std::string_view& text) {
    if (take(text, "Zz")) {
        return 0;
    }
    const int sign = text.starts_with('-') ? -1 : 1;
    if (!take(text, "+-")) {
        return std::nullopt;
    }
    const auto hours = take_digits(text, 2);
    if (!hours || !take(text, ":")) {
        return std::nullopt;
    }
    const auto minutes = take_digits(text, 2);
    if (!minutes || *hours > 23 || *minutes > 59) {
        return std::nullopt;
    }
    return sign * (*hours * 3600 + *minutes * 60);
}

std::optional<std::int64_t> parse_rfc3339_ms(std::string_view text) {
    std::array<int, 6> part{};
    constexpr std::array<std::size_t, 6> kDigits = {4, 2, 2, 2, 2, 2};
    constexpr std::array<std::string_view, 6> kAfter = {"-", "-", "Tt ", ":", ":", ""};
    for (std::size_t i = 0; i < part.size(); ++i) {
        const auto value = take_digits(text, kDigits[i]);
        if (!value || (!kAfter[i].empty() && !take(text, kAfter[i]))) {
            return std::nullopt;
        }
        part[i] = *value;
    }
    const auto ms = take_fraction(text);
    const auto zone = ms ? take_zone(text) : std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(part[0]),
                                           std::chrono::month(static_cast<unsigned>(part[1])),
                                           std::chrono::day(static_cast<unsigned>(part[2]))};
    if (!zone || !text.empty() || !date.ok() || part[3] > 23 || part[4] > 59 || part[5] > 60) {
        return std::nullopt;
    }
    const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    return (days * 86'400 + part[3] * 3600 + part[4] * 60 + part[5] - *zone) * 1000 + *ms;
}

Value from_rfc3339(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const auto per_second = unit(machine, args, 1);
    if (machine.failed()) {
        return {};
    }
    const auto ms = parse_rfc3339_ms(text);
    if (!ms) {
        return machine.fail(FailReason::kType, "the text is not an RFC 3339 time");
    }
    return Value::integer(*per_second == 1000 ? *ms : *ms / 1000 - (*ms % 1000 < 0 ? 1 : 0));
}

constexpr FunctionSpec kFunctions[] = {
    {"now_timestamp", 0, 1, now_timestamp},
    {"now_rfc3339", 0, 1, now_rfc3339},
    {"unix_ts_to_rfc3339", 1, 2, to_rfc3339},
    {"rfc3339_to_unix_ts", 1, 2, from_rfc3339},
};

}  // namespace

std::span<const FunctionSpec> time_functions() { return kFunctions; }

}  // namespace causeway::rules
