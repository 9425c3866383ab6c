// Topic names, filters and their parts: the tables a reader can check against MQTT 5.0 §1.5.4 and
// §4.7.
#include "core/message/topic.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"

namespace causeway {
namespace {

using std::string_view_literals::operator""sv;

// UTF-8 by arithmetic, as RFC 3629 defines it; slow and unlike the table under test.
bool naive_utf8(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        const auto first = static_cast<std::uint8_t>(bytes[i]);
        const std::size_t size = first < 0x80             ? 1
                                 : (first & 0xE0) == 0xC0 ? 2
                                 : (first & 0xF0) == 0xE0 ? 3
                                 : (first & 0xF8) == 0xF0 ? 4
                                                          : 0;
        if (size == 0 || i + size > bytes.size()) {
            return false;
        }
        std::uint32_t code = size == 1 ? first : first & (0x7FU >> size);
        for (std::size_t k = 1; k < size; ++k) {
            const auto next = static_cast<std::uint8_t>(bytes[i + k]);
            if ((next & 0xC0) != 0x80) {
                return false;
            }
            code = code << 6 | (next & 0x3FU);
        }
        constexpr std::uint32_t kSmallest[] = {0, 1, 0x80, 0x800, 0x10000};
        if (code < kSmallest[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
            return false;
        }
        i += size;
    }
    return true;
}

TEST(Utf8, AcceptsWellFormed) {  // [MQTT-1.5.4-3]
    for (const std::string_view text :
         {""sv, "plain"sv, "sixteen bytes ok"sv, "\xC2\x80"sv, "\xDF\xBF"sv, "\xE0\xA0\x80"sv,
          "\xED\x9F\xBF"sv, "\xEE\x80\x80"sv, "\xEF\xBF\xBF"sv, "\xF0\x90\x80\x80"sv,
          "\xF4\x8F\xBF\xBF"sv, "\xEF\xBB\xBF bom stays"sv, "1234567\xC3\xA9"sv,
          "\x01\x1F\x7F"sv}) {
        EXPECT_TRUE(valid_utf8(text)) << text;
    }
}

TEST(Utf8, RefusesIllFormed) {  // [MQTT-1.5.4-1] [MQTT-1.5.4-2]
    for (const std::string_view text : {"\0"sv,
                                        "1234567\0"sv,
                                        "12345678\0"sv,
                                        "\x80"sv,
                                        "\xBF"sv,
                                        "\xC0\x80"sv,
                                        "\xC1\xBF"sv,
                                        "\xC2"sv,
                                        "\xC2\x7F"sv,
                                        "\xC2\xC0"sv,
                                        "\xE0\x9F\xBF"sv,
                                        "\xE0\xA0"sv,
                                        "\xE0\xA0\x41"sv,
                                        "\xED\xA0\x80"sv,
                                        "\xED\xBF\xBF"sv,
                                        "\xF0\x8F\xBF\xBF"sv,
                                        "\xF4\x90\x80\x80"sv,
                                        "\xF5\x80\x80\x80"sv,
                                        "\xFF"sv,
                                        "\xF0\x90\x80"sv,
                                        "12345678\xFE"sv}) {
        EXPECT_FALSE(valid_utf8(text)) << testing::PrintToString(std::string(text));
    }
}

TEST(Utf8, AgreesWithArithmeticOnRandomBytes) {
    const std::uint64_t seed = 7;
    SCOPED_TRACE(seed);
    Random random(seed);
    constexpr std::uint8_t kInteresting[] = {0x00, 0x01, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                             0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED,
                                             0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
    int valid = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string text(random.below(4) * 3, 'x');
        for (std::uint64_t n = random.below(6); n > 0; --n) {
            text.push_back(static_cast<char>(kInteresting[random.below(std::size(kInteresting))]));
        }
        valid += static_cast<int>(naive_utf8(text));
        ASSERT_EQ(valid_utf8(text), naive_utf8(text)) << testing::PrintToString(text);
    }
    EXPECT_GT(valid, 1000);
}

TEST(TopicName, Validity) {  // [MQTT-4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3]
    EXPECT_TRUE(valid_topic_name("a"));
    EXPECT_TRUE(valid_topic_name("/"));
    EXPECT_TRUE(valid_topic_name("//"));
    EXPECT_TRUE(valid_topic_name("a b/c"));
    EXPECT_TRUE(valid_topic_name("$SYS/x"));
    EXPECT_TRUE(valid_topic_name(std::string(kTopicBytesMax, 'a')));
    EXPECT_FALSE(valid_topic_name(""));
    EXPECT_FALSE(valid_topic_name(std::string(kTopicBytesMax + 1, 'a')));
    EXPECT_FALSE(valid_topic_name("a/+"));
    EXPECT_FALSE(valid_topic_name("a#"));
    EXPECT_FALSE(valid_topic_name("a\0b"sv));
    EXPECT_FALSE(valid_topic_name("a\xFF"sv));
}

TEST(TopicFilter, Validity) {  // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
    for (const std::string_view filter : {"a"sv, "#"sv, "+"sv, "+/#"sv, "a/+/b"sv, "a/#"sv, "/#"sv,
                                          "/+"sv, "+/"sv, "//"sv, "$share/g/#"sv}) {
        EXPECT_TRUE(valid_topic_filter(filter)) << filter;
    }
    for (const std::string_view filter :
         {""sv, "#/a"sv, "a#"sv, "a/b#"sv, "a+"sv, "+a/b"sv, "##"sv, "++"sv, "a/#/"sv, "a/#/b"sv,
          "a/\0"sv, "\xED\xA0\x80"sv}) {
        EXPECT_FALSE(valid_topic_filter(filter)) << filter;
    }
    EXPECT_TRUE(valid_topic_filter(std::string(kTopicBytesMax, 'a')));
    EXPECT_FALSE(valid_topic_filter(std::string(kTopicBytesMax + 1, 'a')));
}

struct MatchCase {
    std::string_view filter;
    std::string_view topic;
    bool matches;
};

// The examples of §4.7.1.2, §4.7.1.3 and §4.7.2, and their borders.
constexpr MatchCase kMatchCases[] = {
    {"sport/tennis/player1/#", "sport/tennis/player1", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
    {"sport/tennis/player1/#", "sport/tennis/player12", false},
    {"sport/#", "sport", true},
    {"#", "sport/tennis", true},
    {"#", "/", true},
    {"sport/tennis/+", "sport/tennis/player1", true},
    {"sport/tennis/+", "sport/tennis/player1/ranking", false},
    {"sport/+", "sport", false},
    {"sport/+", "sport/", true},
    {"+/+", "/finance", true},
    {"/+", "/finance", true},
    {"+", "/finance", false},
    {"#", "$SYS/broker", false},
    {"+/broker", "$SYS/broker", false},
    {"+/#", "$SYS/broker", false},
    {"$SYS/#", "$SYS/broker", true},
    {"$SYS/#", "$SYS", true},
    {"$SYS/+", "$SYS/broker", true},
    {"a/+/#", "a/$b", true},
    {"a/+", "a/$b", true},
    {"ACCOUNTS", "Accounts", false},
    {"a", "a/", false},
    {"a/", "a", false},
    {"a/b", "a/b", true},
    {"a/b", "a/b/c", false},
    {"a/b/c", "a/b", false},
    {"+/b/#", "a/b", true},
    {"a//b", "a//b", true},
    {"a/+/b", "a//b", true},
};

TEST(TopicMatches, Table) {
    for (const MatchCase& c : kMatchCases) {
        EXPECT_EQ(topic_matches(c.filter, c.topic), c.matches) << c.filter << " ~ " << c.topic;
    }
}

TEST(TopicLevels, CountAndPick) {
    EXPECT_EQ(topic_level_count(""), 1U);
    EXPECT_EQ(topic_level_count("a"), 1U);
    EXPECT_EQ(topic_level_count("a/b/"), 3U);
    EXPECT_EQ(topic_level("a/b/c", 0), std::nullopt);
    EXPECT_EQ(topic_level("a/b/c", 1), "a");
    EXPECT_EQ(topic_level("a/b/c", 3), "c");
    EXPECT_EQ(topic_level("a/b/c", 4), std::nullopt);
    EXPECT_EQ(topic_level("/a/", 1), "");
    EXPECT_EQ(topic_level("/a/", 3), "");
    EXPECT_EQ(topic_level("/a/", 4), std::nullopt);
}

TEST(DeviceKey, FirstTwoLevels) {
    EXPECT_EQ(device_key("plant/dev7/up"), "plant/dev7");
    EXPECT_EQ(device_key("plant/dev7"), "plant/dev7");
    EXPECT_EQ(device_key("a"), "a");
    EXPECT_EQ(device_key("/a/b"), "/a");
    EXPECT_EQ(device_key("a/"), "a/");
    EXPECT_EQ(device_key("//b"), "/");
    EXPECT_EQ(device_key(""), "");
}

TEST(SharedFilterParse, Table) {  // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    EXPECT_EQ(parse_shared_filter("$share/g/a/+"), (SharedFilter{"g", "a/+"}));
    EXPECT_EQ(parse_shared_filter("$share/g//"), (SharedFilter{"g", "/"}));
    EXPECT_EQ(parse_shared_filter("$share/g/#"), (SharedFilter{"g", "#"}));
    for (const std::string_view filter :
         {"$share/g"sv, "$share/g/"sv, "$share//a"sv, "$share/+/a"sv, "$share/g#/a"sv,
          "$share/g/a#"sv, "$share"sv, "share/g/a"sv, "$shared/g/a"sv, "$share/"sv, ""sv}) {
        EXPECT_EQ(parse_shared_filter(filter), std::nullopt) << filter;
    }
    EXPECT_TRUE(is_shared_filter("$share/"));
    EXPECT_FALSE(is_shared_filter("$share"));
    EXPECT_FALSE(is_shared_filter("$shared/g/a"));
}

}  // namespace
}  // namespace causeway
