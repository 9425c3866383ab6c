#include "gateway/causeway/config.h"

#include <gtest/gtest.h>

namespace causeway::root {
namespace {

std::string fault_of(const std::string& text) {
    const auto config = parse_config("f", text);
    return config ? "" : config.error().message;
}

std::string with_schemes(const std::string& schemes, const std::string& auth) {
    return R"({"listeners": [{"type": "tcp", "bind": "127.0.0.1:0", "auth": )" + schemes +
           R"(}], "auth": )" + auth + "}";
}

TEST(Config, ASchemeNeedsWhatItAsks) {
    EXPECT_EQ(fault_of(with_schemes(R"(["hmac", "jwt"])", "{}")),
              "f: listeners[0].auth: jwt needs the keys of tokens: auth.jwks_file");
    EXPECT_EQ(fault_of(with_schemes(R"(["http"])", "{}")),
              "f: listeners[0].auth: http needs whom to ask: auth.http_url");
    EXPECT_EQ(fault_of(with_schemes(R"(["jwt"])", R"({"jwks_file": "j"})")), "");
    EXPECT_EQ(fault_of(with_schemes(R"(["http"])", R"({"http_url": "http://127.0.0.1/"})")), "");
    EXPECT_EQ(fault_of(with_schemes(R"(["hmac", "password", "scram"])", "{}")), "");
}

// What beyond it needs a certificate and tokens.
TEST(Config, OnlyALoopbackAddressIsLoopback) {
    const auto api = [](const std::string& bind) {
        return fault_of(R"({"listeners": [{"bind": "127.0.0.1:0", "anonymous": true}],
                            "api": {"bind": ")" + bind + "\"}}");
    };
    EXPECT_EQ(api("127.9.9.9:0"), "");
    EXPECT_EQ(api("[::1]:0"), "");
    EXPECT_EQ(api("localhost:0"), "");
    EXPECT_NE(api("127.evil.example:0"), "");
    EXPECT_NE(api("10.0.0.1:0"), "");
}

}  // namespace
}  // namespace causeway::root
