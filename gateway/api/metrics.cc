#include "gateway/api/metrics.h"

#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "gateway/auth/authenticate.h"

namespace causeway::api {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Sample {
    std::string_view label;  // value of the family's label; empty: none
    std::uint64_t value = 0;
};

class Families {
public:
    void add(MetricType type, const char* name, const char* help, const char* label,
             std::initializer_list<Sample> samples) {
        add(type, name, help, label, std::vector<Sample>(samples));
    }
    void add(MetricType type, const char* name, const char* help, const char* label,
             const std::vector<Sample>& samples) {
        MetricFamily family;
        family.name = name;
        family.help = help;
        family.type = type;
        for (const Sample& sample : samples) {
            ClientMetric metric;
            if (!sample.label.empty()) {
                metric.label.push_back({label, std::string(sample.label)});
            }
            const auto value = static_cast<double>(sample.value);
            (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
            family.metric.push_back(std::move(metric));
        }
        families_.push_back(std::move(family));
    }
    void counter(const char* name, const char* help, std::uint64_t value) {
        add(MetricType::Counter, name, help, "", {{"", value}});
    }
    void gauge(const char* name, const char* help, std::uint64_t value) {
        add(MetricType::Gauge, name, help, "", {{"", value}});
    }
    [[nodiscard]] std::string text() const {
        return prometheus::TextSerializer().Serialize(families_);
    }

private:
    std::vector<MetricFamily> families_;
};

void add_auth(const net::ShardStatus& gateway, Families& out) {
    std::vector<Sample> denied;
    for (std::size_t i = 1; i < auth::kDenials; ++i) {  // 0: none
        denied.push_back({auth::name(static_cast<auth::Denial>(i)), gateway.auth.denied[i]});
    }
    out.add(MetricType::Counter, "causeway_auth_denied_total", "CONNECTs refused, by why", "reason",
            denied);
    std::vector<Sample> granted;
    for (std::size_t i = 0; i < auth::kSchemes; ++i) {
        granted.push_back({auth::name(static_cast<auth::Scheme>(i)), gateway.auth.granted[i]});
    }
    out.add(MetricType::Counter, "causeway_auth_granted_total",
            "CONNECTs of devices that have proven who they are", "scheme", granted);
    out.counter("causeway_auth_rechecked_total",
                "Connections looked at again after a change of devices, products or bans",
                gateway.auth.rechecked);
    out.counter("causeway_auth_closed_total", "Of them: not let in any more", gateway.auth.closed);
    const session::Counters& s = gateway.sessions;
    out.counter("causeway_auth_expired_total", "Connections that ended with their credentials",
                s.credentials_expired);
    out.counter("causeway_publishes_denied_total", "Publishes where the client may not",
                s.publishes_denied);
    out.counter("causeway_filters_denied_total", "Filters the client may not subscribe to",
                s.filters_denied);
    out.counter("causeway_deliveries_denied_total",
                "Messages of a subscription whose permission is gone", s.deliveries_denied);
}

void add_gateway(const net::ShardStatus& gateway, Families& out) {
    const session::Counters& s = gateway.sessions;
    out.gauge("causeway_connections", "Open client connections", gateway.connections);
    out.gauge("causeway_connections_online", "Connections past CONNACK", gateway.online);
    out.counter("causeway_connections_accepted_total", "Accepted sockets", gateway.accepted);
    out.add(MetricType::Counter, "causeway_connections_refused_total", "Connections not let in",
            "reason",
            {{"limit", gateway.refused_full},
             {"address_rate", gateway.refused_address},
             {"client_rate", gateway.refused_client},
             {"busy", gateway.refused_busy},
             {"tls", gateway.tls_failed},
             {"proxy_header", gateway.proxy_failed},
             {"websocket", gateway.websocket_refused},
             {"connect", s.connects_refused}});
    out.add(MetricType::Gauge, "causeway_connections_waiting", "Connections on their way in",
            "stage",
            {{"half_open", gateway.half_open},
             {"tls_queue", gateway.handshake_queue},
             {"tls_handshake", gateway.handshakes_under_way},
             {"connect_queue", gateway.connect_queue},
             {"connect_in_core", gateway.connects_in_flight}});
    out.counter("causeway_accept_pauses_total", "Times the listeners were stopped for a while",
                gateway.accept_pauses);
    out.counter("causeway_tls_handshakes_total", "TLS handshakes begun", gateway.handshakes);
    out.counter("causeway_tls_resumed_total", "TLS handshakes that went on from a session before",
                gateway.tls_resumed);
    out.counter("causeway_tls_psk_total", "TLS handshakes that asked for a pre-shared key",
                gateway.tls_psk);
    out.counter("causeway_tls_dismissed_total",
                "Connections closed because their certificate or key is not good any more",
                gateway.tls_dismissed);
    out.counter("causeway_connects_queued_total", "CONNECTs that had to wait for others",
                gateway.connects_queued);
    out.counter("causeway_connects_total", "Successful CONNECTs", s.connects_ok);
    out.counter("causeway_received_bytes_total", "Bytes from clients, after TLS", gateway.bytes_in);
    out.counter("causeway_reading_paused_total", "Times a socket waited for the core",
                gateway.paused);
    out.counter("causeway_reading_paused_unread_total",
                "Times a socket was not read because its client left its answers unread",
                gateway.paused_unread);
    out.add(MetricType::Counter, "causeway_publishes_received_total", "PUBLISH packets received",
            "qos",
            {{"0", s.publishes_received[0]},
             {"1", s.publishes_received[1]},
             {"2", s.publishes_received[2]}});
    out.add(MetricType::Counter, "causeway_publishes_total", "What became of received publishes",
            "outcome",
            {{"ok", s.publishes_ok},
             {"refused", s.publishes_refused},
             {"unanswered_at_close", s.publishes_unanswered},
             {"repeated", s.publishes_repeated},
             {"qos0_passed", s.unlogged_passed}});
    out.add(
        MetricType::Counter, "causeway_deliveries_total", "PUBLISH packets sent", "qos",
        {{"0", s.deliveries_sent[0]}, {"1", s.deliveries_sent[1]}, {"2", s.deliveries_sent[2]}});
    out.add(MetricType::Counter, "causeway_deliveries_dropped_total", "Deliveries not sent",
            "reason",
            {{"slow_client", s.deliveries_dropped_full},
             {"too_large", s.deliveries_dropped_too_large},
             {"expired", s.deliveries_expired}});
    out.add(MetricType::Counter, "causeway_connections_closed_total",
            "Connections closed by the hub", "reason",
            {{"malformed", s.malformed},
             {"protocol_error", s.protocol_errors},
             {"keep_alive", s.keep_alive_timeouts},
             {"packet_timeout", s.packet_timeouts},
             {"taken_over", s.takeovers},
             {"slow_client", s.slow_closed}});
    out.add(MetricType::Counter, "causeway_limits_reached_total", "What a client met a limit of",
            "limit",
            {{"packet_bytes", s.limit_packet_bytes},
             {"topic", s.limit_topic},
             {"receive_maximum", s.limit_receive_maximum},
             {"publish_rate", s.limit_publish_rate}});
}

void add_core(const node::NodeStatus& node, Families& out) {
    out.gauge("causeway_core_serving", "1: every set has a leader", node.serving ? 1 : 0);
    out.gauge("causeway_core_disk_low", "1: publishes are refused for lack of space",
              node.disk_low ? 1 : 0);
    std::vector<std::string> names;
    names.reserve(node.sets.size());
    for (const node::SetStatus& set : node.sets) {
        names.push_back(std::to_string(set.set.value()));
    }
    const auto per_set = [&](const char* name, const char* help, auto value) {
        std::vector<Sample> samples;
        for (std::size_t i = 0; i < node.sets.size(); ++i) {
            samples.push_back(Sample{names[i], value(node.sets[i])});
        }
        out.add(MetricType::Gauge, name, help, "set", samples);
    };
    using Set = node::SetStatus;
    per_set("causeway_core_leading", "1: this node leads the set",
            [](const Set& set) { return std::uint64_t{set.serving ? 1U : 0U}; });
    per_set("causeway_core_leader", "Number of the node that leads the set; 0: not known",
            [](const Set& set) { return set.leader.value(); });
    per_set("causeway_core_term", "Raft term", [](const Set& set) { return set.term; });
    per_set("causeway_core_commit_index", "Raft commit index",
            [](const Set& set) { return set.commit_index; });
    per_set("causeway_core_applied_index", "Last applied entry",
            [](const Set& set) { return set.applied_index; });
    per_set("causeway_core_compacted_index", "Log compacted up to",
            [](const Set& set) { return set.compacted_index; });
    out.counter("causeway_core_gateways_down_total", "Gateway streams declared dead",
                node.gateways_down);
    out.counter("causeway_core_links_refused_total",
                "Connections from nodes refused for their certificate or handshake",
                node.links_refused);
    out.counter("causeway_core_commands_total", "Commands taken", node.commands);
    out.counter("causeway_core_unlogged_total", "QoS 0 publishes taken", node.unlogged);
    out.counter("causeway_core_refused_disk_total", "Commands refused for lack of space",
                node.refused_disk);
    out.counter("causeway_wal_syncs_total", "Batches made durable", node.log.log.batches);
    out.counter("causeway_wal_written_bytes_total", "Bytes written to the log",
                node.log.log.bytes_written);
    out.gauge("causeway_wal_used_bytes", "Log segments that hold something needed",
              node.log.log.used_bytes);
    const state::Statistics& state = node.state;
    out.gauge("causeway_sessions", "Sessions", state.sessions);
    out.gauge("causeway_sessions_attached", "Sessions with a connection", state.attached);
    out.gauge("causeway_subscriptions", "Subscriptions", state.subscriptions);
    out.gauge("causeway_retained_messages", "Retained messages", state.retained_messages);
    out.gauge("causeway_inbox_messages", "Messages in inboxes", state.inbox_messages);
    out.gauge("causeway_devices", "Devices of the sets led here", state.records);
    out.gauge("causeway_devices_bytes", "Their records", state.records_bytes);
    const state::Counters& c = state.counters;
    out.add(MetricType::Counter, "causeway_inbox_copies_total",
            "Inbox copies by what became of them", "outcome",
            {{"made", c.inbox_made},
             {"acknowledged", c.inbox_acknowledged},
             {"expired", c.inbox_expired},
             {"evicted", c.inbox_evicted},
             {"session_ended", c.inbox_session_ended},
             {"handed_over", c.inbox_handed_over}});
    out.add(MetricType::Counter, "causeway_queue_copies_total",
            "Queue items by what became of them", "outcome",
            {{"made", c.queue_made},
             {"acknowledged", c.queue_acknowledged},
             {"expired", c.queue_expired},
             {"dead_lettered", c.queue_dead_lettered},
             {"evicted", c.queue_evicted}});
    out.add(MetricType::Counter, "causeway_sink_deliveries_total",
            "Sink deliveries owed by what became of them", "outcome",
            {{"made", c.sink_made},
             {"delivered", c.sink_delivered},
             {"dead_lettered", c.sink_dead_lettered},
             {"evicted", c.sink_evicted}});
    out.add(MetricType::Counter, "causeway_self_items_total",
            "Wills and events on their way to the rules, by what became of them", "outcome",
            {{"made", c.self_made + c.events_dropped},
             {"done", c.self_done},
             {"dropped", c.events_dropped}});
    std::vector<Sample> queues;
    for (const QueueStatus& queue : state.queues) {
        queues.push_back(Sample{queue.name, queue.messages});
    }
    out.add(MetricType::Gauge, "causeway_queue_messages", "Messages in a queue", "queue", queues);
    std::vector<Sample> outboxes;
    for (const QueueStatus& outbox : state.outboxes) {
        outboxes.push_back(Sample{outbox.name, outbox.messages});
    }
    out.add(MetricType::Gauge, "causeway_outbox_messages", "Deliveries owed to a sink", "sink",
            outboxes);
}

}  // namespace

std::string render_access(const RefusedCounters& refused, const RegisterCounters& registered) {
    Families families;
    families.add(MetricType::Counter, "causeway_api_refused_total",
                 "API requests refused before they were looked at", "reason",
                 {{"unknown", refused.unknown},
                  {"forbidden", refused.forbidden},
                  {"foreign", refused.foreign}});
    families.add(MetricType::Counter, "causeway_registrations_total",
                 "Requests of devices for credentials, by what became of them", "outcome",
                 {{"registered", registered.registered},
                  {"refused", registered.refused},
                  {"limited", registered.limited}});
    return families.text();
}

std::string render_metrics(const node::NodeStatus& node, const net::ShardStatus& gateway) {
    Families families;
    add_gateway(gateway, families);
    add_auth(gateway, families);
    add_core(node, families);
    return families.text();
}

}  // namespace causeway::api
