#include "cluster/wire/frame_reader.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "test/cluster/wire/frames.h"

namespace causeway::wire {
namespace {

using Got = std::vector<std::pair<std::uint8_t, SharedBytes>>;

auto into(Got& got) {
    return [&got](std::uint8_t type, SharedBytes body) {
        got.emplace_back(type, std::move(body));
        return true;
    };
}

std::string frame_of(std::uint8_t type, const std::string& body) {
    std::string out;
    ByteWriter writer(out);
    writer.u32(static_cast<std::uint32_t>(body.size() + 1));
    writer.u8(type);
    writer.raw(body);
    return out;
}

TEST(FrameReader, AnyPiecesGiveTheSameFrames) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        Frames frames(seed);
        std::vector<Frame> sent;
        std::string bytes;
        for (int i = 0; i < 20; ++i) {
            sent.push_back(frames.next());
            append(sent.back(), bytes);
        }
        bytes += frame_of(200, "");
        FrameReader reader;
        Got got;
        for (std::string_view rest = bytes; !rest.empty();) {
            const std::size_t most = frames.random().chance(1, 3) ? 4 : 2000;
            const std::string_view piece = rest.substr(0, frames.random().below(most));
            ASSERT_TRUE(reader.feed(piece, into(got)));
            rest.remove_prefix(piece.size());
        }
        ASSERT_EQ(got.size(), sent.size() + 1) << "seed " << seed;
        for (std::size_t i = 0; i < sent.size(); ++i) {
            const auto back = decode(got[i].first, got[i].second);
            ASSERT_TRUE(back && same(sent[i], *back)) << "seed " << seed << ", frame " << i;
        }
        EXPECT_EQ(got.back().first, 200);
        EXPECT_TRUE(got.back().second.empty());
    }
}

TEST(FrameReader, AFrameThatComesInOnePieceIsItsOwnAllocation) {
    const std::string bytes = frame_of(2, "one") + frame_of(3, "two");
    FrameReader reader;
    Got got;
    ASSERT_TRUE(reader.feed(bytes, into(got)));
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].second.view(), "one");
    EXPECT_EQ(got[1].second.view(), "two");
}

TEST(FrameReader, ALargeBodyIsOneAllocationThatDoesNotMove) {
    constexpr std::size_t kSize = 5'000'000;
    const std::string bytes = frame_of(2, std::string(kSize, 'x')) + frame_of(3, "next");
    FrameReader reader;
    Got got;
    for (std::size_t at = 0; at < bytes.size(); at += 16'384) {
        ASSERT_TRUE(reader.feed(std::string_view(bytes).substr(at, 16'384), into(got)));
    }
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].second.size(), kSize);
    EXPECT_EQ(got[0].second.view(), std::string(kSize, 'x'));
    EXPECT_EQ(got[1].second.view(), "next");
}

TEST(FrameReader, BadSizesEndIt) {
    for (const std::uint32_t size : {0U, 101U, 0xFFFFFFFFU}) {
        FrameReader reader(100);
        Got got;
        std::string bytes = frame_of(2, std::string(99, 'x'));
        ByteWriter(bytes).u32(size);
        bytes += std::string(200, '\1');
        EXPECT_FALSE(reader.feed(bytes, into(got))) << size;
        EXPECT_EQ(got.size(), 1U);
        EXPECT_FALSE(reader.feed(frame_of(2, "good"), into(got)));
        EXPECT_EQ(got.size(), 1U);
    }
}

TEST(FrameReader, ASizeIsJudgedBeforeAnythingIsAllocated) {
    FrameReader reader;
    Got got;
    std::string head;
    ByteWriter writer(head);
    writer.u32(static_cast<std::uint32_t>(kFrameBytesMax + 1));
    writer.u8(2);
    EXPECT_FALSE(reader.feed(head, into(got)));
}

TEST(FrameReader, TheSinkMayEndIt) {
    FrameReader reader;
    int seen = 0;
    const auto sink = [&seen](std::uint8_t, const SharedBytes&) { return ++seen < 2; };
    const std::string one = frame_of(2, "x");
    EXPECT_FALSE(reader.feed(one + one + one, sink));
    EXPECT_EQ(seen, 2);
    EXPECT_FALSE(reader.feed(one, sink));
    EXPECT_EQ(seen, 2);
}

TEST(FrameReader, TheSinkMayRaiseTheLimit) {
    FrameReader reader(10);
    int seen = 0;
    const auto sink = [&](std::uint8_t, const SharedBytes&) {
        reader.set_limit(1000);
        ++seen;
        return true;
    };
    EXPECT_TRUE(reader.feed(frame_of(1, "hello") + frame_of(2, std::string(500, 'x')), sink));
    EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace causeway::wire
