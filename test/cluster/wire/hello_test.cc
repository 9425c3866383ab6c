#include "cluster/wire/hello.h"

#include <gtest/gtest.h>

#include "cluster/wire/frame_reader.h"

namespace causeway::wire {
namespace {

Hello example() {
    Hello hello;
    hello.cluster_id = "c-1";
    hello.node_uuid = 0xFEDCBA9876543210U;
    hello.node_id = 3;
    hello.boot = 17;
    hello.name = "n3";
    hello.features = {"a", "b"};
    return hello;
}

std::string body_of(const Hello& hello) {
    std::string out;
    append(hello, out);
    std::string body;
    FrameReader reader;
    EXPECT_TRUE(reader.feed(out, [&body](std::uint8_t type, const SharedBytes& bytes) {
        EXPECT_EQ(type, static_cast<std::uint8_t>(FrameType::kHello));
        body = bytes.view();
        return true;
    }));
    return body;
}

TEST(Hello, ComesBackAsItWas) {
    EXPECT_EQ(decode_hello(body_of(example())), example());
    EXPECT_EQ(decode_hello(body_of(Hello{})), Hello{});
}

TEST(Hello, KeepsWhatItDoesNotKnow) {
    // Field 99, a string, and field 100, a varint, of a later version.
    const std::string later("\x9A\x06\x03new\xA0\x06\x2A", 9);
    const auto hello = decode_hello(body_of(example()) + later);
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->unknown_fields, later);
    EXPECT_EQ(hello->name, "n3");
    EXPECT_EQ(decode_hello(body_of(*hello)), *hello);
}

TEST(Hello, GarbageIsRefused) {
    EXPECT_FALSE(decode_hello("\xFF\xFF\xFF"));
    EXPECT_FALSE(decode_hello(std::string("\x12\x7F", 2) + "short"));
    Hello large = example();
    large.name = std::string(kHelloBytesMax / 2, 'n');
    EXPECT_FALSE(decode_hello(body_of(large) + body_of(large)));
}

TEST(Hello, EveryCutIsRefusedOrAShorterHandshake) {
    const std::string whole = body_of(example());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto cut = decode_hello(whole.substr(0, size));
        EXPECT_TRUE(!cut || *cut != example()) << size;
    }
}

TEST(Hello, VersionsAreNegotiated) {
    EXPECT_EQ(negotiate(1, 1), 1U);
    EXPECT_EQ(negotiate(1, 7), 1U);
    EXPECT_EQ(negotiate(9, 2), 2U);
    EXPECT_FALSE(negotiate(1, 0));
}

}  // namespace
}  // namespace causeway::wire
