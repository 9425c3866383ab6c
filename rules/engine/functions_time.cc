// Time. Now is EvalContext::now_ms, so it is one moment for a message and can be replayed.
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

// Year 0 to 9999, which is what RFC 3339 can say.
constexpr std::int64_t kSecondsMin = -62'167'219'200;
constexpr std::int64_t kSecondsMax = 253'402'300'799;
constexpr std::int64_t kNs = 1'000'000'000;

// Ticks a second: that of args[at], or 1 where it is not given.
std::optional<std::int64_t> unit(Machine& machine, Args args, std::size_t at) {
    return args.size() <= at ? 1 : time_unit(machine, args[at]);
}

std::int64_t now(Machine& machine, std::int64_t per_second) {
    const auto ms = static_cast<std::int64_t>(machine.context().now_ms);
    return per_second < 1000 ? ms / 1000 : ms * (per_second / 1000);
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
    if (per_second != 1) {
        const int digits = per_second == 1000 ? 3 : per_second == 1'000'000 ? 6 : 9;
        size = std::snprintf(text.data(), text.size(), ".%0*d", digits, static_cast<int>(fraction));
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

// The fraction of a second in nanoseconds, rounded down.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
    std::int64_t ns = 0;
    int digits = 0;
    if (!take(text, ".")) {
        return 0;
    }
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
        ns = digits < 9 ? ns * 10 + (text.front() - '0') : ns;
        text.remove_prefix(1);
    }
    for (int i = digits; i < 9; ++i) {
        ns *= 10;
    }
    return digits == 0 ? std::nullopt : std::optional(ns);
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

struct Instant {
    std::int64_t seconds = 0;
    std::int64_t ns = 0;
};

std::optional<Instant> parse_rfc3339(std::string_view text) {
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
    const auto ns = take_fraction(text);
    const auto zone = ns ? take_zone(text) : std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(part[0]),
                                           std::chrono::month(static_cast<unsigned>(part[1])),
                                           std::chrono::day(static_cast<unsigned>(part[2]))};
    if (!zone || !text.empty() || !date.ok() || part[3] > 23 || part[4] > 59 || part[5] > 60) {
        return std::nullopt;
    }
    const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    return Instant{days * 86'400 + part[3] * 3600 + part[4] * 60 + part[5] - *zone, *ns};
}

Value from_rfc3339(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    const auto per_second = unit(machine, args, 1);
    if (machine.failed()) {
        return {};
    }
    const auto instant = parse_rfc3339(text);
    return instant ? in_ticks(machine, instant->seconds, instant->ns, *per_second)
                   : machine.fail(FailReason::kType, "the text is not an RFC 3339 time");
}

constexpr FunctionSpec kFunctions[] = {
    {"now_timestamp", now_timestamp, 0, 1},
    {"now_rfc3339", now_rfc3339, 0, 1},
    {"unix_ts_to_rfc3339", to_rfc3339, 1, 2},
    {"rfc3339_to_unix_ts", from_rfc3339, 1, 2},
};

}  // namespace

std::optional<std::int64_t> time_unit(Machine& machine, const Value& value) {
    constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
        {"second", 1}, {"millisecond", 1000}, {"microsecond", 1'000'000}, {"nanosecond", kNs}};
    const std::string_view text = value.text_like() ? value.text() : std::string_view{};
    for (const auto& [name, per_second] : kUnits) {
        if (text == name) {
            return per_second;
        }
    }
    machine.fail(FailReason::kType,
                 "the unit must be 'second', 'millisecond', 'microsecond' or 'nanosecond'");
    return std::nullopt;
}

Value in_ticks(Machine& machine, std::int64_t seconds, std::int64_t ns, std::int64_t per_second) {
    std::int64_t ticks = 0;
    if (__builtin_mul_overflow(seconds, per_second, &ticks) ||
        __builtin_add_overflow(ticks, ns / (kNs / per_second), &ticks)) {
        return machine.fail(FailReason::kArithmetic, "integer overflow");
    }
    return Value::integer(ticks);
}

std::span<const FunctionSpec> time_functions() { return kFunctions; }

}  // namespace causeway::rules
