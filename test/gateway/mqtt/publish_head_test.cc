// Deliveries: head and shared body together are the packet, and a publish gives its forwarded
// properties as the bytes they came in.
#include <array>
#include <string>
#include <variant>

#include <gtest/gtest.h>

#include "core/message/body.h"
#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"
#include "test/gateway/mqtt/notation.h"
#include "test/gateway/mqtt/random_packet.h"

namespace causeway::mqtt {
namespace {

Publish decode_publish(std::string_view bytes, Sender sender = Sender::kClient) {
    const DecodeResult result = decode(bytes, {.version = Version::k5, .sender = sender});
    return std::get<Publish>(std::get<Decoded>(result).packet);
}

TEST(PublishHead, HeadOf5IsPrecise) {
    const std::array<std::uint32_t, 2> identifiers = {1, 300};
    const PublishHead head{.topic = "a/b",
                           .packet_id = 7,
                           .qos = 1,
                           .retain = true,
                           .duplicate = true,
                           .message_expiry_interval_s = 60,
                           .topic_alias = 2,
                           .subscription_identifiers = identifiers,
                           .body_properties_bytes = 4,
                           .payload_bytes = 2};
    std::string out;
    ASSERT_TRUE(encode_publish_head(head, Version::k5, out));
    EXPECT_EQ(hex(out), hex(wire("3B 1B \"a/b\" 0007 11 02 0000003C 23 0002 0B 01 0B AC02")));
    EXPECT_EQ(publish_size(head, Version::k5), out.size() + 4 + 2);
}

TEST(PublishHead, HeadOf311HasNoProperties) {
    const std::array<std::uint32_t, 1> identifiers = {1};
    const PublishHead head{.topic = "a",
                           .packet_id = 7,
                           .message_expiry_interval_s = 60,
                           .subscription_identifiers = identifiers,
                           .body_properties_bytes = 100,
                           .payload_bytes = 200};
    std::string out;
    ASSERT_TRUE(encode_publish_head(head, Version::k311, out));
    EXPECT_EQ(hex(out), hex(wire("30 CB01 \"a\"")));
    EXPECT_EQ(publish_size(head, Version::k311), out.size() + 200);
}

TEST(PublishHead, IsAtMost64BytesBesideTheTopic) {
    const std::array<std::uint32_t, 2> identifiers = {kVarintMax, kVarintMax};
    const PublishHead head{.topic = "t",
                           .packet_id = 65'535,
                           .qos = 2,
                           .message_expiry_interval_s = 0xFFFFFFFF,
                           .topic_alias = 65'535,
                           .subscription_identifiers = identifiers,
                           .body_properties_bytes = 100'000'000,
                           .payload_bytes = 100'000'000};
    std::string out;
    ASSERT_TRUE(encode_publish_head(head, Version::k5, out));
    EXPECT_LE(out.size(), 64U + head.topic.size());
    EXPECT_EQ(publish_size(head, Version::k5), out.size() + 200'000'000);
}

TEST(PublishHead, RefusesWhatCannotBeSentAndLeavesTheOutput) {
    std::string out = "before";
    EXPECT_FALSE(
        encode_publish_head({.topic = "t", .payload_bytes = kVarintMax - 2}, Version::k311, out));
    EXPECT_FALSE(
        encode_publish_head({.topic = "t", .payload_bytes = kVarintMax - 3}, Version::k5, out));
    EXPECT_GT(publish_size({.topic = "t", .payload_bytes = kVarintMax - 2}, Version::k311),
              kPacketBytesMax);
    EXPECT_FALSE(encode_publish_head({.topic = "t", .body_properties_bytes = std::size_t{1} << 40},
                                     Version::k5, out));
    const std::string long_topic(65'536, 't');
    EXPECT_FALSE(encode_publish_head({.topic = long_topic}, Version::k5, out));
    EXPECT_EQ(out, "before");
    EXPECT_TRUE(
        encode_publish_head({.topic = "t", .payload_bytes = kVarintMax - 3}, Version::k311, out));
}

// The way of a message: decoded, body made once, sent to receivers of both versions.
TEST(PublishHead, HeadAndBodyAreThePacketForEveryReceiver) {
    const std::uint64_t seed = 11;
    RandomPackets packets(seed);
    int published = 0;
    while (published < 300) {
        const Packet packet = packets.next(Version::k5, Sender::kClient);
        if (!std::holds_alternative<Publish>(packet)) {
            continue;
        }
        ++published;
        std::string bytes;
        ASSERT_TRUE(encode(packet, Version::k5, bytes));
        const Publish received = decode_publish(bytes);
        ASSERT_TRUE(received.properties.forward.wire.has_value());
        std::string properties;
        ASSERT_TRUE(append_forward_properties(received.properties.forward, properties));
        EXPECT_EQ(properties.size(), forward_properties_size(received.properties.forward));
        const std::string stored = make_body(properties, received.payload);
        const BodyView body = parse_body(stored);

        const std::array<std::uint32_t, 1> identifiers = {9};
        const PublishHead head{.topic = "x/y",
                               .packet_id = 5,
                               .qos = 1,
                               .message_expiry_interval_s = 3,
                               .subscription_identifiers = identifiers,
                               .body_properties_bytes = body.properties.size(),
                               .payload_bytes = body.payload.size()};
        std::string out;
        ASSERT_TRUE(encode_publish_head(head, Version::k5, out));
        out.append(body.both);
        EXPECT_EQ(out.size(), publish_size(head, Version::k5));
        const Publish sent = decode_publish(out, Sender::kServer);
        Publish expected = received;
        expected.topic = "x/y";
        expected.packet_id = 5;
        expected.qos = 1;
        expected.retain = false;
        expected.duplicate = false;
        expected.properties.message_expiry_interval_s = 3;
        expected.properties.topic_alias.reset();
        expected.properties.subscription_identifiers = {9};
        EXPECT_TRUE(sent == expected) << "seed " << seed;

        std::string out311;
        ASSERT_TRUE(encode_publish_head(head, Version::k311, out311));
        out311.append(body.payload);
        const DecodeResult result =
            decode(out311, {.version = Version::k311, .sender = Sender::kServer});
        EXPECT_EQ(std::get<Publish>(std::get<Decoded>(result).packet).payload, received.payload);
    }
}

TEST(ForwardProperties, ContiguousOnesAreAView) {
    const std::string bytes =
        wire("30 { \"t\" { 23 0001 26 \"k\" \"v\" 01 01 03 \"json\" 02 00000005 } 'p' }");
    const Publish packet = decode_publish(bytes);
    ASSERT_TRUE(packet.properties.forward.wire.has_value());
    const std::string_view view = *packet.properties.forward.wire;
    EXPECT_EQ(hex(view), hex(wire("26 \"k\" \"v\" 01 01 03 \"json\"")));
    EXPECT_GE(view.data(), bytes.data());
    EXPECT_LE(view.data() + view.size(), bytes.data() + bytes.size());
}

TEST(ForwardProperties, InterruptedOnesAreEncodedAgain) {
    const std::string bytes =
        wire("30 { \"t\" { 26 \"k\" \"v\" 02 00000005 01 01 26 \"k\" \"w\" } 'p' }");
    const Publish packet = decode_publish(bytes);
    EXPECT_FALSE(packet.properties.forward.wire.has_value());
    std::string out;
    ASSERT_TRUE(append_forward_properties(packet.properties.forward, out));
    EXPECT_EQ(hex(out), hex(wire("01 01 26 \"k\" \"v\" 26 \"k\" \"w\"")));
    EXPECT_EQ(out.size(), forward_properties_size(packet.properties.forward));
}

TEST(ForwardProperties, NoneIsAnEmptyView) {
    const std::string none = wire("30 { \"t\" { 02 00000005 } 'p' }");
    EXPECT_EQ(decode_publish(none).properties.forward.wire, "");
    const std::string old = wire("30 { \"t\" 'p' }");
    const DecodeResult result = decode(old, {.version = Version::k311});
    EXPECT_EQ(std::get<Publish>(std::get<Decoded>(result).packet).properties.forward.wire, "");
}

TEST(ForwardProperties, OfAWill) {
    const std::string bytes = wire(
        "10 { \"MQTT\" 05 04 0000 {} \"c\" { 18 00000001 03 \"x\" 26 \"k\" \"v\" } \"w\" \"\" }");
    const DecodeResult result = decode(bytes, {});
    const auto& will = *std::get<Connect>(std::get<Decoded>(result).packet).will;
    ASSERT_TRUE(will.properties.forward.wire.has_value());
    EXPECT_EQ(hex(*will.properties.forward.wire), hex(wire("03 \"x\" 26 \"k\" \"v\"")));
}

TEST(ForwardProperties, ParseAgain) {
    ForwardProperties properties;
    const std::string good = wire("03 \"json\" 26 \"k\" \"v\"");
    ASSERT_TRUE(parse_forward_properties(good, properties));
    EXPECT_EQ(properties.content_type, "json");
    EXPECT_EQ(properties.user_properties, (UserProperties{{"k", "v"}}));
    EXPECT_EQ(properties.wire, good);
    for (const std::string_view bad :
         {"02 00000005", "03 \"x\" 03 \"x\"", "03 0009 'x'", "26 \"k\""}) {
        ForwardProperties other;
        const std::string bytes = wire(bad);
        EXPECT_FALSE(parse_forward_properties(bytes, other)) << bad;
    }
}

TEST(ForwardProperties, TooLongAStringLeavesTheOutput) {
    const std::string text(65'536, 'x');
    std::string out = "before";
    EXPECT_FALSE(append_forward_properties({.content_type = text}, out));
    EXPECT_EQ(out, "before");
}

}  // namespace
}  // namespace causeway::mqtt
