#include "gateway/auth/jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "gateway/auth/crypto.h"
#include "gateway/auth/device.h"

namespace causeway::auth {

using Json = nlohmann::json;

namespace {

constexpr std::size_t kSecretBytesMin = 32;
constexpr std::size_t kSecretBytesMax = 128;
constexpr std::size_t kRsaBytesMin = 256;
constexpr std::size_t kRsaBytesMax = 512;
constexpr std::size_t kP256Bytes = 32;
constexpr std::uint64_t kTimeMax = std::uint64_t{1} << 40;

template <auto Free>
struct Freer {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using BuildPtr = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;
using SharedKey = std::shared_ptr<EVP_PKEY>;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string text(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::string> bytes(const Json& object, const char* key) {
    return from_base64url(text(object, key));
}

NumberPtr number(std::string_view big_endian) {
    return NumberPtr(BN_bin2bn(bytes_of(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

SharedKey make_key(const char* type, OSSL_PARAM_BLD* build) {
    const ParamsPtr params(OSSL_PARAM_BLD_to_param(build));
    const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        return nullptr;
    }
    return {key, EVP_PKEY_free};
}

SharedKey rsa_key(const Json& json) {
    const auto modulus = bytes(json, "n");
    const auto exponent = bytes(json, "e");
    if (!modulus || !exponent || modulus->size() < kRsaBytesMin || modulus->size() > kRsaBytesMax ||
        exponent->empty() || exponent->size() > 8) {
        return nullptr;
    }
    const BuildPtr build(OSSL_PARAM_BLD_new());
    const NumberPtr n = number(*modulus);
    const NumberPtr e = number(*exponent);
    if (build == nullptr || n == nullptr || e == nullptr || BN_num_bits(n.get()) < 2048 ||
        OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
        return nullptr;
    }
    return make_key("RSA", build.get());
}

SharedKey ec_key(const Json& json) {
    const auto x = bytes(json, "x");
    const auto y = bytes(json, "y");
    if (text(json, "crv") != "P-256" || !x || !y || x->size() != kP256Bytes ||
        y->size() != kP256Bytes) {
        return nullptr;
    }
    const std::string point = "\x04" + *x + *y;
    const BuildPtr build(OSSL_PARAM_BLD_new());
    if (build == nullptr ||
        OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
            1 ||
        OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
        return nullptr;
    }
    return make_key("EC", build.get());
}

// "": the key was read.
std::string read_key(const Json& json, Jwks::Key& out) {
    if (!json.is_object()) {
        return "must be an object";
    }
    out.id = text(json, "kid");
    const std::string type = text(json, "kty");
    std::string_view algorithm;
    if (type == "oct") {
        out.algorithm = JwtAlgorithm::kHs256;
        algorithm = "HS256";
        out.secret = bytes(json, "k").value_or(std::string());
        if (out.secret.size() < kSecretBytesMin || out.secret.size() > kSecretBytesMax) {
            return "k: must be 32 to 128 bytes in base64url";
        }
    } else if (type == "RSA") {
        out.algorithm = JwtAlgorithm::kRs256;
        algorithm = "RS256";
        out.key = rsa_key(json);
    } else if (type == "EC") {
        out.algorithm = JwtAlgorithm::kEs256;
        algorithm = "ES256";
        out.key = ec_key(json);
    } else {
        return "kty: must be oct, RSA or EC";
    }
    if (out.secret.empty() && out.key == nullptr) {
        return "is no RSA key of 2048 to 4096 bits and no EC key on P-256";
    }
    if (json.contains("alg") && text(json, "alg") != algorithm) {
        return "alg: must be " + std::string(algorithm);
    }
    const bool signs = !json.contains("use") || text(json, "use") == "sig";
    return signs ? "" : "use: must be sig";
}

struct Parts {
    std::string_view header;
    std::string_view claims;
    std::string_view signature;
    std::string_view input;  // what is signed
};

std::optional<Parts> split(std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
        return std::nullopt;
    }
    return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
                 token.substr(second + 1), token.substr(0, second)};
}

std::optional<Json> object_of(std::string_view part) {
    const auto decoded = from_base64url(part);
    if (!decoded) {
        return std::nullopt;
    }
    Json json = Json::parse(*decoded, nullptr, false);
    return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

std::optional<JwtAlgorithm> algorithm_of(const Json& header) {
    const std::string name = text(header, "alg");
    return name == "HS256"   ? std::optional(JwtAlgorithm::kHs256)
           : name == "RS256" ? std::optional(JwtAlgorithm::kRs256)
           : name == "ES256" ? std::optional(JwtAlgorithm::kEs256)
                             : std::nullopt;
}

// The form of «RFC 7518» §3.4 (R and S side by side) as libcrypto's.
std::string der_of(std::string_view signature) {
    const SignaturePtr pair(ECDSA_SIG_new());
    NumberPtr r = number(signature.substr(0, kP256Bytes));
    NumberPtr s = number(signature.substr(kP256Bytes));
    if (pair == nullptr || r == nullptr || s == nullptr) {
        return {};
    }
    ECDSA_SIG_set0(pair.get(), r.release(), s.release());
    std::array<unsigned char, 128> out{};
    unsigned char* at = out.data();
    const int size = i2d_ECDSA_SIG(pair.get(), &at);
    return size <= 0 ? std::string()
                     : std::string(reinterpret_cast<const char*>(out.data()),
                                   static_cast<std::size_t>(size));
}

bool verify_with(const Jwks::Key& key, std::string_view input, std::string_view signature) {
    if (key.algorithm == JwtAlgorithm::kHs256) {
        return equal_secrets(hmac(Digest::kSha256, key.secret, input), signature);
    }
    std::string der;
    if (key.algorithm == JwtAlgorithm::kEs256) {
        if (signature.size() != 2 * kP256Bytes) {
            return false;
        }
        der = der_of(signature);
        signature = der;
    }
    const DigestContextPtr context(EVP_MD_CTX_new());
    const bool ok = context != nullptr &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr,
                                         key.key.get()) == 1 &&
                    EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(),
                                     bytes_of(input), input.size()) == 1;
    ERR_clear_error();
    return ok;
}

std::optional<JwtFault> check_signature(const Parts& parts, const Jwks& keys) {
    const auto header = object_of(parts.header);
    const auto signature = from_base64url(parts.signature);
    if (!header || !signature || header->contains("crit")) {
        return JwtFault::kMalformed;  // "crit": something we must understand and do not
    }
    const auto algorithm = algorithm_of(*header);
    if (!algorithm) {
        return JwtFault::kAlgorithm;
    }
    const bool named = header->contains("kid");
    const std::string id = text(*header, "kid");
    JwtFault fault = JwtFault::kKey;
    for (const Jwks::Key& key : keys.keys()) {
        if (named && key.id != id) {
            continue;
        }
        if (key.algorithm != *algorithm) {
            fault = fault == JwtFault::kKey ? JwtFault::kAlgorithm : fault;
            continue;
        }
        if (verify_with(key, parts.input, *signature)) {
            return std::nullopt;
        }
        fault = JwtFault::kSignature;
    }
    return fault;
}

// Seconds since 1970; a fraction is cut off. nullopt: not there, or no such number.
std::optional<std::uint64_t> time_of(const Json& claims, const char* key) {
    const auto found = claims.find(key);
    if (found == claims.end() || !found->is_number()) {
        return std::nullopt;
    }
    const double value = found->get<double>();
    return value >= 0 && value < static_cast<double>(kTimeMax)
               ? std::optional(static_cast<std::uint64_t>(value))
               : std::nullopt;
}

bool has_audience(const Json& claims, const std::string& audience) {
    const auto found = claims.find("aud");
    if (found == claims.end()) {
        return false;
    }
    if (found->is_string()) {
        return found->get_ref<const std::string&>() == audience;
    }
    return found->is_array() && std::find(found->begin(), found->end(), audience) != found->end();
}

std::optional<JwtFault> check_claims(const Json& claims, const JwtPolicy& policy,
                                     std::uint64_t now_s, JwtClaims& out) {
    const auto expires = time_of(claims, "exp");
    if (!expires || now_s >= *expires + policy.leeway_s) {
        return JwtFault::kExpired;
    }
    if (policy.lifetime_max_s != 0 && *expires > now_s + policy.lifetime_max_s) {
        return JwtFault::kExpired;
    }
    if (claims.contains("nbf")) {
        const auto not_before = time_of(claims, "nbf");
        if (!not_before || *not_before > now_s + policy.leeway_s) {
            return JwtFault::kNotYet;
        }
    }
    if (!policy.issuer.empty() && text(claims, "iss") != policy.issuer) {
        return JwtFault::kIssuer;
    }
    if (!policy.audience.empty() && !has_audience(claims, policy.audience)) {
        return JwtFault::kAudience;
    }
    out.device_key = text(claims, policy.claim.c_str());
    out.expires_s = *expires;
    return parse_device_key(out.device_key) ? std::nullopt : std::optional(JwtFault::kDevice);
}

}  // namespace

Result<std::shared_ptr<const Jwks>> Jwks::parse(std::string_view json_text) {
    const Json json = json_text.size() > kJwksBytesMax ? Json(Json::value_t::discarded)
                                                       : Json::parse(json_text, nullptr, false);
    if (!json.is_object() || !json.contains("keys") || !json["keys"].is_array()) {
        return fail("is not a JWKS ({\"keys\": [...]}) of at most 256 KiB");
    }
    if (json["keys"].size() > kJwksKeysMax) {
        return fail("keys: at most " + std::to_string(kJwksKeysMax));
    }
    auto jwks = std::make_shared<Jwks>();
    for (const Json& one : json["keys"]) {
        const std::string path = "keys[" + std::to_string(jwks->keys_.size()) + "]: ";
        const std::string fault = read_key(one, jwks->keys_.emplace_back());
        ERR_clear_error();
        if (!fault.empty()) {
            return fail(path + fault);
        }
    }
    return jwks;
}

bool Jwks::holds_secrets() const {
    return std::any_of(keys_.begin(), keys_.end(),
                       [](const Key& key) { return !key.secret.empty(); });
}

std::string_view name(JwtFault fault) {
    constexpr std::array<std::string_view, 9> kNames = {"malformed", "algorithm", "key",
                                                        "signature", "expired",   "not yet valid",
                                                        "issuer",    "audience",  "device"};
    return kNames[static_cast<std::size_t>(fault)];
}

bool looks_like_jwt(std::string_view text) {
    const auto known = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    };
    const auto parts = split(text);
    return parts && text.starts_with("ey") && std::all_of(text.begin(), text.end(), known);
}

tl::expected<JwtClaims, JwtFault> verify_jwt(std::string_view token, const Jwks& keys,
                                             const JwtPolicy& policy, std::uint64_t now_s) {
    const auto parts = token.size() > kJwtBytesMax ? std::nullopt : split(token);
    if (!parts) {
        return tl::unexpected(JwtFault::kMalformed);
    }
    if (const auto fault = check_signature(*parts, keys)) {
        return tl::unexpected(*fault);
    }
    const auto claims = object_of(parts->claims);
    if (!claims) {
        return tl::unexpected(JwtFault::kMalformed);
    }
    JwtClaims out;
    if (const auto fault = check_claims(*claims, policy, now_s, out)) {
        return tl::unexpected(*fault);
    }
    return out;
}

}  // namespace causeway::auth
