// What the client is sent, and its acknowledgements. Packet ids follow from the number of the
// delivery (packet_id_of), so that every gateway uses the same ones: the core's number for a
// session with an inbox, the connection's own for one without.
#include <algorithm>

#include "core/base/seeded_bug.h"
#include "core/message/body.h"
#include "gateway/session/effects.h"

namespace causeway::session {

using mqtt::ReasonCode;
using mqtt::Version;

namespace {

constexpr std::size_t kCopyMax = 1024;  // a larger body is sent by reference
constexpr std::uint64_t kPacketIds = 65'535;
constexpr std::size_t kAliasedTopicMin = 4;  // a shorter one takes as much as its alias
constexpr std::size_t kDoneMax = 64;         // kept in front of the oldest outstanding number

std::uint32_t seconds_left(SetMs expires_at, SetMs now) {
    return expires_at > now ? static_cast<std::uint32_t>((expires_at - now + 999) / 1000) : 1;
}

}  // namespace

void Session::on_delivery(const Delivery& delivery, const Message& message, const Arrival& arrival,
                          Effects& out) {
    if (phase_ != Phase::kOnline || delivery.epoch != epoch_) {
        return;
    }
    // A subscription outlives the connection that made it, and the permission it was made under.
    if (access() != nullptr && !access()->may_receive(message.topic.view(), delivery.qos)) {
        ++counters_->deliveries_denied;
        if (delivery.n != 0) {
            acknowledge(delivery.n, out);
        }
        return;
    }
    if (delivery.qos == 0) {
        if (arrival.output_full) {
            ++counters_->deliveries_dropped_full;
            return;
        }
        send_publish(delivery, 0, message, arrival.set_now, out);
        return;
    }
    if (arrival.output_full) {
        ++counters_->slow_closed;
        fail(ReasonCode::kQuotaExceeded, "the client does not read what it is sent", out);
        return;
    }
    if (delivery.n != 0) {
        send_publish(delivery, delivery.n, message, arrival.set_now, out);
        return;
    }
    if (window_open() && (!extras_ || extras_->held == nullptr)) {
        send_publish(delivery, next_local_n_++, message, arrival.set_now, out);
        return;
    }
    std::unique_ptr<HeldBack>& held = extras().held;
    if (held == nullptr) {
        held = std::make_unique<HeldBack>();
    }
    // only deliveries wait [MQTT-3.3.4-10] [MQTT-4.9.0-3]
    held->deliveries.push_back(Held{delivery, message, arrival.set_now, arrival.now, nullptr});
    held->bytes += held->deliveries.back().bytes();
    if (held->bytes > limits_->waiting_bytes_max) {
        ++counters_->slow_closed;
        fail(ReasonCode::kQuotaExceeded, "the client does not acknowledge what it is sent", out);
    }
}

bool Session::send_publish(const Delivery& delivery, std::uint64_t n, const Message& message,
                           SetMs now, Effects& out) {
    const BodyView body = parse_body(message.body.view());
    mqtt::PublishHead head;
    head.topic = message.topic.view();
    head.qos = delivery.qos;
    head.retain = delivery.retain;
    head.duplicate = delivery.dup;                             // [MQTT-3.3.1-1]
    head.packet_id = delivery.qos == 0 ? 0 : packet_id_of(n);  // [MQTT-4.3.1-1]
    if (message.expires_at != 0) {
        head.message_expiry_interval_s = seconds_left(message.expires_at, now);  // [MQTT-3.3.2-6]
    }
    head.subscription_identifiers = delivery.subscription_ids;
    head.body_properties_bytes = body.properties.size();
    head.payload_bytes = body.payload.size();
    if (client_alias_maximum_ != 0 && head.topic.size() >= kAliasedTopicMin) {
        choose_alias(head);
    }
    // A packet the client would not take is not sent and counts as done [MQTT-3.1.2-24, -25].
    std::size_t size = mqtt::publish_size(head, version_);
    if (client_packet_bytes_max_ != 0 && size > client_packet_bytes_max_ && !head.topic.empty() &&
        head.topic_alias) {
        head.topic_alias.reset();  // a new one makes the packet longer
        size = mqtt::publish_size(head, version_);
    }
    if ((client_packet_bytes_max_ != 0 && size > client_packet_bytes_max_) ||
        !mqtt::encode_publish_head(head, version_, out.bytes)) {
        ++counters_->deliveries_dropped_too_large;
        if (delivery.n != 0) {
            acknowledge(n, out);
        }
        return false;
    }
    if (head.topic_alias && !head.topic.empty()) {
        extras().sent_aliases.emplace_back(head.topic);
    }
    ++counters_->deliveries_sent[delivery.qos];
    const std::string_view tail = version_ == Version::k5 ? body.both : body.payload;
    if (tail.size() <= kCopyMax) {
        out.bytes.append(tail);
    } else {
        out.pieces.push_back(Effects::Piece{out.bytes.size(), message.body.slice_of(tail)});
    }
    if (delivery.qos != 0) {
        add_outstanding(n, delivery.qos);
    }
    return true;
}

void Session::choose_alias(mqtt::PublishHead& head) {
    const auto& known = extras().sent_aliases;
    const auto at = std::find(known.begin(), known.end(), head.topic);
    if (at != known.end()) {
        head.topic_alias = static_cast<std::uint16_t>(at - known.begin() + 1);
        head.topic = {};
    } else if (known.size() < client_alias_maximum_) {  // [MQTT-3.1.2-26] [MQTT-3.3.2-11]
        head.topic_alias = static_cast<std::uint16_t>(known.size() + 1);
    }
}

Session::Outstanding& Session::add_outstanding(std::uint64_t n, std::uint8_t qos) {
    const auto begin = outstanding_.begin() + outstanding_head_;
    const auto at = std::lower_bound(begin, outstanding_.end(), n,
                                     [](const Outstanding& a, std::uint64_t b) { return a.n < b; });
    return *outstanding_.insert(at, Outstanding{n, qos, false, false});
}

Session::Outstanding* Session::find_outstanding(std::uint16_t packet_id) {
    const auto begin = outstanding_.begin() + outstanding_head_;
    if (begin == outstanding_.end() || packet_id == 0) {
        return nullptr;
    }
    // Numbers outstanding span less than 65,535, so the id tells which one it is.
    const std::uint64_t delta = (packet_id + kPacketIds - packet_id_of(begin->n)) % kPacketIds;
    const std::uint64_t n = begin->n + delta;
    const auto at = std::lower_bound(begin, outstanding_.end(), n,
                                     [](const Outstanding& a, std::uint64_t b) { return a.n < b; });
    return at != outstanding_.end() && at->n == n ? &*at : nullptr;
}

void Session::acknowledge(std::uint64_t n, Effects& out) {
    const bool urgent = ++unflushed_acks_ >= (window() + 1) / 2;
    if (urgent) {
        unflushed_acks_ = 0;
    }
    out.acknowledged.push_back(Effects::Acknowledged{AckRange{epoch_, n, n}, urgent});
}

void Session::complete(Outstanding& item, Effects& out) {
    if (numbered_by_core()) {
        acknowledge(item.n, out);
    }
    const std::ptrdiff_t at = &item - outstanding_.data();
    const auto head = static_cast<std::ptrdiff_t>(outstanding_head_);
    if (at != head) {
        outstanding_.erase(outstanding_.begin() + at);
    } else if (++outstanding_head_ == outstanding_.size()) {
        outstanding_.clear();
        outstanding_head_ = 0;
    } else if (outstanding_head_ >= kDoneMax && outstanding_head_ * 2 > outstanding_.size()) {
        outstanding_.erase(outstanding_.begin(), outstanding_.begin() + head + 1);
        outstanding_head_ = 0;
    }
    send_held(out);
    out.queue_room = out.queue_room || (extras_ && !extras_->queues.empty());
}

void Session::send_held(Effects& out) {
    // By extras_ each time: a delivery may end the session, and extras_ with it.
    while (extras_ && extras_->held && window_open()) {
        HeldBack& held = *extras_->held;
        Held next = std::move(held.deliveries.front());
        held.deliveries.pop_front();
        held.bytes -= next.bytes();
        if (held.deliveries.empty()) {
            extras_->held.reset();
            drop_idle_extras();
        }
        if (next.source) {
            if (!consumes(next.source->queue)) {
                continue;  // its lease runs out, and it is back in its queue
            }
            send_queue_message(next.delivery, std::move(next.source), next.message, out);
            continue;
        }
        // The permission may have gone while it waited. It has no number: the core is owed nothing.
        if (access() != nullptr &&
            !access()->may_receive(next.message.topic.view(), next.delivery.qos)) {
            ++counters_->deliveries_denied;
            continue;
        }
        // This is called while a packet is handled, so last_packet_at_ is now.
        const MonoMs waited = last_packet_at_ - std::min(next.since, last_packet_at_);
        const SetMs set_now = next.set_now + waited;
        if (next.message.expires_at != 0 && next.message.expires_at <= set_now) {
            ++counters_->deliveries_expired;  // [MQTT-3.3.2-5]
            continue;
        }
        send_publish(next.delivery, next_local_n_++, next.message, set_now, out);
    }
}

std::size_t Session::Held::bytes() const {
    return sizeof(Held) + message.body.size() + message.topic.size() +
           delivery.subscription_ids.size() * sizeof(std::uint32_t);
}

bool Session::window_open() const {
    if (outstanding() == 0) {
        return true;
    }
    // Not only as many as the client takes: the oldest one must keep its packet id to itself.
    return outstanding() < window() &&  // [MQTT-3.3.4-9] [MQTT-4.9.0-2]
           next_local_n_ - outstanding_[outstanding_head_].n < kPacketIds;
}

void Session::handle(const mqtt::Puback& packet, Effects& out) {
    Outstanding* item = find_outstanding(packet.packet_id);
    if (item == nullptr) {
        return;  // a late answer to an earlier connection's packet
    }
    if (item->qos != 1) {
        fail(ReasonCode::kProtocolError, "PUBACK for a QoS 2 message", out);  // §4.3.3
        return;
    }
    if (extras_ && !extras_->queue_deliveries.empty()) {
        queue_delivery_ended(item->n, !mqtt::is_error(packet.reason_code), out);
    }
    complete(*item, out);
}

void Session::handle(const mqtt::Pubrec& packet, Effects& out) {
    Outstanding* item = find_outstanding(packet.packet_id);
    if (item == nullptr) {
        if (!mqtt::is_error(packet.reason_code)) {  // else there is nothing to release
            send_pubrel(packet.packet_id, ReasonCode::kPacketIdentifierNotFound, out);
        }
        return;
    }
    if (item->qos != 2) {
        fail(ReasonCode::kProtocolError, "PUBREC for a QoS 1 message", out);
        return;
    }
    if (mqtt::is_error(packet.reason_code)) {  // [MQTT-4.4.0-2] [MQTT-4.8.2-6]
        complete(*item, out);                  // the client has discarded it («MQTT 5.0 §4.3.3»)
        return;
    }
    if (item->received) {
        if (item->released) {
            send_pubrel(packet.packet_id, ReasonCode::kSuccess, out);
        }
        return;
    }
    item->received = true;
    if (!numbered_by_core()) {
        item->released = true;
        send_pubrel(packet.packet_id, ReasonCode::kSuccess, out);
        return;
    }
    if (CAUSEWAY_BUG(kPubrelBeforePubrecApplied)) {
        item->released = true;
        send_pubrel(packet.packet_id, ReasonCode::kSuccess, out);
    }
    causeway::Received received;
    received.epoch = epoch_;
    received.n = item->n;  // [MQTT-4.3.3-3]
    submit(make_token(Ticket::kReceived, item->n), received, {}, out);
}

// PUBREL only now: a gateway that takes over must not send the message again after it.
void Session::noted(std::uint64_t n, ResultCode code, Effects& out) {
    Outstanding* item = find_outstanding(packet_id_of(n));
    if (item == nullptr || item->n != n) {
        return;  // the client has refused it meanwhile
    }
    if (code != ResultCode::kOk && code != ResultCode::kNotFound) {
        fail(ReasonCode::kQuotaExceeded, "a PUBREC could not be noted", out);
        return;
    }
    if (CAUSEWAY_BUG(kPubrelBeforePubrecApplied)) {
        return;
    }
    item->released = true;  // [MQTT-4.3.3-4] [MQTT-4.3.3-6]
    send_pubrel(
        packet_id_of(n),
        code == ResultCode::kOk ? ReasonCode::kSuccess : ReasonCode::kPacketIdentifierNotFound,
        out);
}

void Session::handle(const mqtt::Pubcomp& packet, Effects& out) {
    Outstanding* item = find_outstanding(packet.packet_id);
    if (item == nullptr) {
        return;
    }
    if (item->qos != 2 || !item->released) {
        fail(ReasonCode::kProtocolError, "PUBCOMP without PUBREL", out);
        return;
    }
    complete(*item, out);
}

void Session::send_pubrel(std::uint16_t packet_id, mqtt::ReasonCode code, Effects& out) {
    send(mqtt::Pubrel{packet_id, code, {}}, out);
}

void Session::on_release(const Delivery& delivery, Effects& out) {  // [MQTT-4.3.3-5]
    if (phase_ != Phase::kOnline || delivery.epoch != epoch_) {
        return;
    }
    Outstanding& item = add_outstanding(delivery.n, 2);
    item.received = true;
    item.released = true;
    send_pubrel(packet_id_of(delivery.n), ReasonCode::kSuccess, out);
}

}  // namespace causeway::session
