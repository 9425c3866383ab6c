// Values that a rule file only refers to: read from the environment or a file when a sink is made,
// so that they are neither in the rule file nor in the replicated state. Sink loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace causeway::rules {

inline constexpr std::size_t kSecretBytesMax = 64U << 10;

struct SecretSource {
    enum class From : std::uint8_t { kText, kEnv, kFile };
    From from = From::kText;
    std::string text;  // the value, the variable's name, or the file's path
};

// The value; of a file without the line end at its end. Errors, one line without the value: an
// unset variable, a file that cannot be read or is larger than kSecretBytesMax, an empty value, a
// control character.
[[nodiscard]] Result<std::string> resolve(const SecretSource& source);

}  // namespace causeway::rules
