// Getting the next segment ready before it is needed, out of the way of commits: zero-filling a new
// file slice by slice, or renaming a segment that holds nothing needed any more; and removing those
// that are not wanted. The engine hands out a job (Log::next_job), someone runs it (the Writer on
// its helper thread, a deterministic caller inline), and the outcome goes back (Log::finish_job).
#pragma once

#include <memory>
#include <optional>

#include "core/wal/disk.h"
#include "core/wal/recovery.h"

namespace causeway::wal {

struct SegmentJob {
    std::optional<Segment> source;  // A segment to recycle, or to remove if there is no target.
    std::uint32_t target = 0;       // The segment to make; 0: none.
    std::uint64_t bytes = 0;
    std::uint64_t slice_bytes = 0;
};

class SegmentTask {
public:
    SegmentTask(Disk& disk, SegmentJob job) : disk_(disk), job_(std::move(job)) {}

    // One slice of the work: at most slice_bytes written and synced, or one change of the directory
    // and its sync. Returns true when the job is done. After an error the job can be started again.
    DiskResult<bool> step();

    // The directory is in doubt: a change was made and its sync failed (I19).
    [[nodiscard]] bool final() const { return final_; }
    [[nodiscard]] const SegmentJob& job() const { return job_; }
    // The file of the target, once done.
    [[nodiscard]] std::shared_ptr<DiskFile> file() const { return file_; }

private:
    DiskResult<bool> fill();
    DiskResult<bool> finish(std::string_view from);
    DiskResult<bool> sync_directory();

    Disk& disk_;
    SegmentJob job_;
    std::shared_ptr<DiskFile> file_;
    std::uint64_t filled_ = 0;
    bool final_ = false;
};

}  // namespace causeway::wal
