// Which scheme decides, what proves a device, who may come in: a table for each.
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/authenticate.h"
#include "gateway/auth/crypto.h"

namespace causeway::auth {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000;
const std::string kSecret = "MDEyMzQ1Njc4OWFiY2RlZg==";

SchemeSet all_schemes() {
    SchemeSet set;
    for (std::size_t i = 0; i < kSchemes; ++i) {
        set.add(static_cast<Scheme>(i));
    }
    return set;
}

Device device() {
    Device one;
    one.product = "thermo";
    one.name = "d1";
    one.secrets = {{kSecret, 0}};
    return one;
}

Catalogue catalogue() {
    Catalogue one;
    Product product;
    product.name = "thermo";
    product.auth = all_schemes();
    one.products["thermo"] = std::make_shared<Product>(product);
    return one;
}

std::string sign(const std::string& user_name, const std::string& secret = kSecret) {
    return to_hex(hmac(Digest::kSha256, *from_base64(secret), user_name)) + ";hmacsha256";
}

TEST(ClaimOf, TheFirstSchemeWhoseCredentialsAreShownDecides) {
    const Certificate certificate{"thermo/d1", "CN=thermo/d1", std::string(64, 'a'), {}};
    Presented presented;
    presented.client_id = "thermo/d1";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow).error(), Denial::kNone);
    presented.user_name = "thermo/d1";
    presented.password = "pw";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow)->scheme, Scheme::kPassword);
    presented.user_name = "someone";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow)->scheme, Scheme::kHttp);
    presented.user_name = "thermo/d1;0;x;4102444800";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow)->scheme, Scheme::kHmac);
    presented.psk_identity = "thermo/d1";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow)->scheme, Scheme::kPsk);
    presented.certificate = &certificate;
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow)->scheme, Scheme::kX509);
    presented.method = kScramMethod;
    presented.method_data = "n,,n=thermo/d1,r=abcdefgh";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow)->scheme, Scheme::kScram);
    presented.method = "GS2-KRB5";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow).error(), Denial::kMethod);
}

TEST(ClaimOf, WhatTheListenerDoesNotTakeIsNotLookedAt) {
    SchemeSet x509;
    x509.add(Scheme::kX509);
    Presented presented;
    presented.client_id = "thermo/d1";
    presented.user_name = "thermo/d1";
    presented.password = "pw";
    EXPECT_EQ(claim_of(presented, x509, {}, kNow).error(), Denial::kNoCredentials);
    EXPECT_EQ(claim_of(presented, SchemeSet{}, {}, kNow).error(), Denial::kNoCredentials);
}

TEST(ClaimOf, ATokenWithoutKeysIsNotTaken) {
    Presented presented;
    presented.password = "eyJh.eyJi.c2ln";
    EXPECT_EQ(claim_of(presented, all_schemes(), {}, kNow).error(), Denial::kUnavailable);
}

TEST(Prove, Hmac) {
    const auto attempt = [](const std::string& user, const std::string& password, Device one) {
        Presented presented;
        presented.client_id = "thermo/d1";
        presented.user_name = user;
        presented.password = password;
        const auto claim = claim_of(presented, all_schemes(), {}, kNow);
        EXPECT_TRUE(claim);
        std::string credential;
        return prove(*claim, presented, one, {}, kNow, credential);
    };
    const std::string user = "thermo/d1;0;x;1700000100";
    EXPECT_EQ(attempt(user, sign(user), device()), Denial::kNone);
    EXPECT_EQ(attempt(user, sign(user, "QUFBQUFBQUFBQUFBQUFBQQ=="), device()),
              Denial::kBadCredentials);
    const std::string old = "thermo/d1;0;x;1699999999";
    EXPECT_EQ(attempt(old, sign(old), device()), Denial::kExpired);
    EXPECT_EQ(attempt(user, sign(old), device()), Denial::kBadCredentials);
    Device rotated = device();
    rotated.secrets = {{"QUFBQUFBQUFBQUFBQUFBQQ==", 0}, {kSecret, kNow + 1}};
    EXPECT_EQ(attempt(user, sign(user), rotated), Denial::kNone);
    EXPECT_EQ(attempt(user, sign(user, "QUFBQUFBQUFBQUFBQUFBQQ=="), rotated), Denial::kNone);
    rotated.secrets[1].until_s = kNow;
    EXPECT_EQ(attempt(user, sign(user), rotated), Denial::kBadCredentials);
    Device none = device();
    none.secrets.clear();
    EXPECT_EQ(attempt(user, sign(user), none), Denial::kBadCredentials);
}

TEST(Prove, TheKeyOfTheHandshakeIsStillASecret) {
    const std::string other = "QUFBQUFBQUFBQUFBQUFBQQ==";
    Presented presented;
    presented.client_id = "thermo/d1";
    presented.psk_identity = "thermo/d1";
    presented.psk_secret = kSecret;
    const auto claim = claim_of(presented, all_schemes(), {}, kNow);
    ASSERT_TRUE(claim);
    std::string credential;
    const auto attempt = [&](const Device& one) {
        return prove(*claim, presented, one, {}, kNow, credential);
    };
    EXPECT_EQ(attempt(device()), Denial::kNone);
    EXPECT_EQ(credential, kSecret);
    Device rotated = device();
    rotated.secrets = {{other, 0}, {kSecret, kNow + 1}};
    EXPECT_EQ(attempt(rotated), Denial::kNone);
    EXPECT_EQ(until_of(Scheme::kPsk, credential, rotated), kNow + 1);
    // Taken back between the handshake and CONNECT, and later.
    rotated.secrets.pop_back();
    EXPECT_EQ(attempt(rotated), Denial::kExpired);
    EXPECT_FALSE(still_good({Scheme::kPsk, kSecret, {}, {}, false}, rotated, catalogue(), kNow));
    presented.psk_secret = {};  // a key of the file, which has its own end
    EXPECT_EQ(attempt(rotated), Denial::kNone);
}

TEST(Prove, Certificates) {
    const std::string print(64, 'a');
    Certificate certificate{"thermo/d1", "CN=thermo/d1", print, {}};
    const auto attempt = [&certificate](Device one, const char* user = nullptr) {
        Presented presented;
        presented.client_id = "x";
        presented.certificate = &certificate;
        if (user != nullptr) {
            presented.user_name = user;
        }
        const auto claim = claim_of(presented, all_schemes(), {}, kNow);
        if (!claim) {
            return claim.error();
        }
        EXPECT_EQ(claim->device_key, "thermo/d1");
        std::string credential;
        return prove(*claim, presented, one, {}, kNow, credential);
    };
    EXPECT_EQ(attempt(device()), Denial::kNone);
    Device pinned = device();
    pinned.certificates = {{print, 0}};
    EXPECT_EQ(attempt(pinned), Denial::kNone);
    pinned.certificates = {{std::string(64, 'b'), 0}};
    EXPECT_EQ(attempt(pinned), Denial::kBadCredentials);
    pinned.certificates = {{print, kNow}};
    EXPECT_EQ(attempt(pinned), Denial::kExpired);
    Device subject = device();
    subject.subject = "CN=other";
    EXPECT_EQ(attempt(subject), Denial::kBadCredentials);
    // A certificate that names nobody is good for who has its fingerprint, and for nobody else.
    certificate.common_name = "board-77";
    EXPECT_EQ(attempt(device()), Denial::kUnknownDevice);
    EXPECT_EQ(attempt(device(), "thermo/d1"), Denial::kBadCredentials);
    pinned.certificates = {{print, 0}};
    EXPECT_EQ(attempt(pinned, "thermo/d1"), Denial::kNone);
    // The name in the certificate goes before what the client says.
    certificate.common_name = "thermo/d1";
    EXPECT_EQ(attempt(device(), "thermo/d2"), Denial::kNone);
}

TEST(NamedDevice, UriBeforeCommonNameAndTwoAreNone) {
    EXPECT_EQ(named_device({"a/b", "", "", {}}), "a/b");
    EXPECT_EQ(named_device({"a/b", "", "", {"urn:causeway:device:c/d", "https://x"}}), "c/d");
    EXPECT_EQ(named_device({"a/b", "", "",
                            {"urn:causeway:device:c/d", "urn:causeway:device:e/f"}}),
              "");
    EXPECT_EQ(named_device({"a/b", "", "", {"urn:causeway:device:+/#"}}), "");
    EXPECT_EQ(named_device({"operator:x", "", "", {}}), "");
    EXPECT_EQ(named_device({"a/b/c", "", "", {}}), "");
}

Claim by(Scheme scheme) {
    Claim claim;
    claim.scheme = scheme;
    return claim;
}

TEST(Admit, StatesAndClientIds) {
    Catalogue all = catalogue();
    Device one = device();
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "thermo/d1"), Denial::kNone);
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, ""), Denial::kNone);
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "thermo/d1/second"), Denial::kNone);
    for (const char* other : {"thermo/d2", "thermo/d10", "d1", "thermod1", "x", "thermo/d1x"}) {
        EXPECT_EQ(admit(by(Scheme::kHmac), one, all, other), Denial::kClientId) << other;
    }
    one.client_id = "legacy";
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "legacy"), Denial::kNone);
    one.enabled = false;
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "thermo/d1"), Denial::kDisabled);
    one.enabled = true;
    Product product = *all.product("thermo");
    product.any_client_id = true;
    all.products["thermo"] = std::make_shared<Product>(product);
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "whatever"), Denial::kNone);
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "thermo/d2"), Denial::kClientId);
    product.auth = SchemeSet{};
    product.auth.add(Scheme::kX509);
    all.products["thermo"] = std::make_shared<Product>(product);
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "thermo/d1"), Denial::kSchemeNotAllowed);
    product.enabled = false;
    all.products["thermo"] = std::make_shared<Product>(product);
    EXPECT_EQ(admit(by(Scheme::kX509), one, all, "thermo/d1"), Denial::kDisabled);
    all.products.clear();
    EXPECT_EQ(admit(by(Scheme::kX509), one, all, "thermo/d1"), Denial::kUnknownDevice);
}

TEST(Admit, WhatWasSignedForAnotherClientId) {
    Catalogue all = catalogue();
    const auto claim = [](const char* client_id, const char* signed_for) {
        Presented presented;
        presented.client_id = client_id;
        const std::string user = std::string(signed_for) + ";0;x;4102444800";
        presented.user_name = user;
        presented.password = "00;hmacsha256";
        return *claim_of(presented, all_schemes(), {}, kNow);
    };
    const Claim own = claim("thermo/d1", "thermo/d1");
    EXPECT_EQ(admit(own, device(), all, "thermo/d1"), Denial::kNone);
    const Claim tail = claim("thermo/d1/second", "thermo/d1/second");
    EXPECT_EQ(tail.device_key, "thermo/d1");
    EXPECT_EQ(admit(tail, device(), all, "thermo/d1/second"), Denial::kNone);
    for (const char* other : {"thermo/d1/second", "legacy", ""}) {
        EXPECT_EQ(admit(claim(other, "thermo/d1"), device(), all, other), Denial::kClientId);
    }
    Product product = *all.product("thermo");
    product.any_client_id = true;
    all.products["thermo"] = std::make_shared<Product>(product);
    EXPECT_EQ(admit(claim("legacy", "thermo/d1"), device(), all, "legacy"), Denial::kNone);
}

TEST(Admit, TencentClientIdsAreOfTenCharacterProducts) {
    Catalogue all = catalogue();
    Product product = *all.product("thermo");
    product.name = "L4WG9V9M2M";
    all.products["L4WG9V9M2M"] = std::make_shared<Product>(product);
    Device one = device();
    one.product = "L4WG9V9M2M";
    one.name = "TEST2";
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "L4WG9V9M2MTEST2"), Denial::kNone);
    EXPECT_EQ(admit(by(Scheme::kHmac), one, all, "L4WG9V9M2MTEST3"), Denial::kClientId);
    EXPECT_TRUE(is_device_client_id(all, "L4WG9V9M2Mx"));
    EXPECT_FALSE(is_device_client_id(all, "L4WG9V9M2M"));
    EXPECT_TRUE(is_device_client_id(all, "thermo/x"));
    EXPECT_FALSE(is_device_client_id(all, "other/x"));
}

TEST(StillGood, AfterAChange) {
    Catalogue all = catalogue();
    Device one = device();
    Proof hmac{Scheme::kHmac, kSecret, "thermo/d1", {}, false};
    EXPECT_TRUE(still_good(hmac, one, all, kNow));
    one.secrets = {{"QUFBQUFBQUFBQUFBQUFBQQ==", 0}, {kSecret, kNow + 5}};
    EXPECT_TRUE(still_good(hmac, one, all, kNow));
    EXPECT_FALSE(still_good(hmac, one, all, kNow + 5));
    hmac.client_id = "legacy";
    EXPECT_FALSE(still_good(hmac, one, all, kNow));
    one.client_id = "legacy";
    EXPECT_TRUE(still_good(hmac, one, all, kNow));
    Proof token{Scheme::kJwt, "", "thermo/d1", {}, false};
    EXPECT_TRUE(still_good(token, one, all, kNow));
    one.enabled = false;
    EXPECT_FALSE(still_good(token, one, all, kNow));
}

TEST(StillGood, ACertificateByWhatLetItIn) {
    const Catalogue all = catalogue();
    const std::string print(64, 'b');
    Device one = device();
    Proof named{Scheme::kX509, print, "thermo/d1", "CN=thermo/d1", true};
    Proof pinned{Scheme::kX509, print, "thermo/d1", "CN=board-77", false};
    one.certificates = {{print, 0}};
    EXPECT_TRUE(still_good(named, one, all, kNow));
    EXPECT_TRUE(still_good(pinned, one, all, kNow));
    one.certificates = {{std::string(64, 'a'), 0}};
    EXPECT_FALSE(still_good(named, one, all, kNow));
    EXPECT_FALSE(still_good(pinned, one, all, kNow));
    // Without any, only a certificate with its name is the device's.
    one.certificates.clear();
    EXPECT_TRUE(still_good(named, one, all, kNow));
    EXPECT_FALSE(still_good(pinned, one, all, kNow));
    one.subject = "CN=other";
    EXPECT_FALSE(still_good(named, one, all, kNow));
}

TEST(Bans, OfEachKindUntilTheyEnd) {
    Catalogue all;
    all.bans = {{Ban::Kind::kAddress, "10.0.0.1", 0},
                {Ban::Kind::kDevice, "thermo/d1", kNow + 10},
                {Ban::Kind::kProduct, "bad", 0},
                {Ban::Kind::kClientId, "evil", 0}};
    EXPECT_NE(find_ban(all, "10.0.0.1", "x", "", kNow), nullptr);
    EXPECT_NE(find_ban(all, "10.0.0.2", "x", "thermo/d1", kNow), nullptr);
    EXPECT_EQ(find_ban(all, "10.0.0.2", "x", "thermo/d1", kNow + 10), nullptr);
    EXPECT_NE(find_ban(all, "10.0.0.2", "x", "bad/d9", kNow), nullptr);
    EXPECT_NE(find_ban(all, "10.0.0.2", "evil", "", kNow), nullptr);
    EXPECT_EQ(find_ban(all, "10.0.0.2", "x", "thermo/d2", kNow), nullptr);
}

}  // namespace
}  // namespace causeway::auth
