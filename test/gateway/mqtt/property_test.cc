// Random packets: what is encoded decodes to the same, and damage never crashes.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"
#include "test/gateway/mqtt/notation.h"
#include "test/gateway/mqtt/random_packet.h"

namespace causeway::mqtt {
namespace {

using Case = std::tuple<Version, Sender, std::uint64_t>;

class RandomPacketTest : public testing::TestWithParam<Case> {
protected:
    Version version_ = std::get<0>(GetParam());
    Sender sender_ = std::get<1>(GetParam());
    std::uint64_t seed_ = std::get<2>(GetParam());
    DecodeOptions options_{.version = version_, .sender = sender_};
};

TEST_P(RandomPacketTest, EncodeThenDecodeIsTheIdentity) {
    RandomPackets packets(seed_);
    std::set<PacketType> types;
    for (int round = 0; round < 400; ++round) {
        const Packet packet = packets.next(version_, sender_);
        types.insert(type_of(packet));
        std::string bytes;
        ASSERT_TRUE(encode(packet, version_, bytes));
        const DecodeResult result = decode(bytes, options_);
        const auto* decoded = std::get_if<Decoded>(&result);
        ASSERT_NE(decoded, nullptr) << "seed " << seed_ << " round " << round << " "
                                    << name(type_of(packet)) << " " << hex(bytes).substr(0, 300);
        ASSERT_EQ(decoded->consumed, bytes.size());
        ASSERT_TRUE(decoded->packet == packet) << "seed " << seed_ << " round " << round;
    }
    EXPECT_GE(types.size(), 9U);
}

TEST_P(RandomPacketTest, AStreamInPiecesGivesTheSamePackets) {
    RandomPackets packets(seed_);
    Random random(seed_ + 1);
    std::vector<Packet> sent;
    std::string stream;
    for (int i = 0; i < 60; ++i) {
        sent.push_back(packets.next(version_, sender_));
        ASSERT_TRUE(encode(sent.back(), version_, stream));
    }
    std::size_t available = 0;
    std::size_t at = 0;
    std::size_t received = 0;
    while (received < sent.size()) {
        const std::string_view given = std::string_view(stream).substr(at, available - at);
        const DecodeResult result = decode(given, options_);
        if (const auto* more = std::get_if<NeedMore>(&result)) {
            // What it says is needed is there in the end, and never less than it has.
            ASSERT_GT(more->bytes_min, given.size());
            ASSERT_LE(at + more->bytes_min, stream.size());
            const std::size_t exact = at + more->bytes_min;
            available = random.chance(1, 2)
                            ? exact
                            : std::min<std::size_t>(stream.size(), exact + random.below(500));
            continue;
        }
        const auto* decoded = std::get_if<Decoded>(&result);
        ASSERT_NE(decoded, nullptr) << "seed " << seed_;
        ASSERT_TRUE(decoded->packet == sent[received])
            << "seed " << seed_ << " packet " << received;
        at += decoded->consumed;
        ++received;
    }
    EXPECT_EQ(at, stream.size());
}

TEST_P(RandomPacketTest, DamageIsSurvived) {
    RandomPackets packets(seed_);
    Random random(seed_ + 2);
    int refused = 0;
    for (int round = 0; round < 400; ++round) {
        std::string bytes;
        ASSERT_TRUE(encode(packets.next(version_, sender_), version_, bytes));
        for (std::uint64_t n = random.between(1, 5); n > 0; --n) {
            bytes[random.below(std::min<std::size_t>(bytes.size(), 40))] =
                static_cast<char>(random.next());
        }
        bytes.resize(bytes.size() - random.below(2));
        const DecodeResult result = decode(bytes, options_);
        if (const auto* decoded = std::get_if<Decoded>(&result)) {
            std::string again;
            ASSERT_TRUE(encode(decoded->packet, version_, again));
            const DecodeResult second = decode(again, options_);
            ASSERT_TRUE(std::holds_alternative<Decoded>(second))
                << "seed " << seed_ << " round " << round;
            ASSERT_TRUE(std::get<Decoded>(second).packet == decoded->packet);
        }
        refused += static_cast<int>(std::holds_alternative<DecodeError>(result));
    }
    EXPECT_GT(refused, 50);
}

INSTANTIATE_TEST_SUITE_P(All, RandomPacketTest,
                         testing::Combine(testing::Values(Version::k31, Version::k311, Version::k5),
                                          testing::Values(Sender::kClient, Sender::kServer),
                                          testing::Values(1, 2, 3)));

}  // namespace
}  // namespace causeway::mqtt
