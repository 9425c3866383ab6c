// The receiving machine of a snapshot transfer: puts the chunks of the newest transfer in order and
// says what is to be done with each. It touches no table: adding a chunk waits for the store, and a
// core loop must not, so the driver has it added where waiting is allowed and reports back.
//
// Chunks that were received already are ignored, a gap is answered with the number that is wanted,
// a damaged chunk is refused. A newer transfer replaces an older one. Nothing is remembered across
// a restart of the node: then the sender begins again. Memory: chunks_bytes_max of chunks that wait
// to be added; what does not fit is dropped and comes again.
//
// Pure: no clock (ticks), no I/O; one loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/raft/types.h"
#include "core/replica/snapshot_transfer.h"

namespace causeway::replica {

struct SnapshotReceiverOptions {
    std::size_t chunks_bytes_max = 8U << 20;  // A single larger chunk is refused.
    unsigned give_up_ticks = 3000;            // Without a chunk: what was taken is abandoned.
    unsigned quiet_ticks = 100;               // Without a chunk: its leader may be gone.
};

class SnapshotReceiver {
public:
    // To be done in this order, each after the one before, also across calls.
    // The installer there is, if any, is abandoned; a new one is made.
    struct Begin {
        raft::SnapshotMeta meta;
    };
    // SnapshotInstaller::add(bytes), then on_added().
    struct Add {
        TransferId transfer = 0;
        std::uint64_t number = 0;
        SharedBytes bytes;
    };
    // The installer is abandoned and destroyed.
    struct Abandon {};
    // SnapshotAck: to the node the last chunk came from.
    using Action = std::variant<Begin, Add, Abandon, SnapshotAck>;
    using Actions = std::vector<Action>;

    explicit SnapshotReceiver(const SnapshotReceiverOptions& options) : options_(options) {}

    // Actions are appended to `out`.
    void on_chunk(SnapshotChunk chunk, Actions& out);
    // An Add was done; `added`: add() succeeded.
    void on_added(TransferId transfer, std::uint64_t number, bool added, Actions& out);
    void tick(Actions& out);

    // Every chunk of this snapshot is added: the installer may finish it.
    [[nodiscard]] bool holds(const raft::SnapshotMeta& meta) const;
    // There is an installer, complete or not.
    [[nodiscard]] bool busy() const { return state_ == State::kTaking || state_ == State::kAll; }
    // Chunks are coming: Replica::hold_elections(). What is here already is kept for longer.
    [[nodiscard]] bool coming() const { return busy() && idle_ticks_ < options_.quiet_ticks; }

    // The driver finished the installer (and destroyed it).
    void installed();
    // Effect: what was taken is abandoned; raft did not want it.
    void abandon(Actions& out);

private:
    enum class State : std::uint8_t {
        kNone,       // Nothing is here; a transfer may begin, also the newest one again.
        kTaking,     // Chunks are awaited or being added.
        kAll,        // Every chunk is added.
        kInstalled,  // The newest transfer was installed.
    };
    struct Waiting {
        std::uint64_t number = 0;
        SharedBytes bytes;
    };

    void begin(const SnapshotChunk& chunk, Actions& out);
    void take(SnapshotChunk& chunk, Actions& out);
    void add_next(Actions& out);
    void clear(State state);

    SnapshotReceiverOptions options_;
    State state_ = State::kNone;
    TransferId newest_ = 0;
    raft::SnapshotMeta meta_;
    std::deque<Waiting> waiting_;  // The first is being added when adding_.
    std::size_t waiting_bytes_ = 0;
    bool adding_ = false;
    std::uint64_t added_ = 0;
    std::uint64_t accepted_ = 0;          // Added or waiting.
    std::optional<std::uint64_t> count_;  // Of chunks, once the last was accepted.
    unsigned idle_ticks_ = 0;
};

}  // namespace causeway::replica
