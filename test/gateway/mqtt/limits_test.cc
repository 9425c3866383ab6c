// Sizes: what is refused from the fixed header on, how much more is needed, and what cannot be
// encoded.
#include <string>
#include <variant>

#include <gtest/gtest.h>

#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"
#include "gateway/mqtt/reason_code.h"
#include "test/gateway/mqtt/notation.h"

namespace causeway::mqtt {
namespace {

TEST(Limits, TooLargeIsRefusedBeforeTheBody) {
    // 1 + 2 + 200 bytes.
    const std::string header = wire("30 C801");
    const DecodeResult refused = decode(header, {.version = Version::k5, .packet_bytes_max = 202});
    ASSERT_TRUE(std::holds_alternative<DecodeError>(refused));
    EXPECT_EQ(std::get<DecodeError>(refused).reason_code, ReasonCode::kPacketTooLarge);
    EXPECT_EQ(std::get<DecodeError>(refused).type, PacketType::kPublish);
    const DecodeResult taken = decode(header, {.version = Version::k5, .packet_bytes_max = 203});
    ASSERT_TRUE(std::holds_alternative<NeedMore>(taken));
    EXPECT_EQ(std::get<NeedMore>(taken).bytes_min, 203U);
}

TEST(Limits, TheLargestPacketIsOnlyAskedFor) {
    const DecodeResult result = decode(wire("30 FFFFFF7F"), {});
    ASSERT_TRUE(std::holds_alternative<NeedMore>(result));
    EXPECT_EQ(std::get<NeedMore>(result).bytes_min, kPacketBytesMax);
}

TEST(Limits, NeedMoreGrowsByteByByteInTheFixedHeader) {
    const std::string header = wire("30 FFFFFF");
    for (std::size_t size = 0; size <= header.size(); ++size) {
        const DecodeResult result = decode(std::string_view(header).substr(0, size), {});
        ASSERT_TRUE(std::holds_alternative<NeedMore>(result)) << size;
        EXPECT_EQ(std::get<NeedMore>(result).bytes_min, size == 0 ? 2 : size + 1);
    }
}

TEST(Limits, ItemsInOnePacket) {
    const DecodeOptions options{.version = Version::k5, .items_max = 3};
    const auto outcome = [&](std::string_view notation) {
        const std::string bytes = wire(notation);
        const DecodeResult result = decode(bytes, options);
        const auto* error = std::get_if<DecodeError>(&result);
        return error == nullptr ? ReasonCode::kSuccess : error->reason_code;
    };
    EXPECT_EQ(outcome("82 { 0001 {} \"a\" 00 \"b\" 00 \"c\" 00 }"), ReasonCode::kSuccess);
    EXPECT_EQ(outcome("82 { 0001 {} \"a\" 00 \"b\" 00 \"c\" 00 \"d\" 00 }"),
              ReasonCode::kQuotaExceeded);
    EXPECT_EQ(outcome("82 { 0001 { 26 \"\" \"\" } \"a\" 00 \"b\" 00 \"c\" 00 }"),
              ReasonCode::kQuotaExceeded);
    EXPECT_EQ(outcome("A2 { 0001 {} \"a\" \"b\" \"c\" \"d\" }"), ReasonCode::kQuotaExceeded);
    EXPECT_EQ(outcome("30 { \"t\" { 26 \"\" \"\" 26 \"\" \"\" 26 \"\" \"\" } }"),
              ReasonCode::kSuccess);
    EXPECT_EQ(outcome("30 { \"t\" { 26 \"\" \"\" 26 \"\" \"\" 26 \"\" \"\" 26 \"\" \"\" } }"),
              ReasonCode::kQuotaExceeded);
}

TEST(Limits, WhatCannotBeEncodedLeavesTheOutput) {
    const std::string text(65'536, 'x');
    std::string out = "before";
    EXPECT_FALSE(encode(Publish{.topic = text}, Version::k5, out));
    EXPECT_FALSE(encode(Connect{.client_id = text}, Version::k311, out));
    EXPECT_FALSE(
        encode(Puback{.packet_id = 1, .properties = {.reason_string = text}}, Version::k5, out));
    EXPECT_FALSE(
        encode(Disconnect{.properties = {.user_properties = {{"k", text}}}}, Version::k5, out));
    EXPECT_FALSE(encode(Auth{}, Version::k311, out));
    EXPECT_EQ(out, "before");
    // A 3.1.1 receiver gets no properties, so their size is no matter.
    EXPECT_TRUE(
        encode(Puback{.packet_id = 1, .properties = {.reason_string = text}}, Version::k311, out));
}

TEST(Limits, WhatAnOldClientCannotReadIsLeftOut) {
    std::string out;
    ASSERT_TRUE(
        encode(Suback{.packet_id = 1,
                      .properties = {.reason_string = "r"},
                      .reason_codes = {ReasonCode::kGrantedQos1, ReasonCode::kNotAuthorized}},
               Version::k311, out));
    EXPECT_EQ(hex(out), hex(wire("90 04 0001 01 80")));
    out.clear();
    ASSERT_TRUE(
        encode(Connack{.reason_code = ReasonCode::kServerBusy, .properties = {.maximum_qos = 1}},
               Version::k311, out));
    EXPECT_EQ(hex(out), hex(wire("20 02 00 03")));
    out.clear();
    ASSERT_TRUE(encode(Pubrec{.packet_id = 1, .reason_code = ReasonCode::kQuotaExceeded},
                       Version::k311, out));
    EXPECT_EQ(hex(out), hex(wire("50 02 0001")));
}

TEST(ReasonCodes, NamesAndReturnCodes) {
    EXPECT_EQ(name(ReasonCode::kSuccess), "Success");
    EXPECT_EQ(name(ReasonCode::kSuccess, PacketType::kDisconnect), "Normal disconnection");
    EXPECT_EQ(name(ReasonCode::kSuccess, PacketType::kSuback), "Granted QoS 0");
    EXPECT_EQ(name(ReasonCode::kSessionTakenOver), "Session taken over");
    EXPECT_EQ(name(static_cast<ReasonCode>(0x03)), "");
    int named = 0;
    for (unsigned value = 0; value < 256; ++value) {
        named += static_cast<int>(!name(static_cast<ReasonCode>(value)).empty());
    }
    EXPECT_EQ(named, 43);  // The rows of table 2-6 by value: 0x00 stands for three of them.
    for (std::uint8_t code = 0; code < 6; ++code) {
        EXPECT_EQ(connect_return_code(*from_connect_return_code(code)), code);
    }
    EXPECT_FALSE(from_connect_return_code(6).has_value());
    EXPECT_EQ(connect_return_code(ReasonCode::kBanned), 5);
    EXPECT_EQ(connect_return_code(ReasonCode::kQuotaExceeded), 3);
    EXPECT_EQ(name(PacketType::kAuth), "AUTH");
    EXPECT_EQ(name(static_cast<PacketType>(0)), "");
}

}  // namespace
}  // namespace causeway::mqtt
