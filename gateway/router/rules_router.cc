#include "gateway/router/rules_router.h"

#include <array>
#include <utility>

#include "core/message/body.h"
#include "gateway/mqtt/property.h"
#include "rules/sink/http_request.h"

namespace causeway::router {
namespace {

// A published body's forwarded properties, as rules see them. Views into the body.
struct Properties {
    mqtt::ForwardProperties forward;
    std::vector<rules::UserProperty> user;
};

void parse(std::string_view wire, Properties& out) {
    if (wire.empty() || !mqtt::parse_forward_properties(wire, out.forward)) {
        return;
    }
    for (const mqtt::UserProperty& property : out.forward.user_properties) {
        out.user.push_back(rules::UserProperty{property.name, property.value});
    }
}

std::array<char, 32> hex_id(std::uint64_t a, std::uint64_t b) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<char, 32> id{};
    for (std::size_t i = 0; i < 16; ++i) {
        id[i] = kDigits[(a >> (60 - 4 * i)) & 15U];
        id[16 + i] = kDigits[(b >> (60 - 4 * i)) & 15U];
    }
    return id;
}

}  // namespace

RulesRouter::RulesRouter(std::string node_id, std::uint64_t seed)
    : node_id_(std::move(node_id)), random_(seed) {}

void RulesRouter::activate(std::shared_ptr<const rules::RuleSet> rules) {
    const std::lock_guard lock(mutex_);
    active_ = std::move(rules);
    changed_.store(true, std::memory_order_release);
}

std::uint64_t RulesRouter::version() const {
    const std::lock_guard lock(mutex_);
    return active_ ? active_->version() : 0;
}

std::shared_ptr<const rules::RuleSet> RulesRouter::active() const {
    const std::lock_guard lock(mutex_);
    return active_;
}

std::vector<rules::RuleStatistics> RulesRouter::statistics() const {
    const std::lock_guard lock(mutex_);
    std::vector<rules::RuleStatistics> all;
    // Until the first message under a new set, its counters are zero.
    const bool adopted = active_ && counters_.size() == active_->rules().size() &&
                         !changed_.load(std::memory_order_acquire);
    for (std::size_t i = 0; active_ && i < active_->rules().size(); ++i) {
        const rules::RuleInfo& rule = active_->rules()[i];
        rules::RuleStatistics& one = all.emplace_back();
        one.id = rule.id;
        for (const rules::ActionInfo& action : rule.actions) {
            one.actions.push_back(action.kind);
        }
        for (const rules::ActionInfo& action : rule.error_actions) {
            one.error_actions.push_back(action.kind);
        }
        if (adopted) {
            one.counters = counters_[i];
        }
    }
    return all;
}

void RulesRouter::adopt() const {
    if (!changed_.load(std::memory_order_acquire)) {
        return;
    }
    const std::lock_guard lock(mutex_);
    using_ = active_;
    counters_ = using_ ? using_->make_counters() : std::vector<rules::RuleCounters>{};
    changed_.store(false, std::memory_order_release);
}

bool RulesRouter::interested(std::string_view topic) const {
    adopt();
    return using_ && using_->interested(topic);
}

EventMask RulesRouter::events() const {
    const std::lock_guard lock(mutex_);
    return active_ ? active_->events() : 0;
}

std::uint64_t RulesRouter::route(const Publish& publish, SetMs now, std::string& outputs) {
    adopt();
    if (!using_) {
        return 0;
    }
    rules::MessageView message;
    message.clientid = publish.client_id;
    if (!publish.username.empty()) {
        message.username = publish.username;
    }
    message.topic = publish.topic;
    message.qos = publish.qos;
    message.retain = publish.retain;
    message.timestamp_ms = now;
    if (!publish.peer_host.empty()) {
        message.peerhost = publish.peer_host;
    }
    if (publish.expiry_s != 0) {
        message.message_expiry_s = publish.expiry_s;
    }
    message.session_epoch = publish.epoch;
    return evaluate(message, publish.body, now, outputs);
}

namespace {

std::optional<std::string_view> given(std::string_view text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

rules::EventView view_of(const Event& event) {
    rules::EventView view;
    view.kind = event.kind;
    view.reason = given(event.reason);
    view.from_clientid = given(event.from_client_id);
    view.key = given(event.key);
    switch (event.kind) {
        case EventKind::kClientConnected:
        case EventKind::kClientConnack:
            view.session_present = event.session_present;
            view.clean_start = event.clean_start;
            view.session_expiry_s = event.session_expiry_interval_s;
            break;
        case EventKind::kClientDisconnected:
            view.session_expiry_s = event.session_expiry_interval_s;
            break;
        case EventKind::kQueueDeadLetter:
            (event.is_sink ? view.sink : view.queue) = event.queue;
            view.dead_letter = given(event.dead_letter);
            view.has_message = true;
            break;
        case EventKind::kMessageDelivered:
        case EventKind::kMessageAcked:
        case EventKind::kMessageDropped:
            view.has_message = true;
            break;
        default:
            break;
    }
    return view;
}

}  // namespace

std::uint64_t RulesRouter::route_event(const Event& event, SetMs now, std::string& outputs) {
    adopt();
    if (!using_ || (using_->events() & mask_of(event.kind)) == 0) {
        return 0;
    }
    const rules::EventView view = view_of(event);
    rules::MessageView message;
    message.event = &view;
    message.clientid = event.client_id;
    message.username = given(event.username);
    message.topic = event.topic;
    message.qos = event.qos;
    message.retain = event.retain;
    message.timestamp_ms = event.at;
    message.session_epoch = event.session_epoch;
    return evaluate(message, event.body, now, outputs);
}

std::uint64_t RulesRouter::evaluate(rules::MessageView& message, std::string_view wire_body,
                                    SetMs now, std::string& outputs) {
    const BodyView body = parse_body(wire_body);
    Properties properties;
    parse(body.properties, properties);
    const std::uint64_t first = random_.next();
    const std::array<char, 32> id = hex_id(first, random_.next());
    message.id = std::string_view(id.data(), id.size());
    message.trace_id = message.id;
    message.payload = body.payload;
    message.received_at_ms = now;
    message.node = node_id_;
    message.user_properties = properties.user;
    message.content_type = properties.forward.content_type;
    message.response_topic = properties.forward.response_topic;
    message.correlation_data = properties.forward.correlation_data;
    rules::EvalContext context{now, random_};
    {
        const std::lock_guard lock(mutex_);
        evaluator_.evaluate(*using_, message, context, counters_, evaluation_);
    }
    for (const rules::Output& output : evaluation_.outputs) {
        append(output, outputs);
    }
    return using_->version();
}

void RulesRouter::append(const rules::Output& output, std::string& outputs) {
    RouteOutput route;
    route.target = output.target;
    route.key = output.key;
    route.delay_s = output.delay_s;
    route.qos = output.qos;
    route.retain = output.retain;
    body_.clear();
    tags_.clear();
    switch (output.kind) {
        case rules::ActionKind::kQueue:
            route.kind = RouteKind::kQueue;
            append_body({}, output.body, body_);
            for (const std::string& tag : output.tags) {
                ByteWriter(tags_).string(tag);
            }
            route.tags = tags_;
            break;
        case rules::ActionKind::kRepublish: {
            route.kind = RouteKind::kRepublish;
            mqtt::ForwardProperties forward;
            for (const rules::Property& property : output.properties) {
                forward.user_properties.push_back(
                    mqtt::UserProperty{property.name, property.value});
            }
            properties_.clear();
            // The engine has bounded names and values; one that does not fit is left out whole.
            if (!mqtt::append_forward_properties(forward, properties_)) {
                properties_.clear();
            }
            append_body(properties_, output.body, body_);
            break;
        }
        case rules::ActionKind::kHttp:
        case rules::ActionKind::kFile:
        case rules::ActionKind::kConsole: {
            route.kind = RouteKind::kSink;
            rules::HttpRequestView request;
            request.method = output.method;
            request.path = output.path;
            request.body = output.body;
            for (const rules::Property& header : output.properties) {
                request.headers.push_back(rules::HttpHeaderView{header.name, header.value});
            }
            rules::append_http_request(request, body_);
            break;
        }
    }
    route.body = body_;
    append_route_output(route, outputs);
}

}  // namespace causeway::router
