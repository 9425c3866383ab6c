// Products and permissions: JSON there and back, what is refused and in which words.
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/product.h"
#include "gateway/auth/topic_template.h"

namespace causeway::auth {
namespace {

Product sample() {
    Product product;
    product.name = "thermo";
    product.description = "thermostats";
    product.enabled = false;
    product.auth.add(Scheme::kHmac);
    product.auth.add(Scheme::kX509);
    product.any_client_id = true;
    product.permissions = {
        {true, true, false, 0b111, std::nullopt, {"${product}/${device}/up/#"}},
        {true, false, true, 0b011, std::nullopt, {"${product}/${device}/down/+"}},
        {false, true, true, 0b111, true, {"#"}}};
    product.limits = {100, {10, 4096}};
    product.registration = {true, true, {{"0123456789abcdef", 5}}};
    return product;
}

TEST(Product, JsonThereAndBack) {
    const auto back = parse_product(to_json(sample(), Secrets::kShown));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, sample());
}

TEST(Product, HiddenJsonHoldsNoSecret) {
    const std::string json = to_json(sample(), Secrets::kHidden);
    EXPECT_EQ(json.find("0123456789abcdef"), std::string::npos);
    EXPECT_NE(json.find("\"secrets\":1"), std::string::npos);
}

struct Refused {
    std::string json;
    std::string error;
};

class ProductRefused : public testing::TestWithParam<Refused> {};

TEST_P(ProductRefused, SaysWhy) {
    const auto product = parse_product(GetParam().json);
    ASSERT_FALSE(product);
    EXPECT_EQ(product.error().message, GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    All, ProductRefused,
    testing::Values(
        Refused{R"({"name":"p"})", "auth: is missing"},
        Refused{R"({"name":"p","auth":[]})", "auth: must name at least one"},
        Refused{R"({"name":"p","auth":["anonymous"]})",
                "auth: must name some of x509, psk, hmac, password, jwt, http, scram"},
        Refused{R"({"name":"p","auth":["psk"],"registration":{"enabled":true}})",
                "registration.secrets: registration needs a secret of the product"},
        Refused{R"({"name":"p","auth":["psk"],"limits":{"x":1}})",
                "limits: holds a key that is not known; docs/devices.md lists them"},
        Refused{R"({"name":"p","auth":["psk"],"permissions":[{"effect":"allow","action":"read",)"
                R"("topics":["a"]}]})",
                R"(permissions[0].action: must be "publish", "subscribe" or "both")"},
        Refused{R"({"name":"p","auth":["psk"],"permissions":[{"effect":"maybe","action":"both",)"
                R"("topics":["a"]}]})",
                R"(permissions[0].effect: must be "allow" or "deny")"},
        Refused{R"({"name":"p","auth":["psk"],"permissions":[{"effect":"allow","action":"both",)"
                R"("topics":["a/${dev}"]}]})",
                "permissions[0].topics[0]: holds \"${\" that begins none of ${product}, ${device}, "
                "${clientid}, ${username}, ${cert.cn}"},
        Refused{R"({"name":"p","auth":["psk"],"permissions":[{"effect":"allow","action":"both",)"
                R"("topics":["a","a/#/b"]}]})",
                "permissions[0].topics[1]: must be a topic filter: \"+\" a level of its own, "
                "\"#\" the last one"},
        Refused{R"({"name":"p","auth":["psk"],"permissions":[{"effect":"allow","action":"both",)"
                R"("topics":["a"],"qos":[3]}]})",
                "permissions[0].qos: must be an array of 0, 1 and 2"}));

TEST(TopicTemplate, WhatMayBeSubstituted) {
    for (const std::string_view good : {"a", "d-1", "x y", "\xC3\xA4", "a$"}) {
        EXPECT_TRUE(may_substitute(good)) << good;
    }
    for (const std::string_view bad : {std::string_view(""), std::string_view("+"),
                                       std::string_view("#"), std::string_view("a/b"),
                                       std::string_view("a\0b", 3), std::string_view("a+"), std::string_view("$SYS"),
                                       std::string_view("\xFF")}) {
        EXPECT_FALSE(may_substitute(bad)) << bad;
    }
}

TEST(TopicTemplate, Checks) {
    for (const char* good : {"a", "#", "+/+", "${product}", "a-${device}-b/#", "$SYS/#", "$queue/q"}) {
        EXPECT_EQ(check_topic_template(good), "") << good;
    }
    for (const char* bad : {"", "a+", "+${device}", "${device}#", "#/a", "${}", "${product",
                            "$share/g/a", "${Product}"}) {
        EXPECT_NE(check_topic_template(bad), "") << bad;
    }
    EXPECT_NE(check_topic_template(std::string(513, 'a')), "");
}

}  // namespace
}  // namespace causeway::auth
