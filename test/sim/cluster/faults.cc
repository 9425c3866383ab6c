#include "test/sim/cluster/faults.h"

#include <algorithm>
#include <string>

namespace causeway::sim {

Faults::Faults(World& world, Network& network, Nodes& nodes, const NodeSettings& settings)
    : world_(world), network_(network), nodes_(nodes), settings_(settings) {
    for (const auto& node : nodes_) {
        node->on_snapshot_step(
            [this](SimNode& at, SnapshotStep step) { on_snapshot_step(at, step); });
    }
}

void Faults::start() {
    world_.after(1 * kSecond, [this] { next(); });
}

SimNode* Faults::leader(GroupId set) const {
    for (const auto& node : nodes_) {
        if (node->alive() && !node->frozen() && node->core()->group(set)->serving()) {
            return node.get();
        }
    }
    return nullptr;
}

void Faults::heal() {
    healed_ = true;
    world_.note("healed");
    network_.heal();
    for (const auto& node : nodes_) {
        node->thaw();
        node->slow_disk(0);
        node->fill_disk(false);
        node->repair();
        if (!node->alive()) {
            node->start();
        }
    }
}

void Faults::next() {
    if (healed_) {
        return;
    }
    world_.after(world_.delay(50 * kMs, 2500 * kMs), [this] { next(); });
    ++totals.faults;
    switch (world_.random.below(14)) {
        case 0:
        case 1:
        case 2:
            return crash_one();
        case 3:
        case 4:
            return cut_some();
        case 5:
            return freeze_one();
        case 6:
            return network_.reset(any_node().id(), any_node().id());
        case 7:
            return slow_one_way();
        case 8:
            return transfer();
        case 9:
            return slow_disk();
        case 10:
            return jump_clock();
        case 11:
            return fill_disk();
        case 12:
            return damage();
        default:
            return crash_all();
    }
}

void Faults::restart_later(SimNode& node) {
    // Sometimes long enough that its gateway is declared dead.
    const TimeUs down = world_.random.chance(1, 5) ? world_.delay(3 * kSecond, 11 * kSecond)
                                                   : world_.delay(20 * kMs, 4 * kSecond);
    world_.after(down, [&node] {
        if (!node.alive() && !node.damaged()) {
            node.start();
        }
    });
}

void Faults::crash_one() {
    Random& random = world_.random;
    SimNode* node = &any_node();
    if (random.chance(1, 2)) {
        if (SimNode* led = leader(any_set())) {
            node = led;
        }
    }
    if (!node->alive()) {
        return;
    }
    const bool power = random.chance(1, 2);
    totals.power_losses += power ? 1 : 0;
    node->crash(power);
    restart_later(*node);
}

// The power of the whole place, or two nodes in quick succession.
void Faults::crash_all() {
    if (!world_.random.chance(1, 3)) {
        crash_one();
        crash_one();
        return;
    }
    world_.note("power failure of all");
    for (const auto& each : nodes_) {
        each->crash(true);
        restart_later(*each);
    }
}

void Faults::cut_some() {
    Random& random = world_.random;
    ++totals.cuts;
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
        network_.block(a, b, true);
        if (both) {
            network_.block(b, a, true);
        }
        world_.after(until, [this, a, b] {
            network_.block(a, b, false);
            network_.block(b, a, false);
        });
    }
}

void Faults::freeze_one() {
    SimNode& node = any_node();
    ++totals.freezes;
    world_.note("node " + std::to_string(node.id().value()) + " is stopped");
    node.freeze();
    world_.after(world_.delay(50 * kMs, 9 * kSecond), [&node] { node.thaw(); });
}

void Faults::slow_one_way() {
    const NodeId from = any_node().id();
    const NodeId to = any_node().id();
    network_.slow(from, to, world_.delay(1 * kMs, 400 * kMs));
    world_.after(world_.delay(1 * kSecond, 5 * kSecond),
                 [this, from, to] { network_.slow(from, to, 0); });
}

void Faults::transfer() {
    const GroupId set = any_set();
    if (SimNode* led = leader(set)) {
        ++totals.transfers;
        led->transfer(set, any_node().id());
    }
}

void Faults::slow_disk() {
    SimNode& node = any_node();
    node.slow_disk(world_.delay(5 * kMs, 1500 * kMs));
    world_.after(world_.delay(100 * kMs, 4 * kSecond), [&node] { node.slow_disk(0); });
}

void Faults::fill_disk() {
    SimNode& node = any_node();
    ++totals.full_disks;
    world_.note("the disk of node " + std::to_string(node.id().value()) + " is full");
    node.fill_disk(true);
    world_.after(world_.delay(100 * kMs, 5 * kSecond), [&node] { node.fill_disk(false); });
}

// A damaged record: the node stops and says where, the others go on. One at a time, for a majority.
void Faults::damage() {
    const bool none = std::none_of(nodes_.begin(), nodes_.end(),
                                   [](const auto& node) { return node->damaged(); });
    SimNode& node = any_node();
    if (!none || nodes_.size() < 3 || !node.alive()) {
        return crash_one();
    }
    if (node.crash_damaged()) {
        ++totals.damages;
        node.start();  // it must refuse
        if (node.alive()) {
            world_.fail("I17: a node serves from a damaged log");
        }
    } else {
        restart_later(node);
    }
}

// One clock is wrong, by an hour at most; the others are put right, and nobody remembers what they
// said before. A node alone has nothing to compare its clock with when it starts: there an hour
// that the clock jumps has passed.
void Faults::jump_clock() {
    // Longer than cluster/node's Core goes by what a node said.
    constexpr TimeUs kClocksForgotten = 2'500 * kMs;
    constexpr std::uint64_t kHourMs = 3'600'000;
    Random& random = world_.random;
    const auto jump = [&](std::uint64_t span) {
        return static_cast<std::int64_t>(random.below(span)) - static_cast<std::int64_t>(span / 2);
    };
    for (const auto& node : nodes_) {
        node->set_wall(0);
    }
    const std::uint64_t span = random.chance(1, 2) ? 2 * kHourMs : 240'000;
    if (nodes_.size() == 1) {
        any_node().set_wall(jump(1'000));  // nobody else's clock is gone by
        ++totals.clock_jumps;
        return;
    }
    world_.after(kClocksForgotten, [this, wrong_by = jump(span), turn = ++clock_turns_] {
        if (!healed_ && turn == clock_turns_) {
            any_node().set_wall(wrong_by);
            ++totals.clock_jumps;
        }
    });
}

// A crash at a step of a snapshot, more often where a moment is all there is.
void Faults::on_snapshot_step(SimNode& node, SnapshotStep step) {
    const bool installing = step == SnapshotStep::kInstalled || step == SnapshotStep::kLogged;
    if (healed_ || !world_.random.chance(1, installing ? 4 : 60)) {
        return;
    }
    ++(installing ? totals.crashes_in_install : totals.crashes_in_transfer);
    world_.after(0, [this, &node] {
        if (node.alive()) {
            node.crash(world_.random.chance(1, 2));
            restart_later(node);
        }
    });
}

}  // namespace causeway::sim
