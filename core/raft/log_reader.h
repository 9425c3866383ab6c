// The port through which the machine reads entries it no longer caches.
// Real implementation: core/replica over the WAL; simulated: an in-memory one in the tests.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/raft/types.h"

namespace causeway::raft {

// Called on the machine's thread, from inside its inputs and ready(). The machine asks only for
// entries it was told are durable (on_append_done) and that no later Ready has cut, and never below
// what compact() was told, so an implementation need not see entries whose append is under way.
class LogReader {
public:
    LogReader() = default;
    LogReader(const LogReader&) = delete;
    LogReader& operator=(const LogReader&) = delete;
    virtual ~LogReader() = default;

    // The first entry that can be read: the compaction point + 1. 1 for a log never compacted.
    [[nodiscard]] virtual Index first_index() const = 0;
    // first_index() - 1 for an empty log. Asked only when a machine starts, as is first_index().
    [[nodiscard]] virtual Index last_index() const = 0;
    // The term at first_index() - 1 ... last_index(); 0 at index 0. Asked only when a machine
    // starts, a few times per term the log holds.
    [[nodiscard]] virtual Term term_at(Index index) const = 0;
    // Effect: appends to `out` the entries from `from` on, at least one and then while they are
    // within `bytes_max` (bytes_of); it may stop earlier. Appends nothing to say "not now": the
    // machine asks again at a later input, so a slow read can be done in the background.
    virtual void entries(Index from, std::size_t bytes_max, std::vector<Entry>& out) const = 0;
    // The newest snapshot that can be sent to a peer, or nullopt to say "not now".
    [[nodiscard]] virtual std::optional<SnapshotMeta> snapshot() const = 0;
};

}  // namespace causeway::raft
