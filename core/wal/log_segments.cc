// Which segments are needed, what becomes of the others, and moving entries out of old ones.
#include <algorithm>
#include <string>
#include <utility>

#include "core/base/check.h"
#include "core/wal/log.h"

namespace causeway::wal {

// The batch that was written last may only be in the page cache, or its sync may have failed there
// and then: written again with the same bytes, its pages are dirty and the sync is a real one.
tl::expected<void, LogError> Log::settle(const Recovered& recovered) {
    if (written_ > 0) {
        DiskFile& file = *segments_[written_ - 1].file;
        auto done = file.write(recovered.last_batch_at, recovered.last_batch).and_then([&] {
            return file.sync();
        });
        if (!done) {
            return tl::unexpected(io_error(done.error(), recovered.last_batch_at));
        }
    }
    if (recovered.torn) {
        if (auto erased = erase_torn(); !erased) {
            return tl::unexpected(io_error(erased.error(), offset_));
        }
    }
    drop_unfit_segments();
    if (auto synced = disk_.sync_directory(); !synced) {
        return tl::unexpected(io_error(synced.error(), 0));
    }
    run_jobs();
    return {};
}

// A torn batch lacks some sectors. The next one is written over it, and if that is torn too, a
// sector of it could by chance be what the first lacked, and bring back what was said to be gone.
// Without its first block it can not: there every batch has its number.
DiskResult<> Log::erase_torn() {
    const std::string zeros(options_.block_bytes, '\0');
    DiskResult<> done;
    if (written_ > 0 && offset_ < segments_[written_ - 1].bytes) {
        DiskFile& file = *segments_[written_ - 1].file;
        done = file.write(offset_, zeros).and_then([&] { return file.sync(); });
    }
    if (done && written_ < segments_.size()) {
        DiskFile& file = *segments_[written_].file;
        done = file.write(0, zeros).and_then([&] { return file.sync(); });
    }
    return done;
}

// Segments made ready under another segment_bytes.
void Log::drop_unfit_segments() {
    const auto unfit = std::find_if(
        segments_.begin() + static_cast<std::ptrdiff_t>(written_), segments_.end(),
        [&](const Segment& segment) { return segment.bytes != options_.segment_bytes; });
    const auto keep = static_cast<std::size_t>(unfit - segments_.begin());
    while (segments_.size() > keep) {
        if (!disk_.remove(segment_name(segments_.back().seq)) || !disk_.sync_directory()) {
            return;
        }
        segments_.pop_back();
    }
}

std::size_t Log::free_segments() const {
    std::size_t count = 0;
    while (count + 1 < written_ && table_.live(segments_[count].seq).entries == 0) {
        ++count;
    }
    return count;
}

std::uint64_t Log::used_bytes() const {
    std::uint64_t bytes = 0;
    for (std::size_t i = free_segments(); i < written_; ++i) {
        bytes += segments_[i].bytes;
    }
    return bytes;
}

std::uint64_t Log::reserve_bytes() const {
    std::uint64_t bytes = written_ == 0 ? 0 : segments_[written_ - 1].bytes - offset_;
    for (std::size_t i = written_; i < segments_.size(); ++i) {
        bytes += segments_[i].bytes;
    }
    return bytes;
}

LogStatus Log::status() const {
    const std::lock_guard lock(mutex_);
    LogStatus status = status_;
    status.used_bytes = used_bytes();
    status.over_limit =
        status.over_limit || status.used_bytes > options_.bytes_max + options_.segment_bytes;
    status.free_reserve_bytes = reserve_bytes();
    return status;
}

const Segment& Log::segment(std::uint32_t seq) const {
    const std::size_t i = seq - segments_.front().seq;
    CW_CHECK(i < segments_.size());
    return segments_[i];
}

std::optional<SegmentJob> Log::next_job() {
    const std::lock_guard lock(mutex_);
    if (job_active_ || status_.failed) {
        return std::nullopt;
    }
    SegmentJob job{.source = std::nullopt,
                   .target = 0,
                   .bytes = options_.segment_bytes,
                   .slice_bytes = options_.fill_slice_bytes};
    const std::size_t spare = free_segments();
    const bool wants_more = segments_.size() - written_ < options_.reserve_segments;
    // A spare of another size, or more than one beyond the reserve, goes away.
    const bool unfit = spare > 0 && segments_.front().bytes != options_.segment_bytes;
    if (wants_more && !unfit) {
        job.target = segments_.empty() ? 1 : segments_.back().seq + 1;
    } else if (!unfit && spare <= 1) {
        return std::nullopt;
    }
    if (spare > 0) {
        job.source = segments_.front();
        segments_.pop_front();
        written_ -= 1;
    }
    job_active_ = true;
    return job;
}

void Log::finish_job(const SegmentTask& task, const DiskResult<>& outcome) {
    const std::lock_guard lock(mutex_);
    job_active_ = false;
    const SegmentJob& job = task.job();
    if (!outcome) {
        status_.prepare_error = outcome.error().message;
        status_.failed = status_.failed || task.final();
        if (job.source) {
            segments_.push_front(*job.source);
            written_ += 1;
        }
        return;
    }
    if (job.target != 0) {
        status_.prepare_error.clear();
        segments_.push_back(Segment{job.target, job.bytes, task.file()});
    }
}

void Log::run_jobs() {
    while (auto job = next_job()) {
        SegmentTask task(disk_, *std::move(job));
        DiskResult<> outcome;
        while (true) {
            const auto step = task.step();
            if (!step) {
                outcome = tl::unexpected(step.error());
                break;
            }
            if (*step) {
                break;
            }
        }
        finish_job(task, outcome);
        if (!outcome) {
            return;
        }
    }
}

// Emptying a segment that is mostly alive writes more than it frees, for the time being; it pays in
// the end as long as most of the log is dead, because what was moved comes round again only after
// all the others.
bool Log::pays_to_empty(const Segment& segment) const {
    return table_.live(segment.seq).bytes <= segment.bytes / 2 ||
           table_.live_bytes() <= options_.bytes_max / 2;
}

std::optional<Segment> Log::segment_to_empty() {
    const std::lock_guard lock(mutex_);
    status_.over_limit = false;
    const std::size_t oldest = free_segments();
    if (used_bytes() <= options_.bytes_max || oldest + 1 >= written_) {
        return std::nullopt;
    }
    if (!pays_to_empty(segments_[oldest])) {
        status_.over_limit = true;
        return std::nullopt;
    }
    return segments_[oldest];
}

// Copies go before what is staged: they are entries as of the last commit, and a truncation staged
// in the same batch must find them already there. As much is moved as is appended, so that the
// oldest segment is empty before another is full, and at least rewrite_bytes.
tl::expected<void, LogError> Log::collect_moves() {
    drop_moves();
    const auto oldest = segment_to_empty();
    if (!oldest) {
        return {};
    }
    if (moving_segment_ != oldest->seq) {
        moving_segment_ = oldest->seq;
        moving_ = table_.entries_in(oldest->seq);
        moved_ = 0;
        moved_after_ = 0;
    }
    const std::uint64_t limit = std::max<std::uint64_t>(options_.rewrite_bytes, staged_.size());
    for (; moved_after_ < moving_.size(); ++moved_after_) {
        const EntryId& id = moving_[moved_after_];
        const Slot* slot = table_.find(id);
        if (slot == nullptr || slot->segment != oldest->seq) {
            continue;
        }
        if (front_.size() > 0 && front_.size() + record_bytes(slot->length) > limit) {
            break;
        }
        if (auto moved = move_entry(id, *slot, *oldest); !moved) {
            return moved;
        }
    }
    return {};
}

// Moving can wait, what is staged cannot.
void Log::drop_moves() {
    front_.clear();
    moved_after_ = moved_;
}

tl::expected<void, LogError> Log::move_entry(const EntryId& id, const Slot& slot,
                                             const Segment& segment) {
    std::string bytes(record_bytes(slot.length), '\0');
    const auto read = segment.file->read(slot.offset, bytes.data(), bytes.size());
    if (!read) {
        return tl::unexpected(
            LogError{LogFault::kIo, segment_name(segment.seq), slot.offset, read.error().message});
    }
    const auto record = decode_record(bytes, options_.log_id);
    if (!record || record->header.group != id.group || record->header.index != id.index ||
        record->header.term != slot.term) {
        return tl::unexpected(LogError{LogFault::kCorrupt, segment_name(segment.seq), slot.offset,
                                       "a damaged entry"});
    }
    RecordHeader header = record->header;
    header.kind = Kind::kCopy;
    put_record(front_, header, record->payload);
    return {};
}

}  // namespace causeway::wal
