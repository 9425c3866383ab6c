// A publisher's packets and window.
#include "gateway/bench/publisher.h"

#include <algorithm>

#include "core/base/check.h"
#include "gateway/bench/stamp.h"
#include "gateway/mqtt/encode.h"

namespace causeway::bench {
namespace {

// Open loop at QoS 0: what may wait for the socket.
constexpr std::size_t kQueuedBytesMax = 1024 * 1024;
// Closed loop at QoS 0: a batch, of which Client::kPingsMax are under way.
constexpr std::size_t kBatchBytes = 32 * 1024;
constexpr std::size_t kBatchMessagesMax = 250;

std::string ack_text(mqtt::PacketType type, mqtt::ReasonCode code) {
    return std::string(mqtt::name(type)) + " " + std::string(mqtt::name(code, type));
}

}  // namespace

Publisher::Publisher(const Plan& plan, Client& client, const SharedBytes& filler, Outcome& outcome)
    : plan_(plan), client_(client), filler_(filler), outcome_(outcome) {
    const PublishOptions& publish = plan.publish;
    const std::string topic = expand(publish.topic, client.place().number);
    const bool made = mqtt::encode_publish_head({.topic = topic,
                                                 .packet_id = 1,
                                                 .qos = publish.qos,
                                                 .payload_bytes = publish.payload_bytes},
                                                plan.client.version, head_);
    CW_CHECK(made);  // make_plan has checked the topic and the payload.
    const std::size_t properties = plan.client.version == mqtt::Version::k5 ? 1 : 0;
    packet_id_at_ = head_.size() - properties - 2;
    if (plan.stamped()) {
        stamp_at_ = head_.size();
        head_.resize(head_.size() + kStampBytes);
    }
    batched_ = publish.qos == 0 && publish.rate == 0;
    batch_messages_ =
        std::clamp<std::size_t>(kBatchBytes / (head_.size() + filler.size()), 1, kBatchMessagesMax);
    if (!plan.deliveries.empty()) {
        deliveries_ = plan.deliveries[client.place().index];
    }
}

bool Publisher::accept(const mqtt::Connack& connack, std::string_view& why) {
    const PublishOptions& publish = plan_.publish;
    if (connack.properties.maximum_qos < publish.qos) {
        why = "the broker does not take messages of this QoS";
        return false;
    }
    if (connack.properties.maximum_packet_size.value_or(mqtt::kPacketBytesMax) <
        head_.size() + filler_.size()) {
        why = "the broker does not take messages of this size";
        return false;
    }
    if (publish.qos > 0) {
        const std::uint16_t window = std::min(publish.inflight, connack.properties.receive_maximum);
        slots_.resize(window);
        for (std::uint32_t id = window; id > 0; --id) {
            free_.push_back(static_cast<std::uint16_t>(id));
        }
    }
    return true;
}

bool Publisher::has_room() const {
    if (client_.state() != Client::State::kOpen) {
        return false;
    }
    if (plan_.publish.qos > 0) {
        return !free_.empty();
    }
    return batched_ ? client_.pings_pending() < Client::kPingsMax
                    : client_.queued_bytes() < kQueuedBytesMax;
}

void Publisher::send(std::uint64_t due_ns, std::uint64_t now_ns, const Window& window) {
    Counters& counters = outcome_.counters;
    if (plan_.publish.qos > 0) {
        const std::uint16_t id = free_.back();
        free_.pop_back();
        slots_[id - 1U] = Slot{due_ns, Phase::kAck};
        head_[packet_id_at_] = static_cast<char>(id >> 8);
        head_[packet_id_at_ + 1] = static_cast<char>(id);
        ++counters.in_flight;
    } else {
        counters.expected += deliveries_;
        counters.in_flight += batched_ ? 1 : 0;
        counters.acked += batched_ ? 0 : 1;
        counters.acked_window += !batched_ && window.has(now_ns) ? 1 : 0;
    }
    if (stamp_at_ != 0) {
        write_stamp({plan_.run_id, client_.place().index, sequence_, due_ns},
                    head_.data() + stamp_at_);
    }
    ++sequence_;
    ++counters.sent;
    counters.sent_window += window.has(now_ns) ? 1 : 0;
    client_.write(head_);
    client_.write(filler_);
    if (batched_ && sequence_ - asked_ >= batch_messages_) {
        asked_ = sequence_;
        client_.ping(asked_);
    }
}

void Publisher::on_pingresp(std::uint64_t mark, std::uint64_t now_ns, const Window& window) {
    if (batched_ && mark > confirmed_) {
        Counters& counters = outcome_.counters;
        const std::uint64_t count = mark - confirmed_;
        confirmed_ = mark;
        counters.acked += count;
        counters.acked_window += window.has(now_ns) ? count : 0;
        counters.in_flight -= count;
    }
    if (ended_) {
        end();
    }
}

void Publisher::end() {
    ended_ = true;
    if (batched_ && asked_ < sequence_ && client_.pings_pending() < Client::kPingsMax) {
        asked_ = sequence_;
        client_.ping(asked_);
    }
}

Publisher::Slot* Publisher::slot_of(std::uint16_t packet_id, Phase phase) {
    if (packet_id == 0 || packet_id > slots_.size() || slots_[packet_id - 1U].phase != phase) {
        return nullptr;
    }
    return &slots_[packet_id - 1U];
}

bool Publisher::on_ack(const mqtt::Packet& packet, std::uint64_t now_ns, const Window& window) {
    if (const auto* puback = std::get_if<mqtt::Puback>(&packet)) {
        Slot* slot = plan_.publish.qos == 1 ? slot_of(puback->packet_id, Phase::kAck) : nullptr;
        if (slot != nullptr) {
            finish(puback->packet_id, *slot, puback->reason_code, now_ns, window);
        }
        return slot != nullptr;
    }
    if (const auto* pubrec = std::get_if<mqtt::Pubrec>(&packet)) {
        Slot* slot = plan_.publish.qos == 2 ? slot_of(pubrec->packet_id, Phase::kAck) : nullptr;
        if (slot == nullptr) {
            return false;
        }
        if (mqtt::is_error(pubrec->reason_code)) {
            finish(pubrec->packet_id, *slot, pubrec->reason_code, now_ns, window);
            return true;
        }
        slot->phase = Phase::kComplete;
        const char pubrel[] = {0x62, 0x02, static_cast<char>(pubrec->packet_id >> 8),
                               static_cast<char>(pubrec->packet_id)};
        client_.write(std::string_view(pubrel, sizeof(pubrel)));
        return true;
    }
    const auto* pubcomp = std::get_if<mqtt::Pubcomp>(&packet);
    Slot* slot = pubcomp != nullptr ? slot_of(pubcomp->packet_id, Phase::kComplete) : nullptr;
    if (slot != nullptr) {
        finish(pubcomp->packet_id, *slot, pubcomp->reason_code, now_ns, window);
    }
    return slot != nullptr;
}

void Publisher::finish(std::uint16_t packet_id, Slot& slot, mqtt::ReasonCode code,
                       std::uint64_t now_ns, const Window& window) {
    Counters& counters = outcome_.counters;
    slot.phase = Phase::kFree;
    free_.push_back(packet_id);
    --counters.in_flight;
    if (mqtt::is_error(code)) {
        ++counters.ack_errors;
        outcome_.reasons.add(ack_text(
            plan_.publish.qos == 1 ? mqtt::PacketType::kPuback : mqtt::PacketType::kPubcomp, code));
        return;
    }
    ++counters.acked;
    counters.acked_window += window.has(now_ns) ? 1 : 0;
    counters.expected += deliveries_;
    if (window.has(slot.due_ns)) {
        outcome_.ack_ns.record(now_ns - slot.due_ns);
    }
}

void Publisher::give_up(std::uint64_t now_ns, const Window& window) {
    if (batched_) {
        outcome_.counters.in_flight -= sequence_ - confirmed_;
        outcome_.counters.unanswered += sequence_ - confirmed_;
        confirmed_ = sequence_;
    }
    for (Slot& slot : slots_) {
        if (slot.phase == Phase::kFree) {
            continue;
        }
        --outcome_.counters.in_flight;
        ++outcome_.counters.unanswered;
        if (window.has(slot.due_ns)) {
            outcome_.ack_ns.record(now_ns - slot.due_ns);
        }
        slot.phase = Phase::kFree;
    }
    free_.clear();
}

}  // namespace causeway::bench
