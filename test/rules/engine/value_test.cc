#include "rules/engine/value.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace causeway::rules {
namespace {

std::string json(const Value& value) {
    std::string out;
    EXPECT_TRUE(append_json(value, 1000, out));
    return out;
}

TEST(Value, IntegersAndDecimalsCompareExactly) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
    EXPECT_TRUE(equal(Value::integer(1), Value::decimal(1.0)));
    EXPECT_FALSE(equal(Value::integer(kMax), Value::decimal(0x1p63)));
    EXPECT_TRUE(order(Value::integer(kMax), Value::decimal(0x1p63)) < 0);
    EXPECT_TRUE(order(Value::decimal(0x1p63), Value::integer(kMax)) > 0);
    EXPECT_TRUE(equal(Value::integer(kMin), Value::decimal(-0x1p63)));
    EXPECT_TRUE(order(Value::integer(2), Value::decimal(2.5)) < 0);
    EXPECT_TRUE(order(Value::integer(-2), Value::decimal(-2.5)) > 0);
    EXPECT_TRUE(order(Value::integer(1), Value::string("1")) == std::partial_ordering::unordered);
}

TEST(Value, UndefinedEqualsNothingAndNullItself) {
    EXPECT_FALSE(equal(Value(), Value()));
    EXPECT_TRUE(equal(Value::null(), Value::null()));
    EXPECT_FALSE(equal(Value::null(), Value::integer(0)));
    EXPECT_TRUE(equal(Value::string("a"), Value::bytes("a")));
}

TEST(Value, JsonLeavesOutUndefinedAndEscapes) {
    const Value items[] = {Value::integer(1), Value(), Value::string("a\"\\\n\x01é")};
    EXPECT_EQ(json(Value::array(items)), "[1,\"a\\\"\\\\\\n\\u0001é\"]");
    const Member members[] = {{"a", Value()}, {"b", Value::null()}, {"c", Value::bytes("\xff")}};
    EXPECT_EQ(json(Value::object(members)), R"({"b":null,"c":"/w=="})");
    EXPECT_EQ(json(Value::decimal(-0.1)), "-0.1");
    EXPECT_EQ(json(Value::decimal(1e21)), "1e+21");
}

TEST(Value, WritingStopsAtTheLimit) {
    std::string out;
    EXPECT_FALSE(append_json(Value::string(std::string(100, 'x')), 50, out));
    out.clear();
    EXPECT_FALSE(append_text(Value::string(std::string(100, 'x')), 50, out));
    EXPECT_TRUE(out.empty());
}

TEST(Value, Base64RoundTripsEveryLength) {
    std::string bytes;
    for (int i = 0; i < 40; ++i) {
        std::string text;
        append_base64(bytes, text);
        std::string back;
        EXPECT_TRUE(decode_base64(text, back));
        EXPECT_EQ(back, bytes);
        bytes.push_back(static_cast<char>(i * 37));
    }
    std::string out;
    EXPECT_FALSE(decode_base64("ab-c", out));
    EXPECT_FALSE(decode_base64("a", out));
}

TEST(Arena, IsBoundedAndReused) {
    Arena arena(1000);
    EXPECT_NE(arena.allocate(0), nullptr);
    char* first = arena.allocate(600);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(arena.allocate(600), nullptr);
    EXPECT_EQ(arena.allocate(SIZE_MAX - 3), nullptr);
    arena.reset();
    EXPECT_NE(arena.allocate(600), nullptr);
    EXPECT_EQ(arena.copy(std::string(500, 'x')).data(), nullptr);
    EXPECT_NE(arena.copy("").data(), nullptr);
}

}  // namespace
}  // namespace causeway::rules
