#include "gateway/auth/acl.h"

#include <algorithm>
#include <utility>

#include "core/message/topic.h"
#include "gateway/auth/device.h"

namespace causeway::auth {
namespace {

constexpr std::uint8_t bit(std::size_t variable) {
    return static_cast<std::uint8_t>(1U << variable);
}

constexpr std::uint8_t kAnyQos = 0b111;

std::string_view level_of(std::string_view filter, std::size_t from) {
    return filter.substr(from, filter.find('/', from) - from);
}

bool wildcard(std::string_view level) { return level == "+" || level == "#"; }

}  // namespace

// A wildcard in the first level does not stand for a name that begins with "$" [MQTT-4.7.2-1].
bool filter_covers(std::string_view outer, std::string_view inner) {
    std::size_t a = 0;
    std::size_t b = 0;
    while (true) {
        const std::string_view x = level_of(outer, a);
        const std::string_view y = level_of(inner, b);
        const bool hidden = b == 0 && wildcard(x) && y.starts_with('$');
        if (hidden) {
            return false;
        }
        if (x == "#") {
            return true;
        }
        if (y == "#" || (x != "+" && x != y)) {
            return false;
        }
        a += x.size() + 1;
        b += y.size() + 1;
        const bool a_ends = a > outer.size();
        const bool b_ends = b > inner.size();
        if (a_ends || b_ends) {
            return b_ends && (a_ends || outer.substr(a) == "#");
        }
    }
}

bool filters_overlap(std::string_view left, std::string_view right) {
    std::size_t a = 0;
    std::size_t b = 0;
    while (true) {
        const std::string_view x = level_of(left, a);
        const std::string_view y = level_of(right, b);
        const bool hidden = a == 0 && ((wildcard(x) && y.starts_with('$')) ||
                                       (wildcard(y) && x.starts_with('$')));
        if (hidden) {
            return false;
        }
        if (x == "#" || y == "#") {
            return true;
        }
        if (x != "+" && y != "+" && x != y) {
            return false;
        }
        a += x.size() + 1;
        b += y.size() + 1;
        const bool a_ends = a > left.size();
        const bool b_ends = b > right.size();
        if (a_ends || b_ends) {
            return (a_ends || left.substr(a) == "#") && (b_ends || right.substr(b) == "#");
        }
    }
}

std::shared_ptr<const Policy> Policy::compile(std::span<const List> lists) {
    auto policy = std::make_shared<Policy>();
    for (const List& list : lists) {
        for (const Permission& permission : list) {
            for (const std::string& topic : permission.topics) {
                policy->add(permission, topic);
            }
        }
    }
    return policy;
}

void Policy::add(const Permission& permission, std::string_view topic) {
    Rule rule;
    rule.first = static_cast<std::uint32_t>(pieces_.size());
    rule.allow = permission.allow;
    rule.qos = permission.qos;
    rule.retain = permission.retain ? (*permission.retain ? 0b10 : 0b01) : 0b11;
    std::string_view rest = topic;
    TemplatePiece piece;
    while (next_piece(rest, piece)) {
        if (!piece.variable) {
            add_text(piece.text, rest.empty());
            continue;
        }
        const auto variable = static_cast<std::uint8_t>(*piece.variable);
        pieces_.push_back(Piece{Kind::kVariable, variable, 0, 0});
        used_ |= bit(variable);
        used_by_deny_ |= permission.allow ? 0 : bit(variable);
    }
    rule.count = static_cast<std::uint16_t>(pieces_.size() - rule.first);
    set_head(rule);
    if (permission.publish) {
        publish_.push_back(rule);
    }
    if (permission.subscribe) {
        subscribe_.push_back(rule);
    }
}

// Text between variables: each "+" in it is a level of its own, a "#" its end.
void Policy::add_text(std::string_view text, bool last) {
    bool tail = false;
    bool all = false;
    if (last && text.ends_with("/#")) {
        tail = true;
        text.remove_suffix(2);
    } else if (last && text == "#") {
        all = true;
        text = {};
    }
    while (!text.empty()) {
        const std::size_t size = std::min(text.find('+'), text.size());
        if (size != 0) {
            pieces_.push_back(Piece{Kind::kText, 0, static_cast<std::uint16_t>(size),
                                    static_cast<std::uint32_t>(text_.size())});
            text_.append(text.substr(0, size));
            text.remove_prefix(size);
        } else {
            pieces_.push_back(Piece{Kind::kLevel, 0, 0, 0});
            text.remove_prefix(1);
        }
    }
    if (tail || all) {
        pieces_.push_back(Piece{tail ? Kind::kTail : Kind::kAll, 0, 0, 0});
    }
}

bool Policy::same(const Piece& a, const Piece& b) const {
    const std::string_view text = text_;
    return a.kind == b.kind && a.variable == b.variable &&
           text.substr(a.at, a.size) == text.substr(b.at, b.size);
}

void Policy::set_head(Rule& rule) {
    Head head{rule.first, 0};
    while (head.count + 1 < rule.count) {
        const Kind kind = pieces_[head.first + head.count].kind;
        if (kind != Kind::kText && kind != Kind::kVariable) {
            break;
        }
        ++head.count;
    }
    const auto known = std::find_if(heads_.begin(), heads_.end(), [&](const Head& other) {
        const auto begin = pieces_.begin();
        return other.count == head.count &&
               std::equal(begin + other.first, begin + other.first + other.count,
                          begin + head.first,
                          [this](const Piece& a, const Piece& b) { return same(a, b); });
    });
    rule.head = static_cast<std::uint32_t>(known - heads_.begin());
    if (known == heads_.end()) {
        heads_.push_back(head);
    }
}

inline bool Policy::take(const Piece& piece, const Values& values, std::string_view& rest) const {
    const std::string_view part = piece.kind == Kind::kText
                                      ? std::string_view(text_).substr(piece.at, piece.size)
                                      : values[piece.variable];
    if (part.empty() || !rest.starts_with(part)) {
        return false;
    }
    rest.remove_prefix(part.size());
    return true;
}

bool Policy::matches(const Rule& rule, const Values& values, std::string_view topic,
                     Behind& behind) const {
    const Head& head = heads_[rule.head];
    if (behind.head != rule.head) {
        behind = Behind{rule.head, true, topic};
        for (std::uint32_t i = 0; i < head.count && behind.matched; ++i) {
            behind.matched = take(pieces_[head.first + i], values, behind.rest);
        }
    }
    if (!behind.matched) {
        return false;
    }
    std::string_view rest = behind.rest;
    const Piece* piece = pieces_.data() + rule.first + head.count;
    const Piece* const end = pieces_.data() + rule.first + rule.count;
    const bool wild = head.count == 0 && (piece->kind == Kind::kLevel || piece->kind == Kind::kAll);
    if (wild && topic.starts_with('$')) {
        return false;
    }
    for (; piece != end; ++piece) {
        switch (piece->kind) {
            case Kind::kText:
            case Kind::kVariable:
                if (!take(*piece, values, rest)) {
                    return false;
                }
                break;
            case Kind::kLevel:
                rest.remove_prefix(std::min(rest.find('/'), rest.size()));
                break;
            case Kind::kAll:
                return true;
            case Kind::kTail:
                return rest.empty() || rest.front() == '/';
        }
    }
    return rest.empty();
}

std::optional<std::string> Policy::expand(const Rule& rule, const Values& values) const {
    std::string filter;
    for (std::size_t i = rule.first; i < std::size_t{rule.first} + rule.count; ++i) {
        const Piece& piece = pieces_[i];
        switch (piece.kind) {
            case Kind::kText:
                filter.append(text_, piece.at, piece.size);
                break;
            case Kind::kVariable:
                if (values[piece.variable].empty()) {
                    return std::nullopt;
                }
                filter.append(values[piece.variable]);
                break;
            case Kind::kLevel:
                filter.push_back('+');
                break;
            case Kind::kAll:
                filter.push_back('#');
                break;
            case Kind::kTail:
                filter.append("/#");
                break;
        }
    }
    return filter;
}

bool Policy::binds(const Values& values) const {
    for (std::size_t i = 0; i < kVariables; ++i) {
        if ((used_ & bit(i)) == 0) {
            continue;
        }
        if (values[i].empty() ? (used_by_deny_ & bit(i)) != 0 : !may_substitute(values[i])) {
            return false;
        }
    }
    return true;
}

bool Policy::uses(Variable variable) const {
    return (used_ & bit(static_cast<std::size_t>(variable))) != 0;
}

bool Policy::may_publish(const Values& values, std::string_view topic, std::uint8_t qos,
                         bool retain) const {
    const auto qos_bit = static_cast<std::uint8_t>(1U << qos);
    const std::uint8_t retain_bit = retain ? 0b10 : 0b01;
    Behind behind;
    for (const Rule& rule : publish_) {
        if ((rule.qos & qos_bit) != 0 && (rule.retain & retain_bit) != 0 &&
            matches(rule, values, topic, behind)) {
            return rule.allow;
        }
    }
    return false;
}

// What is delivered at one QoS may be of a subscription at that or a higher one, and is not told
// which: it comes if at least one of them is allowed now.
bool Policy::may_receive(const Values& values, std::string_view topic, std::uint8_t qos) const {
    auto open = static_cast<std::uint8_t>(kAnyQos & (kAnyQos << qos));  // not denied so far
    Behind behind;
    for (const Rule& rule : subscribe_) {
        if ((rule.qos & open) != 0 && matches(rule, values, topic, behind)) {
            if (rule.allow) {
                return true;
            }
            open &= static_cast<std::uint8_t>(~rule.qos);
            if (open == 0) {
                return false;
            }
        }
    }
    return false;
}

bool Policy::may_subscribe(const Values& values, std::string_view filter, std::uint8_t qos) const {
    const auto qos_bit = static_cast<std::uint8_t>(1U << qos);
    for (const Rule& rule : subscribe_) {
        if ((rule.qos & qos_bit) == 0) {
            continue;
        }
        const auto own = expand(rule, values);
        if (own && (rule.allow ? filter_covers(*own, filter) : filters_overlap(*own, filter))) {
            return rule.allow;
        }
    }
    return false;
}

Access::Access(std::shared_ptr<const Policy> policy, Subject subject)
    : policy_(std::move(policy)), subject_(std::move(subject)) {
    const auto set = [this](Variable variable, std::string_view value) {
        values_[static_cast<std::size_t>(variable)] = value;
    };
    if (const auto key = parse_device_key(subject_.device_key)) {
        set(Variable::kProduct, key->product);
        set(Variable::kDevice, key->name);
    }
    set(Variable::kClientId, subject_.client_id);
    set(Variable::kUserName, subject_.user_name);
    set(Variable::kCertificateName, subject_.certificate_name);
}

std::unique_ptr<Access> Access::bind(std::shared_ptr<const Policy> policy, Subject subject) {
    std::unique_ptr<Access> access(new Access(std::move(policy), std::move(subject)));
    return access->policy_->binds(access->values_) ? std::move(access) : nullptr;
}

bool Access::replace(std::shared_ptr<const Policy> policy) {
    if (!policy->binds(values_)) {
        return false;
    }
    policy_ = std::move(policy);
    return true;
}

bool Access::may_subscribe(std::string_view filter, std::uint8_t qos) const {
    if (!is_shared_filter(filter)) {
        return policy_->may_subscribe(values_, filter, qos);
    }
    const auto shared = parse_shared_filter(filter);
    return shared && policy_->may_subscribe(values_, shared->filter, qos);
}

}  // namespace causeway::auth
