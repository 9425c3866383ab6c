// One group's log as its machine sees it: the terms of all entries, the newest entries themselves,
// and how far they are handed to the disk, durable, committed, handed to apply and applied.
//
//   compacted <= applied <= apply_handed <= min(commit, durable);  durable <= handed <= last  (I7)
//
// Entries stay in memory until they are durable and applied, then while the cache has room; older
// ones are read through LogReader. Acknowledgements of the disk are fenced: each append has a
// sequence number, and a truncation lowers every append still under way to the cut, so that a late
// acknowledgement never speaks for entries written again since. Part of Raft; same thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/raft/log_reader.h"
#include "core/raft/ring.h"
#include "core/raft/term_runs.h"
#include "core/raft/types.h"

namespace causeway::raft {

class Log {
public:
    // Precondition: check_start() (raft.h) accepted these.
    Log(const LogReader& reader, Index commit, Index applied, std::size_t cache_bytes_max);

    [[nodiscard]] Index compacted() const { return terms_.first(); }
    [[nodiscard]] Index last() const { return terms_.last(); }
    [[nodiscard]] Term last_term() const { return terms_.at(terms_.last()); }
    [[nodiscard]] Index commit() const { return commit_; }
    [[nodiscard]] Index durable() const { return durable_; }
    [[nodiscard]] Index applied() const { return applied_; }
    [[nodiscard]] bool installing() const { return installing_.has_value(); }
    // Bytes of the cached entries that are not applied yet: what proposals are limited by.
    [[nodiscard]] std::size_t unapplied_bytes() const { return unapplied_bytes_; }
    [[nodiscard]] std::size_t cached_count() const { return cache_.size(); }

    // nullopt outside [compacted(), last()].
    [[nodiscard]] std::optional<Term> term_at(Index index) const;
    [[nodiscard]] bool holds(Index index, Term term) const { return term_at(index) == term; }
    [[nodiscard]] Index last_at_or_below(Index index, Term term) const {
        return terms_.last_at_or_below(index, term);
    }
    // Whether a log that ends with (last, term) holds at least as much («Raft thesis §3.6.1»).
    [[nodiscard]] bool is_covered_by(Index last, Term term) const;

    // Precondition: entry.index == last() + 1.
    void append(Entry entry);
    // Effect: drops the entries >= index. Precondition: index > commit() (I12).
    void truncate_from(Index index);
    // Effect: the log becomes the empty one after the snapshot. Until its fence is passed nothing
    // is handed to apply. Precondition: meta.index > commit().
    void install(const SnapshotMeta& meta);
    // Precondition: index <= last(). Never moves back.
    void commit_to(Index index);
    // Effect: appends to `out` entries of [from, last()], while they are within bytes_max. If even
    // the first is larger, it is appended alone when `first_always`. Nothing: they cannot be read
    // now.
    void read(Index from, std::size_t bytes_max, bool first_always, std::vector<Entry>& out) const;

    [[nodiscard]] std::optional<SnapshotMeta> snapshot() const { return reader_.snapshot(); }

    // --- the disk ---
    [[nodiscard]] bool has_unhanded() const { return handed_ < last() || cut_.has_value(); }
    // Effect: appends what the disk has not been given yet, and names the cut that goes before it.
    std::optional<Index> take_unhanded(std::vector<Entry>& out);
    // Effect: everything handed so far gets a new sequence number, which is returned.
    std::uint64_t fence();
    [[nodiscard]] std::uint64_t last_fence() const { return last_fence_; }
    [[nodiscard]] bool has_open_fence() const { return !fences_.empty(); }
    // Effect: everything up to this sequence number is durable. An older number changes nothing.
    void on_append_done(std::uint64_t fence);

    // --- apply ---
    [[nodiscard]] bool has_committed() const {
        return !read_waits_ && apply_handed_ < apply_limit();
    }
    // Effect: appends the next committed and durable entries, within bytes_max but at least one.
    void take_committed(std::size_t bytes_max, std::vector<Entry>& out);
    // Effect: entries that could not be read ("not now") are asked for again.
    void retry_reads() { read_waits_ = false; }
    [[nodiscard]] Index apply_handed() const { return apply_handed_; }
    void on_apply_done(Index index);

    // Effect: entries <= index will not be read again. Precondition: index <= applied().
    void compact(Index index);

private:
    struct Fence {
        std::uint64_t sequence = 0;
        Index last;
        bool installs = false;
    };
    [[nodiscard]] Index apply_limit() const { return commit_ < durable_ ? commit_ : durable_; }
    [[nodiscard]] Index cache_first() const;
    void account_applied(Index from, Index to);
    void trim_cache();
    void check() const;

    const LogReader& reader_;
    std::size_t cache_bytes_max_;
    TermRuns terms_;
    Ring<Entry> cache_;  // The newest entries, up to last().
    std::size_t cache_bytes_ = 0;
    std::size_t unapplied_bytes_ = 0;
    Ring<Fence> fences_;
    std::uint64_t last_fence_ = 0;
    std::optional<Index> cut_;  // The disk still holds entries from here on that are dropped.
    std::optional<Index> installing_;  // A snapshot the disk has not acknowledged yet.
    bool install_fenced_ = false;
    bool read_waits_ = false;
    Index handed_;
    Index durable_;
    Index commit_;
    Index apply_handed_;
    Index applied_;
};

}  // namespace causeway::raft
