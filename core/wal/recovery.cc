#include "core/wal/recovery.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/wal/format.h"

namespace causeway::wal {
namespace {

tl::unexpected<LogError> fault(LogFault kind, std::uint32_t seq, std::uint64_t offset,
                               std::string message) {
    return tl::unexpected(LogError{kind, segment_name(seq), offset, std::move(message)});
}

tl::unexpected<LogError> io(const DiskError& error) {
    return tl::unexpected(LogError{LogFault::kIo, {}, 0, error.message});
}

// Numbers beyond this are never reached; who finds one is not reading a log of ours.
constexpr std::uint64_t kNumberMax = std::numeric_limits<std::uint64_t>::max() / 2;

struct PlacedRecord {
    RecordView record;
    std::uint32_t offset = 0;
};

class Recovery {
public:
    Recovery(Disk& disk, const LogOptions& options) : disk_(disk), options_(options) {}

    tl::expected<Recovered, LogError> run() {
        if (auto listed = list_segments(); !listed) {
            return tl::unexpected(listed.error());
        }
        for (std::size_t i = 0; i < out_.segments.size() && !ended_; ++i) {
            if (auto taken = take_segment(i); !taken) {
                return tl::unexpected(taken.error());
            }
        }
        if (auto judged = judge_rest(); !judged) {
            return tl::unexpected(judged.error());
        }
        if (const auto missing = out_.table.missing()) {
            return fault(LogFault::kCorrupt, out_.segments.front().seq, 0,
                         "entry " + std::to_string(missing->index) + " of group " +
                             std::to_string(missing->group) + " is in no segment");
        }
        out_.torn = out_.highest_batch > last_batch_;
        out_.highest_batch = std::max(out_.highest_batch, last_batch_);
        return std::move(out_);
    }

private:
    tl::expected<void, LogError> list_segments() {
        auto names = disk_.list();
        if (!names) {
            return io(names.error());
        }
        for (const std::string& name : *names) {
            const auto seq = parse_segment_name(name);
            if (!seq) {
                continue;
            }
            if (!out_.segments.empty() && *seq != out_.segments.back().seq + 1) {
                return fault(LogFault::kCorrupt, out_.segments.back().seq + 1, 0,
                             "the segment is missing");
            }
            auto file = disk_.open(name);
            if (!file) {
                return io(file.error());
            }
            const auto bytes = (*file)->size();
            if (!bytes) {
                return io(bytes.error());
            }
            if (*bytes > std::numeric_limits<std::uint32_t>::max() ||
                *seq > std::numeric_limits<std::uint32_t>::max() - 1024) {
                return fault(LogFault::kForeign, *seq, 0, "not a segment of this log");
            }
            out_.segments.push_back(Segment{*seq, *bytes, *std::move(file)});
        }
        return {};
    }

    tl::expected<void, LogError> load(std::size_t i) {
        const Segment& segment = out_.segments[i];
        loaded_ = std::numeric_limits<std::size_t>::max();
        bytes_.resize(segment.bytes);
        const auto read = segment.file->read(0, bytes_.data(), bytes_.size());
        if (!read) {
            return io(read.error());
        }
        if (*read != bytes_.size()) {
            return fault(LogFault::kIo, segment.seq, *read, "short read");
        }
        loaded_ = i;
        return {};
    }

    // Takes the batches of segment i that continue the log. Stays at the old end if there are none.
    tl::expected<void, LogError> take_segment(std::size_t i) {
        if (auto loaded = load(i); !loaded) {
            return loaded;
        }
        std::uint64_t at = 0;
        while (true) {
            auto next = take_batch(i, at);
            if (!next) {
                return tl::unexpected(next.error());
            }
            if (*next == at) {
                break;
            }
            at = *next;
        }
        ended_ = at == 0;
        if (!ended_) {
            out_.last_batch =
                bytes_.substr(out_.last_batch_at, last_batch_end_ - out_.last_batch_at);
        }
        return {};
    }

    // Returns the offset after the batch at `at`, or `at` if no valid successor begins there.
    tl::expected<std::uint64_t, LogError> take_batch(std::size_t i, std::uint64_t at) {
        const std::uint32_t seq = out_.segments[i].seq;
        const std::uint64_t end = read_batch(at);
        if (!follows(at)) {
            return at;
        }
        if (at == 0) {
            if (auto same = check_head(seq); !same) {
                return tl::unexpected(same.error());
            }
        }
        if (!records_.back().record.header.last) {
            return at;
        }
        for (const PlacedRecord& placed : records_) {
            const Place place{seq, placed.offset, i == 0};
            if (auto applied = out_.table.apply(placed.record, place); !applied) {
                return fault(LogFault::kCorrupt, seq, placed.offset, applied.error());
            }
        }
        out_.written = i + 1;
        out_.last_lsn = records_.back().record.header.lsn;
        last_batch_ = records_.back().record.header.batch;
        out_.last_batch_at = at;
        last_batch_end_ = end;
        out_.offset = std::min(align_up(end, options_.block_bytes), out_.segments[i].bytes);
        return out_.offset;
    }

    // True when the first of records_, read at `at`, can begin the batch after the last one taken.
    // The oldest segment begins with whatever number it begins.
    [[nodiscard]] bool follows(std::uint64_t at) const {
        if (records_.empty()) {
            return false;
        }
        const RecordHeader& first = records_.front().record.header;
        const bool in_order = out_.written == 0 || first.lsn == out_.last_lsn + 1;
        const bool sane = first.lsn < kNumberMax && first.batch < kNumberMax;
        return in_order && sane && first.ordinal == 0 && first.batch > last_batch_ &&
               (at == 0) == (first.kind == Kind::kSegment);
    }

    // Effect: records_ is the run of valid records of one batch from `at`; returns where it ends.
    std::uint64_t read_batch(std::uint64_t at) {
        records_.clear();
        const std::string_view bytes(bytes_);
        while (at < bytes.size()) {
            const auto record = decode_record(bytes.substr(at), options_.log_id);
            if (!record) {
                break;
            }
            const RecordHeader& header = record->header;
            if (!records_.empty()) {
                const RecordHeader& before = records_.back().record.header;
                if (header.batch != before.batch || header.lsn != before.lsn + 1 ||
                    header.ordinal != before.ordinal + 1 || header.kind == Kind::kSegment) {
                    break;
                }
            }
            records_.push_back({*record, static_cast<std::uint32_t>(at)});
            at = std::min<std::uint64_t>(at + record_bytes(header.length), bytes.size());
            if (header.last) {
                return at;
            }
        }
        invalid_at_ = at;
        return at;
    }

    tl::expected<void, LogError> check_head(std::uint32_t seq) {
        const auto head = decode_segment_head(records_.front().record.payload);
        if (!head || head->version != SegmentHead{}.version) {
            return fault(LogFault::kForeign, seq, 0, "a segment of an unknown version");
        }
        if (head->log_id != options_.log_id) {
            return fault(LogFault::kForeign, seq, 0, "a segment of another log");
        }
        if (head->block_bytes != options_.block_bytes) {
            return fault(LogFault::kForeign, seq, 0, "a segment with another block size");
        }
        if (head->seq != seq) {
            return fault(LogFault::kCorrupt, seq, 0,
                         "the file holds segment " + std::to_string(head->seq));
        }
        return {};
    }

    // Searches everything after the end for a record that proves the end to be damage.
    tl::expected<void, LogError> judge_rest() {
        const std::size_t last = out_.written == 0 ? 0 : out_.written - 1;
        for (std::size_t i = last; i < out_.segments.size(); ++i) {
            if (auto loaded = reload(i); !loaded) {
                return loaded;
            }
            const std::uint64_t from = i == last && out_.written > 0 ? out_.offset : 0;
            for (std::uint64_t at = from; at + kHeaderBytes <= bytes_.size(); at += kRecordAlign) {
                if (is_evidence(i, at)) {
                    return damage(i == last, "a damaged record: a later batch in " +
                                                 segment_name(out_.segments[i].seq) + " offset " +
                                                 std::to_string(at) + " is valid");
                }
            }
        }
        return {};
    }

    tl::expected<void, LogError> reload(std::size_t i) {
        return loaded_ == i ? tl::expected<void, LogError>() : load(i);
    }

    // Names the first record that is not what it should be: in the block after the end, or, when
    // the segment after it does not begin with a batch that was preceded by one there, in that
    // segment.
    tl::expected<void, LogError> damage(bool in_same_segment, std::string message) {
        std::size_t i = out_.written == 0 ? 0 : out_.written - 1;
        std::uint64_t from = out_.written == 0 ? 0 : out_.offset;
        if (!in_same_segment) {
            if (auto loaded = reload(i + 1); !loaded) {
                return loaded;
            }
            read_batch(0);
            const bool gap = !records_.empty() &&
                             records_.front().record.header.batch > last_batch_ &&
                             records_.front().record.header.lsn > out_.last_lsn + 1;
            i += gap ? 0 : 1;
            from = gap ? from : 0;
        }
        if (auto loaded = reload(i); !loaded) {
            return loaded;
        }
        read_batch(from);
        const bool whole = records_.empty() || records_.back().record.header.last;
        return fault(LogFault::kCorrupt, out_.segments[i].seq, whole ? from : invalid_at_,
                     std::move(message));
    }

    bool is_evidence(std::size_t i, std::uint64_t at) {
        const std::string_view bytes = std::string_view(bytes_).substr(at);
        const auto header = decode_header(bytes, options_.log_id);
        if (!header) {
            return false;
        }
        if (header->batch < kNumberMax) {
            out_.torn = out_.highest_batch > last_batch_;
            out_.highest_batch = std::max(out_.highest_batch, header->batch);
        }
        if (header->batch <= last_batch_ || header->lsn <= out_.last_lsn ||
            header->lsn - out_.last_lsn <= header->ordinal) {
            return false;
        }
        const bool beyond = header->lsn - header->ordinal > out_.last_lsn + 1;
        const bool may_start_here =
            (i + 1 == out_.written && at == out_.offset) || (i == out_.written && at == 0);
        const bool misdirected = !beyond && header->ordinal == 0 && !may_start_here;
        return (beyond || misdirected) && decode_record(bytes, options_.log_id).has_value();
    }

    Disk& disk_;
    const LogOptions& options_;
    Recovered out_;
    std::string bytes_;  // The segment `loaded_`.
    std::size_t loaded_ = std::numeric_limits<std::size_t>::max();
    std::vector<PlacedRecord> records_;
    std::uint64_t last_batch_ = 0;
    std::uint64_t last_batch_end_ = 0;
    std::uint64_t invalid_at_ = 0;
    bool ended_ = false;
};

}  // namespace

tl::expected<Recovered, LogError> recover(Disk& disk, const LogOptions& options) {
    return Recovery(disk, options).run();
}

}  // namespace causeway::wal
