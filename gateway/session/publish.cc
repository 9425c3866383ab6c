// What the client publishes: PUBLISH at QoS 0, 1 and 2, and PUBREL (MQTT 5.0 §4.3).
#include <algorithm>

#include "core/base/seeded_bug.h"
#include "core/message/body.h"
#include "core/message/topic.h"
#include "gateway/session/effects.h"

namespace causeway::session {

using mqtt::ReasonCode;
using mqtt::Version;

namespace {

constexpr std::uint64_t kQos2Bit = 1U << 16;  // in the token of a publish, beside the packet id

}  // namespace

Session::Receiving* Session::find_receiving(std::uint16_t packet_id) {
    if (!extras_) {
        return nullptr;
    }
    auto& all = extras_->receiving;
    const auto at =
        std::lower_bound(all.begin(), all.end(), packet_id,
                         [](const Receiving& a, std::uint16_t b) { return a.packet_id < b; });
    return at != all.end() && at->packet_id == packet_id ? &*at : nullptr;
}

void Session::erase_receiving(std::uint16_t packet_id) {
    std::erase_if(extras_->receiving,
                  [&](const Receiving& other) { return other.packet_id == packet_id; });
    --receiving_;
    drop_idle_extras();
}

// The topic of the packet, by its alias if need be. False: the connection has been failed.
bool Session::resolve_alias(const mqtt::Publish& packet, std::string_view& topic, Effects& out) {
    topic = packet.topic;
    if (!packet.properties.topic_alias) {
        return true;
    }
    const std::uint16_t alias = *packet.properties.topic_alias;
    // [MQTT-3.2.2-17] [MQTT-3.2.2-18]
    if (alias > limits_->topic_alias_maximum) {  // [MQTT-3.3.2-9]
        fail(ReasonCode::kTopicAliasInvalid, "MQTT-3.3.2-9", out);
        return false;
    }
    auto& aliases = extras().aliases;  // [MQTT-3.3.2-7] [MQTT-3.3.2-12]
    if (aliases.size() < alias) {
        aliases.resize(alias);
    }
    std::string& known = aliases[alias - 1U];
    if (!topic.empty()) {
        known = std::string(topic);
    } else if (known.empty()) {
        fail(ReasonCode::kProtocolError, "a topic alias that was never set", out);  // §3.3.2.3.4
        return false;
    }
    topic = known;
    return true;
}

void Session::handle(const mqtt::Publish& packet, Effects& out) {
    ++counters_->publishes_received[packet.qos];
    pay(packet, out);
    std::string_view topic;
    if (!resolve_alias(packet, topic, out)) {
        ++counters_->publishes_refused;
        return;
    }
    const bool v5 = version_ == Version::k5;
    if (packet.qos == 2) {
        if (const Receiving* known = find_receiving(packet.packet_id)) {
            ++counters_->publishes_repeated;
            if (known->stage == Stage::kReceived) {  // [MQTT-4.3.3-10]
                send(mqtt::Pubrec{packet.packet_id, ReasonCode::kSuccess, {}}, out);
            }
            return;
        }
    }
    if (packet.qos != 0 && v5 && receiving_ >= limits_->receive_maximum) {
        ++counters_->publishes_refused;
        ++counters_->limit_receive_maximum;
        fail(ReasonCode::kReceiveMaximumExceeded, "MQTT-3.3.4-7", out);
        return;
    }
    // "$..." is the server's own; only what clients may publish goes into the core.
    if (topic.starts_with('$')) {
        refuse_topic(packet, ReasonCode::kNotAuthorized, out);
        return;
    }
    if (topic.size() > limits_->topic_bytes_max ||
        topic_level_count(topic) > limits_->topic_levels_max) {
        ++counters_->limit_topic;
        refuse_topic(packet, ReasonCode::kTopicNameInvalid, out);
        return;
    }
    if (access() != nullptr && !access()->may_publish(topic, packet.qos, packet.retain)) {
        deny_publish(packet, out);
        return;
    }
    pass_on(packet, topic, out);
}

void Session::deny_publish(const mqtt::Publish& packet, Effects& out) {
    ++counters_->publishes_denied;
    if (version_ == Version::k5 || packet.qos == 0 || limits_->close_denied) {
        refuse_topic(packet, ReasonCode::kNotAuthorized, out);
        return;
    }
    ++counters_->publishes_refused;
    if (packet.qos == 1) {
        send(mqtt::Puback{packet.packet_id, ReasonCode::kSuccess, {}}, out);
    } else {  // PUBREL follows; the core knows no such packet id and says so
        send(mqtt::Pubrec{packet.packet_id, ReasonCode::kSuccess, {}}, out);
    }
}

void Session::set_rates(std::uint32_t publishes, std::uint32_t bytes) {
    if (admission_) {
        admission_->publish_rate_max = publishes;
        admission_->publish_bytes_rate_max = bytes;
    }
}

// Each publish moves the time by which all of them are paid for at the allowed rate; a client more
// than a second ahead of its payments is not read until it is back.
void Session::pay(const mqtt::Publish& packet, Effects& out) {
    constexpr std::uint64_t kSecondUs = 1'000'000;
    const auto lower = [](std::uint32_t a, std::uint32_t b) {
        return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
    };
    const std::uint32_t rate =
        lower(limits_->publish_rate_max, admission_ ? admission_->publish_rate_max : 0);
    const std::uint32_t bytes_rate =
        lower(limits_->publish_bytes_rate_max, admission_ ? admission_->publish_bytes_rate_max : 0);
    if (rate == 0 && bytes_rate == 0) {
        return;
    }
    const std::uint64_t now_us = last_packet_at_ * 1000;
    std::uint64_t ahead_us = 0;
    const auto add = [&](std::uint64_t& paid_us, std::uint64_t units, std::uint32_t per_s) {
        if (per_s != 0) {
            paid_us = std::max(paid_us, now_us) + units * kSecondUs / per_s;
            ahead_us = std::max(ahead_us, paid_us - now_us);
        }
    };
    add(extras().paid_messages_us, 1, rate);
    add(extras().paid_bytes_us, packet.topic.size() + packet.payload.size(), bytes_rate);
    if (ahead_us > kSecondUs) {
        ++counters_->limit_publish_rate;
        held_until_ = last_packet_at_ + (ahead_us - kSecondUs + 999) / 1000;
        out.deadline_changed = true;
    }
}

void Session::refuse_topic(const mqtt::Publish& packet, ReasonCode code, Effects& out) {
    ++counters_->publishes_refused;
    if (packet.qos == 0) {
        return;
    }
    if (version_ != Version::k5) {
        // 3.1.1 [MQTT-3.3.5-2]
        fail(code, "a topic clients may not publish to", out);  // 3.1.1 has no negative answer
    } else if (packet.qos == 1) {
        send(mqtt::Puback{packet.packet_id, code, {}}, out);
    } else {
        send(mqtt::Pubrec{packet.packet_id, code, {}}, out);
    }
}

// To the core: as a command, or at QoS 0 without one.
void Session::pass_on(const mqtt::Publish& packet, std::string_view topic, Effects& out) {
    const std::string_view properties = packet.properties.forward.wire.value_or(std::string_view{});
    out.body.clear();
    if (packet.properties.forward.wire) {
        append_body(properties, packet.payload, out.body);
    } else {
        std::string encoded;
        CW_CHECK(mqtt::append_forward_properties(packet.properties.forward, encoded));
        append_body(encoded, packet.payload, out.body);
    }
    causeway::Publish publish;
    publish.epoch = epoch_;
    publish.client_id = client_id_;
    publish.topic = topic;
    publish.body = out.body;
    publish.expiry_s = expiry_of(packet.properties.message_expiry_interval_s);
    publish.qos = packet.qos;
    publish.retain = packet.retain;
    publish.username = username_;
    publish.peer_host = peer_.host;
    if (packet.qos == 0) {
        ++counters_->unlogged_passed;
        out.has_unlogged = true;
        out.unlogged = publish;
        return;
    }
    if (packet.qos == 2) {
        publish.packet_id = packet.packet_id;
        auto& all = extras().receiving;
        const auto at =
            std::upper_bound(all.begin(), all.end(), packet.packet_id,
                             [](std::uint16_t a, const Receiving& b) { return a < b.packet_id; });
        all.insert(at, Receiving{packet.packet_id, Stage::kUnanswered});
    }
    ++receiving_;
    ++unanswered_;
    if (packet.qos == 2) {
        submit(make_token(Ticket::kPublish, packet.packet_id | kQos2Bit), publish, {}, out);
    } else {
        submit(make_token(Ticket::kPublish, packet.packet_id), publish, topic, out);
    }
}

// PUBACK or PUBREC: apply has decided.
void Session::published(std::uint64_t what, ResultCode code, Effects& out) {
    const auto packet_id = static_cast<std::uint16_t>(what);
    const bool qos2 = (what & kQos2Bit) != 0;
    --unanswered_;
    const bool ok = code == ResultCode::kOk || code == ResultCode::kNoSubscribers;
    ++(ok ? counters_->publishes_ok : counters_->publishes_refused);
    ReasonCode reason = ReasonCode::kSuccess;
    if (code == ResultCode::kNoSubscribers) {
        reason = ReasonCode::kNoMatchingSubscribers;
    } else if (!ok) {
        reason = code == ResultCode::kQuotaExceeded ? ReasonCode::kQuotaExceeded
                                                    : ReasonCode::kUnspecifiedError;
    }
    if (!ok && version_ != Version::k5) {
        // 3.1.1 cannot say no, and silence would stall the client: it sends again after connecting.
        fail(reason, "a publish was refused: quota exceeded", out);
        return;
    }
    if (!qos2) {
        --receiving_;  // [MQTT-4.3.2-5]
        // [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-2.2.1-5]
        send(mqtt::Puback{packet_id, reason, {}}, out);
        return;
    }
    if (Receiving* item = find_receiving(packet_id)) {
        if (ok) {
            item->stage = Stage::kReceived;
        } else {
            erase_receiving(packet_id);  // [MQTT-4.3.3-9]
        }
    }
    send(mqtt::Pubrec{packet_id, reason, {}}, out);  // [MQTT-4.3.3-8]
}

void Session::handle(const mqtt::Pubrel& packet, Effects& out) {
    Receiving* item = find_receiving(packet.packet_id);
    if (item != nullptr && item->stage == Stage::kReceived) {
        item->stage = Stage::kReleasing;
    }
    if (CAUSEWAY_BUG(kPubcompBeforeRelease)) {
        if (item != nullptr) {
            erase_receiving(packet.packet_id);
        }
        send(mqtt::Pubcomp{packet.packet_id, ReasonCode::kSuccess, {}}, out);
    }
    causeway::Release release;
    release.epoch = epoch_;
    release.packet_id = packet.packet_id;
    submit(make_token(Ticket::kRelease, packet.packet_id), release, {}, out);
}

void Session::released(std::uint16_t packet_id, ResultCode code, Effects& out) {
    if (CAUSEWAY_BUG(kPubcompBeforeRelease)) {
        return;
    }
    if (code != ResultCode::kOk && code != ResultCode::kNotFound) {
        // The core still has the packet id: after PUBCOMP it would take the next message for a
        // repetition of this one.
        fail(ReasonCode::kQuotaExceeded, "a PUBREL could not be noted", out);
        return;
    }
    const Receiving* item = find_receiving(packet_id);
    // An unanswered one is a message that came behind this PUBREL.
    if (item != nullptr && item->stage != Stage::kUnanswered) {
        erase_receiving(packet_id);  // [MQTT-4.3.3-12]
    }
    const ReasonCode reason = code == ResultCode::kNotFound ? ReasonCode::kPacketIdentifierNotFound
                                                            : ReasonCode::kSuccess;
    send(mqtt::Pubcomp{packet_id, reason, {}}, out);  // [MQTT-4.3.3-11] [MQTT-4.3.3-13]
}

}  // namespace causeway::session
