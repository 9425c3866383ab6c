// Who a CONNECT says it comes from, whether that is proven, and whether it is let in. Three steps,
// because between them somebody must be asked: claim_of() names the device, the registry has its
// record, prove() compares, admit() looks at what product and device allow. What takes long (scrypt,
// SCRAM's keys, an HTTP call) is left to the caller. Pure; any thread. docs/devices.md.
//
// An unknown device and a wrong secret have one answer, and nothing is said of a device's state
// before its secret was right: who guesses learns nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "gateway/auth/certificate.h"
#include "gateway/auth/hmac_login.h"
#include "gateway/auth/jwt.h"
#include "gateway/auth/product.h"
#include "gateway/auth/registry.h"
#include "gateway/auth/scram.h"

namespace causeway::auth {

enum class Denial : std::uint8_t {
    kNone,
    kNoCredentials,      // none that a scheme of the listener takes
    kMethod,             // an Authentication Method that is not offered
    kBadCredentials,     // wrong
    kExpired,            // they were right once
    kUnknownDevice,
    kDisabled,           // the device or its product
    kSchemeNotAllowed,   // by the product
    kClientId,           // not one of the device's own
    kNotBound,           // a value for its permissions is missing or holds a wildcard
    kBanned,
    kStruckOut,          // too many failures of the address or the identity
    kFlapping,           // too many connections of the client
    kProductFull,        // connections_max
    kBusy,               // too many passwords wait to be checked
    kUnavailable,        // the registry or the HTTP callback does not answer
};
inline constexpr std::size_t kDenials = 16;
// For metrics and the log: "bad_credentials".
[[nodiscard]] std::string_view name(Denial denial);
// It is a sign of guessing: counts against the address and the identity.
[[nodiscard]] bool is_failure(Denial denial);

// What a client shows. Views; an absent user name or password is one without data.
struct Presented {
    std::string_view client_id;
    std::optional<std::string_view> user_name;
    std::optional<std::string_view> password;
    std::string_view host;
    const Certificate* certificate = nullptr;  // verified
    std::string_view psk_identity;             // whose key TLS has checked; empty: none
    std::string_view psk_secret;               // that key, as a device's secret
    bool known = false;                        // by a key of the listener's file: it is no device
    std::optional<std::string_view> method;    // extended authentication
    std::string_view method_data;
};

// Of the whole gateway. Immutable; replaced when a file changes.
struct Settings {
    std::shared_ptr<const Jwks> jwks;
    JwtPolicy jwt;
    std::uint64_t hmac_age_max_s = 0;
};

struct Claim {
    Scheme scheme{};
    std::string device_key;  // kHttp: empty until the answer
    std::string client_id;   // the session's, instead of CONNECT's; empty: CONNECT's
    std::uint64_t expires_s = 0;  // the session ends then; 0: no end
    std::optional<HmacLogin> hmac;
    std::optional<ScramFirst> scram;
    bool certificate_names = false;  // kX509: the certificate itself, not the client
    bool other_client_id = false;    // kHmac: what was signed was signed for another
};

// What let a session in, to be held against the record when that changes.
struct Proof {
    Scheme scheme{};
    std::string credential;  // which of the record's did it; empty: none
    std::string client_id;   // as it was shown, or as the scheme says
    std::string subject;     // kX509: of the certificate
    bool certificate_names = false;
};

// The first scheme of the listener whose credentials are shown decides; no other is tried after it.
// In this order: scram, x509, psk, hmac, jwt, password, http. kNone as an error: nothing was shown.
[[nodiscard]] tl::expected<Claim, Denial> claim_of(const Presented& presented, SchemeSet schemes,
                                                   const Settings& settings, std::uint64_t now_s);

// Whether the device's credentials bear the claim out. kPassword: kNone means "ask scrypt", with
// live_passwords(); kScram: "begin the exchange". `credential` gets which one did it (empty: none of
// the record).
[[nodiscard]] Denial prove(const Claim& claim, const Presented& presented, const Device& device,
                           const Settings& settings, std::uint64_t now_s, std::string& credential);
[[nodiscard]] std::vector<std::string> live_values(const std::vector<Credential>& credentials,
                                                   std::uint64_t now_s);

// Whether a device that has proven itself may come in, as `client_id`.
[[nodiscard]] Denial admit(const Claim& claim, const Device& device, const Catalogue& catalogue,
                           std::string_view client_id);

// Whether what let a session in still would: after a change of the record or the product.
[[nodiscard]] bool still_good(const Proof& proof, const Device& device, const Catalogue& catalogue,
                              std::uint64_t now_s);

// When the credential ends that let a session in, and the session with it; 0: it does not.
[[nodiscard]] std::uint64_t until_of(Scheme scheme, const std::string& credential,
                                     const Device& device);

// Null: nobody of these is banned.
[[nodiscard]] const Ban* find_ban(const Catalogue& catalogue, std::string_view host,
                                  std::string_view client_id, std::string_view device_key,
                                  std::uint64_t now_s);

// The client id is the device's by its key alone: the key, either way it is written, or the key with
// anything behind a further slash.
[[nodiscard]] bool is_client_id_of(std::string_view client_id, std::string_view device_key);

// The client id is in the space of a known product's devices: not for anybody else.
[[nodiscard]] bool is_device_client_id(const Catalogue& catalogue, std::string_view client_id);

}  // namespace causeway::auth
