// What a stranger shows at CONNECT: client id, user name and password, split at the first two
// zero bytes, through every scheme that reads them. None of it may be taken for proof.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "gateway/auth/authenticate.h"
#include "gateway/auth/password.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace causeway::auth;
    constexpr std::uint64_t kNow = 1'700'000'000;
    static const auto kKeys = *Jwks::parse(
        R"({"keys":[{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]})");
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const auto take = [&rest] {
        const std::string_view part = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        return part;
    };
    Presented presented;
    presented.client_id = take();
    presented.user_name = take();
    presented.password = rest;
    SchemeSet schemes;
    for (std::size_t i = 0; i < kSchemes; ++i) {
        schemes.add(static_cast<Scheme>(i));
    }
    Settings settings;
    settings.jwks = kKeys;
    Device device;
    device.secrets = {{"c2VjcmV0IHNlY3JldCBzZWNyZXQ=", 0}};
    std::string credential;
    if (const auto claim = claim_of(presented, schemes, settings, kNow)) {
        CW_CHECK(claim->scheme != Scheme::kJwt, "a token was forged");
        CW_CHECK(claim->scheme == Scheme::kHttp || parse_device_key(claim->device_key));
        const bool proven =
            prove(*claim, presented, device, settings, kNow, credential) == Denial::kNone;
        CW_CHECK(claim->scheme != Scheme::kHmac || !proven, "a signature was forged");
    }
    presented.method = kScramMethod;
    presented.method_data = rest;
    if (const auto claim = claim_of(presented, schemes, settings, kNow)) {
        ScramServer server(*claim->scram, {ScramKeys{std::string(32, 'k'), "s"}}, "salt",
                                 "nonce");
        CW_CHECK(!server.finish(presented.client_id) && !server.finish(*presented.user_name));
    }
    const Certificate certificate{std::string(rest), std::string(rest), std::string(64, 'a'),
                                  {std::string(presented.client_id), std::string(rest)}};
    const std::string named = named_device(certificate);
    CW_CHECK(named.empty() || parse_device_key(named));
    (void)parse_password_hash(rest);
    return 0;
}
