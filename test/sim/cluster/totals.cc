#include "test/sim/cluster/totals.h"

#include <sstream>

namespace causeway::sim {
void RunTotals::add(const RunTotals& one) { sum_counters(*this, one); }

std::string RunTotals::text() const {
    std::ostringstream out;
    out << runs << " runs, " << events << " events, " << faults.faults
        << " faults: " << nodes.starts << " starts, " << faults.power_losses << " power losses ("
        << nodes.crashes_in_commit << " in a commit), " << faults.cuts << " cuts, "
        << faults.freezes << " freezes, " << faults.transfers << " transfers, "
        << faults.clock_jumps << " clock jumps, " << faults.full_disks << " full disks ("
        << nodes.stalls << " stalls), " << faults.damages << " damaged logs\n"
        << log.leaders << " leaders, " << log.entries << " entries, " << log.applied << " applied, "
        << log.truncations << " truncations, " << nodes.compactions << " compactions, "
        << nodes.syncs << " syncs, " << nodes.frames << " frames\n"
        << log.snapshots << " snapshots installed, " << faults.crashes_in_transfer
        << " crashes in a transfer, " << faults.crashes_in_install << " around an install ("
        << nodes.snapshots_recorded_late << " before the log knew)\n"
        << sent << " sent, " << acknowledged << " acknowledged, " << devices.refused << " refused, "
        << delivered << " delivered (" << redelivered << " again), " << owed << " owed\n"
        << devices.connects << " connects, " << devices.resumed << " resumed, " << devices.takeovers
        << " takeovers (" << devices.takeovers_qos2 << " with QoS 2 under way), " << devices.wills
        << " wills (" << devices.wills_due << " due), " << nodes.gateways_down
        << " gateway deaths, " << nodes.streams_lost << " streams lost\n"
        << devices.away << " times away, " << devices.identities << " names given up, " << devices.expiring_kept << " expiring sessions kept, "
        << devices.wills_delayed << " delayed wills, " << devices.retained_written
        << " retained written, " << devices.retained_read << " read; queue: " << queue.received
        << " received (" << queue.received_again << " again), " << queue.acknowledged
        << " acknowledged, " << queue.leases_lost << " too late\n";
    return out.str();
}

std::string RunTotals::too_few() const {
    std::ostringstream out;
    // `wanted` in a hundred runs.
    const auto at_least = [&](const char* what, std::uint64_t is, std::uint64_t wanted) {
        if (is * 100 < runs * wanted) {
            out << "too few " << what << ": " << is << " of " << runs * wanted / 100 << "\n";
        }
    };
    at_least("events", events, 200'000);
    at_least("acknowledged publishes", acknowledged, 20'000);
    at_least("leaders", log.leaders, 300);
    at_least("starts", nodes.starts, 400);
    if (runs < 10) {
        return out.str();
    }
    at_least("gateway deaths", nodes.gateways_down, 20);
    at_least("takeovers with QoS 2 under way", devices.takeovers_qos2, 100);
    at_least("truncations", log.truncations, 20);
    at_least("crashes in a commit", nodes.crashes_in_commit, 20);
    at_least("wills", devices.wills_due, 100);
    at_least("snapshots", log.snapshots, 20);
    if (runs < 100) {
        return out.str();
    }
    at_least("crashes in a transfer", faults.crashes_in_transfer, 5);
    at_least("crashes around an install", faults.crashes_in_install, 5);
    at_least("snapshots installed before the log knew", nodes.snapshots_recorded_late, 1);
    return out.str();
}

}  // namespace causeway::sim
