#include "gateway/auth/authenticate.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/auth/crypto.h"

namespace causeway::auth {
namespace {

constexpr std::size_t kTencentProductBytes = 10;

// Without a device of its own, a certificate belongs to whom the client says, if the record agrees.
std::string claimed_device(const Presented& presented) {
    const std::string by_user = device_key_of(presented.user_name.value_or(std::string_view{}));
    return by_user.empty() ? device_key_of(presented.client_id) : by_user;
}

tl::expected<Claim, Denial> scram_claim(const Presented& presented) {
    Claim claim;
    claim.scheme = Scheme::kScram;
    claim.scram = parse_scram_first(presented.method_data);
    claim.device_key = claim.scram ? device_key_of(claim.scram->user) : std::string();
    if (claim.device_key.empty()) {
        return tl::unexpected(Denial::kBadCredentials);
    }
    return claim;
}

tl::expected<Claim, Denial> x509_claim(const Presented& presented) {
    Claim claim;
    claim.scheme = Scheme::kX509;
    claim.device_key = named_device(*presented.certificate);
    claim.certificate_names = !claim.device_key.empty();
    if (claim.device_key.empty()) {
        claim.device_key = claimed_device(presented);
    }
    if (claim.device_key.empty()) {
        return tl::unexpected(Denial::kUnknownDevice);
    }
    return claim;
}

tl::expected<Claim, Denial> hmac_claim(HmacLogin login) {
    Claim claim;
    claim.scheme = Scheme::kHmac;
    claim.device_key = login.device_key;
    claim.client_id = login.client_id;
    claim.other_client_id = login.other_client_id;
    claim.hmac = std::move(login);
    return claim;
}

tl::expected<Claim, Denial> jwt_claim(std::string_view token, const Settings& settings,
                                      std::uint64_t now_s) {
    if (settings.jwks == nullptr) {
        return tl::unexpected(Denial::kUnavailable);
    }
    auto claims = verify_jwt(token, *settings.jwks, settings.jwt, now_s);
    if (!claims) {
        return tl::unexpected(claims.error() == JwtFault::kExpired ? Denial::kExpired
                                                                   : Denial::kBadCredentials);
    }
    Claim claim;
    claim.scheme = Scheme::kJwt;
    claim.device_key = std::move(claims->device_key);
    claim.expires_s = claims->expires_s + settings.jwt.leeway_s;
    return claim;
}

Denial prove_x509(const Claim& claim, const Certificate& certificate, const Device& device,
                  std::uint64_t now_s, std::string& credential) {
    credential = certificate.fingerprint;
    if (!device.subject.empty() && device.subject != certificate.subject) {
        return Denial::kBadCredentials;
    }
    if (device.certificates.empty()) {
        return claim.certificate_names ? Denial::kNone : Denial::kBadCredentials;
    }
    for (const Credential& pinned : device.certificates) {
        if (pinned.value == certificate.fingerprint) {
            return pinned.live(now_s) ? Denial::kNone : Denial::kExpired;
        }
    }
    return Denial::kBadCredentials;
}

// Both are computed, whichever is right: the time does not say which.
Denial prove_hmac(const HmacLogin& login, const Device& device, const Settings& settings,
                  std::uint64_t now_s, std::string& credential) {
    bool right = false;
    for (const Credential& secret : device.secrets) {
        if (verify_hmac_login(login, secret.value) && secret.live(now_s)) {
            right = true;
            credential = secret.value;
        }
    }
    if (!right) {
        return Denial::kBadCredentials;
    }
    return hmac_login_in_time(login, now_s, settings.hmac_age_max_s) ? Denial::kNone
                                                                     : Denial::kExpired;
}

bool has_live(const std::vector<Credential>& credentials, const std::string& value,
              std::uint64_t now_s) {
    return std::any_of(credentials.begin(), credentials.end(), [&](const Credential& one) {
        return one.live(now_s) && equal_secrets(one.value, value);
    });
}

// Without the secret that was shown (none was, or it is not known which): while there is one.
bool still_proven(const std::string& secret, const std::vector<Credential>& secrets,
                  std::uint64_t now_s) {
    return secret.empty() ? !live_values(secrets, now_s).empty()
                          : has_live(secrets, secret, now_s);
}

bool may_have_client_id(std::string_view client_id, const Device& device, const Product& product,
                        const Catalogue& catalogue) {
    return client_id.empty() ||  // the server assigns one
           (!device.client_id.empty() && client_id == device.client_id) ||
           is_client_id_of(client_id, device.key()) ||
           (product.any_client_id && !is_device_client_id(catalogue, client_id));
}

}  // namespace

std::string_view name(Denial denial) {
    constexpr std::array<std::string_view, kDenials> kNames = {
        "none",        "no_credentials", "method",     "bad_credentials",
        "expired",     "unknown_device", "disabled",   "scheme_not_allowed",
        "client_id",   "not_bound",      "banned",     "struck_out",
        "flapping",    "product_full",   "busy",       "unavailable"};
    return kNames[static_cast<std::size_t>(denial)];
}

bool is_failure(Denial denial) {
    return denial == Denial::kBadCredentials || denial == Denial::kUnknownDevice ||
           denial == Denial::kNoCredentials || denial == Denial::kExpired ||
           denial == Denial::kClientId || denial == Denial::kNotBound;
}

tl::expected<Claim, Denial> claim_of(const Presented& presented, SchemeSet schemes,
                                     const Settings& settings, std::uint64_t now_s) {
    if (presented.method) {
        if (!schemes.has(Scheme::kScram) || *presented.method != kScramMethod) {
            return tl::unexpected(Denial::kMethod);
        }
        return scram_claim(presented);
    }
    if (schemes.has(Scheme::kX509) && presented.certificate != nullptr) {
        return x509_claim(presented);
    }
    if (schemes.has(Scheme::kPsk) && !presented.psk_identity.empty()) {
        Claim claim;
        claim.scheme = Scheme::kPsk;
        claim.device_key = device_key_of(presented.psk_identity);
        return claim.device_key.empty() ? tl::expected<Claim, Denial>(
                                              tl::unexpected(Denial::kUnknownDevice))
                                        : claim;
    }
    const std::string_view user = presented.user_name.value_or(std::string_view{});
    const std::string_view password = presented.password.value_or(std::string_view{});
    if (user.empty() && password.empty()) {
        return tl::unexpected(Denial::kNone);
    }
    if (schemes.has(Scheme::kHmac)) {
        if (auto login = parse_hmac_login(presented.client_id, user, password)) {
            return hmac_claim(std::move(*login));
        }
    }
    if (schemes.has(Scheme::kJwt) && looks_like_jwt(password)) {
        return jwt_claim(password, settings, now_s);
    }
    Claim claim;
    claim.scheme = Scheme::kPassword;
    claim.device_key = parse_device_key(user) ? std::string(user) : std::string();
    if (schemes.has(Scheme::kPassword) && !claim.device_key.empty() && !password.empty()) {
        return claim;
    }
    claim.scheme = Scheme::kHttp;
    claim.device_key.clear();
    if (schemes.has(Scheme::kHttp)) {
        return claim;
    }
    return tl::unexpected(Denial::kNoCredentials);
}

std::vector<std::string> live_values(const std::vector<Credential>& credentials,
                                     std::uint64_t now_s) {
    std::vector<std::string> values;
    for (const Credential& one : credentials) {
        if (one.live(now_s)) {
            values.push_back(one.value);
        }
    }
    return values;
}

Denial prove(const Claim& claim, const Presented& presented, const Device& device,
             const Settings& settings, std::uint64_t now_s, std::string& credential) {
    switch (claim.scheme) {
        case Scheme::kX509:
            return prove_x509(claim, *presented.certificate, device, now_s, credential);
        case Scheme::kHmac:
            return prove_hmac(*claim.hmac, device, settings, now_s, credential);
        case Scheme::kPsk:  // the handshake did; its key must not have ended since
            credential = presented.psk_secret;
            return still_proven(credential, device.secrets, now_s) ? Denial::kNone
                                                                  : Denial::kExpired;
        case Scheme::kPassword:
        case Scheme::kScram:
        case Scheme::kJwt:
        case Scheme::kHttp:
            return Denial::kNone;
    }
    return Denial::kBadCredentials;
}

Denial admit(const Claim& claim, const Device& device, const Catalogue& catalogue,
             std::string_view client_id) {
    const auto product = catalogue.product(device.product);
    if (product == nullptr) {
        return Denial::kUnknownDevice;
    }
    if (!device.enabled || !product->enabled) {
        return Denial::kDisabled;
    }
    if (!product->auth.has(claim.scheme)) {
        return Denial::kSchemeNotAllowed;
    }
    if (claim.other_client_id && !product->any_client_id) {
        return Denial::kClientId;
    }
    return may_have_client_id(client_id, device, *product, catalogue) ? Denial::kNone
                                                                     : Denial::kClientId;
}

bool still_good(const Proof& proof, const Device& device, const Catalogue& catalogue,
                std::uint64_t now_s) {
    const auto product = catalogue.product(device.product);
    if (product == nullptr || !product->enabled || !device.enabled ||
        !product->auth.has(proof.scheme) ||
        !may_have_client_id(proof.client_id, device, *product, catalogue)) {
        return false;
    }
    switch (proof.scheme) {
        case Scheme::kX509:
            return (device.subject.empty() || device.subject == proof.subject) &&
                   (device.certificates.empty()
                        ? proof.certificate_names
                        : has_live(device.certificates, proof.credential, now_s));
        case Scheme::kHmac:
        case Scheme::kPsk:
        case Scheme::kScram:
            return still_proven(proof.credential, device.secrets, now_s);
        case Scheme::kPassword:
            return has_live(device.passwords, proof.credential, now_s);
        case Scheme::kJwt:
        case Scheme::kHttp:
            return true;
    }
    return false;
}

std::uint64_t until_of(Scheme scheme, const std::string& credential, const Device& device) {
    const std::vector<Credential>& all = scheme == Scheme::kX509       ? device.certificates
                                         : scheme == Scheme::kPassword ? device.passwords
                                                                       : device.secrets;
    for (const Credential& one : all) {
        if (one.value == credential) {
            return one.until_s;
        }
    }
    return 0;
}

const Ban* find_ban(const Catalogue& catalogue, std::string_view host, std::string_view client_id,
                    std::string_view device_key, std::uint64_t now_s) {
    const std::string_view product = device_key.substr(0, device_key.find('/'));
    for (const Ban& ban : catalogue.bans) {
        if (ban.until_s != 0 && now_s >= ban.until_s) {
            continue;
        }
        const std::string_view subject = ban.kind == Ban::Kind::kAddress   ? host
                                         : ban.kind == Ban::Kind::kDevice  ? device_key
                                         : ban.kind == Ban::Kind::kProduct ? product
                                                                           : client_id;
        if (!subject.empty() && subject == ban.value) {
            return &ban;
        }
    }
    return nullptr;
}

bool is_client_id_of(std::string_view client_id, std::string_view device_key) {
    if (device_key_of(client_id) == device_key) {
        return !device_key.empty();
    }
    return client_id.size() > device_key.size() && client_id.starts_with(device_key) &&
           client_id[device_key.size()] == '/';
}

bool is_device_client_id(const Catalogue& catalogue, std::string_view client_id) {
    const std::size_t slash = client_id.find('/');
    if (slash != std::string_view::npos) {
        return catalogue.products.contains(client_id.substr(0, slash));
    }
    return client_id.size() > kTencentProductBytes &&
           catalogue.products.contains(client_id.substr(0, kTencentProductBytes));
}

}  // namespace causeway::auth
