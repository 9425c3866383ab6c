// Options of `bench conn|pub|sub|mem`, by CLI11.
#include "gateway/bench/cli.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <utility>

#include "gateway/bench/bench.h"

namespace causeway::bench {
namespace {

const std::map<std::string, mqtt::Version> kVersions = {{"3.1.1", mqtt::Version::k311},
                                                        {"5", mqtt::Version::k5}};

void add_client_options(CLI::App& app, ClientOptions& client) {
    app.add_option("--host", client.host, "Broker's name or address")->capture_default_str();
    app.add_option("--port", client.port, "Broker's port")->capture_default_str();
    app.add_flag("--tls", client.tls, "Connect with TLS");
    app.add_option("--ca", client.ca, "CAs to trust (PEM file); without it the system's");
    app.add_option("--cert", client.certificate, "Client certificate (PEM file)");
    app.add_option("--key", client.private_key, "Its private key (PEM file)");
    app.add_flag("--insecure", client.insecure, "Accept any server certificate");
    app.add_option("--mqtt", client.version, "Protocol version: 3.1.1 (default) or 5")
        ->transform(CLI::CheckedTransformer(kVersions).description(""))
        ->type_name("VERSION");
    app.add_flag("--clean,!--persistent", client.clean,
                 "Begin with a new session (default), or resume one");
    app.add_option("--session-expiry", client.session_expiry_s,
                   "Session expiry interval, s (MQTT 5; default 0, persistent 3600)");
    app.add_option("--keep-alive", client.keep_alive_s, "Keep-alive, s; 0: none")
        ->capture_default_str();
    app.add_option("--user", client.user_name, "User name");
    app.add_option("--password", client.password, "Password");
    app.add_option("--source-address", client.source_address,
                   "Connect from these addresses in turn: a.b.c.d, a.b.c.d/len, or several with "
                   "commas (one address has about 28,000 ports)");
}

void add_run_options(CLI::App& app, RunOptions& run) {
    app.add_option("--processes", run.processes, "Processes to spread the clients over")
        ->capture_default_str();
    app.add_option("--first", run.first, "Number of the first client, for %i")
        ->capture_default_str();
    app.add_option("--connect-rate", run.connect_rate,
                   "Connections per second in all; 0: as fast as the broker answers")
        ->capture_default_str();
    app.add_option("--connect-timeout", run.connect_timeout_s, "Limit from SYN to CONNACK, s")
        ->capture_default_str();
    app.add_flag("--at-once", run.at_once, "All begin to connect at the same moment");
    app.add_option("--retries", run.retries,
                   "Times a client tries again, after 0.5 to 2.5 s or as the broker says; CONNACK "
                   "latency counts from its first try")
        ->capture_default_str();
    app.add_flag("--json", run.json, "Report as one line of JSON");
    app.add_flag("--quiet", run.quiet, "No progress on standard error");
}

void add_time_options(CLI::App& app, RunOptions& run) {
    app.add_option("--duration", run.duration_s, "Time measured, s")->capture_default_str();
    app.add_option("--warmup", run.warmup_s, "Time before it, not counted, s")
        ->capture_default_str();
    app.add_option("--drain", run.drain_s, "Limit for what is under way at the end, s")
        ->capture_default_str();
}

void add_publish_options(CLI::App& app, PublishOptions& publish) {
    app.add_option("--rate", publish.rate,
                   "Messages per second in all, and latency from the planned time; 0: closed loop")
        ->capture_default_str();
    app.add_option("--payload", publish.payload_bytes, "Bytes of payload")->capture_default_str();
    app.add_option_function<std::string>(
        "--text",
        [&publish](const std::string& text) {
            publish.text = text;
            publish.payload_bytes = static_cast<std::uint32_t>(text.size());
        },
        "The payload of every message instead; then nothing can be counted at subscribers");
    app.add_option("--qos", publish.qos, "QoS of the messages")->capture_default_str();
    app.add_option("--inflight", publish.inflight,
                   "Unacknowledged messages per publisher (QoS 1 and 2)")
        ->capture_default_str();
    app.add_option("--topic", publish.topic, "Topic; %i is the publisher's number")
        ->capture_default_str();
}

void add_conn(CLI::App& bench, int& exit_code) {
    auto options = std::make_shared<ConnOptions>();
    CLI::App& app = *bench.add_subcommand("conn", "Open connections and hold them");
    app.add_option("--connections", options->connections, "Connections in all")
        ->capture_default_str();
    app.add_option("--client-id", options->client.client_id, "Client id; %i is its number")
        ->capture_default_str();
    app.add_option("--hold", options->run.duration_s, "Hold them all for this long, s")
        ->capture_default_str();
    add_client_options(app, options->client);
    add_run_options(app, options->run);
    app.footer(
        "Example: 100,000 connections for a minute\n"
        "  bench conn --connections 100000 --processes 2 --source-address 127.0.0.0/8 "
        "--hold 60");
    app.callback([options, &exit_code] { exit_code = run_conn(*options); });
}

void add_pub(CLI::App& bench, int& exit_code) {
    auto options = std::make_shared<PubOptions>();
    CLI::App& app = *bench.add_subcommand("pub", "Publish: rate and latency to PUBACK or PUBCOMP");
    app.add_option("--connections", options->publish.publishers, "Publishers in all")
        ->capture_default_str();
    app.add_option("--client-id", options->client.client_id, "Client id; %i is its number")
        ->capture_default_str();
    add_publish_options(app, options->publish);
    add_time_options(app, options->run);
    add_client_options(app, options->client);
    add_run_options(app, options->run);
    app.footer(
        "Examples: the most that 64 publishers get acknowledged; latency at 5,000/s\n"
        "  bench pub --connections 64 --qos 1\n"
        "  bench pub --connections 64 --qos 1 --inflight 100 --rate 5000");
    app.callback([options, &exit_code] { exit_code = run_pub(*options); });
}

void add_sub(CLI::App& bench, int& exit_code) {
    auto options = std::make_shared<SubOptions>();
    options->publish.publishers = 0;
    options->client.client_id = PubOptions().client.client_id;
    CLI::App& app =
        *bench.add_subcommand("sub", "Subscribe: rate, latency, losses, duplicates, order");
    SubscribeOptions& subscribe = options->subscribe;
    app.add_option("--subscribers", subscribe.subscribers, "Subscribers in all")
        ->capture_default_str();
    app.add_option("--filter", subscribe.filter,
                   "Topic filter, also $share/group/filter; %i is the subscriber's number")
        ->capture_default_str();
    app.add_option("--sub-qos", subscribe.qos, "QoS of the subscriptions")->capture_default_str();
    app.add_option("--client-id", subscribe.client_id, "Subscriber's client id")
        ->capture_default_str();
    app.add_option("--expect", subscribe.expected,
                   "Messages to receive from other programs' publishers: ends when they are here, "
                   "fails when they are not");
    app.add_option("--publishers", options->publish.publishers, "Publishers of its own, in all")
        ->capture_default_str();
    app.add_option("--publisher-client-id", options->client.client_id, "Publisher's client id")
        ->capture_default_str();
    add_publish_options(app, options->publish);
    add_time_options(app, options->run);
    add_client_options(app, options->client);
    add_run_options(app, options->run);
    app.footer(
        "Example: 8 publishers at 10,000/s together to 4 subscribers that each get all\n"
        "  bench sub --subscribers 4 --publishers 8 --rate 10000 --inflight 1000");
    app.callback([options, &exit_code] { exit_code = run_sub(*options); });
}

void add_mem(CLI::App& bench, int& exit_code, Fetch fetch) {
    auto options = std::make_shared<MemOptions>();
    SubscribeOptions& subscribe = options->subscribe;
    CLI::App& app = *bench.add_subcommand(
        "mem", "Memory per idle session: the slope over several sizes, and where it goes");
    app.add_option("--sessions", subscribe.subscribers, "Sessions in all, one subscription each")
        ->capture_default_str();
    app.add_option("--steps", options->steps, "Equal steps they come in")->capture_default_str();
    app.add_option("--settle", options->settle_s, "Wait after each step, s")->capture_default_str();
    app.add_option("--api", options->apis,
                   "HTTP API of a hub, http://ADDRESS:PORT; of each node, if there are several");
    app.add_option("--pid", options->pids, "Process of any broker; several add up");
    app.add_option("--client-id", subscribe.client_id, "Client id; %i is its number")
        ->capture_default_str();
    app.add_option("--filter", subscribe.filter, "Topic filter")->capture_default_str();
    app.add_option("--sub-qos", subscribe.qos, "QoS of the subscriptions")->capture_default_str();
    add_client_options(app, options->client);
    add_run_options(app, options->run);
    app.footer(
        "Example: up to 18,000 sessions at a hub on this machine\n"
        "  bench mem --sessions 18000 --api http://127.0.0.1:8080 --source-address 127.1.0.0/16");
    app.callback(
        [options, fetch = std::move(fetch), &exit_code] { exit_code = run_mem(*options, fetch); });
}

}  // namespace

void add_bench_commands(CLI::App& app, int& exit_code, Fetch fetch) {
    CLI::App& bench = *app.add_subcommand("bench", "Put load on an MQTT broker and measure it");
    bench.require_subcommand(1);
    bench.footer("Exit status: 0 all went well; 1 connections or messages failed; 2 bad usage.");
    add_conn(bench, exit_code);
    add_pub(bench, exit_code);
    add_sub(bench, exit_code);
    add_mem(bench, exit_code, std::move(fetch));
}

}  // namespace causeway::bench
