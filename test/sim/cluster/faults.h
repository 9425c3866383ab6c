// What goes wrong in the first phase of a run: crashes, cuts, freezes, slow and full disks, damage,
// clocks that jump. Drawn from the world's chance; everything it began is ended by heal().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "test/sim/cluster/network.h"
#include "test/sim/cluster/node.h"

namespace causeway::sim {

struct FaultTotals {
    std::uint64_t faults = 0;
    std::uint64_t power_losses = 0;
    std::uint64_t cuts = 0;
    std::uint64_t freezes = 0;
    std::uint64_t transfers = 0;
    std::uint64_t clock_jumps = 0;
    std::uint64_t full_disks = 0;
    std::uint64_t damages = 0;              // a bit of a log
    std::uint64_t crashes_in_transfer = 0;  // of a snapshot, on either side
    std::uint64_t crashes_in_install = 0;   // between the new table and the log that knows of it
};

class Faults {
public:
    using Nodes = std::vector<std::unique_ptr<SimNode>>;
    Faults(World& world, Network& network, Nodes& nodes, const NodeSettings& settings);

    // Effect: from now on one fault after another.
    void start();
    // Effect: no more of them; every node runs, every link and disk is well.
    void heal();
    // The node that serves the set; null: none.
    [[nodiscard]] SimNode* leader(GroupId set) const;

    FaultTotals totals;

private:
    void next();
    void crash_one();
    void crash_all();
    void cut_some();
    void freeze_one();
    void slow_one_way();
    void transfer();
    void slow_disk();
    void fill_disk();
    void damage();
    void jump_clock();
    void on_snapshot_step(SimNode& node, SnapshotStep step);
    void restart_later(SimNode& node);
    [[nodiscard]] SimNode& any_node() { return *nodes_[world_.random.below(nodes_.size())]; }
    [[nodiscard]] GroupId any_set() {
        return GroupId(static_cast<std::uint32_t>(1 + world_.random.below(settings_.sets)));
    }

    World& world_;
    Network& network_;
    Nodes& nodes_;
    const NodeSettings& settings_;
    bool healed_ = false;
    std::uint64_t clock_turns_ = 0;  // the newest choice of a wrong clock counts
};

}  // namespace causeway::sim
