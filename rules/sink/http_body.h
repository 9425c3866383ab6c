// The bytes that an HTTP sink sends: bodies of one or more deliveries, compressed and signed as the
// sink says. Pure but for the time that is given. Internal to rules/sink.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace causeway::rules {

// Effect: appends "[a,b,…]". Precondition: each is a JSON text.
void append_json_array(std::span<const std::string_view> bodies, std::string& out);

// RFC 1952. Errors: zlib has no memory.
[[nodiscard]] Result<std::string> gzip(std::string_view bytes);

enum class SignatureDigest : std::uint8_t { kSha1, kSha256, kSha512 };

// "t=<seconds>,<digest>=<hex>": the HMAC of "<seconds>.<body>" as it is sent, so that a receiver
// that checks the time refuses a request that was recorded and sent again. Errors: the digest is
// not available in this OpenSSL.
[[nodiscard]] Result<std::string> signature(SignatureDigest digest, std::string_view key,
                                            std::uint64_t now_s, std::string_view body);

}  // namespace causeway::rules
