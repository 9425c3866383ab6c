// The thread that owns the log: group commit for all groups of a node. It takes everything that is
// queued, makes it one batch (one write, one sync) and completes it all in the order of append().
// Segments are made ready by a second thread, so that zero-filling does not hold up commits.
//
// Life: construct with an open Log; append() from any thread; stop() or the destructor commits what
// is queued and joins. Completions run on the writer thread and must not block or call stop(); they
// may call append().
//
// When the log is full (the next segment could not be made for lack of space) the writer keeps the
// batch and tries again: appends are late, never out of order or lost. Watch status(): refuse
// proposals while free_reserve_bytes is small, and give leadership away while oldest_pending_ms is
// large. After a disk failure every append completes with LogFault::kIo and the process must exit.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <tl/expected.hpp>

#include "core/wal/log.h"
#include "core/wal/prepare.h"
#include "core/wal/types.h"

namespace causeway::wal {

struct WriterOptions {
    std::uint64_t sync_delay_us = 0;      // Wait so long for company after the first append.
    std::uint32_t sync_max_count = 4096;  // Appends per batch.
    std::uint64_t sync_max_bytes = 8U
                                   << 20;  // Bytes per batch; never above Log::batch_bytes_max().
    std::uint64_t queue_bytes_max = 64U << 20;
    std::uint64_t retry_ms = 100;  // Between attempts to make a segment after a failure.
};

// How an append ended. The storage acknowledgement raft needs: an order and an epoch, not an index.
struct AppendOutcome {
    AppendSeq seq;
    GroupId group;
    Epoch epoch;  // The group's truncation epoch after the append.
    tl::expected<void, LogError> result;
};
using Completion = absl::AnyInvocable<void(const AppendOutcome&)>;

enum class AppendRefusal : std::uint8_t {
    kQueueFull,  // queue_bytes_max: try later.
    kTooLarge,   // Larger than half a segment.
    kStopped,
};

struct WriterStatus {
    LogStatus log;
    std::uint64_t queued_bytes = 0;  // Accepted and not yet completed.
    std::uint64_t queued_count = 0;
    std::uint64_t oldest_pending_ms = 0;  // How long the oldest of them has waited.
    bool stalled = false;                 // Waiting for space.
};

class Writer {
public:
    // `disk` is the one the log was opened on and must outlive the writer.
    Writer(Disk& disk, std::unique_ptr<Log> log, const WriterOptions& options);
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    // Effect: the batch is queued; `done` is called exactly once. Appends of one group must come in
    // the order raft made them, from one thread at a time. Errors: nothing was queued, `done` is
    // dropped.
    tl::expected<AppendSeq, AppendRefusal> append(Batch batch, Completion done);

    // Effect: refuses further appends, commits what is queued and ends the threads. If the log has
    // no space left then, the rest completes with kNoSpace. Idempotent.
    void stop();

    // For read() and term(), from any thread.
    [[nodiscard]] const Log& log() const { return *log_; }
    [[nodiscard]] WriterStatus status() const;

private:
    using Clock = std::chrono::steady_clock;
    struct Pending {
        AppendSeq seq;
        std::uint64_t bytes = 0;
        Clock::time_point since;
        Epoch epoch;
        Batch batch;
        Completion done;
    };

    void run();
    bool take();
    void commit_taken();
    std::size_t stage_from(std::size_t begin);
    tl::expected<void, LogError> commit_with_room();
    void complete(std::size_t begin, std::size_t end, const tl::expected<void, LogError>& result);
    void poll_jobs();  // Needs mutex_.
    void run_helper();

    Disk& disk_;
    const std::unique_ptr<Log> log_;
    const WriterOptions options_;
    const std::uint64_t batch_bytes_;

    std::vector<Pending> taken_;  // The writer thread's own.

    mutable std::mutex mutex_;
    std::condition_variable wake_;         // The writer thread.
    std::condition_variable wake_helper_;  // The helper thread.
    std::vector<Pending> queue_;
    std::uint64_t queue_bytes_ = 0;    // Of queue_.
    std::uint64_t pending_bytes_ = 0;  // Of queue_ and what is being committed.
    std::uint64_t pending_count_ = 0;
    std::optional<Clock::time_point> committing_since_;
    AppendSeq last_seq_;
    bool stopping_ = false;
    bool stalled_ = false;
    std::optional<SegmentTask> task_;  // Being run by the helper, or run and not yet collected.
    std::optional<DiskResult<>> task_outcome_;
    Clock::time_point retry_at_;
    bool helper_stopping_ = false;

    std::thread helper_;
    std::thread thread_;
};

}  // namespace causeway::wal
