// Signed user names: the published examples bit for bit, and what is not one.
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/hmac_login.h"

namespace causeway::auth {
namespace {

struct Published {
    const char* client_id;
    const char* user_name;
    const char* password;
    const char* secret;
    const char* device;
};

class PublishedLogin : public testing::TestWithParam<Published> {};

TEST_P(PublishedLogin, Verifies) {
    const Published& one = GetParam();
    const auto login = parse_hmac_login(one.client_id, one.user_name, one.password);
    ASSERT_TRUE(login);
    EXPECT_EQ(login->device_key, one.device);
    EXPECT_TRUE(verify_hmac_login(*login, one.secret));
    EXPECT_FALSE(verify_hmac_login(*login, std::string(one.secret) + "x"));
    EXPECT_FALSE(verify_hmac_login(*login, ""));
}

INSTANTIATE_TEST_SUITE_P(
    All, PublishedLogin,
    testing::Values(
        // Aliyun, "MQTT-TCP connections", the example of the signature; lower case is the same.
        Published{"12345|securemode=3,signmethod=hmacsha1,timestamp=789|", "device&pk",
                  "FAFD82A3D602B37FB0FA8B7892F24A477F851A14", "secret", "pk/device"},
        // Aliyun, "open-source MQTT clients".
        Published{"SN1928339|securemode=3,signmethod=hmacsha1,timestamp=1539421321846|",
                  "light1983432&a14Xib5kdYd", "b2488041f64f425016b467ee1c94959ebd592ad1",
                  "oLyaKqVxtRvjH284LdhqVgVUx1UPy6zq", "a14Xib5kdYd/light1983432"},
        // Without a timestamp.
        Published{"XP001|securemode=3,signmethod=hmacsha1|", "XP001&a1Ze3BcsQ5x",
                  "cc4e388e7f1ea1e5bdaf15891b76f2dfcfeffb06", "amzS2Q9siGHpSVDVhvDV43661DmfdXtW",
                  "a1Ze3BcsQ5x/XP001"},
        // hmacmd5 of the first example (its digest is in Aliyun's SDK tests).
        Published{"12345|securemode=3,signmethod=hmacmd5,timestamp=789|", "device&pk",
                  "14b198324fe55e1d3c88f2e705e201ee", "secret", "pk/device"},
        // Tencent's form; its documents show no secret with a signature, so made with Python's hmac.
        Published{"L4WG9V9M2MTEST2", "L4WG9V9M2MTEST2;12010126;5AiF2;4102444800",
                  "9d98091c5675aa1a98f23c5b606993d2ca196e25399848428532c4d2345a983b;hmacsha256",
                  "MDEyMzQ1Njc4OWFiY2RlZg==", "L4WG9V9M2M/TEST2"},
        Published{"L4WG9V9M2MTEST2", "L4WG9V9M2MTEST2;12010126;5AiF2;4102444800",
                  "a0fb64b20d63a9ba32a143f299a44b2e01768219;hmacsha1", "MDEyMzQ1Njc4OWFiY2RlZg==", "L4WG9V9M2M/TEST2"}));

TEST(HmacLogin, OurProductsMayHaveNamesOfAnyLength) {
    const auto login = parse_hmac_login("thermo/d1", "thermo/d1;0;x;4102444800", "00;hmacsha256");
    ASSERT_TRUE(login);
    EXPECT_EQ(login->device_key, "thermo/d1");
    EXPECT_EQ(login->client_id, "thermo/d1");
}

TEST(HmacLogin, TheSessionOfAnAliyunDeviceIsTheDevices) {
    const auto login = parse_hmac_login("x|signmethod=hmacsha256,timestamp=5000|", "d&p", "00");
    ASSERT_TRUE(login);
    EXPECT_EQ(login->client_id, "p/d");
    EXPECT_EQ(login->message, "clientIdxdeviceNamedproductKeyptimestamp5000");
}

TEST(HmacLogin, OtherUserNamesAreNone) {
    for (const char* user : {"", "user", "thermo/d1", "a;b;c", "a;b;c;d;e", "short;1;2;99",
                             "thermo/d1;1;2;", "thermo/d1;1;2;x", "thermo/d1;1;2;0",
                             "thermo/d1;1;2;99999999999999999999", "a//c;1;2;99", "/b;1;2;99", "+/d;1;2;99",
                             "d&p"}) {
        EXPECT_FALSE(parse_hmac_login("c", user, "00;hmacsha256")) << user;
    }
    for (const char* client : {"x", "x|", "|", "x|a=b", ""}) {
        EXPECT_FALSE(parse_hmac_login(client, "d&p", "00")) << client;
    }
    EXPECT_FALSE(parse_hmac_login("x|signmethod=hmacsha1|", "d&p&q", "00"));
    EXPECT_FALSE(parse_hmac_login("x|signmethod=hmacsha1|", "d/e&p", "00"));
    EXPECT_FALSE(parse_hmac_login(std::string(513, 'x'), "thermo/d1;1;2;99", "00;hmacsha256"));
}

TEST(HmacLogin, WhatCannotBeReadVerifiesForNobody) {
    const std::string secret = "MDEyMzQ1Njc4OWFiY2RlZg==";
    for (const char* password : {"", ";", "00", "00;hmacmd5", "00;none", "zz;hmacsha256",
                                 ";hmacsha256", "00;hmacsha256 "}) {
        const auto login = parse_hmac_login("c", "thermo/d1;0;x;4102444800", password);
        ASSERT_TRUE(login);
        EXPECT_FALSE(verify_hmac_login(*login, secret)) << password;
        EXPECT_FALSE(verify_hmac_login(*login, "")) << password;
    }
    // No signmethod: nothing was signed.
    const auto bare = parse_hmac_login("x|securemode=3|", "d&p", "");
    ASSERT_TRUE(bare);
    EXPECT_FALSE(verify_hmac_login(*bare, secret));
}

TEST(HmacLogin, ASignatureIsOfOneUserName) {
    auto login = parse_hmac_login("L4WG9V9M2MTEST2", "L4WG9V9M2MTEST2;12010126;5AiF2;4102444801",
                                  "9d98091c5675aa1a98f23c5b606993d2ca196e25399848428532c4d2345a983b"
                                  ";hmacsha256");
    ASSERT_TRUE(login);
    EXPECT_FALSE(verify_hmac_login(*login, "MDEyMzQ1Njc4OWFiY2RlZg=="));
}

TEST(HmacLogin, Time) {
    HmacLogin tencent;
    tencent.signed_until_s = 1000;
    EXPECT_TRUE(hmac_login_in_time(tencent, 999, 0));
    EXPECT_FALSE(hmac_login_in_time(tencent, 1000, 0));
    EXPECT_FALSE(hmac_login_in_time(tencent, 500, 100));  // signed for longer than is taken
    EXPECT_TRUE(hmac_login_in_time(tencent, 950, 100));
    HmacLogin aliyun;
    aliyun.signed_at_ms = 1'000'000;
    EXPECT_TRUE(hmac_login_in_time(aliyun, 5'000'000, 0));
    EXPECT_TRUE(hmac_login_in_time(aliyun, 1050, 60));
    EXPECT_FALSE(hmac_login_in_time(aliyun, 1061, 60));
    EXPECT_FALSE(hmac_login_in_time(aliyun, 900, 60));
    EXPECT_FALSE(hmac_login_in_time(HmacLogin{}, 900, 60));  // no time was signed
}

}  // namespace
}  // namespace causeway::auth
