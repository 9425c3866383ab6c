// Signed requests of devices: the string that is signed byte for byte, who may have signed, and that
// one is taken once.
#include <string>

#include <gtest/gtest.h>

#include "gateway/access/registration.h"
#include "gateway/auth/crypto.h"

namespace causeway::access {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000;
const std::string kBody = R"({"ProductId":"pump","DeviceName":"p7"})";
const std::string kSecret = "a-secret-of-the-product";

SignedRequest request(const std::string& signature) {
    SignedRequest made;
    made.method = "POST";
    made.host = "hub.example:9443";
    made.uri = "/v1/register";
    made.query = "";
    made.algorithm = "HmacSha256";
    made.timestamp = "1700000000";
    made.nonce = "5";
    made.signature = signature;
    made.body = kBody;
    return made;
}

auth::Product product() {
    auth::Product made;
    made.name = "pump";
    made.registration.enabled = true;
    made.registration.secrets = {{"another-secret-here", 0}, {kSecret, kNow + 10}};
    return made;
}

std::string sign(const std::string& secret, const SignedRequest& of) {
    return auth::to_base64(auth::hmac(auth::Digest::kSha256, secret, string_to_sign(of)));
}

TEST(Registration, TheStringToSignIsTheOneOfTheForm) {
    EXPECT_EQ(string_to_sign(request("")),
              "POST\nhub.example:9443\n/v1/register\n\nHmacSha256\n1700000000\n5\n" +
                  auth::to_hex(auth::sha256(kBody)));
}

TEST(Registration, ALiveSecretOfTheProductSigns) {
    const std::string good = sign(kSecret, request(""));
    EXPECT_TRUE(signed_by(request(good), product(), kNow));
    EXPECT_FALSE(signed_by(request(good), product(), kNow + 10)) << "the secret is over";
    EXPECT_FALSE(signed_by(request(""), product(), kNow));
    EXPECT_FALSE(signed_by(request("!" + good), product(), kNow));
    EXPECT_FALSE(signed_by(request(good.substr(4)), product(), kNow));
    EXPECT_FALSE(signed_by(request(sign("a-secret-of-another-one", request(""))), product(), kNow));
    auth::Product none = product();
    none.registration.secrets.clear();
    EXPECT_FALSE(signed_by(request(good), none, kNow));
    EXPECT_FALSE(signed_by(request(sign("", request(""))), none, kNow));
}

TEST(Registration, NothingThatIsSignedCanBeChanged) {
    const std::string good = sign(kSecret, request(""));
    const auto with = [&](auto change) {
        SignedRequest other = request(good);
        change(other);
        return signed_by(other, product(), kNow);
    };
    EXPECT_FALSE(with([](SignedRequest& r) { r.method = "PUT"; }));
    EXPECT_FALSE(with([](SignedRequest& r) { r.host = "other"; }));
    EXPECT_FALSE(with([](SignedRequest& r) { r.uri = "/v1/register/"; }));
    EXPECT_FALSE(with([](SignedRequest& r) { r.query = "a=b"; }));
    EXPECT_FALSE(with([](SignedRequest& r) { r.algorithm = "HmacSha1"; }));
    EXPECT_FALSE(with([](SignedRequest& r) { r.timestamp = "1700000001"; }));
    EXPECT_FALSE(with([](SignedRequest& r) { r.nonce = "6"; }));
    EXPECT_FALSE(with([](SignedRequest& r) { r.body = "{}"; }));
}

TEST(Nonces, ARequestIsTakenOnceWithinItsWindow) {
    using Verdict = Nonces::Verdict;
    Nonces nonces(2);
    const std::string at = std::to_string(kNow);
    EXPECT_EQ(nonces.admit("p", at, "1", kNow), Verdict::kFresh);
    EXPECT_EQ(nonces.admit("p", at, "1", kNow + kRegistrationWindowS), Verdict::kReplayed);
    EXPECT_EQ(nonces.admit("q", at, "1", kNow), Verdict::kFresh) << "of another product";
    EXPECT_EQ(nonces.admit("p", at, "2", kNow), Verdict::kFull);
    EXPECT_EQ(nonces.admit("p", at, "1", kNow + kRegistrationWindowS + 1), Verdict::kTime);
    EXPECT_EQ(nonces.admit("p", std::to_string(kNow + 400), "2", kNow + 400), Verdict::kFresh)
        << "the old ones are forgotten: their time keeps them out";
    for (const char* bad : {"", "x", "-1", "1700000000 ", "99999999999999999999999"}) {
        EXPECT_EQ(nonces.admit("p", bad, "3", kNow), Verdict::kTime) << bad;
    }
}

}  // namespace
}  // namespace causeway::access
