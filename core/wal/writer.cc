#include "core/wal/writer.h"

#include <algorithm>
#include <utility>

namespace causeway::wal {

Writer::Writer(Disk& disk, std::unique_ptr<Log> log, const WriterOptions& options)
    : disk_(disk),
      log_(std::move(log)),
      options_(options),
      batch_bytes_(std::min(options.sync_max_bytes, log_->batch_bytes_max())),
      helper_([this] { run_helper(); }),
      thread_([this] { run(); }) {}

Writer::~Writer() { stop(); }

tl::expected<AppendSeq, AppendRefusal> Writer::append(Batch batch, Completion done) {
    const std::uint64_t bytes = Log::staged_bytes_of(batch);
    if (bytes > log_->batch_bytes_max()) {
        return tl::unexpected(AppendRefusal::kTooLarge);
    }
    const std::lock_guard lock(mutex_);
    if (stopping_) {
        return tl::unexpected(AppendRefusal::kStopped);
    }
    if (pending_bytes_ > 0 && pending_bytes_ + bytes > options_.queue_bytes_max) {
        return tl::unexpected(AppendRefusal::kQueueFull);
    }
    last_seq_ = last_seq_.next();
    queue_.push_back(
        Pending{last_seq_, bytes, Clock::now(), Epoch(), std::move(batch), std::move(done)});
    queue_bytes_ += bytes;
    pending_bytes_ += bytes;
    pending_count_ += 1;
    wake_.notify_one();
    return last_seq_;
}

void Writer::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_one();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
    {
        const std::lock_guard lock(mutex_);
        helper_stopping_ = true;
        wake_helper_.notify_one();
    }
    if (helper_.joinable()) {
        helper_.join();
    }
}

WriterStatus Writer::status() const {
    WriterStatus status;
    status.log = log_->status();
    const std::lock_guard lock(mutex_);
    status.queued_bytes = pending_bytes_;
    status.queued_count = pending_count_;
    status.stalled = stalled_;
    if (pending_count_ > 0) {
        const auto since = committing_since_ ? *committing_since_ : queue_.front().since;
        const auto waited =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since);
        status.oldest_pending_ms = static_cast<std::uint64_t>(waited.count());
    }
    return status;
}

void Writer::run() {
    while (take()) {
        commit_taken();
    }
}

// Waits for appends and moves them all to taken_. False: stopping, and none is left.
bool Writer::take() {
    std::unique_lock lock(mutex_);
    while (queue_.empty()) {
        poll_jobs();
        if (stopping_) {
            return false;
        }
        wake_.wait_for(lock, std::chrono::milliseconds(options_.retry_ms));
    }
    poll_jobs();
    if (options_.sync_delay_us > 0) {
        wake_.wait_for(lock, std::chrono::microseconds(options_.sync_delay_us), [&] {
            return stopping_ || queue_.size() >= options_.sync_max_count ||
                   queue_bytes_ >= batch_bytes_;
        });
    }
    taken_.clear();
    taken_.swap(queue_);
    queue_bytes_ = 0;
    committing_since_ = taken_.front().since;
    return true;
}

void Writer::commit_taken() {
    for (std::size_t begin = 0; begin < taken_.size();) {
        std::size_t end = stage_from(begin);
        tl::expected<void, LogError> result = commit_with_room();
        if (end == begin) {
            end = taken_.size();  // Staging was refused: the log has failed.
        }
        complete(begin, end, result);
        begin = end;
    }
    taken_.clear();
}

// Stages what fits into one batch; returns the first that is not staged.
std::size_t Writer::stage_from(std::size_t begin) {
    std::size_t end = begin;
    while (end < taken_.size() && end - begin < options_.sync_max_count) {
        Pending& pending = taken_[end];
        if (end > begin && log_->staged_bytes() + pending.bytes > batch_bytes_) {
            break;
        }
        const auto epoch = log_->stage(pending.batch);
        if (!epoch) {
            break;
        }
        pending.epoch = *epoch;
        ++end;
    }
    return end;
}

tl::expected<void, LogError> Writer::commit_with_room() {
    while (true) {
        auto result = log_->commit();
        std::unique_lock lock(mutex_);
        stalled_ = !result && result.error().fault == LogFault::kNoSpace;
        if (!stalled_ || (stopping_ && !task_ && Clock::now() < retry_at_)) {
            return result;
        }
        poll_jobs();
        if (log_->status().free_reserve_bytes >= log_->batch_bytes_max() * 2) {
            continue;
        }
        wake_.wait_for(lock, std::chrono::milliseconds(options_.retry_ms));
        poll_jobs();
    }
}

void Writer::complete(std::size_t begin, std::size_t end,
                      const tl::expected<void, LogError>& result) {
    std::uint64_t bytes = 0;
    for (std::size_t i = begin; i < end; ++i) {
        bytes += taken_[i].bytes;
    }
    {
        const std::lock_guard lock(mutex_);
        pending_bytes_ -= bytes;
        pending_count_ -= end - begin;
        committing_since_ = end < taken_.size() ? std::optional(taken_[end].since) : std::nullopt;
    }
    for (std::size_t i = begin; i < end; ++i) {
        Pending& pending = taken_[i];
        pending.done(AppendOutcome{pending.seq, pending.batch.group, pending.epoch, result});
    }
}

void Writer::poll_jobs() {
    if (task_ && task_outcome_) {
        log_->finish_job(*task_, *task_outcome_);
        if (!*task_outcome_) {
            retry_at_ = Clock::now() + std::chrono::milliseconds(options_.retry_ms);
        }
        task_.reset();
        task_outcome_.reset();
    }
    if (!task_ && Clock::now() >= retry_at_) {
        if (auto job = log_->next_job()) {
            task_.emplace(disk_, *std::move(job));
            wake_helper_.notify_one();
        }
    }
}

void Writer::run_helper() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_helper_.wait(lock, [&] { return helper_stopping_ || (task_ && !task_outcome_); });
        if (helper_stopping_) {
            return;
        }
        lock.unlock();
        const auto step = task_->step();
        lock.lock();
        if (!step) {
            task_outcome_ = tl::unexpected(step.error());
        } else if (*step) {
            task_outcome_ = DiskResult<>();
        }
        if (task_outcome_) {
            wake_.notify_one();
        }
    }
}

}  // namespace causeway::wal
