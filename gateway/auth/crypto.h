// What the schemes need of libcrypto, as functions of bytes. Thread-safe. An empty result means
// libcrypto failed (no memory, or an algorithm its configuration forbids), and never equals
// anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::auth {

enum class Digest : std::uint8_t { kMd5, kSha1, kSha256 };

[[nodiscard]] std::string hmac(Digest digest, std::string_view key, std::string_view message);
[[nodiscard]] std::string sha256(std::string_view bytes);
// PBKDF2-HMAC-SHA-256, 32 bytes («RFC 8018»).
[[nodiscard]] std::string pbkdf2(std::string_view password, std::string_view salt,
                                 std::uint32_t iterations);

// In a time that depends on the sizes alone; false for two empty ones.
[[nodiscard]] bool equal_secrets(std::string_view a, std::string_view b);

[[nodiscard]] std::string to_hex(std::string_view bytes);
// Either case; nullopt: not hexadecimal.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);

// Base64 of «RFC 4648» §4, with padding to write; to read, strict, padded or not. The URL form (§5)
// has no padding.
[[nodiscard]] std::string to_base64(std::string_view bytes);
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);
[[nodiscard]] std::string to_base64url(std::string_view bytes);
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

}  // namespace causeway::auth
