// scrypt hashes and the encodings around them.
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/crypto.h"
#include "gateway/auth/password.h"

namespace causeway::auth {
namespace {

TEST(Password, VerifiesItsOwnAndNoOther) {
    const std::string text = hash_password("correct horse", "0123456789abcdef");
    const auto hash = parse_password_hash(text);
    ASSERT_TRUE(hash);
    EXPECT_TRUE(verify_password(*hash, "correct horse"));
    EXPECT_FALSE(verify_password(*hash, "correct horsf"));
    EXPECT_FALSE(verify_password(*hash, ""));
    EXPECT_EQ(text.find("horse"), std::string::npos);
}

// «RFC 7914» §12: N = 1024, r = 8, p = 16 has too high a p for us; N = 16384, r = 8, p = 1 is ours,
// with the first 32 of its 64 bytes (scrypt's last step is PBKDF2, whose blocks do not depend on
// the length asked for).
TEST(Password, PublishedVector) {
    PasswordHash hash;
    hash.salt = "SodiumChloride";
    hash.hash =
        *from_hex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
    EXPECT_TRUE(verify_password(hash, "pleaseletmein"));
}

TEST(Password, RefusesWhatIsTooCostlyOrNotOfTheForm) {
    const std::string tail = "$MDEyMzQ1Njc4OWFiY2RlZg$" + std::string(43, 'A');
    EXPECT_TRUE(parse_password_hash("$scrypt$ln=14,r=8,p=1" + tail));
    for (const char* head : {"$scrypt$ln=17,r=8,p=1", "$scrypt$ln=64,r=8,p=1",
                             "$scrypt$ln=14,r=255,p=1", "$scrypt$ln=14,r=8,p=5",
                             "$scrypt$ln=14,r=0,p=1", "$scrypt$ln=9,r=8,p=1",
                             "$scrypt$ln=300,r=8,p=1", "$scrypt$ln=14,r=8", "scrypt$ln=14,r=8,p=1",
                             "$argon2id$ln=14,r=8,p=1"}) {
        EXPECT_FALSE(parse_password_hash(head + tail)) << head;
    }
    EXPECT_FALSE(parse_password_hash("$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg"));
    EXPECT_FALSE(parse_password_hash(""));
}

TEST(Encodings, ThereAndBack) {
    std::string bytes;
    for (int i = 0; i < 70; ++i) {
        EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
        EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
        EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
        bytes.push_back(static_cast<char>(i * 37 + 200));
    }
    EXPECT_EQ(to_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    EXPECT_EQ(to_base64url("\xFB\xFF"), "-_8");
}

TEST(Encodings, NoTwoTextsMeanTheSame) {
    EXPECT_FALSE(from_base64("YR=="));  // stray bits
    EXPECT_FALSE(from_base64("Y"));
    EXPECT_FALSE(from_base64("YQ==="));
    EXPECT_FALSE(from_base64("YQ=a"));
    EXPECT_FALSE(from_base64("Y\nQ="));
    EXPECT_FALSE(from_base64url("YQ=="));
    EXPECT_FALSE(from_base64url("+/8"));
    EXPECT_FALSE(from_hex("abc"));
    EXPECT_FALSE(from_hex("zz"));
}

TEST(Crypto, EmptySecretsAreNeverEqual) {
    EXPECT_FALSE(equal_secrets("", ""));
    EXPECT_FALSE(equal_secrets("a", "ab"));
    EXPECT_TRUE(equal_secrets("ab", "ab"));
}

}  // namespace
}  // namespace causeway::auth
