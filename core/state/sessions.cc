#include "core/state/sessions.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "core/base/seeded_bug.h"
#include "core/message/topic.h"
#include "core/state/machine.h"
#include "core/state/tables.h"

namespace causeway::state {
namespace {

constexpr std::uint64_t kItemNumberMax = ~std::uint64_t{0} - 1;
// A node of a B-tree is about three quarters full; an entry is a key and a pointer.
constexpr std::size_t kTreeEntryBytes = 16 * 4 / 3;

}  // namespace

bool Sessions::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kSession);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         auto session = std::make_unique<Session>();
                         session->id = ByteReader(key.substr(1)).key_u64();
                         ok = decode(value, *session);
                         if (ok) {
                             client_id_bytes_ += heap_bytes(session->client_id);
                             by_client_[session->client_id] = session.get();
                             if (session->attached) {
                                 by_epoch_[session->epoch] = session.get();
                             }
                             by_id_.emplace(session->id, std::move(session));
                         }
                         return ok;
                     });
    ok = ok && load_subscriptions() && load_interests();
    for (const auto& [id, session] : by_id_) {
        arm(*session);
        ok = ok && (!session->inbox || load_inbox(*session));
    }
    return ok && load_purges();
}

bool Sessions::load_inbox(Session& session) {
    bool ok = true;
    Inbox& inbox = *session.inbox;
    items_.scan(session.id, 1, inbox.tail, [&](std::uint64_t n, std::string_view record) {
        Item item;
        ok = decode(record, item);
        const auto bytes = static_cast<std::uint32_t>(record.size());
        ++inbox.messages;
        inbox.bytes += bytes;
        if (item.body_id != 0) {
            items_.count_body(item.body_id);
        }
        if (n <= inbox.cursor || item.received) {
            inbox.in_flight.push_back(InFlight{n, item.body_id, bytes, item.qos, item.received});
        }
        return ok;
    });
    return ok;
}

bool Sessions::load_purges() {
    bool ok = true;
    for (const WorkItem& work : work_.items()) {
        if (work.kind != WorkItem::Kind::kPurge) {
            continue;
        }
        items_.scan(work.id, 1, kItemNumberMax, [&](std::uint64_t, std::string_view record) {
            Item item;
            ok = decode(record, item);
            if (item.body_id != 0) {
                items_.count_body(item.body_id);
            }
            return ok;
        });
    }
    return ok;
}

void Sessions::flush() {
    std::string value;
    for (const std::uint64_t id : dirty_) {
        Session* session = find(id);
        if (session == nullptr || !session->dirty) {
            continue;
        }
        value.clear();
        encode(*session, value);
        context_.kv.put(key_of(Table::kSession, id), value);
        session->dirty = false;
    }
    dirty_.clear();
}

void Sessions::mark(Session& session) {
    if (!session.dirty) {
        session.dirty = true;
        dirty_.push_back(session.id);
    }
}

Session* Sessions::find(std::uint64_t id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second.get();
}

Session* Sessions::owner(std::uint64_t epoch, StreamId stream) {
    const auto found = by_epoch_.find(epoch);
    return found != by_epoch_.end() && found->second->stream == stream ? found->second : nullptr;
}

void Sessions::create(const Open& command) {
    auto session = std::make_unique<Session>();
    session->id = context_.meta.next_id++;
    session->client_id = std::string(command.client_id);
    client_id_bytes_ += heap_bytes(session->client_id);
    by_client_[session->client_id] = session.get();
    by_id_.emplace(session->id, std::move(session));
}

// Rule 5.
ResultCode Sessions::open(const Open& command, StreamId stream, std::string& answer) {
    const auto found = by_client_.find(command.client_id);  // [MQTT-3.1.3-2]
    Session* session = found == by_client_.end() ? nullptr : found->second;
    const bool again = session != nullptr && session->attached && session->stream == stream &&
                       session->nonce == command.nonce;
    if (session == nullptr && by_id_.size() >= context_.meta.limits.sessions_max) {
        tell_refused(command);
        return ResultCode::kQuotaExceeded;
    }
    if (!again) {
        if (session != nullptr && session->attached) {
            const bool alive = streams_.alive(session->stream);
            if (alive) {
                context_.out->stream(session->stream)
                    .takeovers.push_back(Takeover{session->nonce, session->epoch});
            }
            const SetMs at = alive ? context_.now() : streams_.died_at(session->stream);
            const std::uint64_t id = session->id;
            if (command.clean_start && session->will) {
                fire_will(*session);
            }
            detach(*session, CloseReason::kLost, at, alive ? "taken_over" : "gateway_lost");
            session = find(id);
        }
        // Due, but no step came yet: too late to be cancelled («MQTT 5.0 §3.1.3.2.2»).
        if (session != nullptr && session->will_at != 0 && session->will_at <= context_.now()) {
            context_.timers.erase(Timer{session->will_at, Timer::Kind::kSession, session->id});
            fire_will(*session);
        }
        const bool over = session != nullptr &&
                          (command.clean_start ||  // [MQTT-3.1.2-4] [MQTT-3.1.4-4]
                           (session->expires_at != 0 && session->expires_at <= context_.now()));
        if (over) {
            end(*session);
            session = nullptr;
        }
        const bool present = session != nullptr;  // [MQTT-3.1.2-5]
        if (!present) {
            create(command);
            session = by_client_[command.client_id];  // [MQTT-3.1.2-6]
        }
        session->present = present;
        attach(*session, command, stream);
        tell_opened(*session, command);
    }
    encode(OpenAnswer{session->epoch, session->expiry_s, session->present}, answer);
    if (!again) {
        resume(*session);
    }
    return ResultCode::kOk;
}

void Sessions::attach(Session& session, const Open& command, StreamId stream) {
    session.epoch = context_.meta.next_epoch++;
    session.stream = stream;
    session.nonce = command.nonce;
    session.attached = true;
    disarm(session);  // [MQTT-3.1.3-9]
    const std::uint32_t expiry_max = context_.meta.limits.session_expiry_max_s;
    session.expiry_s = std::min(command.session_expiry_interval_s, expiry_max);
    session.receive_maximum = std::max<std::uint16_t>(command.receive_maximum, 1);
    session.will.reset();
    if (command.will) {
        const WillView& will = *command.will;
        session.will =
            std::make_unique<Will>(Will{std::string(will.topic), std::string(will.body),
                                        will.delay_s, will.expiry_s, will.qos, will.retain});
    }
    if (session.expiry_s != 0 && !session.inbox) {  // [MQTT-3.1.2-23]
        session.inbox = std::make_unique<Inbox>();
    }
    by_epoch_[session.epoch] = &session;
    mark(session);
    for (const Subscription& held : session.subscriptions) {
        if (is_shared_filter(held.filter)) {
            wake_group(session, held.filter);
        }
    }
}

void Sessions::detach(Session& session, CloseReason reason, SetMs at, std::string_view why) {
    tell_detached(session, why);
    by_epoch_.erase(session.epoch);
    session.attached = false;
    mark(session);
    if (reason == CloseReason::kNormal) {  // [MQTT-3.1.2-10] [MQTT-3.14.4-3]
        session.will.reset();
    }
    if (session.will && (session.will->delay_s == 0 || session.expiry_s == 0)) {  // [MQTT-3.1.2-8]
        fire_will(session);
    }
    if (session.expiry_s == 0) {
        end(session);
        return;
    }
    session.expires_at =
        session.expiry_s == kNeverExpires ? 0 : at + std::uint64_t{session.expiry_s} * 1000;
    if (session.will) {
        session.will_at = at + std::uint64_t{session.will->delay_s} * 1000;
    }
    arm(session);
    if (in_group(session)) {
        regroup(session);
    }
}

void Sessions::arm(Session& session) {
    for (const SetMs at : {session.will_at, session.expires_at}) {
        if (at != 0) {
            context_.timers.insert(Timer{at, Timer::Kind::kSession, session.id});
        }
    }
}

void Sessions::disarm(Session& session) {
    context_.timers.erase(Timer{session.will_at, Timer::Kind::kSession, session.id});
    context_.timers.erase(Timer{session.expires_at, Timer::Kind::kSession, session.id});
    session.will_at = 0;
    session.expires_at = 0;
}

void Sessions::on_timer(std::uint64_t session_id) {
    Session* session = find(session_id);
    if (session == nullptr || session->attached) {  // [MQTT-4.1.0-1]
        return;
    }
    if (session->expires_at != 0 && session->expires_at <= context_.now()) {  // [MQTT-4.1.0-2]
        end(*session);
        return;
    }
    if (session->will_at != 0 && session->will_at <= context_.now()) {
        fire_will(*session);
    }
}

void Sessions::end(Session& session) {
    if (session.attached) {
        by_epoch_.erase(session.epoch);
    }
    disarm(session);
    if (session.will && !session.attached) {
        fire_will(session);  // «MQTT 5.0 §3.1.2.5»: at the latest when the session ends
    }
    while (!session.subscriptions.empty()) {
        unsubscribe_one(session, std::prev(session.subscriptions.end()));
    }
    if (session.inbox && session.inbox->messages != 0) {
        context_.counters().inbox_session_ended += session.inbox->messages;
        WorkItem purge;
        purge.kind = WorkItem::Kind::kPurge;
        purge.id = session.id;
        ByteWriter(purge.text).varint(session.inbox->pushed);
        work_.add(std::move(purge));
    }
    context_.kv.erase(key_of(Table::kSession, session.id));
    client_id_bytes_ -= heap_bytes(session.client_id);
    by_client_.erase(session.client_id);
    by_id_.erase(session.id);
}

void Sessions::fire_will(Session& session) {
    const Will& will = *session.will;
    Item item;
    item.message.topic = will.topic;
    item.message.body = will.body;
    item.message.client_id = session.client_id;
    item.message.expires_at =
        will.expiry_s == 0 ? 0 : context_.now() + std::uint64_t{will.expiry_s} * 1000;
    item.qos = will.qos;
    item.retain = will.retain;
    const std::uint64_t n = queues_.send(queues_.open(QueueKind::kSelf, "self"), item, 0);
    context_.out->self_items.push_back(SelfItem{
        n, will.topic, will.body, session.client_id, will.qos, will.retain, {}, context_.now()});
    session.will.reset();
    session.will_at = 0;
    mark(session);
}

// Rule 7.
ResultCode Sessions::close(const Close& command, StreamId stream) {
    Session* session = owner(command.epoch, stream);
    if (session == nullptr) {
        return ResultCode::kStale;
    }
    if (command.session_expiry_interval_s && session->expiry_s != 0) {
        session->expiry_s =
            std::min(*command.session_expiry_interval_s, context_.meta.limits.session_expiry_max_s);
    }
    constexpr std::array<std::string_view, 3> kWhy = {"normal", "with_will", "lost"};
    detach(*session, command.reason, context_.now(),
           kWhy[static_cast<std::size_t>(command.reason)]);
    return ResultCode::kOk;
}

bool Sessions::may_note_incoming(const Session& session, std::uint16_t packet_id) {
    return !std::binary_search(session.incoming.begin(), session.incoming.end(), packet_id);
}

void Sessions::note_incoming(Session& session, std::uint16_t packet_id) {
    auto& incoming = session.incoming;
    incoming.insert(std::lower_bound(incoming.begin(), incoming.end(), packet_id), packet_id);
    mark(session);
}

ResultCode Sessions::release(const Release& command, StreamId stream) {
    Session* session = owner(command.epoch, stream);
    if (session == nullptr) {
        return ResultCode::kStale;
    }
    auto& incoming = session->incoming;
    const auto at = std::lower_bound(incoming.begin(), incoming.end(), command.packet_id);
    if (at == incoming.end() || *at != command.packet_id) {
        return ResultCode::kNotFound;
    }
    if (!CAUSEWAY_BUG(kDeduplicateByPacketId)) {
        incoming.erase(at);
    }
    mark(*session);
    return ResultCode::kOk;
}

std::uint32_t Sessions::detach_slice(WorkItem& item, std::uint32_t budget, bool& more) {
    const auto stream = static_cast<StreamId>(item.id);
    const SetMs died_at = streams_.died_at(stream);
    std::uint32_t looked_at = 0;
    while (looked_at < budget) {
        const auto next = by_id_.upper_bound(item.after);
        if (next == by_id_.end()) {
            streams_.forget(stream);
            more = false;
            return looked_at;
        }
        ++looked_at;
        item.after = next->first;
        Session& session = *next->second;
        if (session.attached && session.stream == stream) {
            detach(session, CloseReason::kLost, died_at, "gateway_lost");
        }
    }
    more = true;
    return looked_at;
}

std::uint32_t Sessions::purge_slice(WorkItem& item, std::uint32_t budget, bool& more) {
    std::vector<std::pair<std::uint64_t, std::string>> found;
    items_.scan(item.id, item.after + 1, kItemNumberMax,
                [&](std::uint64_t n, std::string_view record) {
                    found.emplace_back(n, record);
                    return found.size() < budget;
                });
    const std::uint64_t pushed = ByteReader(item.text).varint();
    for (const auto& [n, record] : found) {
        Item read;
        decode(record, read);
        hand_over_purged(n, record, pushed);
        items_.erase(item.id, n);
        items_.release_body(read.body_id);
        item.after = n;
    }
    more = found.size() == budget;
    return static_cast<std::uint32_t>(found.size());
}

Memory Sessions::memory() const {
    Memory memory;
    memory.sessions = by_id_.size() * sizeof(Session) + client_id_bytes_;
    memory.indexes = by_id_.size() * kTreeEntryBytes +
                     by_client_.capacity() * (sizeof(decltype(by_client_)::value_type) + 1) +
                     by_epoch_.capacity() * (sizeof(decltype(by_epoch_)::value_type) + 1);
    memory.subscriptions = subscription_count_ * sizeof(Subscription) + filter_bytes_;
    memory.trie = trie_.memory_bytes();
    return memory;
}

std::uint64_t Sessions::inbox_messages() const {
    std::uint64_t messages = 0;
    for (const auto& [id, session] : by_id_) {
        messages += session->inbox ? session->inbox->messages : 0;
    }
    return messages;
}

}  // namespace causeway::state
