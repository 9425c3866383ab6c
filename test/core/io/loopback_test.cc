#include "core/io/address.h"
#include "core/io/loopback.h"

#include <gtest/gtest.h>

namespace causeway::io {
namespace {

TEST(Loopback, IsThisMachine) {
    for (const std::string_view host : {"localhost", "LocalHost", "127.0.0.1", "127.255.3.4", "::1",
                                        "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1",
                                        "::ffff:127.9.8.7"}) {
        EXPECT_TRUE(is_loopback(host)) << host;
    }
}

TEST(Loopback, ANameThatBeginsLikeAnAddressIsNot) {
    using std::string_view_literals::operator""sv;
    for (const std::string_view host :
         {""sv, "127."sv, "127.evil.example"sv, "127.0.0.1.evil.example"sv, "127.0.0.256"sv,
          "127.1"sv, "127.0.0.1:80"sv, " 127.0.0.1"sv, "127.0.0.1\0.evil.example"sv, "128.0.0.1"sv,
          "10.0.0.1"sv, "::"sv, "::2"sv, "[::1]"sv, "::ffff:10.0.0.1"sv, "::127.0.0.1"sv,
          "localhost."sv, "localhost.evil.example"sv, "xlocalhost"sv}) {
        EXPECT_FALSE(is_loopback(host)) << host;
    }
}

TEST(Addresses, OneTextEach) {
    EXPECT_EQ(normal_address("192.0.2.7"), "192.0.2.7");
    EXPECT_EQ(normal_address("[::ffff:192.0.2.7]"), "192.0.2.7");
    EXPECT_EQ(normal_address("[2001:DB8:0::7]"), "2001:db8::7");
    EXPECT_EQ(normal_address("2001:db8::7"), "2001:db8::7");
    for (const char* none : {"", "x", "10.0.0.0/8", "10.0.0", "[::1", "fe80::1%eth0"}) {
        EXPECT_FALSE(normal_address(none)) << none;
    }
    EXPECT_EQ(responsible_for("192.0.2.7"), "192.0.2.7");
    EXPECT_EQ(responsible_for("2001:db8:1:2:3::7"), "2001:db8:1:2::/64");
    EXPECT_EQ(responsible_for("2001:db8:1:2:4::7"), responsible_for("2001:db8:1:2::"));
    EXPECT_NE(responsible_for("2001:db8:1:3::7"), responsible_for("2001:db8:1:2::7"));
}

}  // namespace
}  // namespace causeway::io
