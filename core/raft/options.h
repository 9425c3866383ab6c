// What a machine is started with: its limits, and what its disk held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/result.h"
#include "core/raft/log_reader.h"
#include "core/raft/progress.h"
#include "core/raft/types.h"

namespace causeway::raft {

// Times are in ticks; the defaults are for a tick of 10 ms.
struct Options {
    NodeId id{};
    std::uint64_t seed = 1;  // Of the election timeouts. Give each node and group another.
    unsigned heartbeat_ticks = 10;
    unsigned election_ticks_min = 40;  // A timeout is drawn from [min, max) each time it is armed.
    unsigned election_ticks_max = 80;
    // A commit that no append carries is announced by an empty one: at once, or at the next tick.
    // Followers only apply sooner by it, so at once is for tests.
    bool announce_commit_at_tick = false;
    unsigned hurried_ticks_min = 5;  // The same after report_disconnected(leader).
    unsigned hurried_ticks_max = 20;
    // Bytes. A payload; the entries of one append (a single entry may exceed it); the entries
    // proposed and not yet applied (a follower takes twice that); the committed entries of one
    // Ready; the applied entries kept in memory for followers.
    std::size_t entry_bytes_max = 1U << 20;
    std::size_t message_bytes_max = 1U << 20;
    std::size_t unapplied_bytes_max = 16U << 20;
    std::size_t committed_bytes_max = 1U << 20;
    std::size_t cache_bytes_max = 8U << 20;
    WindowLimits window{};  // Of what is sent and not answered, per follower.
};

// A configuration and the index of the entry (or snapshot) it came with.
struct ConfigurationAt {
    Index index;
    Configuration configuration;
};

// What a restarted node recovered; all of it durable.
struct Start {
    HardState hard_state;
    Index applied;  // The state machine holds everything up to here, durably.
    // The configuration at the compaction point (or of the bootstrap, at index 0), then that of
    // every configuration entry in the log, ascending. A new node that waits for its first entries
    // or a snapshot starts with an empty configuration at index 0 (or with none at all), and never
    // campaigns before it finds itself a voter.
    std::vector<ConfigurationAt> configurations;
};

// Whether a machine may be built from this: the hard state, the applied index and the log agree. An
// error names what is missing: then this node has lost what it once acknowledged, and must neither
// vote nor lead (I17).
Result<> check_start(const Options& options, const Start& start, const LogReader& reader);

}  // namespace causeway::raft
