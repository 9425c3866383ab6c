// Mathematical functions. Decimals that are not finite are failures, as in the operators.
#include <cmath>
#include <compare>
#include <limits>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

template <double (*kRun)(double)>
Value of_one(Machine& machine, Args args) {
    const auto x = want_number(machine, args[0]);
    return x ? finite(machine, kRun(*x)) : Value{};
}

template <double (*kRun)(double, double)>
Value of_two(Machine& machine, Args args) {
    const auto x = want_number(machine, args[0]);
    const auto y = want_number(machine, args[1]);
    return x && y ? finite(machine, kRun(*x, *y)) : Value{};
}

// A decimal that is whole becomes an integer: ceil, floor, round, trunc.
template <double (*kRun)(double)>
Value to_whole(Machine& machine, Args args) {
    if (args[0].is(Type::kInteger)) {
        return args[0];
    }
    const auto x = want_number(machine, args[0]);
    if (!x) {
        return {};
    }
    const double whole = kRun(*x);
    if (!(whole >= -0x1p63 && whole < 0x1p63)) {
        return machine.fail(FailReason::kArithmetic, "integer overflow");
    }
    return Value::integer(static_cast<std::int64_t>(whole));
}

Value absolute(Machine& machine, Args args) {
    if (!args[0].is(Type::kInteger)) {
        const auto x = want_number(machine, args[0]);
        return x ? Value::decimal(std::fabs(*x)) : Value{};
    }
    const std::int64_t i = args[0].as_integer();
    if (i == std::numeric_limits<std::int64_t>::min()) {
        return machine.fail(FailReason::kArithmetic, "integer overflow");
    }
    return Value::integer(i < 0 ? -i : i);
}

Value sign(Machine& machine, Args args) {
    const auto x = want_number(machine, args[0]);
    return x ? Value::integer(*x > 0 ? 1 : (*x < 0 ? -1 : 0)) : Value{};
}

Value mod(Machine& machine, Args args) {
    const auto a = want_integer(machine, args[0]);
    const auto b = want_integer(machine, args[1]);
    if (!a || !b) {
        return {};
    }
    if (*b == 0) {
        return machine.fail(FailReason::kArithmetic, "division by zero");
    }
    return Value::integer(*b == -1 ? 0 : *a % *b);
}

// round(x, places) stays a decimal.
Value round(Machine& machine, Args args) {
    if (args.size() == 1) {
        return to_whole<std::round>(machine, args);
    }
    const auto x = want_number(machine, args[0]);
    const auto places = want_integer(machine, args[1]);
    if (!x || !places) {
        return {};
    }
    if (*places < 0 || *places > 15) {
        return machine.fail(FailReason::kType, "round() takes 0 to 15 places");
    }
    const double scale = std::pow(10.0, static_cast<double>(*places));
    const double scaled = *x * scale;
    return Value::decimal(std::isfinite(scaled) ? std::round(scaled) / scale : *x);
}

// trunc(x, places) stays a decimal, as in AWS.
Value truncate(Machine& machine, Args args) {
    if (args.size() == 1) {
        return to_whole<std::trunc>(machine, args);
    }
    const auto x = want_number(machine, args[0]);
    const auto places = want_integer(machine, args[1]);
    if (!x || !places) {
        return {};
    }
    if (*places < 0 || *places > 15) {
        return machine.fail(FailReason::kType, "trunc() takes 0 to 15 places");
    }
    const double scale = std::pow(10.0, static_cast<double>(*places));
    const double scaled = *x * scale;
    return Value::decimal(std::isfinite(scaled) ? std::trunc(scaled) / scale : *x);
}

// randint(low, high), both included.
Value random_integer(Machine& machine, Args args) {
    const auto low = want_integer(machine, args[0]);
    const auto high = want_integer(machine, args[1]);
    if (!low || !high) {
        return {};
    }
    if (*low > *high) {
        return machine.fail(FailReason::kArithmetic, "randint() needs low <= high");
    }
    const std::uint64_t span = static_cast<std::uint64_t>(*high) - static_cast<std::uint64_t>(*low);
    const std::uint64_t drawn = span == std::numeric_limits<std::uint64_t>::max()
                                    ? machine.context().random.next()
                                    : machine.context().random.below(span + 1);
    return Value::integer(static_cast<std::int64_t>(static_cast<std::uint64_t>(*low) + drawn));
}

// In [0, 1).
Value random(Machine& machine, Args) { return Value::decimal(machine.context().random.unit()); }

template <bool kLess>
Value extreme(Machine& machine, Args args) {
    Value best = args[0];
    for (const Value& arg : args) {
        if (!want_number(machine, arg)) {
            return {};
        }
        const bool better = kLess ? std::is_lt(order(arg, best)) : std::is_gt(order(arg, best));
        best = better ? arg : best;
    }
    return best;
}

constexpr FunctionSpec kFunctions[] = {
    {"abs", absolute, 1, 1},
    {"ceil", to_whole<std::ceil>, 1, 1},
    {"floor", to_whole<std::floor>, 1, 1},
    {"trunc", truncate, 1, 2},
    {"round", round, 1, 2},
    {"sign", sign, 1, 1},
    {"mod", mod, 2, 2},
    {"fmod", of_two<std::fmod>, 2, 2},
    {"remainder", of_two<std::fmod>, 2, 2},
    {"power", of_two<std::pow>, 2, 2},
    {"sqrt", of_one<std::sqrt>, 1, 1},
    {"exp", of_one<std::exp>, 1, 1},
    {"ln", of_one<std::log>, 1, 1},
    {"log", of_one<std::log>, 1, 1},
    {"log2", of_one<std::log2>, 1, 1},
    {"log10", of_one<std::log10>, 1, 1},
    {"sin", of_one<std::sin>, 1, 1},
    {"cos", of_one<std::cos>, 1, 1},
    {"tan", of_one<std::tan>, 1, 1},
    {"asin", of_one<std::asin>, 1, 1},
    {"acos", of_one<std::acos>, 1, 1},
    {"atan", of_one<std::atan>, 1, 1},
    {"atan2", of_two<std::atan2>, 2, 2},
    {"sinh", of_one<std::sinh>, 1, 1},
    {"cosh", of_one<std::cosh>, 1, 1},
    {"tanh", of_one<std::tanh>, 1, 1},
    {"asinh", of_one<std::asinh>, 1, 1},
    {"acosh", of_one<std::acosh>, 1, 1},
    {"atanh", of_one<std::atanh>, 1, 1},
    {"least", extreme<true>, 1, kArgsMax},
    {"greatest", extreme<false>, 1, kArgsMax},
    {"random", random, 0, 0},
    {"rand", random, 0, 0},
    {"randint", random_integer, 2, 2},
};

}  // namespace

std::span<const FunctionSpec> math_functions() { return kFunctions; }

}  // namespace causeway::rules
