// Bits of integers and of bytes.
#include <bit>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

std::uint64_t bits_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }
Value integer_of(std::uint64_t bits) { return Value::integer(static_cast<std::int64_t>(bits)); }

std::uint64_t bit_and(std::uint64_t a, std::uint64_t b) { return a & b; }
std::uint64_t bit_or(std::uint64_t a, std::uint64_t b) { return a | b; }
std::uint64_t bit_xor(std::uint64_t a, std::uint64_t b) { return a ^ b; }

template <std::uint64_t (*kRun)(std::uint64_t, std::uint64_t)>
Value of_two(Machine& machine, Args args) {
    const auto a = want_integer(machine, args[0]);
    const auto b = want_integer(machine, args[1]);
    return a && b ? integer_of(kRun(bits_of(*a), bits_of(*b))) : Value{};
}

Value bit_not(Machine& machine, Args args) {
    const auto a = want_integer(machine, args[0]);
    return a ? integer_of(~bits_of(*a)) : Value{};
}

// Bits that leave are lost; to the right the sign stays.
template <bool kLeft>
Value shift(Machine& machine, Args args) {
    const auto a = want_integer(machine, args[0]);
    const auto count = want_integer(machine, args[1]);
    if (!a || !count) {
        return {};
    }
    if (*count < 0 || *count > 63) {
        return machine.fail(FailReason::kType, "a shift is by 0 to 63 bits");
    }
    return kLeft ? integer_of(bits_of(*a) << *count) : Value::integer(*a >> *count);
}

Value bit_size(Machine& machine, Args args) {
    return args[0].text_like()
               ? Value::integer(static_cast<std::int64_t>(args[0].text().size()) * 8)
               : machine.fail_type("a text", args[0]);
}

struct Cut {
    std::int64_t start = 1;  // bit, from 1
    std::int64_t length = 0;
    bool is_signed = false;
    bool little = false;
    bool decimal = false;
};

bool one_of(Machine& machine, const Value& value, std::string_view yes, std::string_view no,
            bool& out) {
    const std::string_view text = value.text_like() ? value.text() : std::string_view{};
    out = text == yes;
    if (text != yes && text != no) {
        machine.fail(FailReason::kType, "subbits() wants '" + std::string(no) + "' or '" +
                                            std::string(yes) + "' here");
    }
    return !machine.failed();
}

std::uint64_t bit_at(std::string_view bytes, std::int64_t bit) {
    const auto byte = static_cast<unsigned char>(bytes[static_cast<std::size_t>(bit / 8)]);
    return byte >> (7 - bit % 8) & 1U;
}

Value cut_bits(Machine& machine, std::string_view bytes, const Cut& cut) {
    const auto bits = static_cast<std::int64_t>(bytes.size()) * 8;
    const bool odd = cut.little && cut.length % 8 != 0;
    const bool size = cut.decimal ? cut.length == 32 || cut.length == 64 : cut.length <= 64;
    if (cut.start < 1 || cut.length < 1 || !size || odd) {
        return machine.fail(FailReason::kType,
                            "subbits() takes 1 to 64 bits from bit 1 on; 32 or 64 of a float, "
                            "whole bytes when little");
    }
    if (cut.start - 1 > bits || cut.length > bits - (cut.start - 1)) {
        return {};
    }
    std::uint64_t value = 0;
    for (std::int64_t i = 0; i < cut.length; ++i) {
        value = value << 1 | bit_at(bytes, cut.start - 1 + i);
    }
    if (cut.little) {
        value = __builtin_bswap64(value) >> (64 - cut.length);
    }
    if (cut.decimal) {
        const double decimal =
            cut.length == 64
                ? std::bit_cast<double>(value)
                : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(value)));
        return finite(machine, decimal);
    }
    if (cut.is_signed && cut.length < 64 && (value >> (cut.length - 1) & 1U) != 0) {
        value |= ~std::uint64_t{0} << cut.length;
    }
    if (!cut.is_signed && static_cast<std::int64_t>(value) < 0) {
        return machine.fail(FailReason::kArithmetic, "integer overflow");
    }
    return integer_of(value);
}

// subbits(bytes, length), subbits(bytes, start, length [, type [, sign [, order]]]): the bits as a
// number; undefined beyond the end.
Value sub_bits(Machine& machine, Args args) {
    if (!args[0].text_like()) {
        return machine.fail_type("a text", args[0]);
    }
    Cut cut;
    const auto first = want_integer(machine, args[1]);
    const auto second = args.size() > 2 ? want_integer(machine, args[2]) : first;
    if (!first || !second || !machine.charge(4)) {
        return {};
    }
    cut.start = args.size() > 2 ? *first : 1;
    cut.length = *second;
    if ((args.size() > 3 && !one_of(machine, args[3], "float", "integer", cut.decimal)) ||
        (args.size() > 4 && !one_of(machine, args[4], "signed", "unsigned", cut.is_signed)) ||
        (args.size() > 5 && !one_of(machine, args[5], "little", "big", cut.little))) {
        return {};
    }
    return cut_bits(machine, args[0].text(), cut);
}

constexpr FunctionSpec kFunctions[] = {
    {"bitand", of_two<bit_and>, 2, 2}, {"bitor", of_two<bit_or>, 2, 2},
    {"bitxor", of_two<bit_xor>, 2, 2}, {"bitnot", bit_not, 1, 1},
    {"bitsl", shift<true>, 2, 2},      {"bitsr", shift<false>, 2, 2},
    {"bitsize", bit_size, 1, 1},       {"subbits", sub_bits, 2, 6},
};

}  // namespace

std::span<const FunctionSpec> bit_functions() { return kFunctions; }

}  // namespace causeway::rules
