// Delivery: matching a message against the subscriptions, and the inbox of a session.
#include <algorithm>
#include <utility>

#include "core/message/topic.h"
#include "core/state/sessions.h"
#include "core/state/tables.h"

namespace causeway::state {
namespace {

ItemMessage message_of(const Outgoing& message) {
    return ItemMessage{message.topic, message.client_id, message.body, message.expires_at};
}

// Packet ids repeat after 65,535 numbers: never have more than that between the first
// unacknowledged number and the newest pushed one.
constexpr std::uint64_t kSpanMax = 65'534;
constexpr std::uint32_t kPumpSlice = 256;
// Reasons of message/dropped.
constexpr std::string_view kInboxFull = "inbox_full";
constexpr std::string_view kExpired = "expired";

}  // namespace

// One recipient a session, however many of its filters match: the highest QoS of them, every
// identifier («MQTT 5.0 §3.3.4»).
void Sessions::collect(const Outgoing& message, ToGroups to_groups) {
    targets_.clear();
    recipients_.clear();
    sets_.clear();
    chosen_.clear();
    // Epochs of another set's clients say nothing here.
    const std::uint64_t own_epoch =
        context_.layout.owns(message.client_id) ? message.publisher_epoch : 0;
    trie_.match(message.topic, [&](const Target& target) {  // [MQTT-3.3.2-3]
        if (target.shared) {
            if (to_groups != ToGroups::kNone) {
                collect_group(groups_.at(target.identifier), message,
                              to_groups == ToGroups::kUnlogged);
            }
            return;
        }
        if (target.session == nullptr) {
            sets_.push_back(GroupId(target.identifier));
            return;
        }
        const bool own =
            own_epoch != 0 && target.session->attached && target.session->epoch == own_epoch;
        if (!(target.no_local && own)) {  // [MQTT-3.8.3-3]
            targets_.push_back(target);
        }
    });
    std::sort(sets_.begin(), sets_.end());
    sets_.erase(std::unique(sets_.begin(), sets_.end()), sets_.end());
    const auto by_session = [](const Target& a, const Target& b) {
        return std::pair(a.session->id, a.identifier) < std::pair(b.session->id, b.identifier);
    };
    if (!std::is_sorted(targets_.begin(), targets_.end(), by_session)) {
        std::sort(targets_.begin(), targets_.end(), by_session);
    }
    for (const Target& target : targets_) {
        if (recipients_.empty() || recipients_.back().session != target.session) {
            recipients_.emplace_back().session = target.session;
        }
        Recipient& to = recipients_.back();
        to.qos = std::max(to.qos, target.qos);                // [MQTT-3.3.4-2]
        to.retain = to.retain || target.retain_as_published;  // [MQTT-3.3.1-13]
        if (target.identifier != 0) {                         // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
            to.ids.push_back(target.identifier);
        }
    }
    // A copy of their own: it may come back if the member leaves.
    for (const Chosen& chosen : chosen_) {
        if (chosen.member.session != nullptr) {
            recipients_.push_back(recipient_of(chosen.member, chosen.filter));
        }
    }
}

std::size_t Sessions::deliver(const Outgoing& message) {
    collect(message, ToGroups::kLogged);
    deliver_collected(message, false);  // [MQTT-4.5.0-1]
    if (!sets_.empty()) {
        const PeerItem item = peer_item_of(message, PeerItemKind::kMessage);
        for (const GroupId set : sets_) {
            peers_.append(set, item);
        }
    }
    std::size_t groups = 0;
    for (const Chosen& chosen : chosen_) {
        if (chosen.member.session == nullptr) {
            send_to_group_of(chosen.member.set, chosen.filter, message);
            ++groups;
        }
    }
    return recipients_.size() + sets_.size() + groups;
}

std::size_t Sessions::deliver_here(const Outgoing& message) {
    collect(message, ToGroups::kNone);
    deliver_collected(message, false);
    return recipients_.size();
}

Sessions::Elsewhere Sessions::deliver_unlogged(const Outgoing& message) {
    collect(message, ToGroups::kUnlogged);
    deliver_collected(message, true);
    Elsewhere elsewhere;
    elsewhere.sets = sets_;
    for (const Chosen& chosen : chosen_) {
        if (chosen.member.session == nullptr) {
            elsewhere.groups.emplace_back(chosen.member.set, chosen.filter);
        }
    }
    return elsewhere;
}

void Sessions::deliver_unlogged_here(const Outgoing& message) {
    collect(message, ToGroups::kNone);
    deliver_collected(message, true);
}

void Sessions::deliver_collected(const Outgoing& message, bool attached_only) {
    std::uint32_t copies = 0;
    for (Recipient& to : recipients_) {
        to.qos = attached_only ? 0 : std::min(to.qos, message.qos);  // [MQTT-3.8.4-8]
        to.retain = to.retain && message.retain;                     // [MQTT-3.3.1-12]
        copies += to.qos != 0 && to.session->inbox ? 1 : 0;
    }
    const ItemMessage stored = message_of(message);
    const std::uint64_t body_id = copies > 1 ? items_.put_body(stored, copies) : 0;
    for (const Recipient& to : recipients_) {
        if (to.qos != 0 && to.session->inbox) {
            append(*to.session, message, to, body_id);
        } else {
            push_direct(*to.session, message, to);
        }
    }
}

void Sessions::deliver_retained(Session& session, const Outgoing& message,
                                const Subscription& subscription) {
    Recipient to;
    to.session = &session;
    to.qos = std::min(message.qos, subscription.qos);
    to.retain = true;
    if (subscription.identifier != 0) {
        to.ids.push_back(subscription.identifier);
    }
    if (to.qos != 0 && session.inbox) {
        append(session, message, to, 0);
    } else {
        push_direct(session, message, to);
    }
}

void Sessions::deliver_retained_from_peer(std::uint64_t session_id, std::string_view filter,
                                          const Outgoing& message) {
    Session* session = find(session_id);
    const Subscription* held = session == nullptr ? nullptr : subscription_of(*session, filter);
    if (held != nullptr) {
        deliver_retained(*session, message, *held);
    }
}

// Every delivery of one message to one stream shares one Message: deliver() appends them in a row.
Delivery& Sessions::add_delivery(Session& session, std::uint32_t message) {
    Delivery& delivery = context_.out->stream(session.stream).deliveries.emplace_back();
    delivery.nonce = session.nonce;
    delivery.epoch = session.epoch;
    delivery.message = message;
    return delivery;
}

namespace {

// The index of the message in the stream's list; added unless it is the last one there.
std::uint32_t message_index(Context& context, StreamId stream, const Outgoing& message) {
    auto& messages = context.out->stream(stream).messages;
    const bool same = !messages.empty() &&
                      messages.back().body.view().data() == message.body.data() &&
                      messages.back().topic.view().data() == message.topic.data() &&
                      messages.back().expires_at == message.expires_at;
    if (!same) {
        messages.push_back(
            Message{context.share(message.topic), context.share(message.body), message.expires_at});
    }
    return static_cast<std::uint32_t>(messages.size() - 1);
}

}  // namespace

Item Sessions::item_of(const Outgoing& message, const Recipient& to) {
    Item item;
    item.qos = to.qos;
    item.retain = to.retain;
    item.subscription_ids = to.ids;
    item.group = to.group;
    item.from_event = message.from_event;
    return item;
}

void Sessions::push_direct(Session& session, const Outgoing& message, const Recipient& to) {
    if (!session.attached || !streams_.alive(session.stream)) {
        return;
    }
    Delivery& delivery = add_delivery(session, message_index(context_, session.stream, message));
    delivery.qos = to.qos;
    delivery.retain = to.retain;
    delivery.subscription_ids = to.ids;
    if (to.qos != 0 && !session.direct) {
        session.direct = true;
        mark(session);
    }
    if (context_.wants(EventKind::kMessageDelivered)) {
        tell_message(EventKind::kMessageDelivered, session, item_of(message, to),
                     message_of(message), {});
    }
}

bool Sessions::window_open(const Session& session) const {
    const Inbox& inbox = *session.inbox;
    return session.attached && inbox.in_flight.size() < session.receive_maximum &&
           (inbox.in_flight.empty() || inbox.cursor < inbox.in_flight.front().n + kSpanMax) &&
           streams_.alive(session.stream);  // on a dead stream it counts as detached
}

// True when the inbox can take a message of so many bytes, after evicting the oldest waiting ones.
bool Sessions::make_room(Session& session, std::uint64_t bytes, bool for_event) {
    const StateLimits& limits = context_.meta.limits;
    Inbox& inbox = *session.inbox;
    while (inbox.messages + 1 > limits.inbox_messages_max ||
           inbox.bytes + bytes > limits.inbox_bytes_max) {
        std::uint64_t oldest = 0;
        std::uint64_t body_id = 0;
        std::uint64_t size = 0;
        items_.scan(session.id, inbox.cursor + 1, inbox.tail,
                    [&](std::uint64_t n, std::string_view record) {
                        Item item;
                        if (!decode(record, item) || item.received) {
                            return true;
                        }
                        oldest = n;
                        size = record.size();
                        body_id = item.body_id;
                        return false;
                    });
        if (oldest == 0) {
            return false;  // all of it is in flight
        }
        // Else one event could be the end of a whole inbox, message by message.
        if (!for_event) {
            tell_message(EventKind::kMessageDropped, session, oldest, kInboxFull);
        }
        drop_item(session, oldest, body_id, size);
        inbox.cursor = oldest;
        ++context_.counters().inbox_evicted;
    }
    return true;
}

void Sessions::drop_item(Session& session, std::uint64_t n, std::uint64_t body_id,
                         std::uint64_t bytes) {
    Inbox& inbox = *session.inbox;
    items_.erase(session.id, n);
    items_.release_body(body_id);
    --inbox.messages;
    inbox.bytes -= std::min(inbox.bytes, bytes);
    mark(session);
}

// Rule 13.
void Sessions::append(Session& session, const Outgoing& message, const Recipient& to,
                      std::uint64_t body_id) {
    Inbox& inbox = *session.inbox;
    Item item = item_of(message, to);
    item.body_id = body_id;
    if (body_id == 0) {
        item.message = message_of(message);
    }
    std::string record;
    encode(item, record);
    ++context_.counters().inbox_made;
    if (!make_room(session, record.size(), item.from_event)) {
        ++context_.counters().inbox_evicted;
        tell_message(EventKind::kMessageDropped, session, item, message_of(message), kInboxFull);
        items_.release_body(body_id);
        return;
    }
    const std::uint64_t n = ++inbox.tail;  // [MQTT-4.6.0-5] [MQTT-4.6.0-6]
    context_.kv.put(key_of(Table::kItem, session.id, n), record);
    ++inbox.messages;
    inbox.bytes += record.size();
    mark(session);
    if (inbox.cursor + 1 != n || !window_open(session)) {
        return;
    }
    inbox.cursor = n;
    inbox.pushed = std::max(inbox.pushed, n);
    inbox.in_flight.push_back(  // [MQTT-4.3.2-3]
        InFlight{n, body_id, static_cast<std::uint32_t>(record.size()), to.qos, false});
    Delivery& delivery = add_delivery(session, message_index(context_, session.stream, message));
    delivery.n = n;
    delivery.qos = to.qos;
    delivery.retain = to.retain;
    delivery.subscription_ids = to.ids;
    tell_message(EventKind::kMessageDelivered, session, item, message_of(message), {});
}

// Walks the inbox again for a new connection: PUBREL for what was received, then, by pump(), the
// rest from the first unacknowledged number on.
void Sessions::resume(Session& session) {
    if (!session.inbox) {
        return;
    }
    Inbox& inbox = *session.inbox;
    if (!inbox.in_flight.empty()) {
        // Never forward: behind a window full of received items older ones may still wait.
        inbox.cursor = std::min(inbox.cursor, inbox.in_flight.front().n - 1);
    }
    std::erase_if(inbox.in_flight, [](const InFlight& item) { return !item.received; });
    for (const InFlight& item : inbox.in_flight) {
        Delivery& delivery = add_delivery(session, 0);
        delivery.n = item.n;
        delivery.qos = 2;
        delivery.release = true;
    }
    mark(session);
    pump_or_queue(session);
}

// Pushes a slice now and leaves the rest to the work list.
void Sessions::pump_or_queue(Session& session) {
    std::uint32_t budget = kPumpSlice;
    if (session.inbox->pumping || !pump(session, budget)) {
        return;
    }
    WorkItem more;
    more.kind = WorkItem::Kind::kPump;
    more.id = session.id;
    session.inbox->pumping = true;
    work_.add(std::move(more));
}

bool Sessions::pump(Session& session, std::uint32_t& budget) {
    const Inbox& inbox = *session.inbox;
    while (inbox.cursor < inbox.tail && window_open(session)) {
        if (budget == 0) {
            return true;
        }
        if (!pump_some(session, budget)) {
            return false;
        }
    }
    return false;
}

// One scan's worth of pump(). False: the next number would share its packet id with one in flight.
bool Sessions::pump_some(Session& session, std::uint32_t& budget) {
    Inbox& inbox = *session.inbox;
    struct Waiting {
        std::uint64_t n;
        std::string record;
        bool received;
    };
    std::vector<Waiting> waiting;
    const std::size_t want =
        std::min<std::size_t>(budget, session.receive_maximum - inbox.in_flight.size());
    std::size_t usable = 0;
    items_.scan(session.id, inbox.cursor + 1, inbox.tail,
                [&](std::uint64_t n, std::string_view record) {
                    Item item;
                    // Items whose PUBREC was applied are in flight already: walk past them.
                    const bool received = !decode(record, item) || item.received;
                    usable += received ? 0 : 1;
                    waiting.push_back(Waiting{n, std::string(record), received});
                    return usable < want && waiting.size() < budget;
                });
    const bool scanned_all = usable < want && waiting.size() < budget;
    budget -= static_cast<std::uint32_t>(waiting.size());
    mark(session);
    for (const Waiting& next : waiting) {
        if (!window_open(session)) {
            return true;
        }
        // What was evicted leaves holes, so that the next number may be far from the last one.
        if (!inbox.in_flight.empty() && next.n > inbox.in_flight.front().n + kSpanMax) {
            return false;
        }
        inbox.cursor = next.n;
        if (!next.received) {
            push_waiting(session, next.n, next.record);
        }
    }
    if (scanned_all && window_open(session)) {
        inbox.cursor = inbox.tail;
    }
    return true;
}

void Sessions::push_waiting(Session& session, std::uint64_t n, std::string_view record) {
    Inbox& inbox = *session.inbox;
    Item item;
    ItemMessage message;
    std::string body_record;
    decode(record, item);
    const bool found = items_.message_of(item, body_record, message);
    // What was sent once is completed, expired or not [MQTT-4.4.0-1]: its packet id is in use.
    const bool expired =
        // [MQTT-4.3.3-7]
        n > inbox.pushed && message.expires_at != 0 && message.expires_at <= context_.now();
    if (!found || expired) {
        if (found) {
            tell_message(EventKind::kMessageDropped, session, item, message, kExpired);
        }
        drop_item(session, n, item.body_id, record.size());
        ++context_.counters().inbox_expired;
        return;
    }
    auto& in_flight = inbox.in_flight;
    in_flight.insert(
        in_flight_at(session, n),
        InFlight{n, item.body_id, static_cast<std::uint32_t>(record.size()), item.qos, false});
    auto& messages = context_.out->stream(session.stream).messages;
    messages.push_back(Message{SharedBytes::copy(message.topic), SharedBytes::copy(message.body),
                               message.expires_at});
    Delivery& delivery = add_delivery(session, static_cast<std::uint32_t>(messages.size() - 1));
    delivery.n = n;
    delivery.qos = item.qos;
    delivery.retain = item.retain;
    delivery.dup = n <= inbox.pushed;  // [MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
    delivery.subscription_ids = item.subscription_ids;
    if (n > inbox.pushed) {
        tell_message(EventKind::kMessageDelivered, session, item, message, {});
    }
    inbox.pushed = std::max(inbox.pushed, n);
}

std::vector<InFlight>::iterator Sessions::in_flight_at(Session& session, std::uint64_t n) {
    auto& in_flight = session.inbox->in_flight;
    return std::lower_bound(in_flight.begin(), in_flight.end(), n,
                            [](const InFlight& a, std::uint64_t other) { return a.n < other; });
}

std::uint32_t Sessions::pump_slice(const WorkItem& item, std::uint32_t budget, bool& more) {
    Session* session = find(item.id);
    more = false;
    if (session == nullptr || !session->inbox || !session->inbox->pumping) {
        return 1;
    }
    std::uint32_t left = budget;
    more = pump(*session, left);
    session->inbox->pumping = more;
    mark(*session);
    return budget - left;
}

ResultCode Sessions::acknowledge(const Ack& command, StreamId stream) {
    for (const AckRange& range : command.ranges) {
        Session* session = owner(range.epoch, stream);
        if (session == nullptr || !session->inbox) {
            continue;  // stale: the new owner gets it again
        }
        auto& in_flight = session->inbox->in_flight;
        const auto from = in_flight_at(*session, range.first);
        auto to = from;
        while (to != in_flight.end() && to->n <= range.last) {
            tell_message(EventKind::kMessageAcked, *session, to->n, {});
            drop_item(*session, to->n, to->body_id, to->bytes);
            ++context_.counters().inbox_acknowledged;
            ++to;
        }
        in_flight.erase(from, to);
        pump_or_queue(*session);
    }
    return ResultCode::kOk;
}

// PUBREC: from here on the message is the client's; what is left is the number («MQTT 5.0 §4.3.3»).
ResultCode Sessions::received(const Received& command, StreamId stream) {
    Session* session = owner(command.epoch, stream);
    if (session == nullptr || !session->inbox) {
        return ResultCode::kStale;
    }
    auto& in_flight = session->inbox->in_flight;
    const auto at = in_flight_at(*session, command.n);
    if (at == in_flight.end() || at->n != command.n) {
        return ResultCode::kNotFound;
    }
    if (at->received) {
        return ResultCode::kOk;
    }
    tell_message(EventKind::kMessageAcked, *session, command.n, {});
    Inbox& inbox = *session->inbox;
    Item marker;
    marker.qos = 2;
    marker.received = true;
    std::string record;
    encode(marker, record);
    context_.kv.put(key_of(Table::kItem, session->id, command.n), record);
    items_.release_body(at->body_id);
    inbox.bytes -= std::min<std::uint64_t>(inbox.bytes, at->bytes);
    inbox.bytes += record.size();
    *at = InFlight{command.n, 0, static_cast<std::uint32_t>(record.size()), 2, true};
    mark(*session);
    return ResultCode::kOk;
}

}  // namespace causeway::state
