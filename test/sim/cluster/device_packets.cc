// What comes to a simulated device: the client's half of MQTT's answers.
#include <algorithm>
#include <utility>

#include "gateway/mqtt/decode.h"
#include "test/sim/cluster/device.h"

namespace causeway::sim {

// --- what comes --------------------------------------------------------------------------------

void SimDevice::on_bytes(std::uint64_t connection, std::string_view bytes) {
    if (!socket_ || connection != connection_) {
        return;
    }
    heard_at_ = world_.now();
    bytes_.append(bytes);
    std::size_t taken = 0;
    const std::string all = std::exchange(bytes_, {});
    while (socket_ && connection == connection_ && taken < all.size()) {
        const auto result =
            mqtt::decode(std::string_view(all).substr(taken),
                         {.version = options_.version, .sender = mqtt::Sender::kServer});
        if (std::holds_alternative<mqtt::NeedMore>(result)) {
            bytes_ = all.substr(taken);
            return;
        }
        const auto* decoded = std::get_if<mqtt::Decoded>(&result);
        if (decoded == nullptr) {
            world_.fail("device " + options_.name + " was sent what is no packet");
            return;
        }
        taken += decoded->consumed;
        std::visit([this](const auto& packet) { take(packet); }, decoded->packet);
    }
}

void SimDevice::take(const mqtt::Connack& packet) {
    if (mqtt::is_error(packet.reason_code)) {
        // Refused: nothing of this CONNECT was done.
        open_unknown_ = open_unknown_ && ending_abandoned_;
        drop(false);
        return;
    }
    if (ending_abandoned_) {
        abandoned_.pop_back();
        send(mqtt::Disconnect{});
        drop(true);
        return;
    }
    online_ = true;
    waiting_since_ = 0;
    if (!wills_.empty()) {
        wills_.back().accepted = true;
    }
    if (packet.session_present && options_.expiry_s != ~0U && certain_) {
        ++totals_.expiring_kept;
    }
    if (packet.session_present && clean_) {
        world_.fail("session present after a clean start of " + options_.name);
    } else if (packet.session_present && certain_ && !expected_) {
        world_.fail("session present for " + options_.name + ", which had none");
    } else if (!packet.session_present && expected_ && certain_) {
        note(EventKind::kLost, 0, 0, "");
        world_.fail("the session of " + options_.name + " is gone");
    } else if (!packet.session_present && expected_) {
        note(may_have_expired_ ? EventKind::kEnded : EventKind::kLost, 0, 0, "");
    }
    heard_of_core(connected_at_);
    if (!packet.session_present) {
        session_gone();
    }
    wiping_ = false;
    open_unknown_ = false;
    unsure_ = false;
    has_session_ = options_.persistent;
    totals_.resumed += packet.session_present ? 1 : 0;
    for (Outgoing& out : outgoing_) {
        if (out.stage == Stage::kRelease) {
            send(mqtt::Pubrel{out.packet_id, mqtt::ReasonCode::kSuccess, {}});
            waiting_since_ = world_.now();
        } else {
            send_publish(out);
        }
    }
    subscribe_wanted();
}

// The first retained message after SUBSCRIBE says what the register held since.
void SimDevice::read_retained(std::uint64_t id) {
    if (subscribed_at_ == 0) {
        return;
    }
    ++totals_.retained_read;
    Operation read;
    read.key = fleet_.history.names.intern(options_.filters.front().filter);
    read.client = who_;
    read.value = id;
    read.call_us = subscribed_at_;
    read.return_us = world_.now();
    fleet_.history.operations.push_back(read);
    subscribed_at_ = 0;
}

void SimDevice::take(const mqtt::Publish& packet) {
    const std::uint64_t id = id_of(packet.payload);
    if (packet.topic.starts_with("w/")) {
        fleet_.will_delivered(id);
    }
    if (options_.reader && packet.retain) {
        read_retained(id);
    }
    if (packet.qos == 2 && !received_.insert(packet.packet_id).second) {
        send(mqtt::Pubrec{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
        return;
    }
    note(EventKind::kDelivered, id, packet.qos, packet.topic, false, packet.duplicate,
         packet.retain);
    if (packet.qos == 1) {
        send(mqtt::Puback{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
    } else if (packet.qos == 2) {
        send(mqtt::Pubrec{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
    }
}

SimDevice::Outgoing* SimDevice::find(std::uint16_t packet_id, std::uint8_t qos) {
    const auto found = std::find_if(outgoing_.begin(), outgoing_.end(), [&](const Outgoing& out) {
        return out.packet_id == packet_id && out.qos == qos;
    });
    return found == outgoing_.end() ? nullptr : &*found;
}

void SimDevice::forget(std::uint16_t packet_id, std::uint8_t qos) {
    std::erase_if(outgoing_, [&](const Outgoing& out) {
        return out.packet_id == packet_id && out.qos == qos;
    });
    waiting_since_ = outgoing_.empty() ? 0 : world_.now();
}

void SimDevice::take(const mqtt::Puback& packet) {
    const Outgoing* out = find(packet.packet_id, 1);
    if (out == nullptr) {
        world_.fail("PUBACK to " + options_.name + " for nothing it sent");
        return;
    }
    if (mqtt::is_error(packet.reason_code)) {
        ++totals_.refused;
        note(EventKind::kRefused, out->id, 1, out->topic);
    } else {
        note(EventKind::kAcknowledged, out->id, 1, out->topic);
        checker_.acknowledged(out->id);
        heard_of_core(out->sent_at);
        if (out->retain) {
            fleet_.history.operations[out->operation].return_us = world_.now();
        }
    }
    forget(packet.packet_id, 1);
}

void SimDevice::take(const mqtt::Pubrec& packet) {
    Outgoing* out = find(packet.packet_id, 2);
    if (out == nullptr) {
        world_.fail("PUBREC to " + options_.name + " for nothing it sent");
        return;
    }
    if (mqtt::is_error(packet.reason_code)) {
        ++totals_.refused;
        note(EventKind::kRefused, out->id, 2, out->topic);
        forget(packet.packet_id, 2);
        return;
    }
    if (out->stage == Stage::kPublish) {
        note(EventKind::kAcknowledged, out->id, 2, out->topic);
        checker_.acknowledged(out->id);
        out->stage = Stage::kRelease;
        heard_of_core(out->sent_at);
    }
    send(mqtt::Pubrel{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
}

void SimDevice::take(const mqtt::Pubrel& packet) {
    received_.erase(packet.packet_id);
    send(mqtt::Pubcomp{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
}

void SimDevice::take(const mqtt::Pubcomp& packet) {
    const Outgoing* out = find(packet.packet_id, 2);
    if (out == nullptr || out->stage != Stage::kRelease) {
        world_.fail("PUBCOMP to " + options_.name + " for nothing it released");
        return;
    }
    forget(packet.packet_id, 2);
}

void SimDevice::take(const mqtt::Suback& packet) {
    for (Subscription& subscription : subscriptions_) {
        if (subscription.packet_id != packet.packet_id || subscription.wish != Wish::kAsked) {
            continue;
        }
        const mqtt::ReasonCode code = packet.reason_codes.front();
        if (mqtt::is_error(code)) {
            subscription.wish = Wish::kWanted;
            return;
        }
        subscription.wish = Wish::kActive;
        note(EventKind::kSubscribed, 0, static_cast<std::uint8_t>(code), subscription.filter.filter,
             options_.persistent);
        return;
    }
}

void SimDevice::take(const mqtt::Unsuback& packet) {
    for (Subscription& subscription : subscriptions_) {
        if (subscription.packet_id == packet.packet_id && subscription.wish == Wish::kRemoving) {
            subscription.wish = Wish::kWanted;
        }
    }
}

void SimDevice::take(const mqtt::Disconnect&) { drop(false); }

}  // namespace causeway::sim
