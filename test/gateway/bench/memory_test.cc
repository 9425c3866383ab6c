#include "gateway/bench/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace causeway::bench {
namespace {

std::string answer(std::uint64_t resident, std::uint64_t connections, std::uint64_t other) {
    return R"({"resident_bytes":)" + std::to_string(resident) +
           R"(,"parts":[{"part":"connections","count":1,"bytes":)" + std::to_string(connections) +
           R"(},{"part":"other","count":1,"bytes":)" + std::to_string(other) + "}]}";
}

TEST(Memory, NodesAddUp) {
    MemorySample sample;
    ASSERT_TRUE(add_node(answer(1000, 10, 990), sample).has_value());
    ASSERT_TRUE(add_node(answer(500, 1, 499), sample).has_value());
    EXPECT_EQ(sample.resident_bytes, 1500U);
    EXPECT_THAT(sample.parts, testing::ElementsAre(testing::Pair("connections", 11U),
                                                   testing::Pair("other", 1489U)));
}

TEST(Memory, AnotherAnswerIsAnError) {
    MemorySample sample;
    for (const char* body : {"", "[]", "{}", R"({"resident_bytes":-1,"parts":[]})",
                             R"({"resident_bytes":1,"parts":{}})"}) {
        EXPECT_FALSE(add_node(body, sample).has_value()) << body;
    }
}

TEST(Memory, TheSlopeIsThatOfTheSizesWithSessions) {
    std::vector<MemorySample> samples = {
        {0, 1, {{"connections", 0}}},  // what the first session allocates once does not count
        {100, 51'000, {{"connections", 1'000}}},
        {200, 52'000, {{"connections", 1'500}}},
        {300, 53'000, {{"connections", 3'000}}},
    };
    const MemoryLine line = fit(samples);
    EXPECT_NEAR(line.bytes_per_session, 10, 1e-6);
    EXPECT_NEAR(line.intercept_bytes, 50'000, 1e-3);
    EXPECT_THAT(memory_text(samples), testing::HasSubstr("slope 10 B a session"));
    EXPECT_THAT(memory_json(samples), testing::HasSubstr(R"("connections":10.0)"));
}

}  // namespace
}  // namespace causeway::bench
