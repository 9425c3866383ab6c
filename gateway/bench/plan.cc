// Checks options and turns them into a Plan.
#include "gateway/bench/plan.h"

#include <sys/random.h>

#include <cmath>
#include <set>
#include <utility>

#include "core/message/topic.h"
#include "core/message/trie.h"
#include "gateway/bench/stamp.h"

namespace causeway::bench {
namespace {

constexpr double kSecondsMax = 30.0 * 24 * 3600;
constexpr double kRateMax = 100e6;
constexpr std::size_t kClientIdBytesMax = 65'535;

bool in_range(double value, double max) {
    return std::isfinite(value) && value >= 0 && value <= max;
}

Result<> check_client(const ClientOptions& client) {
    if (client.host.empty() || client.port == 0) {
        return fail("--host and --port must name a broker");
    }
    if (client.version != mqtt::Version::k311 && client.version != mqtt::Version::k5) {
        return fail("--mqtt must be 3.1.1 or 5");
    }
    if (client.certificate.empty() != client.private_key.empty()) {
        return fail("--cert and --key go together");
    }
    if (!client.tls && (!client.ca.empty() || !client.certificate.empty() || client.insecure)) {
        return fail("--ca, --cert, --key and --insecure need --tls");
    }
    if (client.session_expiry_s && client.version != mqtt::Version::k5) {
        return fail("--session-expiry needs --mqtt 5");
    }
    return {};
}

Result<> check_run(const RunOptions& run, std::uint32_t clients) {
    if (run.processes == 0 || run.processes > kProcessesMax) {
        return fail("--processes must be 1 to " + std::to_string(kProcessesMax));
    }
    if (run.processes > clients) {
        return fail("--processes: there are more processes than clients");
    }
    if (run.at_once && run.connect_rate > 0) {
        return fail("--at-once excludes --connect-rate");
    }
    if (!in_range(run.connect_rate, kRateMax)) {
        return fail("--connect-rate must be 0 (no limit) or more");
    }
    for (const double seconds :
         {run.connect_timeout_s, run.warmup_s, run.duration_s, run.drain_s}) {
        if (!in_range(seconds, kSecondsMax)) {
            return fail("a time must be 0 s to 30 days");
        }
    }
    return {};
}

Result<> check_client_ids(const std::string& pattern, std::uint32_t count, const char* option) {
    if (pattern.size() > kClientIdBytesMax || !valid_utf8(pattern)) {
        return fail(std::string(option) + " must be UTF-8 of at most 65535 bytes");
    }
    if (count > 1 && !pattern.empty() && pattern.find("%i") == std::string::npos) {
        return fail(std::string(option) +
                    " must contain %i: a second client of one name throws the first out");
    }
    return {};
}

Result<> check_publish(const PublishOptions& publish) {
    if (!valid_topic_name(expand(publish.topic, 0))) {
        return fail("--topic is no topic name: \"" + publish.topic + "\"");
    }
    if (publish.payload_bytes > kPayloadBytesMax) {
        return fail("--payload must be at most " + std::to_string(kPayloadBytesMax) + " bytes");
    }
    if (publish.qos > 2) {
        return fail("--qos must be 0, 1 or 2");
    }
    if (publish.inflight == 0) {
        return fail("--inflight must be 1 to 65535");
    }
    if (!in_range(publish.rate, kRateMax)) {
        return fail("--rate must be 0 (closed loop) or more");
    }
    return {};
}

Result<> check_subscribe(const SubscribeOptions& subscribe) {
    const std::string filter = expand(subscribe.filter, 0);
    if (is_shared_filter(filter) ? !parse_shared_filter(filter) : !valid_topic_filter(filter)) {
        return fail("--filter is no topic filter: \"" + subscribe.filter + "\"");
    }
    if (subscribe.qos > 2) {
        return fail("--sub-qos must be 0, 1 or 2");
    }
    return {};
}

Result<Plan> begin(Command command, const ClientOptions& client, const RunOptions& run) {
    Plan plan;
    plan.command = command;
    plan.client = client;
    plan.run = run;
    auto sources = SourceAddresses::parse(client.source_address);
    if (!sources) {
        return tl::unexpected(sources.error());
    }
    plan.sources = std::move(*sources);
    if (getrandom(&plan.run_id, sizeof(plan.run_id), 0) != sizeof(plan.run_id)) {
        return fail("no random numbers from the kernel");
    }
    return plan;
}

Result<Plan> finish(Plan plan, std::initializer_list<Result<>> checks) {
    for (const Result<>& check : checks) {
        if (!check) {
            return tl::unexpected(check.error());
        }
    }
    const std::uint64_t clients = std::uint64_t{plan.idle} + plan.publishers + plan.subscribers;
    if (clients == 0 || clients > kConnectionsMax) {
        return fail("the number of clients must be 1 to " + std::to_string(kConnectionsMax));
    }
    if (const auto checked = check_client(plan.client); !checked) {
        return tl::unexpected(checked.error());
    }
    if (const auto checked = check_run(plan.run, plan.clients()); !checked) {
        return tl::unexpected(checked.error());
    }
    return plan;
}

// Each subscriber's filter is one target; a shared group is one target however many members it has.
void count_deliveries(Plan& plan) {
    TopicTrie<std::uint32_t> filters;
    std::set<std::string> groups;
    for (std::uint32_t i = 0; i < plan.subscribers; ++i) {
        const std::string filter = expand(plan.subscribe.filter, plan.run.first + i);
        if (const auto shared = parse_shared_filter(filter)) {
            if (groups.insert(filter).second) {
                filters.insert(shared->filter, i);
            }
        } else {
            filters.insert(filter, i);
        }
    }
    plan.deliveries.assign(plan.publishers, 0);
    for (std::uint32_t i = 0; i < plan.publishers; ++i) {
        filters.match(expand(plan.publish.topic, plan.run.first + i),
                      [&](std::uint32_t) { ++plan.deliveries[i]; });
    }
}

}  // namespace

bool Plan::stamped() const { return publish.text.empty() && publish.payload_bytes >= kStampBytes; }

ClientPlace place_of(const Plan& plan, std::uint32_t client) {
    if (client < plan.subscribers) {
        return {Role::kSubscriber, client, plan.run.first + client};
    }
    client -= plan.subscribers;
    if (client < plan.publishers) {
        return {Role::kPublisher, client, plan.run.first + client};
    }
    client -= plan.publishers;
    return {Role::kIdle, client, plan.run.first + client};
}

std::string expand(std::string_view pattern, std::uint32_t number) {
    std::string out;
    while (true) {
        const std::size_t at = pattern.find("%i");
        out += pattern.substr(0, at);
        if (at == std::string_view::npos) {
            return out;
        }
        out += std::to_string(number);
        pattern.remove_prefix(at + 2);
    }
}

Result<Plan> make_plan(const ConnOptions& options) {
    auto plan = begin(Command::kConn, options.client, options.run);
    if (!plan) {
        return plan;
    }
    plan->idle = options.connections;
    plan->run.warmup_s = 0;
    return finish(std::move(*plan),
                  {check_client_ids(options.client.client_id, options.connections, "--client-id")});
}

Result<Plan> make_plan(const PubOptions& options) {
    auto plan = begin(Command::kPub, options.client, options.run);
    if (!plan) {
        return plan;
    }
    plan->publish = options.publish;
    plan->publishers = options.publish.publishers;
    return finish(std::move(*plan), {check_publish(options.publish),
                                     check_client_ids(options.client.client_id,
                                                      options.publish.publishers, "--client-id")});
}

Result<Plan> make_plan(const SubOptions& options) {
    auto plan = begin(Command::kSub, options.client, options.run);
    if (!plan) {
        return plan;
    }
    plan->publish = options.publish;
    plan->publishers = options.publish.publishers;
    plan->subscribe = options.subscribe;
    plan->subscribers = options.subscribe.subscribers;
    plan = finish(std::move(*plan),
                  {check_publish(options.publish), check_subscribe(options.subscribe),
                   check_client_ids(options.client.client_id, options.publish.publishers,
                                    "--publisher-client-id"),
                   check_client_ids(options.subscribe.client_id, options.subscribe.subscribers,
                                    "--client-id")});
    if (!plan) {
        return plan;
    }
    if (plan->publishers > 0 && !plan->stamped()) {
        return fail("--payload must be at least " + std::to_string(kStampBytes) +
                    " bytes to carry the time and the number of a message");
    }
    if (plan->publishers > 0 && plan->subscribe.expected > 0) {
        return fail("--expect is for messages that others publish; it excludes --publishers");
    }
    count_deliveries(*plan);
    return plan;
}

Result<Plan> make_plan(const MemOptions& options) {
    if (options.apis.empty() && options.pids.empty()) {
        return fail("name what to look at: --api URL of each node, or --pid of each process");
    }
    if (options.steps < 2 || options.steps > options.subscribe.subscribers) {
        return fail("--steps must be 2 or more, and at most --sessions");
    }
    if (!in_range(options.settle_s, kSecondsMax)) {
        return fail("--settle must be 0 or more");
    }
    SubOptions sub;
    sub.client = options.client;
    sub.run = options.run;
    sub.subscribe = options.subscribe;
    sub.publish.publishers = 0;
    auto plan = make_plan(sub);
    if (plan) {
        plan->command = Command::kMem;
        plan->steps = options.steps;
        plan->settle_s = options.settle_s;
    }
    return plan;
}

}  // namespace causeway::bench
