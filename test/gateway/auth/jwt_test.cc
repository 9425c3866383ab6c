// Tokens of every algorithm, made here with libcrypto, and each way in which one is refused.
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/core_names.h>

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/auth/crypto.h"
#include "gateway/auth/jwt.h"

namespace causeway::auth {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000;
const std::string kSecret(32, 's');

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

KeyPtr make_ec() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }
KeyPtr make_rsa() { return {EVP_RSA_gen(2048), EVP_PKEY_free}; }

std::string number(const EVP_PKEY* key, const char* name, std::size_t size) {
    BIGNUM* value = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key, name, &value), 1);
    std::string out(size == 0 ? static_cast<std::size_t>(BN_num_bytes(value)) : size, '\0');
    EXPECT_GT(BN_bn2binpad(value, reinterpret_cast<unsigned char*>(out.data()),
                           static_cast<int>(out.size())),
              0);
    BN_free(value);
    return to_base64url(out);
}

std::string jwk_of(const EVP_PKEY* key, const std::string& id) {
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        return R"({"kty":"RSA","kid":")" + id + R"(","n":")" +
               number(key, OSSL_PKEY_PARAM_RSA_N, 0) + R"(","e":")" +
               number(key, OSSL_PKEY_PARAM_RSA_E, 0) + "\"}";
    }
    return R"({"kty":"EC","crv":"P-256","alg":"ES256","kid":")" + id + R"(","x":")" +
           number(key, OSSL_PKEY_PARAM_EC_PUB_X, 32) + R"(","y":")" +
           number(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32) + "\"}";
}

std::string sign(EVP_PKEY* key, const std::string& input) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string out(1024, '\0');
    std::size_t size = out.size();
    const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
    EXPECT_EQ(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key), 1);
    EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size, bytes,
                             input.size()),
              1);
    EVP_MD_CTX_free(context);
    out.resize(size);
    if (EVP_PKEY_is_a(key, "EC") != 1) {
        return out;
    }
    const auto* at = reinterpret_cast<const unsigned char*>(out.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(out.size()));
    std::string flat(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), reinterpret_cast<unsigned char*>(flat.data()), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), reinterpret_cast<unsigned char*>(flat.data()) + 32, 32);
    ECDSA_SIG_free(pair);
    return flat;
}

std::string unsigned_token(const std::string& header, const std::string& claims) {
    return to_base64url(header) + "." + to_base64url(claims);
}

std::string hs256(const std::string& claims, const std::string& header = R"({"alg":"HS256"})",
                  const std::string& secret = kSecret) {
    const std::string input = unsigned_token(header, claims);
    return input + "." + to_base64url(hmac(Digest::kSha256, secret, input));
}

std::string claims(const std::string& more = "") {
    return R"({"sub":"thermo/d1","exp":1700000100)" + more + "}";
}

std::shared_ptr<const Jwks> keys(const std::string& list) {
    auto jwks = Jwks::parse(R"({"keys":[)" + list + "]}");
    EXPECT_TRUE(jwks) << jwks.error().message;
    return jwks ? *jwks : nullptr;
}

std::shared_ptr<const Jwks> secret_key() {
    return keys(R"({"kty":"oct","k":")" + to_base64url(kSecret) + "\"}");
}

JwtFault fault(const std::string& token, const Jwks& jwks, const JwtPolicy& policy = {}) {
    const auto result = verify_jwt(token, jwks, policy, kNow);
    EXPECT_FALSE(result);
    return result ? JwtFault{} : result.error();
}

TEST(Jwt, EachAlgorithm) {
    const KeyPtr ec = make_ec();
    const KeyPtr rsa = make_rsa();
    const auto jwks = keys(jwk_of(ec.get(), "e") + "," + jwk_of(rsa.get(), "r") + "," +
                           R"({"kty":"oct","kid":"h","k":")" + to_base64url(kSecret) + "\"}");
    const std::string for_ec = unsigned_token(R"({"alg":"ES256","kid":"e"})", claims());
    const std::string for_rsa = unsigned_token(R"({"alg":"RS256","kid":"r"})", claims());
    for (const std::string& token :
         {for_ec + "." + to_base64url(sign(ec.get(), for_ec)),
          for_rsa + "." + to_base64url(sign(rsa.get(), for_rsa)),
          hs256(claims(), R"({"alg":"HS256","kid":"h"})"), hs256(claims())}) {
        const auto result = verify_jwt(token, *jwks, {}, kNow);
        ASSERT_TRUE(result) << name(result.error());
        EXPECT_EQ(result->device_key, "thermo/d1");
        EXPECT_EQ(result->expires_s, 1'700'000'100U);
        EXPECT_TRUE(looks_like_jwt(token));
    }
    EXPECT_TRUE(jwks->holds_secrets());
    // A signature of one key under the name of another.
    const std::string stolen = unsigned_token(R"({"alg":"ES256","kid":"r"})", claims());
    EXPECT_EQ(fault(stolen + "." + to_base64url(sign(ec.get(), stolen)), *jwks),
              JwtFault::kAlgorithm);
    // One bit of R.
    std::string signature = sign(ec.get(), for_ec);
    signature[3] = static_cast<char>(signature[3] ^ 1);
    EXPECT_EQ(fault(for_ec + "." + to_base64url(signature), *jwks), JwtFault::kSignature);
    EXPECT_EQ(fault(for_ec + "." + to_base64url(signature.substr(1)), *jwks),
              JwtFault::kSignature);
}

// An RSA key's public text taken as the secret of HS256.
TEST(Jwt, AKeyHasOneAlgorithm) {
    const KeyPtr rsa = make_rsa();
    const std::string jwk = jwk_of(rsa.get(), "r");
    const auto jwks = keys(jwk);
    EXPECT_FALSE(jwks->holds_secrets());
    EXPECT_EQ(fault(hs256(claims(), R"({"alg":"HS256","kid":"r"})", jwk), *jwks),
              JwtFault::kAlgorithm);
    EXPECT_EQ(fault(hs256(claims(), R"({"alg":"RS256","kid":"r"})", jwk), *jwks),
              JwtFault::kSignature);
}

TEST(Jwt, NoneIsNoAlgorithm) {
    for (const char* algorithm : {"none", "None", "NONE", "", "HS512", "hs256"}) {
        const std::string header = R"({"alg":")" + std::string(algorithm) + "\"}";
        EXPECT_EQ(fault(unsigned_token(header, claims()) + ".", *secret_key()),
                  JwtFault::kAlgorithm);
        EXPECT_EQ(fault(hs256(claims(), header), *secret_key()), JwtFault::kAlgorithm);
    }
    EXPECT_EQ(fault(hs256(claims(), "{}"), *secret_key()), JwtFault::kAlgorithm);
}

TEST(Jwt, Times) {
    const auto jwks = secret_key();
    EXPECT_EQ(fault(hs256(R"({"sub":"p/d"})"), *jwks), JwtFault::kExpired);
    EXPECT_EQ(fault(hs256(R"({"sub":"p/d","exp":"1700000100"})"), *jwks), JwtFault::kExpired);
    EXPECT_EQ(fault(hs256(R"({"sub":"p/d","exp":-1})"), *jwks), JwtFault::kExpired);
    EXPECT_EQ(fault(hs256(R"({"sub":"p/d","exp":1e300})"), *jwks), JwtFault::kExpired);
    EXPECT_EQ(fault(hs256(R"({"sub":"p/d","exp":1699999970})"), *jwks), JwtFault::kExpired);
    EXPECT_TRUE(verify_jwt(hs256(R"({"sub":"p/d","exp":1699999971.5})"), *jwks, {}, kNow));
    EXPECT_EQ(fault(hs256(claims(R"(,"nbf":1700000031)")), *jwks), JwtFault::kNotYet);
    EXPECT_TRUE(verify_jwt(hs256(claims(R"(,"nbf":1700000030)")), *jwks, {}, kNow));
    JwtPolicy short_lived;
    short_lived.lifetime_max_s = 60;
    EXPECT_EQ(fault(hs256(claims()), *jwks, short_lived), JwtFault::kExpired);
}

TEST(Jwt, IssuerAudienceDevice) {
    const auto jwks = secret_key();
    JwtPolicy policy;
    policy.issuer = "https://issuer";
    policy.audience = "causeway";
    EXPECT_EQ(fault(hs256(claims()), *jwks, policy), JwtFault::kIssuer);
    EXPECT_EQ(fault(hs256(claims(R"(,"iss":"https://issuer")")), *jwks, policy),
              JwtFault::kAudience);
    EXPECT_EQ(fault(hs256(claims(R"(,"iss":"https://issuer","aud":["x"])")), *jwks, policy),
              JwtFault::kAudience);
    EXPECT_TRUE(verify_jwt(hs256(claims(R"(,"iss":"https://issuer","aud":["x","causeway"])")),
                           *jwks, policy, kNow));
    EXPECT_EQ(fault(hs256(R"({"sub":"+/#","exp":1700000100})"), *jwks), JwtFault::kDevice);
    EXPECT_EQ(fault(hs256(R"({"exp":1700000100})"), *jwks), JwtFault::kDevice);
    policy = {};
    policy.claim = "device";
    EXPECT_TRUE(verify_jwt(hs256(claims(R"(,"device":"a/b")")), *jwks, policy, kNow));
}

TEST(Jwt, Malformed) {
    const auto jwks = secret_key();
    const std::string good = hs256(claims());
    for (const std::string& bad :
         {std::string(), std::string("."), std::string(".."), std::string("a.b"), good + ".x",
          "=" + good, good + "=", std::string(8193, 'a'),
          hs256(claims(), R"({"alg":"HS256","crit":["x"]})")}) {
        EXPECT_EQ(fault(bad, *jwks), JwtFault::kMalformed) << bad.substr(0, 40);
    }
    EXPECT_EQ(fault(hs256("[]"), *jwks), JwtFault::kMalformed);
    EXPECT_EQ(fault(hs256("\xFF"), *jwks), JwtFault::kMalformed);
    EXPECT_EQ(fault(hs256(claims(), R"({"alg":"HS256","kid":"?"})"), *jwks), JwtFault::kKey);
    EXPECT_EQ(fault(hs256(claims(), R"({"alg":"HS256"})", std::string(32, 't')), *jwks),
              JwtFault::kSignature);
    EXPECT_FALSE(looks_like_jwt("password"));
    EXPECT_FALSE(looks_like_jwt("ey.with space.x"));
    EXPECT_FALSE(looks_like_jwt("1.2.3"));
}

TEST(Jwks, Refused) {
    const std::string x(43, 'A');
    for (const std::string& bad : std::vector<std::string>{
             "", "{}", R"({"keys":{}})", R"({"keys":[1]})", R"({"keys":[{}]})",
             R"({"keys":[{"kty":"oct","k":"c2hvcnQ"}]})",
             R"({"keys":[{"kty":"oct","alg":"HS512","k":")" + x + "\"}]}",
             R"({"keys":[{"kty":"oct","use":"enc","k":")" + x + "\"}]}",
             R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})",
             R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + x + R"(","y":")" + x + "\"}]}",
             R"({"keys":[{"kty":"EC","crv":"P-384","x":")" + x + R"(","y":")" + x + "\"}]}"}) {
        EXPECT_FALSE(Jwks::parse(bad)) << bad;
    }
    const auto leaked = Jwks::parse(R"({"keys":[{"kty":"oct","k":"c2hvcnQtc2VjcmV0"}]})");
    ASSERT_FALSE(leaked);
    EXPECT_EQ(leaked.error().message.find("c2hvcnQ"), std::string::npos);
}

}  // namespace
}  // namespace causeway::auth
