// JSON Web Tokens as credentials, «RFC 7515, 7517, 7518, 7519»: HS256, RS256 and ES256 with keys of
// a JWKS. What a token says it is signed with must be what its key is for: a key has one algorithm,
// and "none" is no algorithm. Pure but for libcrypto; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "core/base/result.h"

struct evp_pkey_st;

namespace causeway::auth {

inline constexpr std::size_t kJwtBytesMax = 8192;
inline constexpr std::size_t kJwksBytesMax = std::size_t{256} * 1024;
inline constexpr std::size_t kJwksKeysMax = 32;

enum class JwtAlgorithm : std::uint8_t { kHs256, kRs256, kEs256 };

// The keys of a JWKS. Immutable.
class Jwks {
public:
    // At most kJwksBytesMax and kJwksKeysMax. Keys: "oct" of 32 to 128 bytes, "RSA" of 2048 to 4096
    // bits, "EC" on P-256. An error names the key by its place and never shows it.
    static Result<std::shared_ptr<const Jwks>> parse(std::string_view json);

    struct Key {
        std::string id;  // "kid"; may be empty
        JwtAlgorithm algorithm{};
        std::string secret;                 // kHs256
        std::shared_ptr<evp_pkey_st> key;  // the others
    };
    [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }
    // The file holds keys that sign as well as verify, so it must be as well kept as they are.
    [[nodiscard]] bool holds_secrets() const;

private:
    std::vector<Key> keys_;
};

struct JwtPolicy {
    std::string issuer;         // "iss" must be this; empty: any
    std::string audience;       // "aud" must be or hold this; empty: any
    std::string claim = "sub";  // that names the device, "PRODUCT/NAME"
    std::uint32_t leeway_s = 30;
    std::uint32_t lifetime_max_s = 0;  // a token that ends later than this from now; 0: any
};

struct JwtClaims {
    std::string device_key;
    std::uint64_t expires_s = 0;
};

enum class JwtFault : std::uint8_t {
    kMalformed,
    kAlgorithm,  // none, an unknown one, or not that of the key
    kKey,        // no such key
    kSignature,
    kExpired,
    kNotYet,
    kIssuer,
    kAudience,
    kDevice,  // the claim names none
};
[[nodiscard]] std::string_view name(JwtFault fault);

// Three parts of base64url with dots between them.
[[nodiscard]] bool looks_like_jwt(std::string_view text);

// Effect: the claims of a token that is signed by one of the keys and valid at `now_s`. "exp" must
// be there. Nothing of the token is believed, and no claim looked at, before its signature is.
[[nodiscard]] tl::expected<JwtClaims, JwtFault> verify_jwt(std::string_view token,
                                                           const Jwks& keys,
                                                           const JwtPolicy& policy,
                                                           std::uint64_t now_s);

}  // namespace causeway::auth
