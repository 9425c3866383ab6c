// `$queue/NAME`: a client consumes an operator queue. The driver leases messages for it
// (gateway/net/queue_consumers.h); here they become QoS 1 publishes whose PUBACK removes the
// message from its queue. What is not acknowledged comes back to the queue when its visibility
// timeout is over.
//
// Only for a session that ends with its connection: one with an inbox has the core's numbers for
// packet ids, and a message of a queue has none.
#include <algorithm>

#include "core/message/body.h"
#include "core/message/queue_name.h"
#include "gateway/session/effects.h"

namespace causeway::session {

using mqtt::ReasonCode;

namespace {

constexpr std::size_t kQueuesMax = 64;       // of one client
constexpr std::uint32_t kQueueRoomMax = 64;  // leased for a client in advance

}  // namespace

std::span<const QueueSubscription> Session::queues() const {
    return extras_ ? std::span<const QueueSubscription>(extras_->queues)
                   : std::span<const QueueSubscription>();
}

bool Session::consumes(std::string_view queue) const {
    const auto all = queues();
    return std::any_of(all.begin(), all.end(),
                       [queue](const QueueSubscription& one) { return one.queue == queue; });
}

ReasonCode Session::subscribe_queue(const mqtt::Subscription& subscription,
                                    std::uint32_t identifier, Effects& out) {
    const std::string_view name = queue_of_filter(subscription.filter);
    if (!is_queue_name(name)) {
        return ReasonCode::kTopicFilterInvalid;
    }
    if (asked_expiry_s_ != 0) {
        return ReasonCode::kImplementationSpecificError;
    }
    auto& queues = extras().queues;
    const auto known =
        std::find_if(queues.begin(), queues.end(),
                     [name](const QueueSubscription& one) { return one.queue == name; });
    if (known == queues.end() && queues.size() >= kQueuesMax) {
        return ReasonCode::kQuotaExceeded;
    }
    QueueSubscription& queue =
        known == queues.end() ? queues.emplace_back() : *known;  // [MQTT-3.8.4-3]
    queue.queue = name;
    queue.identifier = identifier;
    queue.qos = std::min<std::uint8_t>(subscription.qos, 1);
    out.queues_changed = true;
    return queue.qos == 0 ? ReasonCode::kSuccess : ReasonCode::kGrantedQos1;
}

ReasonCode Session::unsubscribe_queue(std::string_view filter, Effects& out) {
    const std::string_view name = queue_of_filter(filter);
    const bool known = extras_ && std::erase_if(extras_->queues, [name](const auto& one) {
                                      return one.queue == name;
                                  }) != 0;
    out.queues_changed = out.queues_changed || known;
    drop_idle_extras();
    return known ? ReasonCode::kSuccess : ReasonCode::kNoSubscriptionExisted;
}

void Session::on_policy(std::shared_ptr<const auth::Policy> policy, Effects& out) {
    if (!admission_ || !admission_->access) {
        return;
    }
    if (!admission_->access->replace(std::move(policy))) {
        on_shutdown(ReasonCode::kNotAuthorized, out);
        return;
    }
    if (!extras_) {
        return;
    }
    const std::size_t let_go = std::erase_if(extras_->queues, [this](const QueueSubscription& one) {
        return !access()->may_subscribe(std::string(kQueuePrefix).append(one.queue), one.qos);
    });
    out.queues_changed = out.queues_changed || let_go != 0;
    drop_idle_extras();
}

std::uint32_t Session::queue_room() const {
    if (phase_ != Phase::kOnline || !extras_ || extras_->queues.empty() || !window_open()) {
        return 0;
    }
    const std::size_t busy = outstanding() + (extras_->held ? extras_->held->deliveries.size() : 0);
    return busy >= window() ? 0
                            : std::min<std::uint32_t>(static_cast<std::uint32_t>(window() - busy),
                                                      kQueueRoomMax);
}

void Session::on_queue_message(std::string_view name, GroupId set, const QueueMessage& message,
                               MonoMs now, Effects& out) {
    if (phase_ != Phase::kOnline || !extras_) {
        return;
    }
    const auto& queues = extras_->queues;
    const auto queue = std::find_if(queues.begin(), queues.end(),
                                    [name](const auto& one) { return one.queue == name; });
    if (queue == queues.end()) {
        return;  // it does not consume it any more: the lease runs out
    }
    Delivery delivery;
    delivery.qos = queue->qos;
    if (queue->identifier != 0) {
        delivery.subscription_ids.push_back(queue->identifier);
    }
    const BodyView body = parse_body(message.body);
    mqtt::ForwardProperties properties;
    const std::string received = std::to_string(message.receive_count);
    const std::string sent = std::to_string(message.sent_at);
    for (const auto& [key, value] :
         {std::pair<std::string_view, std::string_view>{"topic", message.topic},
          {"clientid", message.client_id},
          {"key", message.key},
          {"reason", message.reason},
          {"receive_count", received},
          {"sent_at_ms", sent}}) {
        if (!value.empty()) {
            properties.user_properties.push_back({key, value});
        }
    }
    std::string all(body.properties);
    if (!mqtt::append_forward_properties(properties, all)) {
        all = body.properties;  // a dead letter's reason may be longer than a string of MQTT
    }
    Message out_message;
    out_message.topic = SharedBytes::copy(std::string(kQueuePrefix).append(name));
    out_message.body = SharedBytes::take(make_body(all, body.payload));
    auto source = std::make_unique<QueueDelivery>(
        QueueDelivery{0, set, std::string(name), {message.n, message.lease}});
    if (window_open() && extras_->held == nullptr) {
        send_queue_message(delivery, std::move(source), out_message, out);
        return;
    }
    // Other deliveries came first; no more was leased than there was room for.
    if (extras_->held == nullptr) {
        extras_->held = std::make_unique<HeldBack>();
    }
    HeldBack& held = *extras_->held;
    Held one{delivery, out_message, 0, now, std::move(source)};
    if (held.bytes + one.bytes() <= limits_->waiting_bytes_max) {  // else its lease runs out
        held.bytes += one.bytes();
        held.deliveries.push_back(std::move(one));
    }
}

void Session::send_queue_message(const Delivery& delivery, std::unique_ptr<QueueDelivery> source,
                                 const Message& message, Effects& out) {
    source->local_n = delivery.qos == 0 ? 0 : next_local_n_++;
    if (!send_publish(delivery, source->local_n, message, 0, out)) {
        return;  // too large for the client: it comes back to its queue
    }
    if (delivery.qos == 0) {
        out.queue_done.push_back(std::move(*source));  // at most once
    } else {
        extras().queue_deliveries.push_back(std::move(*source));
    }
}

void Session::queue_delivery_ended(std::uint64_t n, bool done, Effects& out) {
    if (!extras_) {
        return;
    }
    auto& all = extras_->queue_deliveries;
    const auto found = std::find_if(all.begin(), all.end(), [n](const QueueDelivery& delivery) {
        return delivery.local_n == n;
    });
    if (found == all.end()) {
        return;
    }
    if (done) {
        out.queue_done.push_back(std::move(*found));
    }
    all.erase(found);
    drop_idle_extras();
}

}  // namespace causeway::session
