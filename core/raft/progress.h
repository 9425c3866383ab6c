// What a leader knows of one peer's log, and how much it may send it («Raft thesis §3.5, §10.2.1»).
//
//   kProbe      the match is unknown: one message, then wait for its answer or for a heartbeat's.
//   kReplicate  messages go out ahead of the answers, within the window.
//   kSnapshot   the entries the peer needs are compacted: nothing goes until the snapshot is
//   reported.
//
// Invariants: next > match (I10); the window holds at most `count_max` messages and `bytes_max`
// bytes, except that a single message may exceed the bytes. Lives inside the leader's role; same
// thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/tagged.h"
#include "core/raft/ring.h"
#include "core/raft/types.h"

namespace causeway::raft {

struct WindowLimits {
    std::size_t count_max = 64;
    std::size_t bytes_max = 4U << 20;
};

enum class ProgressState : std::uint8_t { kProbe, kReplicate, kSnapshot };

class Progress {
public:
    Progress(Index next, WindowLimits limits) : limits_(limits), next_(next) {}

    [[nodiscard]] ProgressState state() const { return state_; }
    [[nodiscard]] Index match() const { return match_; }
    [[nodiscard]] Index next() const { return next_; }
    [[nodiscard]] Index commit_sent() const { return commit_sent_; }
    [[nodiscard]] Index pending_snapshot() const { return pending_snapshot_; }
    [[nodiscard]] std::size_t window_count() const { return window_.size(); }
    [[nodiscard]] std::size_t window_bytes() const { return window_bytes_; }

    // Whether any append may leave, and whether one with entries may.
    [[nodiscard]] bool may_send() const;
    [[nodiscard]] bool window_full() const;
    // Bytes that still fit; entries larger than that may go only into an empty window.
    [[nodiscard]] std::size_t window_left() const;

    // Whether an append without entries is worth sending now.
    [[nodiscard]] bool wants_empty(Index commit) const { return nudged_ || commit_sent_ < commit; }

    // Effect: an append with `count` entries from next() on, worth `bytes`, that announced `commit`
    // was sent. Precondition: may_send(), and not window_full() if count > 0.
    void on_sent(std::size_t count, std::size_t bytes, Index commit);
    // Effect: the peer holds the leader's log up to `index`. Returns whether that is news.
    bool on_accepted(Index index);
    // Effect: the peer refused an append after `rejected` and may match up to `hint`: probe from
    // there. A refusal that a later answer has overtaken changes nothing; returns whether it
    // counted.
    bool on_rejected(Index rejected, Index hint);
    // Effect: the peer is alive and knows `commit`; ends the waiting of a probe, and when the peer
    // is behind `last` makes an empty append due, whose refusal would show a lost message.
    void on_heartbeat_response(Index commit, Index last);
    void on_snapshot_sent(Index index);
    // Effect: continues after a snapshot that arrived, or from the old place after one that did
    // not.
    void on_snapshot_reported(bool installed);
    // Effect: what was sent and not answered may be lost: probes from match + 1, or, while match is
    // not known yet, from the old place.
    void become_probe();

    // Heard from since the last check of the quorum.
    bool recently_active = false;

private:
    struct Sent {
        Index last;
        std::size_t bytes = 0;
    };
    void clear_window();
    void free_window(Index upto);
    void check() const;

    WindowLimits limits_;
    ProgressState state_ = ProgressState::kProbe;
    bool probe_sent_ = false;
    bool nudged_ = false;
    Index match_;
    Index next_;
    Index commit_sent_;
    Index pending_snapshot_;
    Ring<Sent> window_;
    std::size_t window_bytes_ = 0;
};

}  // namespace causeway::raft
