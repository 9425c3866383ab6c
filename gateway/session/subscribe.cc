// SUBSCRIBE and UNSUBSCRIBE (MQTT 5.0 §3.8 to §3.11). The core decides each filter; what this
// server does not offer is answered here.
#include <algorithm>
#include <optional>

#include "core/base/check.h"
#include "core/message/queue_name.h"
#include "core/message/topic.h"
#include "gateway/session/effects.h"

namespace causeway::session {

using mqtt::ReasonCode;
using mqtt::Version;

void Session::handle(const mqtt::Subscribe& packet, Effects& out) {
    causeway::Subscribe command;
    command.epoch = epoch_;
    PendingFilters pending;
    pending.packet_id = packet.packet_id;
    for (const mqtt::Subscription& subscription : packet.subscriptions) {
        if (subscription.filter.size() > limits_->topic_bytes_max ||
            topic_level_count(subscription.filter) > limits_->topic_levels_max) {
            ++counters_->limit_topic;
            pending.codes.push_back(ReasonCode::kTopicFilterInvalid);
            continue;
        }
        if (access() != nullptr &&
            !access()->may_subscribe(subscription.filter, subscription.qos)) {
            ++counters_->filters_denied;
            pending.codes.push_back(ReasonCode::kNotAuthorized);
            continue;
        }
        if (is_queue_filter(subscription.filter)) {
            pending.codes.push_back(subscribe_queue(
                subscription, packet.properties.subscription_identifier.value_or(0), out));
            continue;
        }
        pending.codes.push_back(std::nullopt);
        SubscriptionRequest request;
        request.filter = subscription.filter;
        request.identifier = packet.properties.subscription_identifier.value_or(0);
        request.qos = subscription.qos;
        request.no_local = subscription.no_local;
        request.retain_as_published = subscription.retain_as_published;
        request.retain_handling = static_cast<std::uint8_t>(subscription.retain_handling);
        command.filters.push_back(request);  // [MQTT-3.8.4-5]
    }
    if (command.filters.empty()) {  // nothing to ask the core
        mqtt::Suback answer;
        answer.packet_id = packet.packet_id;
        for (const auto& code : pending.codes) {
            answer.reason_codes.push_back(*code);
        }
        send(answer, out);
        return;
    }
    extras().subscribes.push_back(std::move(pending));
    submit(make_token(Ticket::kSubscribe, packet.packet_id), command, {}, out);
}

// Not in the order of asking: a filter that other sets must know first takes longer.
void Session::subscribed(std::uint16_t packet_id, ResultCode code, std::string_view detail,
                         Effects& out) {
    auto& subscribes = extras().subscribes;
    const auto asked = std::find_if(
        subscribes.begin(), subscribes.end(),
        [packet_id](const PendingFilters& one) { return one.packet_id == packet_id; });
    CW_CHECK(asked != subscribes.end(), "a result belongs to a SUBSCRIBE");
    const PendingFilters pending = std::move(*asked);
    subscribes.erase(asked);
    drop_idle_extras();
    const ReasonCode refused = code == ResultCode::kQuotaExceeded ? ReasonCode::kQuotaExceeded
                                                                  : ReasonCode::kUnspecifiedError;
    mqtt::Suback packet;
    packet.packet_id = pending.packet_id;  // [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6]
    std::size_t next = 0;
    for (std::optional<ReasonCode> reason : pending.codes) {
        if (!reason) {
            const bool decided = code == ResultCode::kOk && next < detail.size();
            // [MQTT-3.8.4-7] [MQTT-3.9.3-1]
            reason = decided ? static_cast<ReasonCode>(detail[next++]) : refused;
        }
        packet.reason_codes.push_back(*reason);  // [MQTT-3.8.4-6]
    }
    send(packet, out);
}

void Session::handle(const mqtt::Unsubscribe& packet, Effects& out) {
    causeway::Unsubscribe command;
    command.epoch = epoch_;
    PendingFilters pending;
    pending.packet_id = packet.packet_id;
    for (const std::string_view filter : packet.filters) {  // [MQTT-3.10.4-6]
        if (is_queue_filter(filter)) {
            pending.codes.push_back(unsubscribe_queue(filter, out));
            continue;
        }
        pending.codes.push_back(std::nullopt);
        command.filters.push_back(filter);
    }
    if (command.filters.empty()) {  // nothing to ask the core
        mqtt::Unsuback answer;
        answer.packet_id = packet.packet_id;
        for (const auto& code : pending.codes) {
            answer.reason_codes.push_back(*code);
        }
        send(answer, out);
        return;
    }
    extras().unsubscribes.push_back(std::move(pending));
    submit(make_token(Ticket::kUnsubscribe, packet.packet_id), command, {}, out);
}

void Session::unsubscribed(ResultCode code, std::string_view detail, Effects& out) {
    auto& unsubscribes = extras().unsubscribes;
    CW_CHECK(!unsubscribes.empty(), "a result belongs to an UNSUBSCRIBE");
    const PendingFilters pending = std::move(unsubscribes.front());
    unsubscribes.erase(unsubscribes.begin());
    drop_idle_extras();
    mqtt::Unsuback packet;
    packet.packet_id = pending.packet_id;  // [MQTT-3.10.4-4] [MQTT-3.10.4-5]
    std::size_t next = 0;
    for (std::optional<ReasonCode> reason : pending.codes) {
        if (!reason) {
            const bool decided = code == ResultCode::kOk && next < detail.size();
            // [MQTT-3.11.3-1]
            reason = decided ? static_cast<ReasonCode>(detail[next++])
                             : ReasonCode::kUnspecifiedError;
        }
        packet.reason_codes.push_back(*reason);
    }
    send(packet, out);
}

}  // namespace causeway::session
