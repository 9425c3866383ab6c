#include "gateway/api/refusals.h"

#include <gtest/gtest.h>

namespace causeway::api {
namespace {

audit::Event refused(int status, const std::string& who, const std::string& action = "GET /") {
    audit::Event event;
    event.status = status;
    event.who = who;
    event.action = action;
    return event;
}

std::string others_of(const audit::Event& event) {
    return event.details.empty() ? "" : event.details.back().second;
}

TEST(Refusals, OneASecondWithTheNumberOfTheOthers) {
    Refusals refusals;
    EXPECT_TRUE(refusals.note(refused(401, ""), 100));
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(refusals.note(refused(401, "", "GET /" + std::to_string(i)), 200));
    }
    EXPECT_TRUE(refusals.due(1'099).empty());
    // The last ones are told although nobody follows.
    const auto due = refusals.due(1'100);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].action, "GET /4");
    EXPECT_EQ(others_of(due[0]), "4");
    EXPECT_TRUE(refusals.due(2'000).empty());
    EXPECT_FALSE(refusals.empty());
    EXPECT_TRUE(refusals.due(2'100).empty());
    EXPECT_TRUE(refusals.empty());
    EXPECT_TRUE(refusals.note(refused(401, ""), 2'101));
}

TEST(Refusals, NobodyHidesBehindOthers) {
    Refusals refusals;
    EXPECT_TRUE(refusals.note(refused(401, ""), 1));
    EXPECT_FALSE(refusals.note(refused(401, ""), 2));
    EXPECT_TRUE(refusals.note(refused(403, ""), 3));
    EXPECT_TRUE(refusals.note(refused(403, "token:a"), 4));
    EXPECT_TRUE(refusals.note(refused(403, "token:b"), 5));
    EXPECT_FALSE(refusals.note(refused(403, "token:b"), 6));
    EXPECT_EQ(refusals.due(1'010).size(), 2U);
}

TEST(Refusals, ManyWhoAreKnownShareOneKind) {
    Refusals refusals;
    std::size_t recorded = 0;
    for (std::size_t i = 0; i < 2 * Refusals::kKnownMax; ++i) {
        recorded += refusals.note(refused(403, "token:" + std::to_string(i)), 1) ? 1 : 0;
    }
    EXPECT_EQ(recorded, Refusals::kKnownMax + 1);
    EXPECT_TRUE(refusals.note(refused(401, ""), 1)) << "strangers have their own";
    const auto due = refusals.due(1'001);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(others_of(due[0]), std::to_string(Refusals::kKnownMax - 2));
}

}  // namespace
}  // namespace causeway::api
