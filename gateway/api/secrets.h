// Secrets that are made here, told once and not kept in this form. Inside this module.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/auth/device.h"

namespace causeway::api {

// From the system's generator; ends the process if it has none.
[[nodiscard]] std::string random_bytes(std::size_t count);
// 256 bits as a device or a product has it: in base64, which signed user names and pre-shared keys
// decode.
[[nodiscard]] std::string new_secret();
[[nodiscard]] std::uint64_t now_s();

// Effect: `secret` is the first of the live ones; of those before it the newest is taken for
// `grace_s` more, or not at all.
void rotate(std::vector<auth::Credential>& live, std::string secret, std::uint64_t grace_s,
            std::uint64_t now_s);

inline constexpr std::uint64_t kGraceMaxS = 30 * 86'400;
inline constexpr std::uint64_t kGraceS = 86'400;

}  // namespace causeway::api
