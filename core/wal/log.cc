// Opening, staging and committing. Segments and moving entries: log_segments.cc; reading:
// log_read.cc.
#include "core/wal/log.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/base/check.h"

namespace causeway::wal {
namespace {

tl::expected<void, LogError> check_options(const LogOptions& options) {
    const bool ok = std::has_single_bit(options.block_bytes) && options.block_bytes >= 512 &&
                    options.segment_bytes % options.block_bytes == 0 &&
                    options.segment_bytes >= 8 * options.block_bytes &&
                    options.segment_bytes < (std::uint64_t{1} << 32) &&
                    options.fill_slice_bytes > 0 && options.reserve_segments > 0;
    if (!ok) {
        return tl::unexpected(LogError{LogFault::kForeign, {}, 0, "invalid log options"});
    }
    return {};
}

RecordHeader header_of(const Batch& batch, Kind kind) {
    RecordHeader header;
    header.group = batch.group.value();
    header.kind = kind;
    return header;
}

}  // namespace

tl::expected<std::unique_ptr<Log>, LogError> Log::open(Disk& disk, const LogOptions& options) {
    if (auto ok = check_options(options); !ok) {
        return tl::unexpected(ok.error());
    }
    auto recovered = recover(disk, options);
    if (!recovered) {
        return tl::unexpected(recovered.error());
    }
    std::unique_ptr<Log> log(new Log(disk, options, *recovered));
    if (auto settled = log->settle(*recovered); !settled) {
        return tl::unexpected(settled.error());
    }
    return log;
}

Log::~Log() = default;

Log::Log(Disk& disk, const LogOptions& options, Recovered& recovered)
    : disk_(disk),
      options_(options),
      next_batch_(recovered.highest_batch + 1),
      next_lsn_(recovered.last_lsn + 1),
      table_(std::move(recovered.table)),
      segments_(recovered.segments.begin(), recovered.segments.end()),
      written_(recovered.written),
      offset_(recovered.offset) {
    for (const GroupSummary& group : table_.summaries()) {
        tails_[group.group.value()] = Tail{group.compaction.index, group.last, group.epoch};
    }
}

std::vector<GroupSummary> Log::groups() const {
    const std::lock_guard lock(mutex_);
    return table_.summaries();
}

std::uint64_t Log::staged_bytes_of(const Batch& batch) {
    std::uint64_t bytes = 0;
    for (const Entry& entry : batch.entries) {
        bytes += record_bytes(entry.payload.size());
    }
    bytes += batch.configuration ? record_bytes(batch.configuration->size()) : 0;
    bytes += batch.hard_state ? record_bytes(batch.hard_state->size()) : 0;
    bytes += batch.truncate_from || batch.replaces_log ? record_bytes(0) : 0;
    bytes += batch.compaction ? record_bytes(0) : 0;
    bytes += batch.remove ? record_bytes(0) : 0;
    return bytes;
}

tl::expected<Epoch, LogError> Log::stage(const Batch& batch) {
    if (status_.failed) {
        return tl::unexpected(LogError{LogFault::kIo, {}, 0, "the log has failed before"});
    }
    if (staged_bytes() + staged_bytes_of(batch) > batch_bytes_max()) {
        return tl::unexpected(LogError{LogFault::kTooLarge, {}, 0, "the batch is too large"});
    }
    if (batch.remove) {
        CW_CHECK(batch.entries.empty() && !batch.hard_state && !batch.configuration);
        put_record(staged_, header_of(batch, Kind::kRemove), {});
        tails_.erase(batch.group.value());
        return Epoch();
    }
    Tail& tail = tails_[batch.group.value()];
    stage_truncation(batch, tail);
    stage_entries(batch, tail);
    stage_state(batch, tail);
    return tail.epoch;
}

void Log::stage_truncation(const Batch& batch, Tail& tail) {
    CW_CHECK(!batch.replaces_log || batch.compaction);
    const std::optional<Index> from =
        batch.replaces_log ? tail.compacted.next() : batch.truncate_from;
    if (from) {
        CW_CHECK(*from > tail.compacted && *from <= tail.last.next());
        tail.epoch = tail.epoch.next();
        tail.last = Index(from->value() - 1);
        RecordHeader header = header_of(batch, Kind::kTruncate);
        header.index = from->value();
        header.epoch = tail.epoch.value();
        put_record(staged_, header, {});
    }
    if (batch.compaction) {
        CW_CHECK(batch.compaction->index >= tail.compacted);
        tail.compacted = batch.compaction->index;
        tail.last = std::max(tail.last, tail.compacted);
        RecordHeader header = header_of(batch, Kind::kCompaction);
        header.index = batch.compaction->index.value();
        header.term = batch.compaction->term.value();
        put_record(staged_, header, {});
    }
}

void Log::stage_entries(const Batch& batch, Tail& tail) {
    for (const Entry& entry : batch.entries) {
        CW_CHECK(entry.index == tail.last.next(), std::to_string(entry.index.value()) + " after " +
                                                      std::to_string(tail.last.value()));
        tail.last = entry.index;
        RecordHeader header = header_of(batch, Kind::kEntry);
        header.index = entry.index.value();
        header.term = entry.term.value();
        header.epoch = tail.epoch.value();
        header.flags = entry.flags;
        put_record(staged_, header, entry.payload.view());
    }
}

void Log::stage_state(const Batch& batch, Tail& tail) {
    RecordHeader header = header_of(batch, Kind::kConfiguration);
    header.epoch = tail.epoch.value();
    if (batch.configuration) {
        put_record(staged_, header, batch.configuration->view());
    }
    if (batch.hard_state) {
        header.kind = Kind::kHardState;
        put_record(staged_, header, batch.hard_state->view());
    }
}

LogError Log::io_error(const DiskError& error, std::uint64_t offset) const {
    const std::string file =
        written_ == 0 ? std::string() : segment_name(segments_[written_ - 1].seq);
    return LogError{LogFault::kIo, file, offset, error.message};
}

LogError Log::fail_with(LogError error) {
    const std::lock_guard lock(mutex_);
    status_.failed = true;
    return error;
}

tl::expected<void, LogError> Log::commit() {
    if (status_.failed) {
        return tl::unexpected(LogError{LogFault::kIo, {}, 0, "the log has failed before"});
    }
    if (staged_.size() == 0) {
        return {};
    }
    if (auto moved = collect_moves(); !moved) {
        return tl::unexpected(fail_with(moved.error()));
    }
    if (auto placed = place_batch(); !placed) {
        return placed;
    }
    if (auto written = write_batch(); !written) {
        return tl::unexpected(fail_with(written.error()));
    }
    apply_batch();
    moved_ = moved_after_;
    staged_.clear();
    return {};
}

// Chooses where the batch goes and completes its bytes in staged_. Nothing has changed after an
// error.
tl::expected<void, LogError> Log::place_batch() {
    const auto fits = [&] {
        const std::uint64_t needed = align_up(front_.size() + staged_.size(), options_.block_bytes);
        return written_ > 0 && offset_ + needed <= segments_[written_ - 1].bytes;
    };
    const bool next_ready = written_ < segments_.size();
    if (!fits() && !next_ready) {
        drop_moves();
    }
    if (fits()) {
        staged_.prepend(front_.view());
        return {};
    }
    if (!next_ready) {
        return tl::unexpected(LogError{LogFault::kNoSpace, {}, 0, "the next segment is not ready"});
    }
    const Segment& next = segments_[written_];
    RecordBuffer head;
    RecordHeader header;
    header.kind = Kind::kSegment;
    put_record(
        head, header,
        encode_segment_head(
            {.seq = next.seq, .log_id = options_.log_id, .block_bytes = options_.block_bytes}));
    table_.put_heads(head);
    if (head.size() + front_.size() + staged_.size() > next.bytes) {
        drop_moves();
    }
    if (head.size() + staged_.size() > next.bytes) {
        return tl::unexpected(
            LogError{LogFault::kTooLarge, {}, 0, "too many groups for a segment"});
    }
    staged_.prepend(front_.view());
    staged_.prepend(head.view());
    const std::lock_guard lock(mutex_);
    written_ += 1;
    offset_ = 0;
    return {};
}

tl::expected<void, LogError> Log::write_batch() {
    const std::uint64_t records =
        seal(staged_.data(), staged_.size(), next_batch_, next_lsn_, options_.log_id);
    next_batch_ += 1;
    next_lsn_ += records;
    const std::size_t size = staged_.size();
    staged_.pad_to(options_.block_bytes);
    DiskFile& file = *segments_[written_ - 1].file;
    if (auto done = file.write(offset_, staged_.view()).and_then([&] { return file.sync(); });
        !done) {
        return tl::unexpected(io_error(done.error(), offset_));
    }
    staged_.truncate(size);
    return {};
}

void Log::apply_batch() {
    const std::lock_guard lock(mutex_);
    const Segment& current = segments_[written_ - 1];
    std::size_t at = 0;
    while (at < staged_.size()) {
        const auto header = decode_header(staged_.view().substr(at), options_.log_id);
        CW_CHECK(header.has_value());
        const RecordView record{*header, staged_.view().substr(at + kHeaderBytes, header->length)};
        const Place place{current.seq, static_cast<std::uint32_t>(offset_ + at), false};
        const auto applied = table_.apply(record, place);
        CW_CHECK(applied.has_value(), applied ? "" : applied.error());
        if (header->kind == Kind::kCopy) {
            status_.bytes_moved += record_bytes(header->length);
        }
        at += record_bytes(header->length);
    }
    const std::uint64_t bytes = align_up(staged_.size(), options_.block_bytes);
    offset_ += bytes;
    status_.batches += 1;
    status_.bytes_written += bytes;
}

}  // namespace causeway::wal
