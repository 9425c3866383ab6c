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

}  // namespace
}  // namespace causeway::io
