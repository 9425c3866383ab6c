// Devices: JSON there and back, what is refused and in which words, the record's bytes.
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/device.h"
#include "gateway/auth/password.h"

namespace causeway::auth {
namespace {

constexpr std::string_view kSecret = "MDEyMzQ1Njc4OWFiY2RlZg==";

Device sample() {
    Device device;
    device.product = "thermo";
    device.name = "d-1";
    device.enabled = false;
    device.secrets = {{std::string(kSecret), 0}, {"0123456789abcdef", 1'900'000'000}};
    device.passwords = {{hash_password("pw", "0123456789abcdef"), 0}};
    device.certificates = {{std::string(64, 'a'), 7}};
    device.subject = "CN=thermo/d-1,O=plant";
    device.client_id = "legacy-17";
    device.permissions = {{true, true, false, 0b011, true, {"${product}/${device}/up"}},
                          {false, true, true, 0b111, std::nullopt, {"a/#", "b/+/c"}}};
    device.limits = {10, 4096};
    device.tags = {{"floor", "3"}, {"site", "north"}};
    return device;
}

TEST(Device, JsonThereAndBack) {
    const auto back = parse_device(to_json(sample(), Secrets::kShown));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, sample());
}

TEST(Device, HiddenJsonHoldsNoSecret) {
    const std::string json = to_json(sample(), Secrets::kHidden);
    EXPECT_EQ(json.find(kSecret), std::string::npos);
    EXPECT_EQ(json.find("0123456789abcdef"), std::string::npos);
    EXPECT_EQ(json.find("scrypt"), std::string::npos);
    EXPECT_NE(json.find("\"secrets\":2"), std::string::npos);
    EXPECT_NE(json.find(std::string(64, 'a')), std::string::npos);
}

TEST(Device, RecordThereAndBack) {
    const std::string bytes = encode(sample());
    EXPECT_EQ(decode_device("thermo/d-1", bytes), sample());
    EXPECT_EQ(decode_device("thermo", bytes), std::nullopt);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_EQ(decode_device("thermo/d-1", bytes.substr(0, size)), std::nullopt) << size;
    }
    EXPECT_EQ(decode_device("thermo/d-1", bytes + "x"), std::nullopt);
}

TEST(Device, ARecordOfAnotherVersionIsNone) {
    std::string bytes = encode(sample());
    bytes[0] = 2;
    EXPECT_EQ(decode_device("thermo/d-1", bytes), std::nullopt);
}

TEST(Device, TheLeastDeviceIsSmall) {
    Device device;
    device.product = "thermo";
    device.name = "d-1";
    device.secrets = {{std::string(kSecret), 0}};
    EXPECT_LE(encode(device).size(), 40U);
}

TEST(Device, Keys) {
    ASSERT_TRUE(parse_device_key("a/b"));
    EXPECT_EQ(parse_device_key("a/b")->product, "a");
    EXPECT_EQ(parse_device_key("a/b")->name, "b");
    for (const char* bad : {"", "a", "/", "a/", "/b", "a/b/c", "a/+", "#/b", "a b/c", "a/\x01"}) {
        EXPECT_FALSE(parse_device_key(bad)) << bad;
    }
    EXPECT_FALSE(parse_device_key(std::string("a/b\0", 4)));
    EXPECT_FALSE(parse_device_key(std::string(65, 'x') + "/b"));
}

struct Refused {
    std::string json;
    std::string error;
};

class DeviceRefused : public testing::TestWithParam<Refused> {};

TEST_P(DeviceRefused, SaysWhy) {
    const auto device = parse_device(GetParam().json);
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().message, GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    All, DeviceRefused,
    testing::Values(
        Refused{"", "is not JSON"}, Refused{"[]", "must be an object"},
        Refused{"{}", "product: is missing"},
        Refused{R"({"product":"p"})", "name: is missing"},
        Refused{R"({"product":"p","name":"+"})", "name: must be 1 to 64 of [A-Za-z0-9_.:-]"},
        Refused{R"({"product":"p/q","name":"d"})",
                "product: must be 1 to 64 of [A-Za-z0-9_.:-]"},
        Refused{R"({"product":"p","name":"d","s3cret":"x"})",
                "holds a key that is not known; docs/devices.md lists them"},
        Refused{R"({"product":"p","name":"d","enabled":1})", "enabled: must be true or false"},
        Refused{R"({"product":"p","name":"d","secrets":["short"]})",
                "secrets[0]: must be 16 to 256 printable ASCII characters without spaces"},
        Refused{R"({"product":"p","name":"d","secrets":[{"value":"0123456789abcdef","til":1}]})",
                "secrets[0]: holds a key that is not known; docs/devices.md lists them"},
        Refused{R"({"product":"p","name":"d","secrets":["a","b","c"]})",
                "secrets: must be an array of at most 2"},
        Refused{R"({"product":"p","name":"d","passwords":["hunter2"]})",
                "passwords[0]: must be a scrypt hash ($scrypt$ln=14,r=8,p=1$SALT$HASH), never a "
                "password"},
        Refused{R"({"product":"p","name":"d","certificates":["AB"]})",
                "certificates[0]: must be a SHA-256 fingerprint, 64 lower-case hexadecimal digits"},
        Refused{R"({"product":"p","name":"d","limits":{"publish_rate_max":-1}})",
                "limits.publish_rate_max: must be a whole number from 0 to 4294967295"},
        Refused{R"({"product":"p","name":"d","tags":{"k":1}})", "tags.k: must be a string"},
        Refused{R"({"product":"p","name":"d","tags":{"a b":"1"}})",
                "tags: a key must be 1 to 64 of [A-Za-z0-9_.:-]"},
        Refused{
            R"({"product":"p","name":"d","permissions":[{"effect":"allow","action":"publish"}]})",
            "permissions[0].topics: is missing"},
        Refused{R"({"product":"p","name":"d","permissions":[{"effect":"maybe"}]})",
                "permissions[0].topics: is missing"}));

}  // namespace
}  // namespace causeway::auth
