// The write-ahead log of a node, shared by all its groups: the engine. Deterministic and without
// threads; the Writer (writer.h) runs it on its thread, tests and the simulator call it directly.
//
// Life: open() recovers; then rounds of stage()... commit(): one batch, one write, one sync. What
// commit() has returned success for survives a crash, in order. Segments are made ready ahead by
// jobs (prepare.h); a segment whose entries are all compacted, truncated or moved is recycled,
// oldest first. Format and reasons: docs/formats/wal.md. [Raft decisions 3, 11, 13; invariants I7,
// I12, I17-I19]
//
// Threads: read(), term() and status() from any; everything else from one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <tl/expected.hpp>

#include "core/wal/disk.h"
#include "core/wal/format.h"
#include "core/wal/group_table.h"
#include "core/wal/prepare.h"
#include "core/wal/recovery.h"
#include "core/wal/types.h"

namespace causeway::wal {

class Log {
public:
    // Effect: recovers what is in the directory, makes its last batch durable once more (the
    // process before may have died between write and sync), makes sure that a torn batch behind it
    // stays away, and prepares a segment. The disk must outlive it. Errors: kCorrupt or kForeign
    // with file and offset, then nothing on the disk was changed; kIo.
    static tl::expected<std::unique_ptr<Log>, LogError> open(Disk& disk, const LogOptions& options);
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // What is durable, per group in order of id.
    [[nodiscard]] std::vector<GroupSummary> groups() const;

    // Effect: encodes the batch behind those already staged; it takes effect with the next
    // commit(). Returns the group's truncation epoch after it. Precondition: the batch continues
    // the group's log as Batch says (our own raft wrote it; a violation is a CW_CHECK). Errors:
    // kTooLarge when it could never be committed, kIo after a failure; nothing is staged.
    tl::expected<Epoch, LogError> stage(const Batch& batch);
    // The bytes stage() would add. A caller commits before staged_bytes() + this exceed
    // batch_bytes_max(), which is half a segment.
    [[nodiscard]] static std::uint64_t staged_bytes_of(const Batch& batch);
    [[nodiscard]] std::uint64_t staged_bytes() const { return staged_.size(); }
    [[nodiscard]] std::uint64_t batch_bytes_max() const { return options_.segment_bytes / 2; }

    // Effect: one write and one sync make all that is staged durable, then it is visible to read().
    // Errors: kNoSpace - the next segment is not ready: nothing was written, all stays staged, run
    // the jobs and call again. kTooLarge - there are so many groups that their heads do not fit.
    // kIo, kCorrupt - final: the log refuses everything from now on, the process must exit (I19).
    tl::expected<void, LogError> commit();

    // The next thing to do for segments, if any; the caller runs it as a SegmentTask and gives the
    // outcome to finish_job before asking for another. A failure is remembered in status() only,
    // and the same job is handed out again.
    std::optional<SegmentJob> next_job();
    void finish_job(const SegmentTask& task, const DiskResult<>& outcome);
    // Runs the jobs there are, here and now, until none is left or one fails.
    void run_jobs();

    // Entries from `from` on, in order, while their payloads stay within max_bytes, but at least
    // one if there is one. Empty: `from` is beyond the last. Errors: kNotFound (compacted, or no
    // such group), kCorrupt, kIo.
    [[nodiscard]] tl::expected<std::vector<Entry>, LogError> read(GroupId group, Index from,
                                                                  std::size_t max_bytes) const;
    // The term of a durable entry or of the compaction point.
    [[nodiscard]] std::optional<Term> term(GroupId group, Index index) const;
    [[nodiscard]] LogStatus status() const;

private:
    // A group as it will be when all that is staged is applied.
    struct Tail {
        Index compacted;
        Index last;
        Epoch epoch;
    };
    // Where an entry of a read lies.
    struct Found {
        Index index;
        Slot slot;
        std::shared_ptr<DiskFile> file;
    };

    // Moves the table and the segments out of `recovered`.
    Log(Disk& disk, const LogOptions& options, Recovered& recovered);

    tl::expected<void, LogError> settle(const Recovered& recovered);
    DiskResult<> erase_torn();
    void drop_unfit_segments();
    void stage_truncation(const Batch& batch, Tail& tail);
    void stage_entries(const Batch& batch, Tail& tail);
    void stage_state(const Batch& batch, Tail& tail);

    tl::expected<void, LogError> place_batch();
    tl::expected<void, LogError> write_batch();
    void apply_batch();
    tl::expected<void, LogError> collect_moves();
    std::optional<Segment> segment_to_empty();
    tl::expected<void, LogError> move_entry(const EntryId& id, const Slot& slot,
                                            const Segment& segment);
    void drop_moves();
    LogError fail_with(LogError error);
    [[nodiscard]] LogError io_error(const DiskError& error, std::uint64_t offset) const;

    // The following need mutex_.
    [[nodiscard]] std::size_t free_segments() const;  // Leading ones that hold nothing needed.
    [[nodiscard]] std::uint64_t used_bytes() const;
    [[nodiscard]] bool pays_to_empty(const Segment& segment) const;
    [[nodiscard]] std::uint64_t reserve_bytes() const;
    [[nodiscard]] const Segment& segment(std::uint32_t seq) const;

    tl::expected<std::vector<Found>, LogError> locate(GroupId group, Index from,
                                                      std::size_t max_bytes) const;
    tl::expected<std::vector<Entry>, LogError> fetch(GroupId group,
                                                     const std::vector<Found>& found) const;

    Disk& disk_;
    const LogOptions options_;
    // The appending thread's own.
    RecordBuffer staged_;
    RecordBuffer front_;  // Segment head and moved entries that go before what is staged.
    std::map<std::uint32_t, Tail> tails_;
    std::uint64_t next_batch_ = 1;
    std::uint64_t next_lsn_ = 1;
    std::uint32_t moving_segment_ = 0;
    std::vector<EntryId> moving_;  // What moving_segment_ held when moving began, …
    std::size_t moved_ = 0;        // … how many of them are done, …
    std::size_t moved_after_ = 0;  // … and how many will be when front_ is written.
    bool job_active_ = false;
    // Shared with readers.
    mutable std::mutex mutex_;
    GroupTable table_;
    std::deque<Segment> segments_;
    std::size_t written_ = 0;   // Leading segments that hold batches; the last of them is current.
    std::uint64_t offset_ = 0;  // In the current segment.
    LogStatus status_;
};

}  // namespace causeway::wal
