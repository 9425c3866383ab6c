#include "test/sim/cluster/run.h"

#include <algorithm>
#include <memory>
#include <sstream>

#include "test/sim/cluster/app.h"
#include "test/sim/cluster/population.h"
#include "test/sim/history/delivery_check.h"
#include "test/sim/history/register_check.h"

namespace causeway::sim {
namespace {

constexpr TimeUs kLeaderWithin = 2 * kSecond;  // I20
constexpr TimeUs kQuietWithin = 60 * kSecond;
constexpr TimeUs kLinksWithin = 5 * kSecond;
constexpr std::uint64_t kConfigurationsMax = 100'000;  // of a register; then nothing is said of it

// One rule: what is published to kQueueFilter goes to the queue as it is.
class QueueRule final : public Router {
public:
    std::uint64_t route(const Publish& publish, SetMs, std::string& outputs) override {
        RouteOutput output;
        output.kind = RouteKind::kQueue;
        output.target = kQueue;
        output.key = publish.client_id;
        output.body = publish.body;
        append_route_output(output, outputs);
        return 1;
    }
    [[nodiscard]] bool interested(std::string_view topic) const override {
        return filter_selects(kQueueFilter, topic);
    }
};

class ClusterRun final : public Fleet {
public:
    explicit ClusterRun(const RunOptions& options);
    RunResult run();

    Gateway pick_gateway() override;
    void will_delivered(std::uint64_t id) override;

private:
    void draw_settings();
    void make_devices();
    void heal();
    void expect_leaders();
    void expect_quiet();
    [[nodiscard]] bool queues_empty();
    void expect_equal();
    void check_history();
    [[nodiscard]] bool speaks_5(std::string_view client_id) const;
    void collect(RunTotals& totals);
    [[nodiscard]] bool converged();

    RunOptions options_;
    World world_;
    NodeSettings settings_;
    QueueRule rules_;
    std::unique_ptr<ClusterChecker> checker_;
    std::unique_ptr<Network> network_;
    std::vector<std::unique_ptr<SimNode>> nodes_;
    std::unique_ptr<Faults> faults_;
    std::vector<std::unique_ptr<SimDevice>> devices_;
    QueueCheck queue_{world_, history};
    std::vector<std::unique_ptr<SimApp>> apps_;
    DeviceTotals device_totals_;
    RunTotals totals_;
};

ClusterRun::ClusterRun(const RunOptions& options) : options_(options), world_(options.seed) {
    world_.trace_lines = options.trace_lines;
    draw_settings();
    checker_ = std::make_unique<ClusterChecker>(world_, settings_.nodes);
    network_ = std::make_unique<Network>(world_, NetworkOptions{});
    for (std::uint64_t id = 1; id <= settings_.nodes; ++id) {
        nodes_.push_back(
            std::make_unique<SimNode>(world_, *network_, *checker_, rules_, settings_, NodeId(id)));
        nodes_.back()->set_peers(&nodes_);
        nodes_.back()->set_rate(world_.random.between(950, 1050));
        network_->add(NodeId(id), *nodes_.back());
    }
    faults_ = std::make_unique<Faults>(world_, *network_, nodes_, settings_);
    make_devices();
}

void ClusterRun::draw_settings() {
    Random& random = world_.random;
    settings_.nodes = random.chance(1, 8) ? 1 : 3;
    settings_.sets = static_cast<std::uint32_t>(1 + random.below(3));
    settings_.segment_bytes = 1U << (20 + random.below(2));
    settings_.entry_bytes_max = random.chance(1, 2) ? 256 : 4096;
    settings_.appends_max = static_cast<std::uint32_t>(1 + random.below(3));
    settings_.ring.bytes_max = random.chance(1, 3) ? 32U << 10 : 16U << 20;
    settings_.window_commands = random.chance(1, 3) ? 8 : 4096;
    settings_.sync_max = random.chance(1, 4) ? 30 * kMs : 3 * kMs;
    settings_.apply_max = random.chance(1, 4) ? 20 * kMs : 1 * kMs;
    settings_.apply_turns_per_stall = random.chance(1, 2) ? 100 : 1000;
    settings_.flush_every = random.between(1, 6) * kSecond;
    settings_.kept_entries = random.chance(1, 2) ? 0 : random.below(200);
    settings_.piece_bytes = random.chance(1, 2) ? 400 : 4096;
    settings_.limits.inflight_max = static_cast<std::uint16_t>(random.chance(1, 2) ? 4 : 1024);
}

void ClusterRun::make_devices() {
    for (DeviceOptions& options : draw_devices(world_.random)) {
        devices_.push_back(std::make_unique<SimDevice>(world_, *this, *checker_, device_totals_,
                                                       std::move(options)));
    }
    for (std::uint64_t apps = 1 + world_.random.below(2); apps > 0; --apps) {
        apps_.push_back(std::make_unique<SimApp>(world_, *this, queue_, settings_.sets));
    }
    // The queue is owed what the rule sends there.
    Event event;
    event.kind = EventKind::kSubscribed;
    event.qos = 1;
    event.persistent = true;
    event.who = history.names.intern(kQueue);
    event.topic = history.names.intern(kQueueFilter);
    history.events.push_back(event);
}

Fleet::Gateway ClusterRun::pick_gateway() {
    std::vector<SimNode*> living;
    for (const auto& node : nodes_) {
        if (node->alive()) {
            living.push_back(node.get());
        }
    }
    if (living.empty()) {
        return {};
    }
    SimNode* node = living[world_.random.below(living.size())];
    return {node->gateway(), node};
}

// --- phase 2 -----------------------------------------------------------------------------------

void ClusterRun::heal() {
    faults_->heal();
    const TimeUs until = world_.now() + kLinksWithin;
    while (world_.failure.empty() && !network_->whole() && world_.now() < until) {
        world_.run_until(world_.now() + 50 * kMs);
    }
    if (!network_->whole()) {
        world_.fail("the simulated network did not come back");
    }
}

void ClusterRun::expect_leaders() {
    const TimeUs until = world_.now() + kLeaderWithin;
    for (const auto& [set, group] : nodes_.front()->core()->groups()) {
        while (world_.failure.empty() && faults_->leader(set) == nullptr && world_.now() < until) {
            world_.run_until(world_.now() + 20 * kMs);
        }
        if (faults_->leader(set) == nullptr) {
            world_.fail("I20: set " + std::to_string(set.value()) + " has no leader after 2 s");
        }
    }
}

void ClusterRun::expect_quiet() {
    finishing = true;
    const TimeUs until = world_.now() + kQuietWithin;
    std::size_t calm = 0;
    std::size_t seen = history.events.size();
    // Quiet for 18 s, so that silent gateways are declared dead, connections whose device went
    // without a word end by their keep-alive, and wills come.
    constexpr TimeUs kStep = 250 * kMs;
    constexpr std::size_t kCalm = 72;
    while (world_.failure.empty() && calm < kCalm && world_.now() < until) {
        world_.run_until(world_.now() + kStep);
        const bool quiet = std::all_of(devices_.begin(), devices_.end(),
                                       [](const auto& device) { return device->quiet(); });
        calm = quiet && queues_empty() && seen == history.events.size() ? calm + 1 : 0;
        seen = history.events.size();
    }
    if (calm < kCalm) {
        std::string who;
        for (const auto& device : devices_) {
            who += device->quiet() ? "" : "; " + device->describe();
        }
        who += queues_empty() ? "" : "; a queue is not empty";
        world_.fail("I20: something never came to an end" + who);
    }
}

bool ClusterRun::converged() {
    for (std::uint32_t set = 1; set <= settings_.sets; ++set) {
        const raft::Status first = nodes_.front()->core()->group(GroupId(set))->replica().status();
        for (const auto& node : nodes_) {
            const raft::Status status = node->core()->group(GroupId(set))->replica().status();
            if (status.applied != first.applied || status.commit != first.commit ||
                status.last != first.commit || status.applied != status.commit) {
                return false;
            }
        }
    }
    return true;
}

void ClusterRun::expect_equal() {
    const TimeUs until = world_.now() + 10 * kSecond;
    while (world_.failure.empty() && !converged() && world_.now() < until) {
        world_.run_until(world_.now() + 20 * kMs);
    }
    if (!world_.failure.empty()) {
        return;
    }
    if (!converged()) {
        std::ostringstream text;
        text << "I20: the replicas do not reach the same entry:";
        for (const auto& node : nodes_) {
            for (const auto& [set, group] : node->core()->groups()) {
                const raft::Status status = group->replica().status();
                text << " [node " << node->id().value() << " set " << set.value() << " term "
                     << status.term.value() << " applied " << status.applied.value() << " commit "
                     << status.commit.value() << " durable " << status.durable.value() << " last "
                     << status.last.value() << " compacted " << status.compacted.value();
                for (const raft::PeerStatus& peer : status.peers) {
                    text << " (" << peer.id.value() << ": state " << static_cast<int>(peer.state)
                         << " match " << peer.match.value() << " next " << peer.next.value() << ")";
                }
                text << "]";
            }
        }
        world_.fail(text.str());
        return;
    }
    for (std::uint32_t set = 1; set <= settings_.sets; ++set) {
        const MemoryKv::Table& first = nodes_.front()->kv(GroupId(set)).committed();
        for (const auto& node : nodes_) {
            if (node->kv(GroupId(set)).committed() != first) {
                world_.fail("I5: the tables of set " + std::to_string(set) + " on node " +
                            std::to_string(node->id().value()) + " differ from those on node 1");
            }
        }
        const state::Statistics statistics = nodes_.front()->machine(GroupId(set)).statistics();
        for (const state::PeerStatus& peer : statistics.peers) {
            if (peer.messages != 0) {
                world_.fail("set " + std::to_string(set) + " still owes set " +
                            std::to_string(peer.set.value()) + " messages");
            }
        }
        for (const QueueStatus& queue : statistics.queues) {
            if (queue.sent != queue.acknowledged) {
                world_.fail("queue: set " + std::to_string(set) + " counts " +
                            std::to_string(queue.sent) + " sent and " +
                            std::to_string(queue.acknowledged) + " acknowledged");
            }
        }
        if (statistics.inbox_messages != 0) {
            world_.fail("set " + std::to_string(set) + " still holds messages in inboxes");
        }
    }
}

void ClusterRun::will_delivered(std::uint64_t id) {
    for (const auto& device : devices_) {
        device->will_delivered(id);
    }
}

bool ClusterRun::queues_empty() {
    for (std::uint32_t set = 1; set <= settings_.sets; ++set) {
        for (const auto& queue : nodes_.front()->machine(GroupId(set)).statistics().queues) {
            if (queue.messages != 0) {
                return false;
            }
        }
    }
    return true;
}

bool ClusterRun::speaks_5(std::string_view client_id) const {
    return std::any_of(devices_.begin(), devices_.end(), [&](const auto& device) {
        const std::string& name = device->options().name;
        return device->options().version == mqtt::Version::k5 &&
               (client_id == name || client_id.starts_with(name + "/"));
    });
}

void ClusterRun::check_history() {
    for (const auto& device : devices_) {
        device->settle_wills();
    }
    queue_.finish();
    const RegisterReport registers = check_registers(history, kConfigurationsMax);
    for (const std::string& violation : registers.violations) {
        world_.fail("retained: " + violation);
    }
    const DeliveryReport report = check_deliveries(history);
    totals_.sent = report.totals.sent;
    totals_.acknowledged = report.totals.acknowledged;
    totals_.delivered = report.totals.delivered;
    totals_.redelivered = report.totals.redelivered;
    totals_.owed = report.totals.owed;
    for (const Violation& violation : report.violations) {
        // A 5.0 client may lose the answer that says its publish was refused, when the hub has let
        // it go: what it sent after that one was rightly accepted. 3.1.1 has no such answer.
        if (violation.rule == Rule::kOrder && faults_->totals.full_disks != 0 &&
            speaks_5(violation.publisher)) {
            continue;
        }
        world_.fail(std::string(name_of(violation.rule)) + ": " + violation.text);
    }
}

void ClusterRun::collect(RunTotals& totals) {
    totals.runs = 1;
    totals.events = world_.events();
    totals.log = checker_->totals;
    totals.devices = device_totals_;
    totals.faults = faults_->totals;
    totals.queue = queue_.totals;
    for (const auto& node : nodes_) {
        if (node->alive()) {
            node->count_process();
        }
        sum_counters(totals.nodes, node->totals);
    }
}

RunResult ClusterRun::run() {
    for (const auto& node : nodes_) {
        world_.after(world_.random.below(500 * kMs), [&node] { node->start(); });
    }
    for (const auto& device : devices_) {
        device->start();
    }
    for (const auto& app : apps_) {
        app->start();
    }
    faults_->start();
    world_.run_until(options_.faults_for);
    if (world_.failure.empty()) {
        heal();
    }
    if (world_.failure.empty()) {
        expect_leaders();
    }
    if (world_.failure.empty()) {
        expect_quiet();
    }
    if (world_.failure.empty()) {
        expect_equal();
    }
    if (world_.failure.empty()) {
        check_history();
    }
    collect(totals_);
    RunResult result;
    result.failure = world_.failure;
    result.totals = totals_;
    std::ostringstream text;
    text << settings_.nodes << " nodes, " << settings_.sets << " sets, " << devices_.size()
         << " devices, window " << settings_.window_commands << ", ring "
         << settings_.ring.bytes_max << ", sync <= " << settings_.sync_max / kMs << " ms";
    result.settings = text.str();
    result.trace.assign(world_.trace.begin(), world_.trace.end());
    return result;
}

}  // namespace

RunResult run_cluster(const RunOptions& options) { return ClusterRun(options).run(); }

}  // namespace causeway::sim
