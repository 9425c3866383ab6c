// Permissions: what decides, what may be put in for a variable, and two properties against naive
// answers over every filter and topic of a small alphabet.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/message/topic.h"
#include "gateway/auth/acl.h"

namespace causeway::auth {
namespace {

Permission rule(bool allow, std::vector<std::string> topics, bool publish = true,
                bool subscribe = true) {
    Permission permission;
    permission.allow = allow;
    permission.publish = publish;
    permission.subscribe = subscribe;
    permission.topics = std::move(topics);
    return permission;
}

std::shared_ptr<const Policy> policy_of(const std::vector<Permission>& rules) {
    const Policy::List lists[] = {rules};
    return Policy::compile(lists);
}

std::unique_ptr<Access> access_of(const std::vector<Permission>& rules, Subject subject = {}) {
    return Access::bind(policy_of(rules), std::move(subject));
}

const Subject kDevice{"thermo/d1", "thermo/d1", "user", "cn-1"};

TEST(Acl, NothingIsAllowedByItself) {
    const auto access = access_of({}, kDevice);
    ASSERT_NE(access, nullptr);
    EXPECT_FALSE(access->may_publish("a", 0, false));
    EXPECT_FALSE(access->may_subscribe("a", 0));
    EXPECT_FALSE(access->may_receive("a", 0));
}

TEST(Acl, ADeviceIsKeptToItsOwnTopics) {
    const auto access = access_of({rule(true, {"${product}/${device}/#"})}, kDevice);
    ASSERT_NE(access, nullptr);
    EXPECT_TRUE(access->may_publish("thermo/d1", 1, false));
    EXPECT_TRUE(access->may_publish("thermo/d1/up", 1, true));
    EXPECT_FALSE(access->may_publish("thermo/d10/up", 1, false));
    EXPECT_FALSE(access->may_publish("thermo/d2/up", 1, false));
    EXPECT_TRUE(access->may_subscribe("thermo/d1/+/x", 1));
    EXPECT_TRUE(access->may_subscribe("$share/g/thermo/d1/#", 1));
    EXPECT_FALSE(access->may_subscribe("$share/g/thermo/d2/#", 1));
    EXPECT_FALSE(access->may_subscribe("$share/thermo/d1/#", 1));
    for (const char* filter : {"#", "+/#", "thermo/#", "thermo/+/up", "+/d1/up", "$SYS/#"}) {
        EXPECT_FALSE(access->may_subscribe(filter, 0)) << filter;
    }
}

TEST(Acl, TheFirstRuleThatAppliesDecides) {
    const auto narrow_first =
        access_of({rule(true, {"a/ok"}), rule(false, {"a/#"}), rule(true, {"#"})});
    EXPECT_TRUE(narrow_first->may_publish("a/ok", 0, false));
    EXPECT_FALSE(narrow_first->may_publish("a/other", 0, false));
    EXPECT_TRUE(narrow_first->may_publish("b", 0, false));
    EXPECT_TRUE(narrow_first->may_subscribe("a/ok", 0));
    EXPECT_FALSE(narrow_first->may_subscribe("a/+", 0));
    EXPECT_FALSE(narrow_first->may_subscribe("#", 0));  // it would bring a/other
    EXPECT_TRUE(narrow_first->may_subscribe("b/#", 0));
}

TEST(Acl, QosAndRetain) {
    Permission at_most_1 = rule(true, {"t"});
    at_most_1.qos = 0b011;
    at_most_1.retain = false;
    const auto access = access_of({at_most_1});
    EXPECT_TRUE(access->may_publish("t", 1, false));
    EXPECT_FALSE(access->may_publish("t", 2, false));
    EXPECT_FALSE(access->may_publish("t", 1, true));
    EXPECT_TRUE(access->may_subscribe("t", 1));
    EXPECT_FALSE(access->may_subscribe("t", 2));
}

// Of a subscription that was allowed before.
TEST(Acl, ADeliveryComesAtAQosThatMayBeSubscribed) {
    Permission only = rule(true, {"t"});
    only.qos = 0b001;
    const auto narrowed = access_of({only});
    EXPECT_TRUE(narrowed->may_receive("t", 0));
    EXPECT_FALSE(narrowed->may_receive("t", 1));
    only.qos = 0b010;
    const auto above = access_of({only});
    EXPECT_TRUE(above->may_receive("t", 0)) << "what was published at QoS 0 stays at it";
    EXPECT_TRUE(above->may_receive("t", 1));
    EXPECT_FALSE(above->may_receive("t", 2));
    Permission denied = rule(false, {"t"});
    denied.qos = 0b110;
    const auto capped = access_of({denied, rule(true, {"#"})});
    EXPECT_TRUE(capped->may_receive("t", 0));
    EXPECT_FALSE(capped->may_receive("t", 1));
    EXPECT_FALSE(capped->may_receive("t", 2));
    EXPECT_TRUE(capped->may_receive("other", 2));
    denied.qos = 0b010;
    const auto gap = access_of({denied, rule(true, {"#"})});
    EXPECT_TRUE(gap->may_receive("t", 1)) << "a subscription at QoS 2 may bring it";
    Permission rest = rule(false, {"t"});
    rest.qos = 0b101;
    EXPECT_FALSE(access_of({denied, rest, rule(true, {"#"})})->may_receive("t", 0));
}

TEST(Acl, HiddenTopicsAreNotForWildcards) {
    const auto access = access_of({rule(true, {"#"})});
    EXPECT_FALSE(access->may_subscribe("$SYS/#", 0));
    EXPECT_FALSE(access->may_receive("$SYS/x", 0));
    EXPECT_FALSE(access->may_subscribe("$queue/orders", 1));
    const auto named = access_of({rule(true, {"$SYS/#", "$queue/orders"})});
    EXPECT_TRUE(named->may_subscribe("$SYS/broker/#", 0));
    EXPECT_TRUE(named->may_subscribe("$queue/orders", 1));
    EXPECT_FALSE(named->may_subscribe("$queue/others", 1));
}

// The attack that templates invite: a client whose name is a wildcard.
TEST(Acl, AClientNamedPlusIsNotBound) {
    const std::vector<std::string> values = {"+", "#", "a/b", "a+", std::string("a\0", 2), "$SYS"};
    for (const std::string& value : values) {
        for (const char* variable : {"clientid", "username", "cert.cn"}) {
            const std::string own = "devices/${" + std::string(variable) + "}/#";
            const Subject subject{"", value, value, value};
            EXPECT_EQ(access_of({rule(true, {own})}, subject), nullptr) << value << variable;
        }
        const auto unused = access_of({rule(true, {"devices/x"})}, Subject{"", value, value, value});
        ASSERT_NE(unused, nullptr);  // what is not put in does no harm
        EXPECT_FALSE(unused->may_subscribe("devices/+", 0));
    }
}

TEST(Acl, AMissingValueNeverAllowsAndNeverLiftsADenial) {
    const auto allowed = access_of({rule(true, {"u/${username}/#"})}, Subject{"", "c", "", ""});
    ASSERT_NE(allowed, nullptr);
    EXPECT_FALSE(allowed->may_publish("u//x", 0, false));
    EXPECT_FALSE(allowed->may_subscribe("u/#", 0));
    EXPECT_EQ(access_of({rule(false, {"u/${username}/#"})}, Subject{"", "c", "", ""}), nullptr);
}

TEST(Acl, ListsGoBeforeEachOther) {
    const std::vector<Permission> device{rule(false, {"a"})};
    const std::vector<Permission> product{rule(true, {"#"})};
    const Policy::List lists[] = {device, product};
    const auto access = Access::bind(Policy::compile(lists), {});
    EXPECT_FALSE(access->may_publish("a", 0, false));
    EXPECT_TRUE(access->may_publish("b", 0, false));
}

TEST(Acl, AChangeThatDoesNotBindChangesNothing) {
    const auto access = access_of({rule(true, {"a"})}, Subject{"", "+", "", ""});
    EXPECT_FALSE(access->replace(policy_of({rule(true, {"${clientid}"})})));
    EXPECT_TRUE(access->may_publish("a", 0, false));
    EXPECT_TRUE(access->replace(policy_of({rule(true, {"b"})})));
    EXPECT_FALSE(access->may_publish("a", 0, false));
}

// All names of one to three levels out of these.
std::vector<std::string> all(const std::vector<std::string>& levels, bool filters) {
    std::vector<std::string> out;
    for (const std::string& a : levels) {
        out.push_back(a);
        for (const std::string& b : levels) {
            out.push_back(a + "/" + b);
            for (const std::string& c : levels) {
                out.push_back(a + "/" + b + "/" + c);
            }
        }
    }
    std::erase_if(out, [filters](const std::string& one) {
        return filters ? !valid_topic_filter(one) : !valid_topic_name(one);
    });
    return out;
}

TEST(AclProperty, CoverAndOverlapAgreeWithEveryTopic) {
    const auto filters = all({"a", "b", "", "$s", "+", "#"}, true);
    auto topics = all({"a", "b", "", "$s", "c"}, false);
    topics.emplace_back();  // no publish has it, but "/#" and "+" have it in common
    std::vector<std::vector<bool>> hits(filters.size());
    for (std::size_t i = 0; i < filters.size(); ++i) {
        for (const std::string& topic : topics) {
            hits[i].push_back(topic_matches(filters[i], topic));
        }
    }
    for (std::size_t x = 0; x < filters.size(); ++x) {
        for (std::size_t y = 0; y < filters.size(); ++y) {
            bool inside = true;
            bool common = false;
            for (std::size_t n = 0; n < topics.size(); ++n) {
                inside = inside && (hits[x][n] || !hits[y][n]);
                common = common || (hits[x][n] && hits[y][n]);
            }
            if (filter_covers(filters[x], filters[y])) {
                ASSERT_TRUE(inside) << filters[x] << " does not cover " << filters[y];
            }
            ASSERT_EQ(filters_overlap(filters[x], filters[y]), common)
                << filters[x] << " and " << filters[y];
        }
    }
}

// Random rules with variables: a publish is decided as by the naive matcher, and what an allowed
// subscription can bring is allowed, topic by topic.
TEST(AclProperty, RandomRulesAgreeWithTheNaiveMatcher) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto pick = [&random](const auto& from) { return from[random() % from.size()]; };
    const std::vector<std::string> levels = {"a", "b", "${device}", "x${product}", "+", ""};
    const auto topics = all({"a", "b", "d", "xp", ""}, false);
    const auto filters = all({"a", "b", "d", "xp", "+", "#"}, true);
    for (int round = 0; round < 300; ++round) {
        std::vector<Permission> rules(1 + random() % 6);
        for (Permission& one : rules) {
            one = rule(random() % 2 == 0, {}, random() % 4 != 0, random() % 4 != 0);
            one.qos = random() % 2 == 0 ? 0b111 : static_cast<std::uint8_t>(1 + random() % 7);
            std::string topic = pick(levels);
            for (std::size_t more = random() % 3; more != 0; --more) {
                topic += "/" + pick(levels);
            }
            topic += random() % 3 == 0 ? "/#" : "";
            if (check_topic_template(topic).empty()) {
                one.topics.push_back(topic);
            }
        }
        const auto access = access_of(rules, Subject{"p/d", "p/d", "", ""});
        ASSERT_NE(access, nullptr);
        const auto expand = [](std::string text) {
            for (const auto& [from, to] : {std::pair<std::string, std::string>{"${device}", "d"},
                                           {"${product}", "p"}}) {
                for (std::size_t at = 0; (at = text.find(from)) != std::string::npos;) {
                    text.replace(at, from.size(), to);
                }
            }
            return text;
        };
        for (const std::string& topic : topics) {
            bool naive = false;
            for (const Permission& one : rules) {
                const bool applies =
                    one.publish && (one.qos & 0b010) != 0 && !one.topics.empty() &&
                    topic_matches(expand(one.topics.front()), topic);
                if (applies) {
                    naive = one.allow;
                    break;
                }
            }
            ASSERT_EQ(access->may_publish(topic, 1, false), naive) << topic;
        }
        for (const std::string& filter : filters) {
            const std::uint8_t qos = random() % 3;
            if (!access->may_subscribe(filter, qos)) {
                continue;
            }
            const std::uint8_t delivered = random() % (qos + 1U);
            for (const std::string& topic : topics) {
                ASSERT_TRUE(!topic_matches(filter, topic) || access->may_receive(topic, delivered))
                    << filter << " was allowed and brings " << topic;
            }
        }
    }
}

}  // namespace
}  // namespace causeway::auth
