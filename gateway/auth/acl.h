// What a session may publish, subscribe to and receive. Pure; a Policy is immutable and shared by
// threads, an Access belongs to one session.
//
// A Policy holds the rules of a device, its product and its listener, in this order, with their
// variables: it is compiled once for all devices of a product that have no rules of their own. An
// Access is a Policy and one client's values. A check compares the topic with the pieces of a rule
// one behind the other; nothing is built and nothing allocated for a publish or a delivery.
//
// What decides: the first rule that applies; without one, no. For a publish or a delivery a rule
// applies when its filter matches the topic. For a SUBSCRIBE, which stands for many topics, "allow"
// applies when its filter covers the whole of the asked one and "deny" when they have a topic in
// common: so whatever an allowed subscription can bring is allowed, topic by topic (acl_test proves
// it against all topics of a small alphabet).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/permission.h"
#include "gateway/auth/topic_template.h"

namespace causeway::auth {

// One client's values of the variables; empty: it has none.
using Values = std::array<std::string_view, kVariables>;

class Policy {
public:
    using List = std::span<const Permission>;
    // Precondition: each template is one (check_topic_template()).
    static std::shared_ptr<const Policy> compile(std::span<const List> lists);

    // False: a value could reach beyond its level or make a wildcard, or a "deny" needs one that
    // the client does not have. Such a client is not let in.
    [[nodiscard]] bool binds(const Values& values) const;
    [[nodiscard]] bool uses(Variable variable) const;

    // Preconditions: binds(values); a valid topic name.
    [[nodiscard]] bool may_publish(const Values& values, std::string_view topic, std::uint8_t qos,
                                   bool retain) const;
    [[nodiscard]] bool may_receive(const Values& values, std::string_view topic,
                                   std::uint8_t qos) const;
    // `filter`: valid, without "$share/GROUP/".
    [[nodiscard]] bool may_subscribe(const Values& values, std::string_view filter,
                                     std::uint8_t qos) const;

private:
    enum class Kind : std::uint8_t {
        kText,
        kVariable,
        kLevel,  // "+"
        kAll,    // "#" alone
        kTail,   // "/#", which matches the parent too
    };
    struct Piece {
        Kind kind{};
        std::uint8_t variable = 0;
        std::uint16_t size = 0;
        std::uint32_t at = 0;  // of the text, in text_
    };
    // How rules begin: text and variables, up to their last piece. Rules of one product mostly begin
    // alike, so what was found for the one before is good for the next.
    struct Head {
        std::uint32_t first = 0;
        std::uint16_t count = 0;
    };
    // What a topic has behind the head that was compared last.
    struct Behind {
        std::uint32_t head = ~0U;
        bool matched = false;
        std::string_view rest;
    };
    struct Rule {
        std::uint32_t first = 0;  // of its pieces
        std::uint16_t count = 0;
        std::uint32_t head = 0;   // its first pieces, in heads_
        bool allow = false;
        std::uint8_t qos = 0;
        std::uint8_t retain = 0;  // bit 0: without, bit 1: with RETAIN
    };

    void add(const Permission& permission, std::string_view topic);
    void add_text(std::string_view text, bool last);
    void set_head(Rule& rule);
    [[nodiscard]] bool same(const Piece& a, const Piece& b) const;
    // Takes text or a variable off the front of `rest`. False: something else is there.
    [[nodiscard]] bool take(const Piece& piece, const Values& values, std::string_view& rest) const;
    [[nodiscard]] bool matches(const Rule& rule, const Values& values, std::string_view topic,
                               Behind& behind) const;
    // nullopt: it needs a value that is not there.
    [[nodiscard]] std::optional<std::string> expand(const Rule& rule, const Values& values) const;

    std::vector<Rule> publish_;
    std::vector<Rule> subscribe_;
    std::vector<Piece> pieces_;
    std::vector<Head> heads_;
    std::string text_;
    std::uint8_t used_ = 0;  // bit n: variable n
    std::uint8_t used_by_deny_ = 0;
};

// Whether every topic that `inner` matches is matched by `outer`; may say no where the answer is
// yes ("+/#" and "#"), never the other way round. Valid filters.
[[nodiscard]] bool filter_covers(std::string_view outer, std::string_view inner);
// Whether some topic is matched by both.
[[nodiscard]] bool filters_overlap(std::string_view a, std::string_view b);

// Who a session belongs to.
struct Subject {
    std::string device_key;  // empty: a client that is no device
    std::string client_id;
    std::string user_name;
    std::string certificate_name;
};

// Not movable: the values are views into its own strings.
class Access {
public:
    // Null: the policy does not bind these values.
    static std::unique_ptr<Access> bind(std::shared_ptr<const Policy> policy, Subject subject);
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

    // Effect: from now on `policy`. False, and nothing is changed: it does not bind.
    bool replace(std::shared_ptr<const Policy> policy);

    [[nodiscard]] bool may_publish(std::string_view topic, std::uint8_t qos, bool retain) const {
        return policy_->may_publish(values_, topic, qos, retain);
    }
    // `qos`: of the delivery, which is at most that of its subscription.
    [[nodiscard]] bool may_receive(std::string_view topic, std::uint8_t qos) const {
        return policy_->may_receive(values_, topic, qos);
    }
    // A whole filter as SUBSCRIBE has it, shared ones too.
    [[nodiscard]] bool may_subscribe(std::string_view filter, std::uint8_t qos) const;
    [[nodiscard]] const std::string& device_key() const { return subject_.device_key; }

private:
    Access(std::shared_ptr<const Policy> policy, Subject subject);

    std::shared_ptr<const Policy> policy_;
    Subject subject_;
    Values values_;
};

}  // namespace causeway::auth
