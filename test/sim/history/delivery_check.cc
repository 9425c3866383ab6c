// See delivery_check.h.
#include "test/sim/history/delivery_check.h"

#include <algorithm>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

namespace causeway::sim {
namespace {

constexpr std::size_t kShownMax = 100;

struct MessageFacts {
    Name publisher = 0;
    Name topic = 0;
    std::uint8_t qos = 0;
    bool acknowledged = false;
    bool refused = false;
    std::uint64_t times_sent = 0;
    std::uint64_t place = 0;  // Of the event that first sent it.
};

struct Subscription {
    Name filter = 0;
    std::uint8_t qos = 0;
    bool persistent = false;
    std::uint64_t place = 0;  // Of the event that acknowledged it.
};

struct Subscriber {
    std::vector<Subscription> subscriptions;
    std::uint64_t evicted = 0;
};

// Publisher, topic, QoS and subscriber.
using OrderKey = std::pair<std::pair<Name, Name>, std::pair<std::uint8_t, Name>>;
using Taken = std::pair<Name, std::uint64_t>;  // Subscriber, id.

class Check {
public:
    explicit Check(const History& history) : history_(history) {}

    DeliveryReport run() {
        messages_.reserve(history_.events.size() / 2);
        for (; place_ < history_.events.size(); ++place_) {
            on(history_.events[place_]);
        }
        count_messages();
        check_owed();
        return std::move(report_);
    }

private:
    void on(const Event& event) {
        switch (event.kind) {
            case EventKind::kSent:
                return on_sent(event);
            case EventKind::kAcknowledged:
                if (MessageFacts* message = find(event, "acknowledged")) {
                    message->acknowledged = true;
                }
                return;
            case EventKind::kRefused:
                if (MessageFacts* message = find(event, "refused")) {
                    message->refused = true;
                }
                return;
            case EventKind::kDelivered:
                return on_delivered(event);
            case EventKind::kDrained:
                ++report_.totals.drained;
                if (find(event, "stored")) {
                    stored_.insert({event.who, event.id});
                }
                return;
            case EventKind::kSubscribed:
                return on_subscribed(event);
            case EventKind::kUnsubscribed:
                std::erase_if(subscribers_[event.who].subscriptions,
                              [&](const Subscription& s) { return s.filter == event.topic; });
                return;
            case EventKind::kLost:
                violate(Rule::kLost, "the session of " + text(event.who) + " is lost");
                [[fallthrough]];
            case EventKind::kEnded:
                subscribers_[event.who].subscriptions.clear();
                return;
            case EventKind::kEvicted:
                subscribers_[event.who].evicted += event.id;
                return;
        }
    }

    void on_sent(const Event& event) {
        const auto [known, first] = messages_.try_emplace(event.id);
        MessageFacts& message = known->second;
        ++message.times_sent;
        if (first) {
            message = {.publisher = event.who,
                       .topic = event.topic,
                       .qos = event.qos,
                       .times_sent = 1,
                       .place = place_};
        } else if (message.publisher != event.who || message.topic != event.topic) {
            violate(Rule::kInvented, "the run itself sent id " + std::to_string(event.id) +
                                         " as two different messages");
        }
    }

    // A repeated subscription keeps what the older one is owed.
    void on_subscribed(const Event& event) {
        auto& all = subscribers_[event.who].subscriptions;
        for (Subscription& known : all) {
            if (known.filter == event.topic) {
                known.qos = std::min(known.qos, event.qos);
                known.persistent = known.persistent && event.persistent;
                return;
            }
        }
        all.push_back({.filter = event.topic,
                       .qos = event.qos,
                       .persistent = event.persistent,
                       .place = place_});
    }

    void on_delivered(const Event& event) {
        MessageFacts* message = find(event, "delivered");
        if (message == nullptr) {
            return;
        }
        if (message->topic != event.topic) {
            violate(Rule::kInvented, describe(*message, event.id) + " is delivered under " +
                                         text(event.topic) + " to " + text(event.who));
        }
        if (message->refused && !message->acknowledged && message->times_sent == 1) {
            violate(Rule::kInvented, describe(*message, event.id) +
                                         " was refused and is delivered to " + text(event.who));
        }
        if (event.retain) {
            return;
        }
        if (!delivered_.insert({event.who, event.id}).second) {
            ++report_.totals.redelivered;
            if (event.qos == 2) {
                violate(Rule::kTwice,
                        describe(*message, event.id) + " is delivered twice to " + text(event.who));
            }
            return;
        }
        ++report_.totals.delivered;
        check_order(event, *message);
    }

    void check_order(const Event& event, const MessageFacts& message) {
        const OrderKey key{{message.publisher, message.topic}, {message.qos, event.who}};
        const auto [newest, first] = newest_.try_emplace(key, message.place, event.id);
        if (first) {
            return;
        }
        if (message.place < newest->second.first) {
            // A subscription that began between two sendings gets the second of them alone.
            if (message.times_sent > 1 &&
                subscribed_since(event.who, event.topic) > message.place) {
                return;
            }
            violate(Rule::kOrder,
                    describe(message, event.id) + " reaches " + text(event.who) + " after " +
                        std::to_string(newest->second.second) + ", which was sent later",
                    text(message.publisher));
            return;
        }
        newest->second = {message.place, event.id};
    }

    // The oldest subscription for the topic that holds now.
    std::uint64_t subscribed_since(Name who, Name topic) {
        std::uint64_t since = ~std::uint64_t{0};
        for (const Subscription& subscription : subscribers_[who].subscriptions) {
            if (filter_selects(text(subscription.filter), text(topic))) {
                since = std::min(since, subscription.place);
            }
        }
        return since;
    }

    void count_messages() {
        for (const auto& [id, message] : messages_) {
            ++report_.totals.sent;
            if (message.acknowledged) {
                ++report_.totals.acknowledged;
                if (message.qos > 0) {
                    by_topic_[message.topic].push_back({message.place, id});
                }
            } else {
                ++(message.refused ? report_.totals.refused : report_.totals.unknown);
            }
        }
    }

    // In the order of names and of sending, so that a report can be compared with another.
    void check_owed() {
        std::vector<Name> topics;
        for (auto& [topic, ids] : by_topic_) {
            topics.push_back(topic);
            std::sort(ids.begin(), ids.end());
        }
        std::sort(topics.begin(), topics.end());
        std::vector<Name> who;
        for (const auto& [name, subscriber] : subscribers_) {
            who.push_back(name);
        }
        std::sort(who.begin(), who.end());
        for (const Name topic : topics) {
            for (const Name name : who) {
                check_owed(topic, name);
            }
        }
    }

    void check_owed(Name topic, Name who) {
        Subscriber& subscriber = subscribers_[who];
        std::uint64_t since = ~std::uint64_t{0};
        for (const Subscription& subscription : subscriber.subscriptions) {
            if (subscription.persistent && subscription.qos > 0 &&
                filter_selects(text(subscription.filter), text(topic))) {
                since = std::min(since, subscription.place);
            }
        }
        const auto& ids = by_topic_[topic];
        for (auto owed = std::upper_bound(ids.begin(), ids.end(), std::pair(since, ~since));
             owed != ids.end(); ++owed) {
            ++report_.totals.owed;
            const Taken taken{who, owed->second};
            if (delivered_.contains(taken) || stored_.contains(taken)) {
                continue;
            }
            if (subscriber.evicted > 0) {
                --subscriber.evicted;
                ++report_.totals.evicted;
                continue;
            }
            violate(Rule::kAcknowledged,
                    describe(messages_.at(owed->second), owed->second) +
                        " was acknowledged and is neither delivered to nor stored for " +
                        text(who));
        }
    }

    MessageFacts* find(const Event& event, std::string_view what) {
        const auto known = messages_.find(event.id);
        if (known != messages_.end()) {
            return &known->second;
        }
        violate(Rule::kInvented, "id " + std::to_string(event.id) + " is " + std::string(what) +
                                     " (" + text(event.who) + ") and was not sent");
        return nullptr;
    }

    void violate(Rule rule, std::string what, std::string_view publisher = {}) {
        ++report_.counts[static_cast<std::size_t>(rule)];
        if (report_.violations.size() < kShownMax) {
            report_.violations.push_back({rule, std::move(what), std::string(publisher)});
        }
    }
    [[nodiscard]] const std::string& text(Name name) const { return history_.names.text(name); }
    [[nodiscard]] std::string describe(const MessageFacts& message, std::uint64_t id) const {
        return "id " + std::to_string(id) + " (" + text(message.publisher) + " to " +
               text(message.topic) + ", QoS " + std::to_string(message.qos) + ")";
    }

    const History& history_;
    std::uint64_t place_ = 0;
    DeliveryReport report_;
    absl::flat_hash_map<std::uint64_t, MessageFacts> messages_;
    absl::flat_hash_map<Name, Subscriber> subscribers_;
    absl::flat_hash_set<Taken> delivered_;
    absl::flat_hash_set<Taken> stored_;
    absl::flat_hash_map<OrderKey, std::pair<std::uint64_t, std::uint64_t>> newest_;
    absl::flat_hash_map<Name, std::vector<std::pair<std::uint64_t, std::uint64_t>>> by_topic_;
};

std::string_view take_level(std::string_view& rest, bool& more) {
    const std::size_t end = rest.find('/');
    const std::string_view level = rest.substr(0, end);
    more = end != std::string_view::npos;
    rest = more ? rest.substr(end + 1) : std::string_view{};
    return level;
}

}  // namespace

std::string_view name_of(Rule rule) {
    switch (rule) {
        case Rule::kAcknowledged:
            return "acknowledged";
        case Rule::kInvented:
            return "invented";
        case Rule::kTwice:
            return "twice";
        case Rule::kOrder:
            return "order";
        case Rule::kLost:
            return "lost";
    }
    return "";
}

bool filter_selects(std::string_view filter, std::string_view topic) {
    if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) {
        return false;
    }
    bool more_filter = true;
    bool more_topic = true;
    while (more_filter) {
        const std::string_view wanted = take_level(filter, more_filter);
        if (wanted == "#") {
            return true;
        }
        if (!more_topic) {
            return false;
        }
        const std::string_view level = take_level(topic, more_topic);
        if (wanted != "+" && wanted != level) {
            return false;
        }
    }
    return !more_topic;
}

DeliveryReport check_deliveries(const History& history) { return Check(history).run(); }

}  // namespace causeway::sim
