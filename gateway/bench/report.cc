// Reports.
#include "gateway/bench/report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace causeway::bench {
namespace {

constexpr double kMsNs = 1e6;
constexpr double kSecondNs = 1e9;

double per_second(std::uint64_t count, double seconds) {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double connect_seconds(const Outcome& outcome) {
    return outcome.last_connack_ns > outcome.first_connect_ns
               ? static_cast<double>(outcome.last_connack_ns - outcome.first_connect_ns) / kSecondNs
               : 0;
}

const char* name_of(Command command) {
    switch (command) {
        case Command::kConn:
            return "conn";
        case Command::kPub:
            return "pub";
        case Command::kSub:
            return "sub";
        case Command::kMem:
            return "mem";
    }
    return "";
}

const char* name_of(mqtt::Version version) { return version == mqtt::Version::k5 ? "5" : "3.1.1"; }

[[gnu::format(printf, 2, 3)]] void print(std::string& out, const char* format, ...) {
    char line[512];
    std::va_list arguments;
    va_start(arguments, format);
    const int size = std::vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    out.append(line, std::min(sizeof(line) - 1, static_cast<std::size_t>(std::max(size, 0))));
}

void print_latency(std::string& out, const char* name, const Histogram& histogram) {
    if (histogram.count() == 0) {
        return;
    }
    const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) / kMsNs; };
    print(out, "%-14sp50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f  mean %.3f ms\n", name,
          ms(histogram.value_at(0.5)), ms(histogram.value_at(0.99)), ms(histogram.value_at(0.999)),
          ms(histogram.max()), histogram.mean() / kMsNs);
}

void print_publishing(std::string& out, const Plan& plan, const Measured& measured) {
    const Counters& counters = measured.outcome.counters;
    const PublishOptions& publish = plan.publish;
    print(out, "publishers    %u at QoS %u, %u B, ", plan.publishers, publish.qos,
          publish.payload_bytes);
    if (publish.rate > 0) {
        print(out, "open loop at %.0f/s", publish.rate);
    } else {
        print(out, "closed loop");
    }
    print(out, publish.qos > 0 ? ", window %u\n" : "\n", publish.inflight);
    print(out, "published     %.0f/s %s over %.1f s (%llu in all)\n",
          per_second(counters.acked_window, measured.window_s),
          publish.qos > 0    ? "acknowledged"
          : publish.rate > 0 ? "sent"
                             : "read by the broker",
          measured.window_s, static_cast<unsigned long long>(counters.acked));
    print_latency(out, publish.qos == 2 ? "PUBCOMP" : "PUBACK", measured.outcome.ack_ns);
    if (counters.ack_errors + counters.unanswered + counters.unsent > 0) {
        print(out, "not published %llu refused, %llu unanswered, %llu due and never sent\n",
              static_cast<unsigned long long>(counters.ack_errors),
              static_cast<unsigned long long>(counters.unanswered),
              static_cast<unsigned long long>(counters.unsent));
    }
}

void print_receiving(std::string& out, const Plan& plan, const Measured& measured) {
    const Counters& counters = measured.outcome.counters;
    print(out, "subscribers   %u at QoS %u\n", plan.subscribers, plan.subscribe.qos);
    print(out, "received      %.0f/s over %.1f s (%llu in all)\n",
          per_second(counters.received_window, measured.window_s), measured.window_s,
          static_cast<unsigned long long>(counters.received));
    print_latency(out, "end to end", measured.outcome.deliver_ns);
    print(out, "checked       %llu lost, %llu duplicates, %llu out of order, %llu not ours\n",
          static_cast<unsigned long long>(lost_messages(plan, counters)),
          static_cast<unsigned long long>(counters.duplicates),
          static_cast<unsigned long long>(counters.late),
          static_cast<unsigned long long>(counters.foreign));
}

nlohmann::json latency_json(const Histogram& histogram) {
    const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
    return {{"count", histogram.count()},          {"min", us(histogram.min())},
            {"p50", us(histogram.value_at(0.5))},  {"p90", us(histogram.value_at(0.9))},
            {"p99", us(histogram.value_at(0.99))}, {"p99_9", us(histogram.value_at(0.999))},
            {"max", us(histogram.max())},          {"mean", histogram.mean() / 1000}};
}

bool duplicates_allowed(const Plan& plan) {
    // Delivery has the lower QoS of the two; others may publish at any.
    const bool published_at_one = plan.publishers == 0 || plan.publish.qos >= 1;
    const bool both_exact = plan.publishers > 0 && plan.publish.qos == 2;
    return published_at_one &&
           (plan.subscribe.qos == 1 || (plan.subscribe.qos == 2 && !both_exact));
}

}  // namespace

std::uint64_t lost_messages(const Plan& plan, const Counters& counters) {
    if (plan.subscribers == 0) {
        return 0;
    }
    const std::uint64_t owed = std::max(counters.expected, plan.subscribe.expected);
    const std::uint64_t short_of = owed > counters.received ? owed - counters.received : 0;
    return plan.publishers > 0 ? short_of : std::max(short_of, counters.missing);
}

bool succeeded(const Plan& plan, const Measured& measured) {
    const Counters& counters = measured.outcome.counters;
    return counters.connected > 0 && counters.refused == 0 && counters.broken == 0 &&
           counters.ack_errors == 0 && counters.unanswered == 0 && counters.unsent == 0 &&
           counters.late == 0 && lost_messages(plan, counters) == 0 &&
           (counters.duplicates == 0 || duplicates_allowed(plan));
}

std::string text_report(const Plan& plan, const Measured& measured) {
    const Outcome& outcome = measured.outcome;
    const double connect_s = connect_seconds(outcome);
    std::string out;
    print(out, "broker        %s:%u, MQTT %s%s%s\n", plan.client.host.substr(0, 256).c_str(),
          plan.client.port, name_of(plan.client.version), plan.client.tls ? ", TLS" : "",
          measured.interrupted ? " (interrupted)" : "");
    print(out, "connected     %llu of %u in %.3f s (%.0f/s)",
          static_cast<unsigned long long>(outcome.counters.connected), plan.clients(), connect_s,
          per_second(outcome.connect_ns.count(), connect_s));
    print(out, outcome.counters.broken > 0 ? ", %llu lost later\n" : "\n",
          static_cast<unsigned long long>(outcome.counters.broken));
    print_latency(out, "CONNACK", outcome.connect_ns);
    if (plan.publishers > 0) {
        print_publishing(out, plan, measured);
    }
    if (plan.subscribers > 0) {
        print_receiving(out, plan, measured);
    }
    for (const auto& [reason, count] : outcome.reasons.counts()) {
        print(out, "failures      %llu: %s\n", static_cast<unsigned long long>(count),
              reason.substr(0, 400).c_str());
    }
    print(out, "generator     %.2f s of CPU in %u process%s\n",
          static_cast<double>(outcome.cpu_ns) / kSecondNs, plan.run.processes,
          plan.run.processes == 1 ? "" : "es");
    return out;
}

std::string json_report(const Plan& plan, const Measured& measured) {
    const Outcome& outcome = measured.outcome;
    const Counters& counters = outcome.counters;
    const double connect_s = connect_seconds(outcome);
    nlohmann::json json = {
        {"command", name_of(plan.command)},
        {"ok", succeeded(plan, measured)},
        {"interrupted", measured.interrupted},
        {"mqtt", name_of(plan.client.version)},
        {"tls", plan.client.tls},
        {"processes", plan.run.processes},
        {"cpu_s", static_cast<double>(outcome.cpu_ns) / kSecondNs},
        {"window_s", measured.window_s},
        {"connect",
         {{"asked", plan.clients()},
          {"connected", counters.connected},
          {"refused", counters.refused},
          {"broken", counters.broken},
          {"seconds", connect_s},
          {"per_s", per_second(outcome.connect_ns.count(), connect_s)},
          {"connack_us", latency_json(outcome.connect_ns)}}},
        {"failures", nlohmann::json::object()},
    };
    for (const auto& [reason, count] : outcome.reasons.counts()) {
        json["failures"][reason] = count;
    }
    if (plan.publishers > 0) {
        json["publish"] = {{"publishers", plan.publishers},
                           {"qos", plan.publish.qos},
                           {"payload_bytes", plan.publish.payload_bytes},
                           {"inflight", plan.publish.inflight},
                           {"rate_asked", plan.publish.rate},
                           {"sent", counters.sent},
                           {"acknowledged", counters.acked},
                           {"per_s", per_second(counters.acked_window, measured.window_s)},
                           {"refused", counters.ack_errors},
                           {"unanswered", counters.unanswered},
                           {"unsent", counters.unsent},
                           {"ack_us", latency_json(outcome.ack_ns)}};
    }
    if (plan.subscribers > 0) {
        json["receive"] = {{"subscribers", plan.subscribers},
                           {"qos", plan.subscribe.qos},
                           {"received", counters.received},
                           {"expected", std::max(counters.expected, plan.subscribe.expected)},
                           {"per_s", per_second(counters.received_window, measured.window_s)},
                           {"lost", lost_messages(plan, counters)},
                           {"duplicates", counters.duplicates},
                           {"out_of_order", counters.late},
                           {"foreign", counters.foreign},
                           {"end_to_end_us", latency_json(outcome.deliver_ns)}};
    }
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace causeway::bench
