#include "test/sim/cluster/run.h"

#include <algorithm>
#include <memory>
#include <sstream>

#include "test/sim/history/delivery_check.h"

namespace causeway::sim {
namespace {

constexpr TimeUs kLeaderWithin = 2 * kSecond;  // I20
constexpr TimeUs kQuietWithin = 60 * kSecond;
constexpr TimeUs kLinksWithin = 5 * kSecond;

class NoRules final : public Router {
public:
    std::uint64_t route(const Publish&, SetMs, std::string&) override { return 0; }
    [[nodiscard]] bool interested(std::string_view) const override { return false; }
};

class ClusterRun final : public Fleet {
public:
    explicit ClusterRun(const RunOptions& options);
    RunResult run();

    Gateway pick_gateway() override;

private:
    void draw_settings();
    void make_devices();
    void fault();
    void crash_one();
    void cut_some();
    void restart_later(SimNode& node);
    void heal();
    void expect_leaders();
    void expect_quiet();
    void expect_equal();
    void check_history();
    void collect(RunTotals& totals);
    [[nodiscard]] SimNode& any_node() { return *nodes_[world_.random.below(nodes_.size())]; }
    [[nodiscard]] SimNode* leader(GroupId set);
    [[nodiscard]] bool converged();

    RunOptions options_;
    World world_;
    NodeSettings settings_;
    NoRules rules_;
    std::unique_ptr<ClusterChecker> checker_;
    std::unique_ptr<Network> network_;
    std::vector<std::unique_ptr<SimNode>> nodes_;
    std::vector<std::unique_ptr<SimDevice>> devices_;
    DeviceTotals device_totals_;
    RunTotals totals_;
    bool healed_ = false;
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
    settings_.flush_every = random.between(1, 6) * kSecond;
    settings_.limits.inflight_max = static_cast<std::uint16_t>(random.chance(1, 2) ? 4 : 1024);
}

void ClusterRun::make_devices() {
    Random& random = world_.random;
    const std::size_t publishers = 3 + random.below(3);
    const std::size_t subscribers = 2 + random.below(3);
    const auto topic = [](std::size_t device, std::size_t n) {
        return "d/p" + std::to_string(device) + "/t" + std::to_string(n);
    };
    for (std::size_t i = 0; i < publishers; ++i) {
        DeviceOptions options;
        options.name = "d/p" + std::to_string(i);
        options.version = random.chance(1, 2) ? mqtt::Version::k5 : mqtt::Version::k311;
        options.persistent = random.chance(3, 4);
        options.will = random.chance(1, 2);
        options.act_every = random.between(20, 200) * kMs;
        options.topics = {topic(i, 0), topic(i, 1), topic((i + 1) % publishers, 9)};
        options.qos = {1};
        if (random.chance(2, 3)) {
            options.qos.push_back(2);
        }
        if (random.chance(1, 3)) {
            options.qos.push_back(0);
        }
        devices_.push_back(
            std::make_unique<SimDevice>(world_, *this, *checker_, device_totals_, options));
    }
    for (std::size_t i = 0; i < subscribers; ++i) {
        DeviceOptions options;
        options.name = "s/c" + std::to_string(i);
        options.version = random.chance(1, 2) ? mqtt::Version::k5 : mqtt::Version::k311;
        options.persistent = i == 0 || random.chance(3, 4);
        options.receive_maximum = static_cast<std::uint16_t>(random.chance(1, 2) ? 2 : 50);
        options.read_delay = random.chance(1, 5) ? 30 * kMs : 0;
        options.act_every = random.between(50, 300) * kMs;
        const auto qos = [&] { return static_cast<std::uint8_t>(1 + random.below(2)); };
        switch (random.below(3)) {
            case 0:
                options.filters = {{"d/#", qos()}};
                break;
            case 1:
                options.filters = {{"d/+/t0", qos()}, {topic(0, 1), qos()}, {"+/p1/#", qos()}};
                break;
            default:
                options.filters = {{topic(0, 0), qos()}, {topic(1, 0), qos()}, {"w/#", qos()}};
                break;
        }
        if (i == 0) {
            options.filters.push_back({"w/#", 2});
        }
        devices_.push_back(
            std::make_unique<SimDevice>(world_, *this, *checker_, device_totals_, options));
    }
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

// --- phase 1 -----------------------------------------------------------------------------------

SimNode* ClusterRun::leader(GroupId set) {
    for (const auto& node : nodes_) {
        if (node->alive() && !node->frozen() && node->core()->group(set)->serving()) {
            return node.get();
        }
    }
    return nullptr;
}

void ClusterRun::restart_later(SimNode& node) {
    // Sometimes long enough that its gateway is declared dead.
    const TimeUs down = world_.random.chance(1, 5) ? world_.delay(3 * kSecond, 11 * kSecond)
                                                   : world_.delay(20 * kMs, 4 * kSecond);
    world_.after(down, [this, &node] {
        if (!node.alive()) {
            node.start();
        }
    });
}

void ClusterRun::crash_one() {
    Random& random = world_.random;
    SimNode* node = &any_node();
    if (random.chance(1, 2)) {
        const GroupId set(static_cast<std::uint32_t>(1 + random.below(settings_.sets)));
        if (SimNode* led = leader(set)) {
            node = led;
        }
    }
    if (!node->alive()) {
        return;
    }
    const bool power = random.chance(1, 2);
    totals_.power_losses += power ? 1 : 0;
    node->crash(power);
    restart_later(*node);
}

void ClusterRun::cut_some() {
    Random& random = world_.random;
    ++totals_.cuts;
    const SimNode& node = any_node();
    const SimNode& other = any_node();
    const bool alone = random.chance(1, 2);
    const bool both = random.chance(1, 2);
    const TimeUs until = world_.delay(50 * kMs, 7 * kSecond);
    world_.note("cut " + std::to_string(node.id().value()) +
                (alone ? " from all" : " from " + std::to_string(other.id().value())) +
                (both ? "" : " one way"));
    for (const auto& peer : nodes_) {
        if (peer->id() == node.id() || (!alone && peer->id() != other.id())) {
            continue;
        }
        const NodeId a = node.id();
        const NodeId b = peer->id();
        network_->block(a, b, true);
        if (both) {
            network_->block(b, a, true);
        }
        world_.after(until, [this, a, b] {
            network_->block(a, b, false);
            network_->block(b, a, false);
        });
    }
}

void ClusterRun::fault() {
    if (healed_) {
        return;
    }
    Random& random = world_.random;
    world_.after(world_.delay(50 * kMs, 2500 * kMs), [this] { fault(); });
    ++totals_.faults;
    SimNode& node = any_node();
    switch (random.below(12)) {
        case 0:
        case 1:
        case 2:
            crash_one();
            return;
        case 3:
        case 4:
            cut_some();
            return;
        case 5:
            ++totals_.freezes;
            world_.note("node " + std::to_string(node.id().value()) + " is stopped");
            node.freeze();
            world_.after(world_.delay(50 * kMs, 9 * kSecond), [&node] { node.thaw(); });
            return;
        case 6:
            network_->reset(node.id(), any_node().id());
            return;
        case 7: {
            const NodeId from = node.id();
            const NodeId to = any_node().id();
            network_->slow(from, to, world_.delay(1 * kMs, 400 * kMs));
            world_.after(world_.delay(1 * kSecond, 5 * kSecond),
                         [this, from, to] { network_->slow(from, to, 0); });
            return;
        }
        case 8: {
            const GroupId set(static_cast<std::uint32_t>(1 + random.below(settings_.sets)));
            if (SimNode* led = leader(set)) {
                ++totals_.transfers;
                led->transfer(set, any_node().id());
            }
            return;
        }
        case 9:
            node.slow_disk(world_.delay(5 * kMs, 1500 * kMs));
            world_.after(world_.delay(100 * kMs, 4 * kSecond), [&node] { node.slow_disk(0); });
            return;
        case 10:
            node.jump_wall(static_cast<std::int64_t>(random.below(240'000)) - 120'000);
            return;
        default:
            // The power of the whole place, or two nodes in quick succession.
            if (random.chance(1, 3)) {
                world_.note("power failure of all");
                for (const auto& each : nodes_) {
                    each->crash(true);
                    restart_later(*each);
                }
            } else {
                crash_one();
                crash_one();
            }
            return;
    }
}

// --- phase 2 -----------------------------------------------------------------------------------

void ClusterRun::heal() {
    healed_ = true;
    world_.note("healed");
    network_->heal();
    for (const auto& node : nodes_) {
        node->thaw();
        node->slow_disk(0);
        if (!node->alive()) {
            node->start();
        }
    }
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
        while (world_.failure.empty() && leader(set) == nullptr && world_.now() < until) {
            world_.run_until(world_.now() + 20 * kMs);
        }
        if (leader(set) == nullptr) {
            world_.fail("I20: set " + std::to_string(set.value()) + " has no leader after 2 s");
        }
    }
}

void ClusterRun::expect_quiet() {
    finishing = true;
    const TimeUs until = world_.now() + kQuietWithin;
    std::size_t calm = 0;
    std::size_t seen = history.events.size();
    // Quiet for 12 s, so that silent gateways are declared dead and wills come.
    constexpr TimeUs kStep = 250 * kMs;
    constexpr std::size_t kCalm = 48;
    while (world_.failure.empty() && calm < kCalm && world_.now() < until) {
        world_.run_until(world_.now() + kStep);
        const bool quiet = std::all_of(devices_.begin(), devices_.end(),
                                       [](const auto& device) { return device->quiet(); });
        calm = quiet && seen == history.events.size() ? calm + 1 : 0;
        seen = history.events.size();
    }
    if (calm < kCalm) {
        std::string who;
        for (const auto& device : devices_) {
            who += device->quiet() ? "" : "; " + device->describe();
        }
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
        if (statistics.inbox_messages != 0) {
            world_.fail("set " + std::to_string(set) + " still holds messages in inboxes");
        }
    }
}

void ClusterRun::check_history() {
    for (const auto& device : devices_) {
        device->settle_wills();
    }
    const DeliveryReport report = check_deliveries(history);
    totals_.sent = report.totals.sent;
    totals_.acknowledged = report.totals.acknowledged;
    totals_.delivered = report.totals.delivered;
    totals_.redelivered = report.totals.redelivered;
    totals_.owed = report.totals.owed;
    for (const Violation& violation : report.violations) {
        world_.fail(std::string(name_of(violation.rule)) + ": " + violation.text);
    }
}

void ClusterRun::collect(RunTotals& totals) {
    totals.runs = 1;
    totals.events = world_.events();
    totals.log = checker_->totals;
    totals.devices = device_totals_;
    for (const auto& node : nodes_) {
        if (node->alive()) {
            node->count_process();
        }
        totals.gateway_deaths += node->totals.gateways_down;
        totals.streams_lost += node->totals.streams_lost;
        totals.nodes.starts += node->totals.starts;
        totals.nodes.crashes_in_commit += node->totals.crashes_in_commit;
        totals.nodes.frames += node->totals.frames;
        totals.nodes.compactions += node->totals.compactions;
        totals.nodes.syncs += node->totals.syncs;
    }
}

RunResult ClusterRun::run() {
    for (const auto& node : nodes_) {
        world_.after(world_.random.below(500 * kMs), [&node] { node->start(); });
    }
    for (const auto& device : devices_) {
        device->start();
    }
    world_.after(1 * kSecond, [this] { fault(); });
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

void RunTotals::add(const RunTotals& one) {
    runs += one.runs;
    events += one.events;
    sent += one.sent;
    acknowledged += one.acknowledged;
    delivered += one.delivered;
    redelivered += one.redelivered;
    owed += one.owed;
    gateway_deaths += one.gateway_deaths;
    streams_lost += one.streams_lost;
    faults += one.faults;
    freezes += one.freezes;
    cuts += one.cuts;
    transfers += one.transfers;
    power_losses += one.power_losses;
    log.leaders += one.log.leaders;
    log.truncations += one.log.truncations;
    log.entries += one.log.entries;
    log.applied += one.log.applied;
    log.acknowledged += one.log.acknowledged;
    devices.connects += one.devices.connects;
    devices.resumed += one.devices.resumed;
    devices.takeovers += one.devices.takeovers;
    devices.takeovers_qos2 += one.devices.takeovers_qos2;
    devices.drops += one.devices.drops;
    devices.wills += one.devices.wills;
    devices.wills_due += one.devices.wills_due;
    devices.refused += one.devices.refused;
    nodes.starts += one.nodes.starts;
    nodes.crashes_in_commit += one.nodes.crashes_in_commit;
    nodes.frames += one.nodes.frames;
    nodes.compactions += one.nodes.compactions;
    nodes.syncs += one.nodes.syncs;
}

std::string RunTotals::text() const {
    std::ostringstream out;
    out << runs << " runs, " << events << " events, " << faults << " faults: " << nodes.starts
        << " starts, " << power_losses << " power losses (" << nodes.crashes_in_commit
        << " in a commit), " << cuts << " cuts, " << freezes << " freezes, " << transfers
        << " transfers\n"
        << log.leaders << " leaders, " << log.entries << " entries, " << log.applied << " applied, "
        << log.truncations << " truncations, " << nodes.compactions << " compactions, "
        << nodes.syncs << " syncs, " << nodes.frames << " frames\n"
        << sent << " sent, " << acknowledged << " acknowledged, " << devices.refused << " refused, "
        << delivered << " delivered (" << redelivered << " again), " << owed << " owed\n"
        << devices.connects << " connects, " << devices.resumed << " resumed, " << devices.takeovers
        << " takeovers (" << devices.takeovers_qos2 << " with QoS 2 under way), " << devices.wills
        << " wills (" << devices.wills_due << " due), " << gateway_deaths << " gateway deaths, "
        << streams_lost << " streams lost\n";
    return out.str();
}

RunResult run_cluster(const RunOptions& options) { return ClusterRun(options).run(); }

}  // namespace causeway::sim
