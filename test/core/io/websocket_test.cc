// WebSocket («RFC 6455») on the server's side: the upgrade, and frames cut anywhere.
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/io/websocket.h"

namespace causeway::io {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Status = WebSocket::Status;
using namespace std::string_literals;

constexpr std::string_view kMqtt[] = {"mqtt", "mqttv3.1"};

std::string request(std::string_view protocols = "mqtt", std::string_view version = "13") {
    return "GET /mqtt HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: keep-alive, "
           "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: " +
           std::string(version) + "\r\nSec-WebSocket-Protocol: " + std::string(protocols) +
           "\r\n\r\n";
}

// A frame as clients send it, masked.
std::string frame(std::uint8_t opcode, std::string_view payload, bool fin = true) {
    std::string out(1, static_cast<char>((fin ? 0x80 : 0) | opcode));
    if (payload.size() <= 125) {
        out.push_back(static_cast<char>(0x80 | payload.size()));
    } else {
        out.push_back(static_cast<char>(0x80 | 126));
        out.push_back(static_cast<char>(payload.size() >> 8));
        out.push_back(static_cast<char>(payload.size()));
    }
    const std::string mask = "\x01\x02\x03\x04";
    out += mask;
    for (std::size_t i = 0; i < payload.size(); ++i) {
        out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
    }
    return out;
}

class WebSocketTest : public ::testing::Test {
protected:
    WebSocket socket{kMqtt};
    std::string payload;
    std::string reply;

    Status take(std::string_view bytes) { return socket.take(bytes, payload, reply); }
    void open() {
        ASSERT_EQ(take(request()), Status::kOpen);
        reply.clear();
    }
    void expect_close(std::string_view code) {
        EXPECT_EQ(reply, "\x88\x02" + std::string(code));
        EXPECT_EQ(socket.status(), Status::kEnded);
        reply.clear();
        EXPECT_EQ(take(frame(2, "more")), Status::kEnded);
        EXPECT_EQ(payload + reply, "");
    }
};

TEST_F(WebSocketTest, UpgradesToTheSubprotocol) {  // [MQTT-6.0.0-4]
    EXPECT_EQ(take(request("mqttv3.1, mqtt")), Status::kOpen);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 101 "));
    // The example of «RFC 6455» §1.3.
    EXPECT_THAT(reply, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    EXPECT_THAT(reply, EndsWith("Sec-WebSocket-Protocol: mqtt\r\n\r\n"));
}

TEST_F(WebSocketTest, TakesTheSecondSubprotocolAlone) {
    EXPECT_EQ(take(request("chat, mqttv3.1")), Status::kOpen);
    EXPECT_THAT(reply, EndsWith("Sec-WebSocket-Protocol: mqttv3.1\r\n\r\n"));
}

TEST_F(WebSocketTest, TheRequestMayComeByteByByteWithFramesBehindIt) {
    const std::string bytes = request() + frame(2, "hello");
    for (const char byte : bytes) {
        ASSERT_NE(take({&byte, 1}), Status::kEnded);
    }
    EXPECT_EQ(payload, "hello");
    WebSocket other(kMqtt);
    payload.clear();
    EXPECT_EQ(other.take(bytes, payload, reply), Status::kOpen);
    EXPECT_EQ(payload, "hello");
}

TEST_F(WebSocketTest, RefusesWhatIsNoUpgrade) {
    const struct {
        std::string bytes;
        std::string status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: hub\r\n\r\n", "426"},
        {"PUT / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "426"},
        {request("mqtt", "8"), "426"},
        {request("chat"), "400"},
        {"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"s, "400"},
        {"GET / HTTP/1.1\r\nX: " + std::string(9000, 'x'), "431"},
        {"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
         "13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
         "400"},
    };
    for (const auto& one : cases) {
        WebSocket refused(kMqtt);
        std::string answer;
        EXPECT_EQ(refused.take(one.bytes, payload, answer), Status::kEnded) << one.bytes;
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + one.status)) << one.bytes;
        EXPECT_EQ(payload, "");
    }
}

TEST_F(WebSocketTest, PacketsDoNotFollowFrames) {  // [MQTT-6.0.0-2]
    open();
    EXPECT_EQ(take(frame(2, "ab") + frame(2, "", false) + frame(0, "c", false) + frame(0, "d") +
                   frame(2, std::string(5000, 'e'))),
              Status::kOpen);
    EXPECT_EQ(payload, "abcd" + std::string(5000, 'e'));
    EXPECT_EQ(reply, "");
}

TEST_F(WebSocketTest, TextEndsIt) {  // [MQTT-6.0.0-1]
    open();
    take(frame(1, "{}"));
    expect_close("\x03\xEB");  // 1003
}

TEST_F(WebSocketTest, ControlFramesMayStandBetweenFragments) {
    open();
    take(frame(2, "a", false) + frame(9, "are you there") + frame(10, "yes") + frame(0, "b"));
    EXPECT_EQ(payload, "ab");
    EXPECT_EQ(reply, "\x8A\x0D"s + "are you there");
}

TEST_F(WebSocketTest, CloseIsAnswered) {
    open();
    EXPECT_EQ(take(frame(8, "\x03\xE8 bye")), Status::kEnded);
    expect_close("\x03\xE8");
}

TEST_F(WebSocketTest, WhatIsNotRfc6455EndsIt) {
    const std::string unmasked =
        "\x82\x01"
        "a"s;
    const std::string reserved_bit =
        "\xC2\x81\x00\x00\x00\x00"
        "a"s;
    const std::string long_ping = "\x89\xFE\x00\x7E\x00\x00\x00\x00"s + std::string(126, 'p');
    const std::string padded_length =
        "\x82\xFE\x00\x01\x00\x00\x00\x00"
        "a"s;
    for (const std::string& bytes :
         {unmasked, reserved_bit, long_ping, padded_length, frame(0, "alone"), frame(3, "x"),
          frame(11, "x"), frame(2, "a", false) + frame(2, "b"), frame(9, "p", false)}) {
        WebSocket bad(kMqtt);
        std::string answer;
        bad.take(request(), payload, answer);
        answer.clear();
        EXPECT_EQ(bad.take(bytes, payload, answer), Status::kEnded)
            << testing::PrintToString(bytes);
        EXPECT_EQ(answer, "\x88\x02\x03\xEA"s) << testing::PrintToString(bytes);  // 1002
    }
}

TEST_F(WebSocketTest, OurFramesHaveTheShortestLength) {
    const auto head = [](std::size_t size) {
        std::string out;
        WebSocket::append_head(size, out);
        return out;
    };
    EXPECT_EQ(head(0), "\x82\x00"s);
    EXPECT_EQ(head(125), "\x82\x7D"s);
    EXPECT_EQ(head(126), "\x82\x7E\x00\x7E"s);
    EXPECT_EQ(head(65535), "\x82\x7E\xFF\xFF"s);
    EXPECT_EQ(head(65536), "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s);
}

TEST_F(WebSocketTest, OurCloseIsSentOnce) {
    std::string out;
    socket.append_close(out);
    EXPECT_EQ(out, "");  // before the handshake there is none
    open();
    socket.append_close(out);
    socket.append_close(out);
    EXPECT_EQ(out, "\x88\x02\x03\xE8"s);
}

TEST(WebSocketProperty, ItDoesNotMatterHowBytesAreCut) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Random random(seed);
        std::string bytes = request();
        std::string sent;
        bool open = false;  // a fragmented message
        for (int i = 0; i < 12; ++i) {
            std::string part(random.below(200), 'x');
            for (char& c : part) {
                c = static_cast<char>(random.below(256));
            }
            if (random.below(4) == 0) {
                bytes += frame(9, part.substr(0, 100));
                continue;
            }
            const bool fin = random.below(2) == 0;
            bytes += frame(open ? 0 : 2, part, fin);
            open = !fin;
            sent += part;
        }
        WebSocket socket(kMqtt);
        std::string payload;
        std::string reply;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t size = 1 + random.below(300);
            ASSERT_NE(socket.take(std::string_view(bytes).substr(at, size), payload, reply),
                      Status::kEnded)
                << "seed " << seed;
            at += size;
        }
        ASSERT_EQ(payload, sent) << "seed " << seed;
    }
}

}  // namespace
}  // namespace causeway::io
