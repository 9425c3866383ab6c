// The functions of SQL: one table, by name. Internal to rules/engine. Names are compared without
// case; EMQX's and AWS's names for the same thing are rows of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "rules/engine/machine.h"
#include "rules/engine/value.h"

namespace causeway::rules {

using Function = Value (*)(Machine& machine, std::span<const Value> args);

enum class Absent : std::uint8_t {
    kPropagates,  // an undefined argument gives undefined, a null one null; the function sees
                  // neither
    kSeen,        // the function gets them
};

inline constexpr std::uint8_t kNoPattern = 255;
inline constexpr std::uint8_t kArgsMax = 32;
// The longest text that a function makes.
inline constexpr std::size_t kTextMax = std::size_t{1024} * 1024;

struct FunctionSpec {
    std::string_view name;  // lower case
    Function run = nullptr;
    std::uint8_t args_min = 0;
    std::uint8_t args_max = 0;
    Absent absent = Absent::kPropagates;
    // This argument must be a literal pattern; the function gets its number for Machine::pattern().
    std::uint8_t pattern_arg = kNoPattern;
};

// Each file of functions gives its part of the table.
[[nodiscard]] std::span<const FunctionSpec> message_functions();
[[nodiscard]] std::span<const FunctionSpec> math_functions();
[[nodiscard]] std::span<const FunctionSpec> type_functions();
[[nodiscard]] std::span<const FunctionSpec> bit_functions();
[[nodiscard]] std::span<const FunctionSpec> text_functions();
[[nodiscard]] std::span<const FunctionSpec> format_functions();
[[nodiscard]] std::span<const FunctionSpec> pattern_functions();
[[nodiscard]] std::span<const FunctionSpec> array_functions();
[[nodiscard]] std::span<const FunctionSpec> map_functions();
[[nodiscard]] std::span<const FunctionSpec> codec_functions();
[[nodiscard]] std::span<const FunctionSpec> compress_functions();
[[nodiscard]] std::span<const FunctionSpec> time_functions();
[[nodiscard]] std::span<const FunctionSpec> date_functions();

// All of them; the index of a function is stable within the process. Built on first use,
// thread-safe.
[[nodiscard]] const std::vector<FunctionSpec>& function_table();
[[nodiscard]] std::optional<std::uint32_t> find_function(std::string_view name);

// --- shared by the function files
// The text of a string, or of bytes that are UTF-8; otherwise the machine fails and data() is null.
[[nodiscard]] std::string_view want_text(Machine& machine, const Value& value);
// An integer; otherwise the machine fails.
[[nodiscard]] std::optional<std::int64_t> want_integer(Machine& machine, const Value& value);
[[nodiscard]] std::optional<double> want_number(Machine& machine, const Value& value);
// A string, or what str() makes of a number or boolean; otherwise the machine fails.
[[nodiscard]] std::string_view want_printable(Machine& machine, const Value& value);
// The bytes of a text, or what str() would make of another value.
[[nodiscard]] std::string_view want_bytes(Machine& machine, const Value& value);
[[nodiscard]] std::optional<std::span<const Value>> want_array(Machine& machine,
                                                               const Value& value);
[[nodiscard]] std::optional<std::span<const Member>> want_object(Machine& machine,
                                                                 const Value& value);
// Ticks a second of 'second', 'millisecond', 'microsecond', 'nanosecond'; otherwise the machine
// fails.
[[nodiscard]] std::optional<std::int64_t> time_unit(Machine& machine, const Value& value);
// A time since the Unix epoch in ticks, rounded down; a failure when it does not fit.
Value in_ticks(Machine& machine, std::int64_t seconds, std::int64_t ns, std::int64_t per_second);
// Failures: the evaluation's memory; a text beyond kTextMax.
Value out_of_memory(Machine& machine);
Value too_long(Machine& machine);
// A decimal result, or a failure when it is not finite.
[[nodiscard]] Value finite(Machine& machine, double value);

}  // namespace causeway::rules
