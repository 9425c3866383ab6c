// Who may what: every role against every kind of request, and the names of an app.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/access/permit.h"

namespace causeway::access {
namespace {

Principal of(Role role) { return {"token:x", role, {"alarms", "plant-*"}, {"plant/+/cmd"}}; }

struct Case {
    const char* method;
    const char* path;
    const char* who;  // r read-only, a app, o operator, A admin
    bool change;
};

const std::vector<Case> kCases = {
    {"GET", "/metrics", "roA", false},
    {"GET", "/v1/memory", "roA", false},
    {"GET", "/v1/queues", "roA", false},
    {"POST", "/v1/queues/alarms/messages", "aoA", false},
    {"POST", "/v1/queues/alarms/receive", "aoA", false},
    {"POST", "/v1/queues/alarms/ack", "aoA", false},
    {"POST", "/v1/queues/plant-7/receive", "aoA", false},
    {"POST", "/v1/queues/alarms2/receive", "oA", false},
    {"POST", "/v1/queues/plan/receive", "oA", false},
    {"POST", "/v1/queues//receive", "oA", false},
    {"POST", "/v1/publish", "aoA", false},
    {"GET", "/v1/rules", "roA", false},
    {"GET", "/v1/rules/metrics", "roA", false},
    {"PUT", "/v1/rules", "oA", true},
    {"POST", "/v1/rules/activate", "oA", true},
    {"POST", "/v1/rules/test", "oA", false},
    {"GET", "/v1/products", "roA", false},
    {"PUT", "/v1/products/p", "oA", true},
    {"POST", "/v1/products/p/rotate", "oA", true},
    {"DELETE", "/v1/products/p", "oA", true},
    {"GET", "/v1/devices/p/d", "roA", false},
    {"POST", "/v1/devices/import", "oA", true},
    {"DELETE", "/v1/devices/p/d", "oA", true},
    {"GET", "/v1/bans", "roA", false},
    {"POST", "/v1/bans", "oA", true},
    {"GET", "/v1/audit", "roA", false},
    {"GET", "/v1/cluster", "roA", false},
    {"POST", "/v1/cluster/drain", "A", true},
    {"GET", "/v1/tokens", "A", false},
    {"POST", "/v1/tokens", "A", true},
    {"DELETE", "/v1/tokens/0a", "A", true},
    // What nobody has thought of needs an admin.
    {"GET", "/v1/other", "A", false},
    {"PUT", "/v1/other", "A", true},
    {"GET", "/v1/productsx", "A", false},
    {"POST", "/v1/rules/test/../activate", "oA", true},
    {"GET", "//v1/tokens", "A", false},
    {"GET", "/v1/%74okens", "A", false},
    {"get", "/v1/tokens", "A", true},
};

TEST(Permit, EveryRoleAndRequest) {
    for (const Case& one : kCases) {
        const RequestNeed need = need_of(one.method, one.path);
        std::string who;
        for (const auto& [role, letter] : {std::pair(Role::kReadOnly, 'r'), {Role::kApp, 'a'},
                                           {Role::kOperator, 'o'}, {Role::kAdmin, 'A'}}) {
            if (may(of(role), need)) {
                who.push_back(letter);
            }
        }
        EXPECT_EQ(who, one.who) << one.method << " " << one.path;
        EXPECT_EQ(need.change, one.change) << one.method << " " << one.path;
    }
}

TEST(Permit, HealthIsForEverybody) {
    EXPECT_EQ(need_of("GET", "/healthz").need, Need::kNothing);
    EXPECT_NE(need_of("GET", "/healthz/x").need, Need::kNothing);
}

TEST(Permit, AnAppPublishesToItsTopics) {
    EXPECT_TRUE(may_publish(of(Role::kApp), "plant/7/cmd"));
    EXPECT_FALSE(may_publish(of(Role::kApp), "plant/7/up"));
    EXPECT_FALSE(may_publish(of(Role::kApp), "plant/7/8/cmd"));
    EXPECT_FALSE(may_publish(of(Role::kReadOnly), "plant/7/cmd"));
    EXPECT_TRUE(may_publish(of(Role::kOperator), "any/topic"));
    Principal none = of(Role::kApp);
    none.topics.clear();
    none.queues.clear();
    EXPECT_FALSE(may(none, need_of("POST", "/v1/publish")));
    EXPECT_FALSE(may(none, need_of("POST", "/v1/queues/alarms/receive")));
}

}  // namespace
}  // namespace causeway::access
