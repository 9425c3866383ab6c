#include "core/base/encoding.h"

#include <gtest/gtest.h>

#include "core/base/bytes.h"
#include "core/base/random.h"

namespace causeway {
namespace {

TEST(Encoding, WhatIsWrittenIsRead) {
    Random random(1);
    for (int round = 0; round < 1000; ++round) {
        const std::uint64_t number = random.next() >> random.below(64);
        std::string out;
        ByteWriter writer(out);
        writer.u8(7);
        writer.varint(number);
        writer.string("abc");
        writer.key_u64(number);
        writer.u32(0xA1B2C3D4);
        ByteReader reader(out);
        EXPECT_EQ(reader.u8(), 7);
        EXPECT_EQ(reader.varint(), number);
        EXPECT_EQ(reader.string(), "abc");
        EXPECT_EQ(reader.key_u64(), number);
        EXPECT_EQ(reader.u32(), 0xA1B2C3D4U);
        EXPECT_TRUE(reader.done());
    }
}

TEST(Encoding, EveryTruncationFails) {
    std::string out;
    ByteWriter writer(out);
    writer.u16(1);
    writer.varint(300);
    writer.string("hello");
    for (std::size_t size = 0; size < out.size(); ++size) {
        ByteReader reader(std::string_view(out).substr(0, size));
        reader.u16();
        reader.varint();
        reader.string();
        EXPECT_TRUE(reader.failed()) << size;
    }
}

TEST(Encoding, VarintOfElevenBytesFails) {
    ByteReader reader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    reader.varint();
    EXPECT_TRUE(reader.failed());
}

TEST(SharedBytes, SliceKeepsTheBytesAlive) {
    SharedBytes tail;
    {
        const SharedBytes all = SharedBytes::take(std::string(1000, 'x') + "tail");
        tail = all.slice(1000);
    }
    EXPECT_EQ(tail.view(), "tail");
    EXPECT_TRUE(tail.slice(9).empty());
}

}  // namespace
}  // namespace causeway
