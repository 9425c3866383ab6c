// Shared subscriptions: whose turn it is, and what becomes of messages whose member left (MQTT 5.0
// §4.8.2). The set of a topic chooses among its own sessions and the other sets with members; a
// message that another set was chosen for goes there by its stream, and that set chooses among its
// sessions.
#include <algorithm>
#include <utility>

#include "core/message/topic.h"
#include "core/state/sessions.h"
#include "core/state/tables.h"

namespace causeway::state {
namespace {

// Members whose waiting messages a new connection asks for.
constexpr std::size_t kWakeMax = 64;

Member member_of(Session& session, const Subscription& subscription) {
    Member member;
    member.session = &session;
    member.identifier = subscription.identifier;
    member.qos = subscription.qos;
    member.retain_as_published = subscription.retain_as_published;
    return member;
}

}  // namespace

void Sessions::link(Session& session, const Subscription& subscription) {
    ++subscription_count_;
    filter_bytes_ += heap_bytes(subscription.filter);
    if (parse_shared_filter(subscription.filter)) {
        join(subscription.filter, member_of(session, subscription));
        return;
    }
    trie_.insert(subscription.filter,
                 Target{&session, subscription.identifier, subscription.qos, subscription.no_local,
                        subscription.retain_as_published, false});
}

void Sessions::unlink(Session& session, std::string_view filter) {
    --subscription_count_;
    filter_bytes_ -= heap_bytes(filter);
    if (parse_shared_filter(filter)) {
        leave(filter, session.id);
        return;
    }
    trie_.erase(filter, [&](const Target& target) { return target.session == &session; });
}

void Sessions::join(std::string_view filter, const Member& member) {
    if (groups_.join(filter, member)) {
        Target target;
        target.identifier = groups_.slot_of(filter);
        target.shared = true;
        trie_.insert(parse_shared_filter(filter)->filter, target);
    }
}

bool Sessions::leave(std::string_view filter, std::uint64_t order) {
    const Group* group = groups_.find(filter);
    const bool member = group != nullptr &&
                        std::any_of(group->members.begin(), group->members.end(),
                                    [&](const Member& other) { return other.order() == order; });
    if (!member) {
        return false;
    }
    const std::uint32_t slot = groups_.slot_of(filter);
    if (groups_.leave(filter, order)) {
        trie_.erase(parse_shared_filter(filter)->filter, [&](const Target& target) {
            return target.shared && target.identifier == slot;
        });
    }
    return true;
}

bool Sessions::has_own_subscription(std::string_view filter) {
    if (!parse_shared_filter(filter)) {
        return trie_.find(filter, [](const Target& target) { return target.session != nullptr; }) !=
               nullptr;
    }
    const Group* group = groups_.find(filter);
    return group != nullptr && group->members.front().session != nullptr;  // sessions come first
}

// 3: takes it at once. 2: when its window opens. 1: when it comes back. 0: not at all.
int Sessions::readiness(const Member& member, bool keep) const {
    if (member.session == nullptr) {
        return 3;
    }
    const Session& session = *member.session;
    if (session.attached && streams_.alive(session.stream)) {
        return !session.inbox || window_open(session) ? 3 : 2;
    }
    return keep && session.inbox && member.qos != 0 ? 1 : 0;
}

const Member* Sessions::choose(Group& group, const GroupChoice& choice) {
    const std::uint64_t last = choice.unlogged ? group.last_unlogged : group.last;
    const auto& members = group.members;
    const auto after = std::upper_bound(
        members.begin(), members.end(), last,
        [](std::uint64_t order, const Member& member) { return order < member.order(); });
    const auto first = static_cast<std::size_t>(after - members.begin());
    const Member* best = nullptr;
    int best_readiness = choice.readiness_min - 1;
    for (std::size_t i = 0; i < members.size() && best_readiness < 3; ++i) {
        const Member& member = members[(first + i) % members.size()];
        const bool allowed =
            member.session == nullptr ? !choice.own_sessions_only : member.session != choice.except;
        const int ready = allowed ? readiness(member, choice.keep) : 0;
        if (ready > best_readiness && ready > 0) {
            best = &member;
            best_readiness = ready;
        }
    }
    if (best != nullptr) {
        groups_.chose(group, *best, choice.unlogged);
    }
    return best;
}

void Sessions::collect_group(Group& group, const Outgoing& message, bool unlogged) {
    GroupChoice choice;
    choice.unlogged = unlogged;
    choice.keep = message.qos != 0;
    const Member* member = choose(group, choice);
    if (member != nullptr) {
        chosen_.push_back(Chosen{*member, group.filter});
    }
}

Sessions::Recipient Sessions::recipient_of(const Member& member, std::string_view filter) {
    Recipient to;
    to.session = member.session;
    to.qos = member.qos;
    to.retain = member.retain_as_published;
    to.group = filter;
    if (member.identifier != 0) {
        to.ids.push_back(member.identifier);
    }
    return to;
}

void Sessions::send_to_group_of(GroupId set, std::string_view filter, const Outgoing& message) {
    PeerItem item = peer_item_of(message, PeerItemKind::kGroup);
    item.filter = filter;
    peers_.append(set, item);
}

bool Sessions::hand_to(const Member& member, std::string_view filter, const Outgoing& message) {
    if (member.session == nullptr) {
        send_to_group_of(member.set, filter, message);
        return true;
    }
    Recipient to = recipient_of(member, filter);
    to.qos = std::min(to.qos, message.qos);  // [MQTT-4.8.2-3]
    to.retain = to.retain && message.retain;
    if (to.qos != 0 && to.session->inbox) {
        append(*to.session, message, to, 0);
    } else {
        push_direct(*to.session, message, to);
    }
    return true;
}

void Sessions::deliver_to_group(std::string_view filter, const Outgoing& message) {
    const bool here = context_.layout.owns(message.topic);
    GroupChoice choice;
    choice.own_sessions_only = !here;
    choice.keep = message.qos != 0;
    Group* group = groups_.find(filter);
    const Member* member = group == nullptr ? nullptr : choose(*group, choice);
    if (member != nullptr) {
        hand_to(*member, filter, message);
    } else if (!here) {
        // Its last member left while the message was on its way; the topic's set has heard so
        // before it gets this.
        send_to_group_of(context_.layout.owner(message.topic), filter, message);
    }
}

void Sessions::deliver_unlogged_to_group(std::string_view filter, const Outgoing& message) {
    Group* group = groups_.find(filter);
    GroupChoice choice;
    choice.own_sessions_only = true;
    choice.unlogged = true;
    const Member* member = group == nullptr ? nullptr : choose(*group, choice);
    if (member != nullptr) {
        hand_to(*member, filter, message);
    }
}

// --- when a member leaves ------------------------------------------------------------------------

void Sessions::regroup(const Session& session) {
    if (!session.inbox || session.inbox->messages == 0) {
        return;
    }
    WorkItem work;
    work.kind = WorkItem::Kind::kRegroup;
    work.id = session.id;
    work_.add(std::move(work));
}

bool Sessions::in_group(const Session& session) {
    return std::any_of(session.subscriptions.begin(), session.subscriptions.end(),
                       [](const Subscription& held) { return is_shared_filter(held.filter); });
}

void Sessions::wake_group(const Session& session, std::string_view filter) {
    const Group* group = groups_.find(filter);
    std::size_t left = kWakeMax;
    for (std::size_t i = 0; group != nullptr && i < group->members.size() && left != 0; ++i) {
        const Session* other = group->members[i].session;
        if (other != nullptr && other != &session && !other->attached) {
            regroup(*other);
            --left;
        }
    }
}

// `from` keeps what nobody else can take at once; null: the session has ended.
bool Sessions::hand_over(const Item& item, const ItemMessage& message, const Session* from) {
    Outgoing outgoing;
    outgoing.topic = message.topic;
    outgoing.body = message.body;
    outgoing.client_id = message.client_id;
    outgoing.expires_at = message.expires_at;
    outgoing.qos = item.qos;
    outgoing.retain = item.retain;
    outgoing.from_event = item.from_event;
    const bool here = context_.layout.owns(message.topic);
    GroupChoice choice;
    choice.own_sessions_only = !here;
    choice.keep = from == nullptr;
    choice.readiness_min = from == nullptr ? 1 : 2;
    choice.except = from;
    Group* group = groups_.find(item.group);
    const Member* member = group == nullptr ? nullptr : choose(*group, choice);
    if (member != nullptr) {
        return hand_to(*member, item.group, outgoing);
    }
    if (from == nullptr && !here) {
        send_to_group_of(context_.layout.owner(message.topic), item.group, outgoing);
        return true;
    }
    return false;
}

std::uint32_t Sessions::regroup_slice(WorkItem& work, std::uint32_t budget, bool& more) {
    Session* session = find(work.id);
    more = false;
    if (session == nullptr || !session->inbox) {
        return 1;
    }
    Inbox& inbox = *session->inbox;
    std::vector<std::pair<std::uint64_t, std::string>> found;
    std::uint32_t looked_at = 0;
    items_.scan(session->id, work.after + 1, inbox.tail,
                [&](std::uint64_t n, std::string_view record) {
                    Item item;
                    // Begun at QoS 2, or with a client that is there: finished where it was begun
                    // [MQTT-4.8.2-4].
                    const bool begun = session->attached ? n <= inbox.cursor : n <= inbox.pushed;
                    if (decode(record, item) && !item.group.empty() && !item.received &&
                        !(begun && (session->attached || item.qos == 2))) {
                        found.emplace_back(n, record);
                    }
                    work.after = n;
                    return ++looked_at < budget;
                });
    more = looked_at == budget;
    for (const auto& [n, record] : found) {
        Item item;
        ItemMessage message;
        std::string body;
        decode(record, item);
        const bool stays = session->attached && subscription_of(*session, item.group) != nullptr;
        if (stays || !items_.message_of(item, body, message) ||
            !hand_over(item, message, session)) {
            continue;
        }
        std::erase_if(inbox.in_flight, [n = n](const InFlight& other) { return other.n == n; });
        drop_item(*session, n, item.body_id, record.size());
        ++context_.counters().inbox_handed_over;
    }
    return looked_at + 1;
}

void Sessions::hand_over_purged(std::uint64_t n, std::string_view record, std::uint64_t pushed) {
    Item item;
    ItemMessage message;
    std::string body;
    const bool begun = n <= pushed;
    // [MQTT-4.8.2-5]
    if (decode(record, item) && !item.group.empty() && !item.received &&
        !(begun && item.qos == 2) && items_.message_of(item, body, message)) {
        hand_over(item, message, nullptr);
    }
}

}  // namespace causeway::state
