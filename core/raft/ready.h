// What a Raft machine asks its driver to do. core/replica fills one with Raft::ready() per loop
// turn and does what it says in ONE function, in the order of the fields. Everything in it is
// handed over once: there is no call to accept it. The caller owns it and passes the same one
// again, so that its vectors keep their memory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/raft/types.h"

namespace causeway::raft {

enum class Role : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

struct SoftState {
    Role role = Role::kFollower;
    NodeId leader;  // 0: not known.
    bool operator==(const SoftState&) const = default;
};

struct Ready {
    // 1. At any time: who leads changed since the last Ready. Nothing of it need be stored.
    std::optional<SoftState> soft_state;

    // 2. These may leave at once, BEFORE anything below is done. A leader's disk write so runs
    // while its
    //    followers write. A message to this node itself is given back to step(). Any may be lost.
    std::vector<Message> messages;

    // 3. When must_append, ONE append to the WAL, in this order, AFTER the append of every earlier
    //    Ready: the snapshot replaces the whole log (BEFORE it is acknowledged the state machine
    //    must have installed it, after every earlier committed entry, and be durable); entries
    //    >= truncate_from are dropped; entries are added; the hard state is replaced. When all of
    //    it is fsynced: on_append_done(append_seq). Acknowledging a number acknowledges all below
    //    it.
    bool must_append = false;
    std::uint64_t append_seq = 0;
    std::optional<SnapshotMeta> snapshot;
    std::optional<Index> truncate_from;
    std::vector<Entry> entries_to_append;
    std::optional<HardState> hard_state;

    // 4. These leave AFTER on_append_done(append_seq) was called, also when must_append is false
    // (then
    //    append_seq is that of an earlier Ready). Messages to this node itself are the leader's own
    //    vote for its entries, and a candidate's for itself: given back to step() then. A crash
    //    before drops them.
    std::vector<Message> messages_after_append;

    // 5. Committed and durable here: to apply in this order, AFTER those of every earlier Ready,
    // with
    //    on_apply_done(index of the last applied) as often as convenient.
    std::vector<Entry> committed_entries;

    // Effect: empties everything and keeps the memory.
    void clear() {
        soft_state.reset();
        messages.clear();
        must_append = false;
        append_seq = 0;
        snapshot.reset();
        truncate_from.reset();
        entries_to_append.clear();
        hard_state.reset();
        messages_after_append.clear();
        committed_entries.clear();
    }
};

}  // namespace causeway::raft
