// The values of the replicated log: entries, the state that must survive a crash, and the messages
// machines exchange. Plain data, owned by whoever holds it; the wire format is cluster/wire's, the
// disk format core/wal's. Words are those of the Raft thesis (Ongaro, 2014).
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include <absl/container/inlined_vector.h>

#include "core/base/bytes.h"
#include "core/base/tagged.h"
#include "core/raft/configuration.h"

namespace causeway::raft {

constexpr Index before(Index index) { return Index(index.value() - 1); }
constexpr Index after(Index index, std::uint64_t count) { return Index(index.value() + count); }

enum class EntryKind : std::uint8_t {
    kEmpty = 0,          // The first entry of a leader's term («Raft thesis §6.4»); no payload.
    kCommand = 1,        // Opaque to this module.
    kConfiguration = 2,  // encode(Configuration): the whole configuration that acts from here on.
};

struct Entry {
    Term term{};
    Index index{};
    EntryKind kind = EntryKind::kEmpty;
    SharedBytes payload{};
};

// What an entry counts for in every byte limit of this module.
inline constexpr std::size_t kEntryOverhead = 32;
inline std::size_t bytes_of(const Entry& entry) { return entry.payload.size() + kEntryOverhead; }

// What must be durable before a machine may speak of it. `commit` is a hint that saves a restarted
// node some waiting: losing its newest value is harmless. commit never passes the durable log.
struct HardState {
    Term term{};
    NodeId vote{};  // 0: none in this term.
    Index commit{};
    bool operator==(const HardState&) const = default;
};

// What a snapshot stands for: the state after applying the entry (index, term), and the
// configuration in force there (I14). The bytes of the state travel outside this module.
struct SnapshotMeta {
    Index index{};
    Term term{};
    Configuration configuration{};
};

// --- Message bodies ----------------------------------------------------------------------------

// `pre` asks whether a vote would be given («thesis §9.6») in the message's term, which nobody
// adopts. `transfer`: the leader itself asked for this election, so its lease does not refuse it.
struct VoteRequest {
    Index last_index{};
    Term last_term{};
    bool pre = false;
    bool transfer = false;
};
struct VoteResponse {
    bool pre = false;
    bool granted = false;
};
// Entries prev_index + 1 ...; none of them announces the commit index, or probes.
struct AppendRequest {
    Index prev_index{};
    Term prev_term{};
    Index commit{};
    absl::InlinedVector<Entry, 1> entries{};
};
// Accepted: the sender's fsynced log equals the leader's up to `index` = prev_index + the number of
// entries OF THAT REQUEST. Rejected: `index` repeats prev_index, and the hint is the sender's last
// place whose term is not above prev_term («thesis §4.1», by term).
struct AppendResponse {
    Index index{};
    bool rejected = false;
    Index hint_index{};
    Term hint_term{};
};
// Carries no log position, so that the heartbeats of all groups of a pair of nodes can share a
// frame.
struct Heartbeat {};
// `commit` lets the leader repeat an announcement that was lost.
struct HeartbeatResponse {
    Index commit{};
};
// Delivered to step() by the driver once every chunk of the state it names has arrived.
struct InstallSnapshot {
    SnapshotMeta meta;
};
// Leadership transfer: start an election at once («thesis §3.10»).
struct TimeoutNow {};

struct Message {
    NodeId from{};
    NodeId to{};
    Term term{};
    std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse, Heartbeat,
                 HeartbeatResponse, InstallSnapshot, TimeoutNow>
        body;
};

}  // namespace causeway::raft
