// Subscriptions of sessions, and interests of other sets, in one trie; a SUBSCRIBE that must wait
// until other sets have applied it (rule 17 of the session protocol).
#include <algorithm>
#include <utility>

#include "core/base/seeded_bug.h"
#include "core/message/topic.h"
#include "core/state/sessions.h"
#include "core/state/tables.h"

namespace causeway::state {
namespace {

constexpr char kQuotaExceededCode = '\x97';
constexpr char kUnspecifiedError = '\x80';
constexpr char kNoSubscriptionExisted = '\x11';
constexpr SetMs kSubscribeWaitMs = 5000;

}  // namespace

bool Sessions::load_subscriptions() {
    bool ok = true;
    const std::string prefix = key_of(Table::kSubscription);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         Session* session = find(ByteReader(key.substr(1)).key_u64());
                         Subscription subscription;
                         subscription.filter = std::string(key.substr(9));
                         ok = session != nullptr && decode(value, subscription);
                         if (ok) {
                             link(*session, subscription);
                             session->subscriptions.push_back(std::move(subscription));
                         }
                         return ok;
                     });
    return ok;
}

bool Sessions::load_interests() {
    const std::string prefix = key_of(Table::kInterest);
    context_.kv.scan(prefix, after_prefix(prefix), [&](std::string_view key, std::string_view) {
        link_set(GroupId(static_cast<std::uint32_t>(ByteReader(key.substr(1)).key_u64())),
                 key.substr(9));
        return true;
    });
    return true;
}

bool Sessions::link_set(GroupId set, std::string_view filter) {
    if (parse_shared_filter(filter)) {
        Member member;
        member.set = set;
        const Group* group = groups_.find(filter);
        if (group != nullptr &&
            std::any_of(group->members.begin(), group->members.end(),
                        [&](const Member& other) { return other.order() == member.order(); })) {
            return false;
        }
        join(filter, member);
    } else {
        const auto same = [&](const Target& target) {
            return is_set(target) && target.identifier == set.value();
        };
        if (trie_.find(filter, same) != nullptr) {
            return false;
        }
        Target target;
        target.identifier = set.value();
        trie_.insert(filter, target);
    }
    ++held_interests_;
    return true;
}

void Sessions::add_interest(GroupId set, std::string_view filter) {
    if (!link_set(set, filter)) {
        return;
    }
    context_.kv.put(key_of(Table::kInterest, set.value(), filter), {});
}

void Sessions::drop_interest(GroupId set, std::string_view filter) {
    if (parse_shared_filter(filter)) {
        Member member;
        member.set = set;
        held_interests_ -= leave(filter, member.order()) ? 1 : 0;
    } else {
        held_interests_ -= trie_.erase(filter, [&](const Target& target) {
            return is_set(target) && target.identifier == set.value();
        });
    }
    context_.kv.erase(key_of(Table::kInterest, set.value(), filter));
}

ResultCode Sessions::subscribe(const Subscribe& command, const CommandHeader& header,
                               std::string& answer) {
    Session* session = owner(command.epoch, header.stream);
    if (session == nullptr) {
        return ResultCode::kStale;
    }
    WaitingSubscribe waiting;
    waiting.session = session->id;
    waiting.nonce = session->nonce;
    waiting.epoch = session->epoch;
    waiting.seq = header.seq;
    for (const SubscriptionRequest& request : command.filters) {
        const char code = subscribe_one(*session, request, waiting);
        waiting.detail.push_back(code);
    }
    answer = waiting.detail;
    if (waiting.filters.empty() || CAUSEWAY_BUG(kSubackBeforeInterest)) {
        return ResultCode::kOk;
    }
    waiting.deadline = context_.now() + kSubscribeWaitMs;
    interests_.wait(std::move(waiting));
    return ResultCode::kLater;
}

char Sessions::subscribe_one(Session& session, const SubscriptionRequest& request,
                             WaitingSubscribe& waiting) {
    auto& held = session.subscriptions;
    const auto same = subscription_at(session, request.filter);
    const bool is_new = same == held.end() || same->filter != request.filter;
    const bool full = is_new && held.size() >= context_.meta.limits.subscriptions_per_session_max;
    const bool across =
        context_.layout.shared() && !context_.layout.reached(request.filter).empty();
    if (full || (across && (!interests_.has_room(request.filter) || !interests_.may_wait()))) {
        return kQuotaExceededCode;
    }
    if (!is_new) {  // [MQTT-3.8.4-3]
        // Not unsubscribe_one(): other sets need not hear of it.
        unlink(session, request.filter);
    }
    Subscription subscription{std::string(request.filter),
                              request.identifier,
                              request.qos,
                              request.no_local,
                              request.retain_as_published,
                              0};
    const bool shared = is_shared_filter(request.filter);
    if (shared && request.qos != 0 && !session.inbox && !session.direct) {
        session.inbox = std::make_unique<Inbox>();  // so that others get what it leaves behind
        mark(session);
    }
    link(session,
         subscription);  // in one step with unlink(): no message falls between [MQTT-3.8.4-4]
    if (across) {
        interests_.fit(request.filter);
        AskedSets on = interests_.outstanding(request.filter);
        if (!on.empty()) {
            waiting.id = waiting.id == 0 ? interests_.next_id() : waiting.id;
            subscription.waiting = waiting.id;
            waiting.filters.push_back(
                WaitingFilter{static_cast<std::uint32_t>(waiting.detail.size()),
                              std::string(request.filter), std::move(on)});
        }
    }
    store(session, subscription);
    if (is_new) {
        held.insert(same, std::move(subscription));
    } else {
        *same = std::move(subscription);
    }
    // Retain handling: 0 always, 1 only for a new subscription, 2 never («MQTT 5.0 §3.8.3.1»).
    // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
    const bool wanted = request.retain_handling == 0 || (request.retain_handling == 1 && is_new);
    if (wanted && !shared) {
        ask_retained(session, request);
    }
    if (shared) {
        wake_group(session, request.filter);
    }
    tell_subscription(EventKind::kSessionSubscribed, session, request.filter, request.qos);
    return static_cast<char>(request.qos);
}

void Sessions::store(const Session& session, const Subscription& subscription) {
    std::string value;
    encode(subscription, value);
    context_.kv.put(key_of(Table::kSubscription, session.id, subscription.filter), value);
}

// From this set by the work list; from others by a question behind the interest in their stream, so
// that no message falls between the two.
void Sessions::ask_retained(const Session& session, const SubscriptionRequest& request) {
    WorkItem replay;
    replay.kind = WorkItem::Kind::kReplay;
    replay.id = session.id;
    replay.text = std::string(request.filter);
    replay.identifier = request.identifier;
    replay.options = request.qos;
    work_.add(std::move(replay));
    if (!context_.layout.shared()) {
        return;
    }
    PeerItem ask;
    ask.kind = PeerItemKind::kRetainedAsk;
    ask.session = session.id;
    ask.filter = request.filter;
    for (const GroupId set : context_.layout.reached(request.filter)) {
        peers_.append(set, ask);
    }
}

std::vector<Subscription>::iterator Sessions::subscription_at(Session& session,
                                                              std::string_view filter) {
    return std::lower_bound(
        session.subscriptions.begin(), session.subscriptions.end(), filter,
        [](const Subscription& held, std::string_view other) { return held.filter < other; });
}

Subscription* Sessions::subscription_of(Session& session, std::string_view filter) {
    const auto at = subscription_at(session, filter);
    // [MQTT-3.10.4-1]
    return at == session.subscriptions.end() || at->filter != filter ? nullptr : &*at;
}

void Sessions::unsubscribe_one(Session& session, std::vector<Subscription>::iterator at) {
    const std::string filter = std::move(at->filter);
    session.subscriptions.erase(at);  // the inbox is left alone [MQTT-3.10.4-3]
    unlink(session, filter);
    context_.kv.erase(key_of(Table::kSubscription, session.id, filter));
    if (is_shared_filter(filter) && session.attached) {
        regroup(session);
    }
    if (interests_.asked() != 0 && !has_own_subscription(filter)) {
        interests_.drop(filter);
    }
}

ResultCode Sessions::unsubscribe(const Unsubscribe& command, StreamId stream, std::string& answer) {
    Session* session = owner(command.epoch, stream);
    if (session == nullptr) {
        return ResultCode::kStale;
    }
    for (const std::string_view filter : command.filters) {
        const bool existed = subscription_of(*session, filter) != nullptr;
        answer.push_back(existed ? '\0' : kNoSubscriptionExisted);
        if (existed) {
            unsubscribe_one(*session, subscription_at(*session, filter));
            tell_subscription(EventKind::kSessionUnsubscribed, *session, filter, 0);
        }
    }
    return ResultCode::kOk;
}

void Sessions::peer_applied(GroupId set, std::uint64_t upto) {
    for (const WaitingSubscribe& waiting : interests_.acknowledged(set, upto)) {
        settle(waiting);
    }
}

bool Sessions::still_asks(const WaitingSubscribe& waiting, const Session& session) const {
    return session.attached && session.epoch == waiting.epoch && streams_.alive(session.stream);
}

void Sessions::settle(const WaitingSubscribe& waiting) {
    Session* session = find(waiting.session);
    if (session == nullptr) {
        return;
    }
    for (const WaitingFilter& filter : waiting.filters) {
        Subscription* held = subscription_of(*session, filter.filter);
        if (held != nullptr && held->waiting == waiting.id) {
            held->waiting = 0;
            store(*session, *held);
        }
    }
    if (still_asks(waiting, *session)) {
        context_.out->stream(session->stream)
            .settled.push_back(Settled{waiting.nonce, waiting.epoch, waiting.seq, waiting.detail});
    }
}

// What is still not applied everywhere is refused and taken back, unless a newer SUBSCRIBE waits
// for it, or nobody is there to be told: then the session keeps it, as if the answer had been lost.
void Sessions::on_subscribe_timer(std::uint64_t id) {
    std::optional<WaitingSubscribe> waiting = interests_.expired(id);
    if (!waiting) {
        return;
    }
    Session* session = find(waiting->session);
    if (session != nullptr && still_asks(*waiting, *session)) {
        for (const WaitingFilter& filter : waiting->filters) {
            if (interests_.applied(filter)) {
                continue;
            }
            waiting->detail[filter.at] = kUnspecifiedError;
            ++context_.counters().subscribes_timed_out;
            const Subscription* held = subscription_of(*session, filter.filter);
            if (held != nullptr && held->waiting == id) {
                unsubscribe_one(*session, subscription_at(*session, filter.filter));
            }
        }
    }
    settle(*waiting);
}

std::uint32_t Sessions::fit_slice(WorkItem& item, std::uint32_t budget, bool& more) {
    std::uint32_t looked_at = 0;
    auto next = by_id_.upper_bound(item.after);
    for (; next != by_id_.end() && looked_at < budget; ++next) {
        item.after = next->first;
        ++looked_at;
        for (const Subscription& held : next->second->subscriptions) {
            interests_.fit(held.filter);
            ++looked_at;
        }
    }
    more = next != by_id_.end();
    return looked_at;
}

}  // namespace causeway::state
