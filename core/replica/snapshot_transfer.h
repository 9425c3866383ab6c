// Carrying the state of a set to a replica that lags behind the leader's compacted log: the values
// exchanged, and the sending machine. Receiving: snapshot_receiver.h; what a node does around them,
// in order: snapshot_install.h.
//
// The sender reads nothing itself: reading waits for the store, and a core loop must not. It says
// which chunk it wants read, the driver has it read where waiting is allowed (read_piece), and
// gives it back. It keeps no chunk: what is lost is read again. So memory is one position per chunk
// sent, and one piece while it is on its way.
//
// Pure: no clock (ticks), no I/O; one loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/tagged.h"
#include "core/raft/types.h"
#include "core/state/snapshot.h"

namespace causeway::replica {

// Names one transfer. Numbers of later terms are higher, and there is one leader in a term, so of
// two transfers to a replica the higher one is the newer, whoever sends it.
using TransferId = std::uint64_t;
inline constexpr unsigned kTransferCountBits = 20;
// The `count`-th transfer this leader begins in `term`.
constexpr TransferId transfer_id(Term term, std::uint32_t count) {
    return term.value() << kTransferCountBits | (count & ((1U << kTransferCountBits) - 1));
}

// Between nodes: cluster/wire's frames of the same names.
struct SnapshotChunk {
    raft::SnapshotMeta meta{};
    TransferId transfer = 0;
    std::uint64_t number = 0;  // 0, 1, 2, …
    bool last = false;
    SharedBytes bytes{};  // of core/state/snapshot.h, checksum and number inside
};
struct SnapshotAck {
    TransferId transfer = 0;
    std::uint64_t next = 0;  // the number of the chunk wanted next
    bool refused = false;    // that chunk came damaged, or the transfer is not wanted
    bool operator==(const SnapshotAck&) const = default;
};
// The receiver has this snapshot already.
inline constexpr std::uint64_t kNothingWanted = ~std::uint64_t{0};

// A chunk as it was read.
struct SnapshotPiece {
    state::SnapshotPosition at;
    state::SnapshotPosition next;
    bool last = false;
    SharedBytes bytes;
};
// On a thread that may wait for the store.
SnapshotPiece read_piece(state::SnapshotReader& reader, const state::SnapshotPosition& at,
                         std::size_t bytes_max = state::kChunkBytesMax);

struct SnapshotSenderOptions {
    std::uint64_t window_chunks = 4;  // Sent and not acknowledged.
    // Without progress for so long: asks again with one chunk; gives up.
    unsigned retry_ticks = 100;
    unsigned give_up_ticks = 3000;
    unsigned refusals_max = 3;
};

enum class TransferState : std::uint8_t { kSending, kDelivered, kFailed };

// One transfer to one follower. Life: from raft's InstallSnapshot message until state() is not
// kSending any more; destroyed earlier when this node ceases to lead.
class SnapshotSender {
public:
    // `install`: the message as raft gave it; its term makes `transfer`.
    SnapshotSender(const SnapshotSenderOptions& options, TransferId transfer,
                   raft::Message install);

    // What to read now, if anything. After it nothing more until on_piece().
    std::optional<state::SnapshotPosition> next_read();
    // Effect: takes what was read. Returns the chunk to send, unless it is not wanted any more.
    std::optional<SnapshotChunk> on_piece(const SnapshotPiece& piece);

    // Acks of other transfers are ignored.
    void on_ack(const SnapshotAck& ack);
    // The connection to the follower is a new one: what was under way is lost, and the follower may
    // have restarted.
    void on_reset();
    void tick();

    [[nodiscard]] TransferState state() const { return state_; }
    [[nodiscard]] TransferId transfer() const { return transfer_; }
    [[nodiscard]] NodeId to() const { return install_.to; }
    // What is sent to the follower when the state is kDelivered.
    [[nodiscard]] const raft::Message& install() const { return install_; }
    // For an operator: chunks known to have arrived.
    [[nodiscard]] std::uint64_t acknowledged() const { return acked_; }

private:
    void resync();
    [[nodiscard]] const raft::SnapshotMeta& meta() const;

    SnapshotSenderOptions options_;
    TransferId transfer_;
    raft::Message install_;
    TransferState state_ = TransferState::kSending;
    std::vector<state::SnapshotPosition> positions_;  // Where each chunk begins, from 0.
    std::optional<std::uint64_t> count_;              // Of chunks, once the last was read.
    std::optional<std::uint64_t> reading_;
    std::uint64_t acked_ = 0;                 // Chunks below have arrived.
    std::uint64_t cursor_ = 0;                // The next to send.
    std::optional<std::uint64_t> went_back_;  // To here, and no progress since.
    bool resyncing_ = false;                  // One chunk goes; any answer says where to go on.
    unsigned refusals_ = 0;
    unsigned idle_ticks_ = 0;
    unsigned retry_elapsed_ = 0;
};

}  // namespace causeway::replica
