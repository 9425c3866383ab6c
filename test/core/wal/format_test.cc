#include "core/wal/format.h"

#include <gtest/gtest.h>

#include "core/base/random.h"

namespace causeway::wal {
namespace {

RecordBuffer two_records() {
    RecordBuffer buffer;
    RecordHeader header;
    header.group = 3;
    header.term = 5;
    header.index = 9;
    header.epoch = 2;
    header.flags = 1;
    put_record(buffer, header, "hello");
    header.index = 10;
    put_record(buffer, header, "");
    EXPECT_EQ(seal(buffer.data(), buffer.size(), 7, 100, 42), 2U);
    return buffer;
}

TEST(Format, ARecordReadsBack) {
    RecordBuffer buffer = two_records();
    const auto first = decode_record(buffer.view(), 42);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->payload, "hello");
    EXPECT_EQ(first->header.group, 3U);
    EXPECT_EQ(first->header.term, 5U);
    EXPECT_EQ(first->header.index, 9U);
    EXPECT_EQ(first->header.epoch, 2U);
    EXPECT_EQ(first->header.flags, 1U);
    EXPECT_EQ(first->header.batch, 7U);
    EXPECT_EQ(first->header.lsn, 100U);
    EXPECT_FALSE(first->header.last);
    const auto second = decode_record(buffer.view().substr(record_bytes(5)), 42);
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(second->header.lsn, 101U);
    EXPECT_EQ(second->header.ordinal, 1U);
    EXPECT_TRUE(second->header.last);
}

TEST(Format, EveryFlippedBitIsNoticed) {
    const RecordBuffer buffer = two_records();
    const std::string good(buffer.view().substr(0, kHeaderBytes + 5));
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        EXPECT_FALSE(decode_record(bad, 42).has_value()) << bit;
    }
}

TEST(Format, EveryTruncationAndAnotherLogIsInvalid) {
    const RecordBuffer buffer = two_records();
    for (std::size_t size = 0; size < kHeaderBytes + 5; ++size) {
        EXPECT_FALSE(decode_record(buffer.view().substr(0, size), 42).has_value()) << size;
    }
    EXPECT_FALSE(decode_record(buffer.view(), 43).has_value());
    EXPECT_FALSE(decode_record(std::string(200, '\0'), 0).has_value());
}

TEST(Format, OnlySegmentNamesAreSegments) {
    EXPECT_EQ(segment_name(42), "wal-0000002a.log");
    EXPECT_EQ(parse_segment_name("wal-0000002a.log"), 42U);
    for (const char* name : {"wal-0000002A.log", "wal-00000000.log", "wal-2a.log",
                             "wal-0000002a.tmp", "wal-0000002g.log", "", "wal-prepare.tmp"}) {
        EXPECT_FALSE(parse_segment_name(name).has_value()) << name;
    }
}

TEST(Format, PrependKeepsWhatWasThere) {
    RecordBuffer buffer;
    std::string expected;
    Random random(1);
    for (int i = 0; i < 50; ++i) {
        const std::string part(random.below(3000), static_cast<char>('a' + i % 26));
        if (random.chance(1, 2)) {
            buffer.prepend(part);
            expected.insert(0, part);
        } else {
            char* at = buffer.extend(part.size());
            part.copy(at, part.size());
            expected += part;
        }
        ASSERT_EQ(buffer.view(), expected);
    }
}

}  // namespace
}  // namespace causeway::wal
