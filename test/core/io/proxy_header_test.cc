// The PROXY protocol, versions 1 and 2.
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/io/proxy_header.h"

namespace causeway::io {
namespace {

using Status = ProxyHeader::Status;
using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string binary(std::uint8_t command, std::uint8_t family, const std::string& rest) {
    std::string out = kSignature;
    out.push_back(static_cast<char>(command));
    out.push_back(static_cast<char>(family));
    out.push_back(static_cast<char>(rest.size() >> 8));
    out.push_back(static_cast<char>(rest.size()));
    return out + rest;
}

struct Good {
    std::string bytes;
    std::string host;
};

const Good kGood[] = {
    {"PROXY TCP4 192.0.2.7 198.51.100.1 50123 1883\r\n", "192.0.2.7"},
    {"PROXY TCP6 2001:db8::7 2001:db8::1 50123 1883\r\n", "2001:db8::7"},
    {"PROXY UNKNOWN\r\n", ""},
    {"PROXY UNKNOWN ff:ff 1 2\r\n", ""},
    {binary(0x21, 0x11, "\xC0\x00\x02\x07\xC6\x33\x64\x01\xC3\xCB\x07\x5B"s), "192.0.2.7"},
    {binary(0x21, 0x21,
            "\x20\x01\x0D\xB8"s + std::string(11, '\0') + "\x07" + std::string(20, '\1')),
     "2001:db8::7"},
    {binary(0x21, 0x11,
            "\xC0\x00\x02\x07\xC6\x33\x64\x01\xC3\xCB\x07\x5B"s + std::string(200, 'x')),
     "192.0.2.7"},
    {binary(0x20, 0x00, ""), ""},
    {binary(0x20, 0x11, std::string(12, '\1')), ""},
};

TEST(ProxyHeader, NamesTheClient) {
    for (const Good& good : kGood) {
        const ProxyHeader header = read_proxy_header(good.bytes + "\x10\x0c");
        EXPECT_EQ(header.status, Status::kDone) << good.bytes;
        EXPECT_EQ(header.host, good.host);
        EXPECT_EQ(header.size, good.bytes.size());
    }
}

TEST(ProxyHeader, EveryBeginningNeedsMore) {
    for (const Good& good : kGood) {
        for (std::size_t size = 0; size < good.bytes.size(); ++size) {
            EXPECT_EQ(read_proxy_header(good.bytes.substr(0, size)).status, Status::kNeedMore)
                << size << " of " << good.bytes;
        }
    }
}

TEST(ProxyHeader, RefusesWhatIsNone) {
    for (const std::string& bytes :
         {"\x10\x0c\x00\x04MQTT"s, "GET / HTTP/1.1"s, "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"s,
          "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"s, "PROXY TCP4 2001:db8::7 1.2.3.4 1 2\r\n"s,
          "PROXY TCP4 1.2.3.4\r\n"s, "PROXY " + std::string(120, 'x'), "PROXY \r\n"s,
          binary(0x31, 0x11, std::string(12, '\1')), binary(0x22, 0x11, std::string(12, '\1')),
          binary(0x21, 0x11, std::string(11, '\1')), binary(0x21, 0x21, std::string(35, '\1')),
          binary(0x21, 0x31, std::string(216, '\1')),
          binary(0x21, 0x11, std::string(1100, '\1'))}) {
        EXPECT_EQ(read_proxy_header(bytes).status, Status::kError) << bytes;
    }
}

TEST(ProxyHeader, RandomBytesAreReadSafely) {
    for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
        Random random(seed);
        std::string bytes = random.below(2) == 0 ? kSignature : "PROXY TCP4 ";
        for (std::uint64_t left = random.below(64); left != 0; --left) {
            bytes.push_back(static_cast<char>(random.below(256)));
        }
        const ProxyHeader header = read_proxy_header(bytes);
        ASSERT_LE(header.size, bytes.size()) << "seed " << seed;
    }
}

}  // namespace
}  // namespace causeway::io
