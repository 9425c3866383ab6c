#include "cluster/wire/codec.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>

#include "core/base/encoding.h"
#include "test/cluster/wire/frames.h"

namespace causeway::wire {
namespace {

struct Encoded {
    std::uint8_t type;
    SharedBytes body;
};

// One frame's bytes as FrameReader would hand them out.
Encoded split(const std::string& bytes) {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof(size));
    EXPECT_EQ(size + sizeof(size), bytes.size());
    return {static_cast<std::uint8_t>(bytes[4]), SharedBytes::copy(bytes.substr(5))};
}

Encoded encoded(const Frame& frame) {
    std::string out;
    append(frame, out);
    return split(out);
}

// A body made by hand.
class Body {
public:
    Body& v(std::uint64_t value) {
        ByteWriter(out_).varint(value);
        return *this;
    }
    Body& b(std::uint8_t value) {
        ByteWriter(out_).u8(value);
        return *this;
    }
    Body& u64(std::uint64_t value) {
        ByteWriter(out_).u64(value);
        return *this;
    }
    Body& s(std::string_view value) {
        ByteWriter(out_).string(value);
        return *this;
    }
    [[nodiscard]] bool accepted_as(FrameType type) const {
        return decode(static_cast<std::uint8_t>(type), SharedBytes::copy(out_)).has_value();
    }

private:
    std::string out_;
};

bool lies_inside(const SharedBytes& part, const SharedBytes& whole) {
    return part.view().data() >= whole.view().data() &&
           part.view().data() + part.size() <= whole.view().data() + whole.size();
}

std::uint64_t rounds() {
    const char* more = std::getenv("CAUSEWAY_ROUNDS");
    return more != nullptr ? std::strtoull(more, nullptr, 10) : 3000;
}

TEST(Codec, EveryFrameComesBackAsItWas) {
    constexpr std::uint64_t kSeed = 20261;
    Frames frames(kSeed);
    for (std::uint64_t i = 0; i < rounds(); ++i) {
        const Frame frame = frames.next();
        const Encoded bytes = encoded(frame);
        const auto back = decode(bytes.type, bytes.body);
        ASSERT_TRUE(back) << "seed " << kSeed << ", round " << i << ", type " << int{bytes.type};
        ASSERT_TRUE(same(frame, *back)) << "seed " << kSeed << ", round " << i;
    }
}

TEST(Codec, FramesAreAppendedOneBehindTheOther) {
    Frames frames(7);
    std::string all = "before";
    std::string expected = all;
    for (int i = 0; i < 50; ++i) {
        const Frame frame = frames.next();
        std::string one;
        append(frame, one);
        append(frame, all);
        expected += one;
    }
    EXPECT_EQ(all, expected);
}

TEST(Codec, EveryCutIsRefused) {
    constexpr std::uint64_t kSeed = 31;
    Frames frames(kSeed);
    for (std::size_t kind = 0; kind < std::variant_size_v<Frame>; ++kind) {
        for (int i = 0; i < 8; ++i) {
            const Encoded whole = encoded(frames.make(kind));
            for (std::size_t size = 0; size < whole.body.size(); ++size) {
                const SharedBytes cut = SharedBytes::copy(whole.body.view().substr(0, size));
                ASSERT_FALSE(decode(whole.type, cut))
                    << "kind " << kind << ", " << size << " of " << whole.body.size();
            }
        }
    }
}

TEST(Codec, WhatALaterVersionAddedIsIgnored) {
    Frames frames(32);
    for (std::size_t kind = 0; kind < std::variant_size_v<Frame>; ++kind) {
        const Frame frame = frames.make(kind);
        const Encoded whole = encoded(frame);
        const auto longer = SharedBytes::copy(std::string(whole.body.view()) + "new fields");
        const auto back = decode(whole.type, longer);
        ASSERT_TRUE(back) << kind;
        EXPECT_TRUE(same(frame, *back)) << kind;
    }
}

TEST(Codec, UnknownTypesAreToldApart) {
    int known = 0;
    for (int type = 0; type < 256; ++type) {
        const auto number = static_cast<std::uint8_t>(type);
        if (is_known(number)) {
            ++known;
        } else {
            EXPECT_FALSE(decode(number, SharedBytes::copy(std::string(64, '\0')))) << type;
        }
    }
    EXPECT_EQ(known, static_cast<int>(std::variant_size_v<Frame>));
    EXPECT_FALSE(is_known(static_cast<std::uint8_t>(FrameType::kHello)));
}

TEST(Codec, FlippedBytesNeverHarm) {
    constexpr std::uint64_t kSeed = 33;
    Frames frames(kSeed);
    Random& random = frames.random();
    std::uint64_t refused = 0;
    for (std::uint64_t i = 0; i < rounds(); ++i) {
        const Encoded whole = encoded(frames.next());
        std::string bytes(whole.body.view());
        for (std::uint64_t flips = bytes.empty() ? 0 : random.between(1, 4); flips > 0; --flips) {
            bytes[random.below(bytes.size())] = static_cast<char>(random.next());
        }
        const auto back = decode(whole.type, SharedBytes::copy(bytes));
        refused += back ? 0 : 1;
        if (back) {  // Whatever was accepted is a frame that can be sent.
            const Encoded again = encoded(*back);
            const auto twice = decode(again.type, again.body);
            ASSERT_TRUE(twice && same(*back, *twice)) << "seed " << kSeed << ", round " << i;
        }
    }
    EXPECT_GT(refused, 0U);
}

TEST(Codec, PayloadsAreSlicesOfTheFrame) {
    RaftFrame raft{GroupId(1), {NodeId(1), NodeId(2), Term(3), {}}};
    raft::AppendRequest request;
    for (std::uint64_t i = 1; i <= 3; ++i) {
        request.entries.push_back({Term(3), Index(i), raft::EntryKind::kCommand,
                                   SharedBytes::copy("payload " + std::to_string(i))});
    }
    request.entries.push_back({Term(3), Index(4), raft::EntryKind::kEmpty, {}});
    raft.message.body = request;
    Encoded bytes = encoded(raft);
    auto back = decode(bytes.type, bytes.body);
    ASSERT_TRUE(back);
    auto& entries = std::get<raft::AppendRequest>(std::get<RaftFrame>(*back).message.body).entries;
    ASSERT_EQ(entries.size(), 4U);
    EXPECT_TRUE(lies_inside(entries[2].payload, bytes.body));
    EXPECT_TRUE(entries[3].payload.empty());
    // They outlive the frame.
    const SharedBytes kept = entries[1].payload;
    back.reset();
    bytes.body = {};
    EXPECT_EQ(kept.view(), "payload 2");
}

TEST(Codec, MessagesAndChunksAreSlicesOfTheFrame) {
    StreamNews news;
    news.outputs.messages.push_back({SharedBytes::copy("a/b"), SharedBytes::copy("body"), 0});
    const Encoded bytes = encoded(news);
    const auto back = decode(bytes.type, bytes.body);
    ASSERT_TRUE(back);
    const Message& message = std::get<StreamNews>(*back).outputs.messages.at(0);
    EXPECT_TRUE(lies_inside(message.topic, bytes.body));
    EXPECT_TRUE(lies_inside(message.body, bytes.body));

    SnapshotChunk chunk;
    chunk.meta.configuration.voters = {NodeId(1)};
    chunk.bytes = SharedBytes::copy(std::string(1000, 'x'));
    const Encoded snapshot = encoded(chunk);
    const auto chunk_back = decode(snapshot.type, snapshot.body);
    ASSERT_TRUE(chunk_back);
    EXPECT_TRUE(lies_inside(std::get<SnapshotChunk>(*chunk_back).bytes, snapshot.body));
}

// A body of a StreamNews up to the lists of its outputs.
Body news() { return Body().v(1).v(0).v(1).v(9).v(0).v(5).v(0).b(0).v(0); }

TEST(Codec, CountsBeyondTheBytesAreRefused) {
    constexpr std::uint64_t kHuge = ~std::uint64_t{0};
    EXPECT_TRUE(news().v(0).v(0).v(0).v(0).v(0).accepted_as(FrameType::kStreamNews));
    EXPECT_FALSE(news().v(kHuge).v(0).v(0).v(0).v(0).accepted_as(FrameType::kStreamNews));
    EXPECT_FALSE(news().v(0).v(1U << 30).v(0).v(0).v(0).accepted_as(FrameType::kStreamNews));
    EXPECT_FALSE(news().v(0).v(0).v(kHuge / 13).v(0).v(0).accepted_as(FrameType::kStreamNews));
    EXPECT_FALSE(news().v(0).v(0).v(0).v(1).v(0).accepted_as(FrameType::kStreamNews));
    EXPECT_FALSE(news().v(0).v(0).v(0).v(0).v(1).accepted_as(FrameType::kStreamNews));
    EXPECT_FALSE(Body().v(1).v(kHuge).accepted_as(FrameType::kPing));
    EXPECT_FALSE(
        Body().v(1).v(1).v(2).v(3).b(3).v(0).v(0).v(0).v(kHuge).accepted_as(FrameType::kRaft));
    EXPECT_FALSE(Body().v(1).v(kHuge).accepted_as(FrameType::kCall));
}

TEST(Codec, ADeliveryNamesAMessageOfItsFrame) {
    const auto delivery = [](std::uint64_t message, std::uint8_t flags) {
        return news()
            .v(0)
            .v(1)
            .s("t")
            .s("b")
            .v(0)
            .v(1)
            .u64(7)
            .v(1)
            .v(1)
            .v(message)
            .b(flags)
            .v(0)
            .v(0)
            .v(0)
            .accepted_as(FrameType::kStreamNews);
    };
    EXPECT_TRUE(delivery(0, 1));
    EXPECT_FALSE(delivery(1, 1));
    EXPECT_FALSE(delivery(0xFFFFFFFF, 1));
    EXPECT_TRUE(delivery(0xFFFFFFFF, 0x11));    // A release has no message.
    EXPECT_FALSE(delivery(0x100000000, 0x11));  // Not a number of 32 bits.
    EXPECT_FALSE(delivery(0, 3));               // No such QoS.
}

TEST(Codec, ValuesOutOfRangeAreRefused) {
    const auto wide = std::uint64_t{1} << 32;
    EXPECT_TRUE(Body().v(1).v(1).v(wide).accepted_as(FrameType::kOpenStream));
    EXPECT_FALSE(Body().v(wide).v(1).v(1).accepted_as(FrameType::kOpenStream));
    EXPECT_FALSE(Body().v(1).v(wide).v(1).accepted_as(FrameType::kOpenStream));
    EXPECT_TRUE(Body().v(1).v(1).v(1).b(2).v(0).accepted_as(FrameType::kStreamRefused));
    EXPECT_FALSE(Body().v(1).v(1).v(1).b(3).v(0).accepted_as(FrameType::kStreamRefused));
    EXPECT_TRUE(Body().v(1).v(2).v(3).b(1).accepted_as(FrameType::kSnapshotAck));
    EXPECT_FALSE(Body().v(1).v(2).v(3).b(2).accepted_as(FrameType::kSnapshotAck));
    const auto result = [](std::uint8_t code) {
        return news().v(1).v(1).b(code).s("").v(0).v(0).v(0).v(0).accepted_as(
            FrameType::kStreamNews);
    };
    EXPECT_TRUE(result(static_cast<std::uint8_t>(ResultCode::kConflict)));
    EXPECT_FALSE(result(static_cast<std::uint8_t>(ResultCode::kConflict) + 1));
    // Raft: body kinds 1 to 8.
    EXPECT_FALSE(Body().v(1).v(1).v(2).v(3).b(0).accepted_as(FrameType::kRaft));
    EXPECT_TRUE(Body().v(1).v(1).v(2).v(3).b(5).accepted_as(FrameType::kRaft));
    EXPECT_TRUE(Body().v(1).v(1).v(2).v(3).b(8).accepted_as(FrameType::kRaft));
    EXPECT_FALSE(Body().v(1).v(1).v(2).v(3).b(9).accepted_as(FrameType::kRaft));
    // An entry of a kind that this version cannot apply.
    const auto entry = [](std::uint8_t kind) {
        return Body()
            .v(1)
            .v(1)
            .v(2)
            .v(3)
            .b(3)
            .v(0)
            .v(0)
            .v(0)
            .v(1)
            .v(3)
            .v(1)
            .b(kind)
            .s("")
            .accepted_as(FrameType::kRaft);
    };
    EXPECT_TRUE(entry(2));
    EXPECT_FALSE(entry(3));
}

TEST(Codec, AConfigurationThatIsNotWellFormedIsRefused) {
    const auto chunk = [](const std::string& configuration) {
        return Body()
            .v(1)
            .v(5)
            .v(2)
            .s(configuration)
            .v(1)
            .v(0)
            .b(1)
            .s("bytes")
            .accepted_as(FrameType::kSnapshotChunk);
    };
    raft::Configuration good{{NodeId(1), NodeId(2)}, {NodeId(3)}};
    EXPECT_TRUE(chunk(std::string(raft::encode(good).view())));
    raft::Configuration twice{{NodeId(1), NodeId(1)}, {}};
    EXPECT_FALSE(chunk(std::string(raft::encode(twice).view())));
    EXPECT_FALSE(chunk(std::string(raft::encode(raft::Configuration{}).view())));
    EXPECT_FALSE(chunk(""));
}

}  // namespace
}  // namespace causeway::wire
