#include "gateway/causeway/serve.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "certs/context.h"
#include "cluster/node/node.h"
#include "core/io/clock.h"
#include "core/io/signals.h"
#include "core/wal/posix_disk.h"
#include "core/wal/write_behind_disk.h"
#include "gateway/causeway/api_server.h"
#include "gateway/causeway/auth_setup.h"
#include "gateway/causeway/link_tls.h"
#include "gateway/causeway/listeners_tls.h"
#include "gateway/causeway/random_number.h"
#include "gateway/causeway/rules_directory.h"
#include "gateway/net/gateway.h"
#include "gateway/registry/directory.h"
#include "gateway/router/rule_metrics.h"
#include "gateway/router/rules_router.h"
#include "rules/runner/runner.h"

namespace causeway::root {
namespace {

// Of console sinks, on the sink loop.
void print_line(std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
}

constexpr int kExitStart = 2;
constexpr int kExitDisk = 3;
constexpr std::uint64_t kGraceMs = 2'000;
constexpr std::uint64_t kRulesPollMs = 1'000;
constexpr std::uint64_t kTlsPollMs = 2'000;
constexpr std::uint64_t kTlsWarnMs = 12ULL * 3600 * 1000;

[[noreturn]] void end_process(const std::string& line) {
    spdlog::critical("{}; stopping: what cannot be trusted must not serve", line);
    spdlog::shutdown();
    std::_Exit(kExitDisk);
}

// The parts in the order they are made; destroyed in the opposite one.
class Hub {
public:
    explicit Hub(const Config& config)
        : config_(config),
          seed_(random_number()),
          router_(config.node_id, seed_),
          rules_timer_(admin_, [this] { reload_if_changed(); }),
          tls_timer_(admin_, [this] { (void)refresh_tls(false); }),
          warn_timer_(admin_, [this] { warn_of_tls(); }),
          sys_timer_(admin_, [this] { publish_sys(); }),
          auth_timer_(admin_, [this] { auth_.refresh(*gateway_); }) {}

    Result<> open();
    void run();

private:
    Result<> open_node();
    Result<> join_cluster(node::NodeOptions& options);
    Result<> open_gateway();
    // Null: there is no directory.
    Result<std::shared_ptr<const rules::RuleSet>> load_rules();
    void activate(std::shared_ptr<const rules::RuleSet> set);
    void take_rules(const control::RuleVersion& version);
    void reload();
    void reload_if_changed();
    void publish_sys();
    // Effect: reads certificates, keys, CAs and revocation lists again.
    Result<> reload_tls() { return refresh_tls(true); }
    Result<> refresh_tls(bool always) {
        const Result<> links = link_tls_.refresh(*node_, always);
        const Result<> listeners = tls_.refresh(*gateway_, now_s(), always);
        return listeners ? links : listeners;
    }
    void warn_of_tls() {
        tls_.warn(now_s());
        link_tls_.warn(now_s());
    }
    [[nodiscard]] std::int64_t now_s() const {
        return static_cast<std::int64_t>(clock_.wall_ms() / 1000);
    }
    Result<> write_ports();
    [[nodiscard]] std::string more_metrics();
    void stop();

    Config config_;
    std::uint64_t seed_;
    io::SystemClock clock_;
    router::RulesRouter router_;
    io::Loop admin_;  // the main thread: API, signals, rule files
    io::Loop sinks_;
#if CAUSEWAY_FAULTS
    std::vector<std::unique_ptr<wal::Disk>> fault_disks_;  // each on the one before it
#endif
    std::unique_ptr<node::Node> node_;
    ListenersTls tls_;
    LinkTls link_tls_;
    std::unique_ptr<net::Gateway> gateway_;
    std::vector<std::unique_ptr<Outbox>> outboxes_;  // one a set, with its runner
    std::vector<std::unique_ptr<rules::Runner>> runners_;
    std::thread sink_thread_;
    registry::Directory directory_;
    AuthSetup auth_;
    std::unique_ptr<ApiServer> api_;
    io::Timer rules_timer_;
    io::Timer tls_timer_;
    io::Timer warn_timer_;
    io::Timer sys_timer_;
    io::Timer auth_timer_;
    std::uint64_t rules_fingerprint_ = 0;
    std::uint64_t cluster_rules_ = 0;  // the version the cluster has active; 0: the directory's
    MonoMs started_at_ = 0;
    std::unique_ptr<io::SignalWatcher> signals_;
};

Result<> Hub::open() {
    std::error_code error;
    std::filesystem::create_directories(config_.data_dir, error);
    if (error) {
        return fail(config_.data_dir + ": " + error.message());
    }
    // A node alone leads as soon as it runs, and what waited there is for the rules.
    auto loaded = load_rules();
    if (!loaded) {
        return tl::unexpected(loaded.error());
    }
    router_.activate(*loaded);
    if (auto opened = open_node(); !opened) {
        return opened;
    }
    if (*loaded) {
        activate(std::move(*loaded));
    }
    node_->watch_documents(admin_, [this](const node::Node::SharedDocuments& documents) {
        for (const std::string& problem : directory_.update(documents)) {
            spdlog::error("{}; it counts as absent", problem);
        }
    });
    node_->watch_rules(admin_, [this](const control::RuleVersion& rules) { take_rules(rules); });
    if (auto opened = open_gateway(); !opened) {
        return opened;
    }
    if (config_.api_enabled) {
        auto api = ApiServer::open(
            admin_, config_, *node_, *gateway_, directory_, [this] { return more_metrics(); },
            {[this] { return router_.active(); }, [this] { return router_.statistics(); }});
        if (!api) {
            return tl::unexpected(api.error());
        }
        api_ = std::move(*api);
    }
    return write_ports();
}

Result<> Hub::open_node() {
    node::NodeOptions options;
    options.data_dir = config_.data_dir;
    options.random = seed_;
    options.log.segment_bytes = config_.wal.segment_bytes;
    options.log.bytes_max = config_.wal.bytes_max;
    options.writer.sync_delay_us = config_.wal.sync_delay_us;
    options.writer.sync_max_count = config_.wal.sync_max_count;
    options.writer.sync_max_bytes = config_.wal.sync_max_bytes;
    options.limits = config_.state;
    options.store_cache_bytes = config_.store.cache_bytes;
    options.store_write_buffer_bytes = config_.store.write_buffer_bytes;
    options.disk_reserve_bytes = config_.store.disk_reserve_bytes;
    options.flush_bytes = config_.store.flush_bytes;
    options.flush_interval_s = config_.store.flush_interval_s;
    options.kept_entries = config_.cluster.kept_entries;
#if CAUSEWAY_FAULTS
    // For the crash tests: "1" keeps every write in memory until its sync returned, "noop" makes
    // the syncs do nothing.
    if (const char* mode = std::getenv("CAUSEWAY_WRITE_BEHIND")) {
        const bool noop = std::string_view(mode) == "noop";
        for (const auto& [directory, used] :
             {std::pair(config_.data_dir, &options.files),
              std::pair(config_.data_dir + "/wal", &options.disk)}) {
            std::filesystem::create_directories(directory);
            auto disk = wal::PosixDisk::open(directory);
            if (!disk) {
                return fail(disk.error().message);
            }
            fault_disks_.push_back(std::move(*disk));
            fault_disks_.push_back(
                std::make_unique<wal::WriteBehindDisk>(*fault_disks_.back(), noop));
            *used = fault_disks_.back().get();
        }
        options.store_write_behind = true;
        options.store_sync_is_noop = noop;
    }
#endif
    if (auto joined = join_cluster(options); !joined) {
        return joined;
    }
    auto node = node::Node::open(std::move(options), clock_, router_, end_process);
    if (!node) {
        return tl::unexpected(node.error());
    }
    node_ = std::move(*node);
    for (const GroupId set : node_->sets()) {
        rules::RunnerOptions runner;
        runner.set = set;
        runner.seed = seed_;
        outboxes_.push_back(node_->outbox(sinks_, set));
        runners_.push_back(std::make_unique<rules::Runner>(
            sinks_, *outboxes_.back(), rules::all_sinks(sinks_, {}, print_line), runner));
    }
    return {};
}

Result<> Hub::join_cluster(node::NodeOptions& options) {
    const ClusterConfig& cluster = config_.cluster;
    options.self = NodeId(cluster.self);
    options.sets = cluster.sets;
    options.cluster = cluster.name;
    options.name = config_.node_id;
    options.gateway = config_.gateway_role;
    options.core = config_.core_role;
    options.version = CAUSEWAY_VERSION;
    options.voters_per_set = cluster.replicas;
    options.balance_ms = MonoMs{cluster.balance_leaders_after_s} * 1000;
    if (cluster.address.port != 0) {
        options.host = cluster.address.host;
        options.port = cluster.address.port;
    }
    for (const ClusterNodeConfig& node : cluster.nodes) {
        options.members.push_back(
            node::Member{NodeId(node.id), node.name, node.address.host, node.address.port});
    }
    options.note = [](const std::string& line) { spdlog::warn("link: {}", line); };
    return link_tls_.open(cluster, options);
}

Result<> Hub::open_gateway() {
    net::GatewayOptions options;
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    options.loops = config_.gateway.loops != 0 ? config_.gateway.loops : cores;
    options.shard.connections_max = config_.gateway.connections_max;
    options.shard.output_bytes_max = config_.gateway.output_bytes_max;
    options.shard.random = seed_;
    options.shard.tls_handshakes_per_turn = config_.gateway.tls_handshakes_per_turn;
    net::AdmissionOptions& admission = options.shard.admission;
    admission.accept_rate_max = config_.gateway.accept_rate_max;
    admission.half_open_max = config_.gateway.half_open_max;
    admission.tls_handshakes_max = config_.gateway.tls_handshakes_max;
    admission.connects_in_flight_max = config_.gateway.connects_in_flight_max;
    admission.connect_queue_max = config_.gateway.connect_queue_max;
    admission.address_rate_max = config_.gateway.address_rate_max;
    admission.client_rate_max = config_.gateway.client_rate_max;
    session::Limits& limits = options.shard.limits;
    limits.packet_bytes_max = config_.gateway.packet_bytes_max;
    limits.topic_levels_max = config_.gateway.topic_levels_max;
    limits.topic_bytes_max = config_.gateway.topic_bytes_max;
    limits.topic_alias_maximum = config_.gateway.topic_aliases_max;
    limits.publish_rate_max = config_.gateway.publish_rate_max;
    limits.publish_bytes_rate_max = config_.gateway.publish_bytes_rate_max;
    limits.session_expiry_max_s = config_.state.session_expiry_max_s;
    limits.receive_maximum = config_.gateway.receive_maximum;
    limits.inflight_max = config_.gateway.inflight_max;
    limits.keep_alive_max_s = config_.gateway.keep_alive_max_s;
    limits.connect_timeout_s = config_.gateway.connect_timeout_s;
    limits.packet_timeout_s = config_.gateway.packet_timeout_s;
    limits.waiting_bytes_max = config_.gateway.output_bytes_max;
    limits.close_denied = config_.auth.close_denied;
    if (auto opened = auth_.open(config_.auth, directory_, options.shard.auth); !opened) {
        return opened;
    }
    if (auto opened = tls_.open(config_.listeners, now_s()); !opened) {
        return opened;
    }
    for (const ListenerConfig& listener : config_.listeners) {
        net::ListenerOptions made;
        made.host = listener.bind.host;
        made.port = listener.bind.port;
        made.backlog = static_cast<int>(config_.gateway.listen_backlog);
        made.policy.anonymous = listener.anonymous;
        made.policy.schemes = listener.auth;
        made.policy.permissions = listener.permissions;
        made.websocket = listener.websocket;
        made.proxy_protocol = listener.proxy_protocol;
        const net::ListenerTls tls = tls_.of(options.listeners.size());
        made.tls = tls.context;
        made.psks = tls.psks;
        options.listeners.push_back(std::move(made));
    }
    auto gateway = net::Gateway::open(options, [this](io::Loop& loop, SubmitterEvents& events) {
        return node_->link(loop, events);
    });
    if (!gateway) {
        return tl::unexpected(gateway.error());
    }
    gateway_ = std::move(*gateway);
    node_->watch_queues(
        admin_, gateway_->queue_consumers(),
        [this](const std::vector<std::string>& queues) { gateway_->wake_queues(queues); });
    return {};
}

Result<std::shared_ptr<const rules::RuleSet>> Hub::load_rules() {
    if (config_.rules_dir.empty()) {
        return nullptr;
    }
    rules_fingerprint_ = fingerprint(config_.rules_dir);
    auto sources = read_rules(config_.rules_dir);
    if (!sources) {
        return tl::unexpected(sources.error());
    }
    auto set = rules::RuleSet::compile(*sources);
    if (!set) {
        return fail(rules::to_string(set.error().front()) + "; causeway rules check " +
                    config_.rules_dir + " lists all");
    }
    return std::move(*set);
}

void Hub::activate(std::shared_ptr<const rules::RuleSet> set) {
    std::vector<node::QueueDeclaration> queues;
    for (const rules::QueueConfig& queue : set->queues()) {
        queues.push_back(node::QueueDeclaration{queue.name, queue.max_messages, queue.max_bytes,
                                                queue.visibility_timeout_s, queue.retention_s,
                                                queue.max_receive_count, queue.dead_letter});
    }
    node_->declare_queues(std::move(queues));
    // Sinks first: a delivery the new rules owe finds its sink.
    sinks_.post([this, set] {
        std::vector<rules::SinkProblem> problems;
        for (const auto& runner : runners_) {
            problems = runner->apply(set->sinks());  // the same for each
        }
        for (const rules::SinkProblem& problem : problems) {
            spdlog::error("sink {}: {}", problem.sink, problem.message);
        }
    });
    spdlog::info("rules: version {:016x} with {} rules, {} sinks is active", set->version(),
                 set->rules().size(), set->sinks().size());
    router_.activate(std::move(set));
}

// What the cluster has decided goes before the directory of this node.
void Hub::take_rules(const control::RuleVersion& version) {
    std::vector<rules::SourceFile> sources;
    for (const control::RuleFile& file : version.files) {
        sources.push_back(rules::SourceFile{file.name, file.text});
    }
    auto set = rules::RuleSet::compile(sources);
    if (!set) {
        spdlog::error("rules: version {} of the cluster is refused here: {}", version.version,
                      rules::to_string(set.error().front()));
        return;
    }
    if (cluster_rules_ == 0 && !config_.rules_dir.empty()) {
        spdlog::warn("rules: the cluster has rules of its own: {} is not read any more",
                     config_.rules_dir);
    }
    cluster_rules_ = version.version;
    activate(std::move(*set));
    node_->rules_active(version.version);
}

void Hub::reload() {
    if (cluster_rules_ != 0) {
        return;
    }
    rules_fingerprint_ = fingerprint(config_.rules_dir);
    auto sources = read_rules(config_.rules_dir);
    if (!sources) {
        spdlog::error("rules: {}; the active version stays", sources.error().message);
        return;
    }
    auto set = rules::RuleSet::compile(*sources);
    if (!set) {
        for (const rules::Diagnostic& diagnostic : set.error()) {
            spdlog::error("rules: {}", rules::to_string(diagnostic));
        }
        spdlog::error("rules: the set is refused; version {:016x} stays active", router_.version());
        return;
    }
    if ((*set)->version() != router_.version()) {
        activate(std::move(*set));
    }
}

void Hub::reload_if_changed() {
    if (cluster_rules_ == 0 && fingerprint(config_.rules_dir) != rules_fingerprint_) {
        reload();
    }
}

void Hub::publish_sys() {
    gateway_->status(admin_, [this](const net::ShardStatus& status) {
        const std::uint64_t uptime_s = (admin_.now_ms() - started_at_) / 1000;
        gateway_->publish(net::sys_messages(config_.node_id, status, uptime_s));
    });
}

// Whole or not at all: whoever waits for the file finds a complete one.
Result<> Hub::write_ports() {
    nlohmann::json ports;
    ports["listeners"] = nlohmann::json::array();
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
        const ListenerConfig& listener = config_.listeners[i];
        const char* type =
            listener.websocket ? (listener.tls ? "wss" : "ws") : (listener.tls ? "tls" : "tcp");
        ports["listeners"].push_back({{"type", type}, {"port", gateway_->ports()[i]}});
        Endpoint bound = listener.bind;
        bound.port = gateway_->ports()[i];
        spdlog::info("listening on {} ({})", bound.text(), type);
    }
    if (api_) {
        ports["api"] = api_->port();
        if (api_->registration_port() != 0) {
            ports["registration"] = api_->registration_port();
            spdlog::info("devices register on port {}", api_->registration_port());
        }
        Endpoint bound = config_.api;
        bound.port = api_->port();
        spdlog::info("HTTP API on {}://{}",
                     config_.api_access.certificate.empty() ? "http" : "https", bound.text());
    }
    const std::string file = config_.data_dir + "/ports.json";
    std::ofstream out(file + ".new");
    out << ports.dump(2) << "\n";
    out.close();
    if (!out) {
        return fail(file + ".new: cannot be written: " + std::generic_category().message(errno));
    }
    std::error_code error;
    std::filesystem::rename(file + ".new", file, error);
    if (error) {
        return fail(file + ": " + error.message());
    }
    return {};
}

std::string Hub::more_metrics() { return router::rule_metrics(router_.statistics()); }

void Hub::run() {
    signals_ = std::make_unique<io::SignalWatcher>(
        admin_, std::initializer_list<int>{SIGTERM, SIGINT, SIGHUP}, [this](int signal) {
            if (signal == SIGHUP) {
                (void)reload_tls();  // the log has what is wrong
                if (!config_.rules_dir.empty()) {
                    reload();
                }
                if (api_) {
                    api_->refresh_tls(true);
                }
                return;
            }
            spdlog::info("stopping");
            admin_.stop();
        });
    if (!config_.rules_dir.empty()) {
        rules_timer_.start(kRulesPollMs, kRulesPollMs);
    }
    auth_timer_.start(kRulesPollMs, kRulesPollMs);
    sink_thread_ = std::thread([this] { sinks_.run(); });
    gateway_->start();
    tls_timer_.start(kTlsPollMs, kTlsPollMs);
    warn_of_tls();
    warn_timer_.start(kTlsWarnMs, kTlsWarnMs);
    started_at_ = admin_.now_ms();
    if (config_.sys_interval_s != 0) {
        const std::uint64_t interval_ms = std::uint64_t{config_.sys_interval_s} * 1000;
        sys_timer_.start(interval_ms, interval_ms);
    }
    spdlog::info("ready");
    admin_.run();
    stop();
}

// From the outside in: nobody new, what is in flight, then the core, then the loops.
void Hub::stop() {
    signals_.reset();
    gateway_->shut_down(kGraceMs);
    sinks_.post([this] { runners_.clear(); });
    sinks_.stop();
    sink_thread_.join();
    node_->stop();
    gateway_->stop();
    api_.reset();
    gateway_.reset();
    runners_.clear();
    outboxes_.clear();
    node_.reset();
    spdlog::info("stopped");
}

}  // namespace

int serve(const Config& config) {
    spdlog::set_level(spdlog::level::from_str(config.log_level));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    Hub hub(config);
    if (auto opened = hub.open(); !opened) {
        spdlog::shutdown();
        std::cerr << "causeway: cannot start: " << opened.error().message << std::endl;
        std::_Exit(kExitStart);  // the node's threads may run; nothing was promised to anyone yet
    }
    hub.run();
    return 0;
}

}  // namespace causeway::root
