// Passwords as scrypt hashes, «RFC 7914», written as PHC strings:
//   $scrypt$ln=14,r=8,p=1$SALT$HASH   (base64 without padding, 16 and 32 bytes)
// Pure; any thread. hash and verify take tens of milliseconds and 16 MiB: never on a loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::auth {

struct PasswordHash {
    std::uint8_t log_n = 14;
    std::uint8_t r = 8;
    std::uint8_t p = 1;
    std::string salt;
    std::string hash;
};

// nullopt: not of this form, or costlier than 64 MiB or p = 4 (a record must not stop a node).
[[nodiscard]] std::optional<PasswordHash> parse_password_hash(std::string_view text);

// `salt`: 16 random bytes.
[[nodiscard]] std::string hash_password(std::string_view password, std::string_view salt);

// Compares in constant time. False also when there is no memory for it.
[[nodiscard]] bool verify_password(const PasswordHash& hash, std::string_view password);

}  // namespace causeway::auth
