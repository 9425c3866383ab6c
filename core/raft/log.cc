// See log.h. Called by the parts of Raft.
#include "core/raft/log.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/seeded_bug.h"

namespace causeway::raft {
namespace {

// The end of the run of equal terms that starts at `from`, by bisection.
Index run_end(const LogReader& reader, Index from, Index last) {
    const Term term = reader.term_at(from);
    std::uint64_t low = from.value();
    std::uint64_t high = last.value();
    while (low < high) {
        const std::uint64_t middle = low + (high - low + 1) / 2;
        if (reader.term_at(Index(middle)) == term) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return Index(low);
}

TermRuns load_terms(const LogReader& reader) {
    const Index point = before(reader.first_index());
    const Index last = reader.last_index();
    TermRuns terms(point, reader.term_at(point));
    while (terms.last() < last) {
        const Index from = terms.last().next();
        terms.extend(run_end(reader, from, last), reader.term_at(from));
    }
    return terms;
}

}  // namespace

Log::Log(const LogReader& reader, Index commit, Index applied, std::size_t cache_bytes_max)
    : reader_(reader),
      cache_bytes_max_(cache_bytes_max),
      terms_(load_terms(reader)),
      handed_(terms_.last()),
      durable_(terms_.last()),
      commit_(std::max({commit, applied, terms_.first()})),
      apply_handed_(std::max(applied, terms_.first())),
      applied_(apply_handed_) {
    check();
}

std::optional<Term> Log::term_at(Index index) const {
    if (index < compacted() || index > last()) {
        return std::nullopt;
    }
    return terms_.at(index);
}

bool Log::is_covered_by(Index last_index, Term term) const {
    return term > last_term() || (term == last_term() && last_index >= last());
}

Index Log::cache_first() const { return after(last(), 1 - cache_.size()); }

void Log::append(Entry entry) {
    CW_CHECK(entry.index == last().next(), "I2");
    terms_.extend(entry.index, entry.term);
    cache_bytes_ += bytes_of(entry);
    unapplied_bytes_ += bytes_of(entry);
    cache_.push_back(std::move(entry));
}

void Log::truncate_from(Index index) {
    CW_CHECK(index > commit_, "I12");
    CW_CHECK(index > apply_handed_, "I12");
    while (!cache_.empty() && cache_.back().index >= index) {
        cache_bytes_ -= bytes_of(cache_.back());
        unapplied_bytes_ -= bytes_of(cache_.back());
        cache_.pop_back();
    }
    terms_.truncate_from(index);
    if (index <= handed_) {
        cut_ = index;
        handed_ = before(index);
    }
    durable_ = std::min(durable_, before(index));
    for (std::size_t i = 0; i < fences_.size() && !CAUSEWAY_BUG(kAcknowledgeByIndexOnly); ++i) {
        fences_[i].last = std::min(fences_[i].last, before(index));
    }
    check();
}

void Log::install(const SnapshotMeta& meta) {
    CW_CHECK(meta.index > commit_, "I12");
    // What was committed before stays true until the snapshot replaces it; the rest is dropped now.
    durable_ = std::min(durable_, commit_);
    for (std::size_t i = 0; i < fences_.size(); ++i) {
        fences_[i] = Fence{.sequence = fences_[i].sequence, .last = {}, .installs = false};
    }
    cache_.clear();
    cache_bytes_ = 0;
    unapplied_bytes_ = 0;
    terms_ = TermRuns(meta.index, meta.term);
    cut_.reset();
    installing_ = meta.index;
    install_fenced_ = false;
    handed_ = commit_ = apply_handed_ = meta.index;
    check();
}

void Log::commit_to(Index index) {
    CW_CHECK(index <= last(), "I7");
    commit_ = std::max(commit_, index);
}

void Log::read(Index from, std::size_t bytes_max, bool first_always,
               std::vector<Entry>& out) const {
    CW_CHECK(from > compacted() && from <= last());
    const std::size_t start = out.size();
    if (from < cache_first()) {
        reader_.entries(from, bytes_max, out);
        CW_CHECK(out.size() == start || out[start].index == from, "LogReader::entries");
        // The disk may still show entries that were cut: those from the cache on are the cache's.
        while (out.size() > start && out.back().index >= cache_first()) {
            out.pop_back();
        }
        if (!first_always && out.size() > start && bytes_of(out[start]) > bytes_max) {
            out.resize(start);
        }
        return;
    }
    std::size_t bytes = 0;
    for (std::size_t i = from.value() - cache_first().value(); i < cache_.size(); ++i) {
        bytes += bytes_of(cache_[i]);
        if (bytes > bytes_max && !(first_always && out.size() == start)) {
            return;
        }
        out.push_back(cache_[i]);
    }
}

std::optional<Index> Log::take_unhanded(std::vector<Entry>& out) {
    if (handed_ < last()) {
        const std::size_t first = handed_.next().value() - cache_first().value();
        for (std::size_t i = first; i < cache_.size(); ++i) {
            out.push_back(cache_[i]);
        }
        handed_ = last();
    }
    return std::exchange(cut_, std::nullopt);
}

std::uint64_t Log::fence() {
    const bool installs = installing_.has_value() && !std::exchange(install_fenced_, true);
    fences_.push_back(Fence{.sequence = ++last_fence_, .last = handed_, .installs = installs});
    return last_fence_;
}

void Log::on_append_done(std::uint64_t fence) {
    CW_CHECK(fence <= last_fence_, "an append that was never handed out");
    while (!fences_.empty() && fences_.front().sequence <= fence) {
        const Fence passed = fences_.front();
        fences_.pop_front();
        if (passed.installs) {
            CW_CHECK(installing_.has_value());
            applied_ = std::max(applied_, *installing_);
            installing_.reset();
        }
        durable_ = std::max(durable_, passed.last);
    }
    trim_cache();
    check();
}

void Log::take_committed(std::size_t bytes_max, std::vector<Entry>& out) {
    if (!has_committed()) {
        return;
    }
    const std::size_t start = out.size();
    read(apply_handed_.next(), bytes_max, true, out);
    while (out.size() > start && out.back().index > apply_limit()) {
        out.pop_back();
    }
    read_waits_ = out.size() == start;
    if (!read_waits_) {
        apply_handed_ = out.back().index;
    }
}

void Log::on_apply_done(Index index) {
    if (index <= applied_) {
        return;  // A snapshot has overtaken it.
    }
    CW_CHECK(index <= apply_handed_, "I7: applied what was not handed out");
    account_applied(applied_, index);
    applied_ = index;
    trim_cache();
    check();
}

void Log::account_applied(Index from, Index to) {
    const Index start = std::max(from.next(), cache_first());
    for (Index i = start; i <= to; i = i.next()) {
        unapplied_bytes_ -= bytes_of(cache_[i.value() - cache_first().value()]);
    }
}

void Log::trim_cache() {
    const Index settled = std::min(applied_, durable_);
    while (!cache_.empty() && cache_bytes_ > cache_bytes_max_ && cache_.front().index <= settled) {
        cache_bytes_ -= bytes_of(cache_.front());
        cache_.pop_front();
    }
}

void Log::compact(Index index) {
    CW_CHECK(index <= applied_, "I7");
    if (index <= compacted()) {
        return;
    }
    terms_.compact(index);
    while (!cache_.empty() && cache_.front().index <= index) {
        cache_bytes_ -= bytes_of(cache_.front());
        cache_.pop_front();
    }
}

void Log::check() const {
    CW_CHECK(commit_ <= last(), "I7");
    CW_CHECK(durable_ <= handed_ && handed_ <= last(), "I7");
    CW_CHECK(installing_ || apply_handed_ <= apply_limit(), "I7");
    CW_CHECK(applied_ <= apply_handed_, "I7");
    CW_CHECK(installing_ || compacted() <= applied_, "I7");
}

}  // namespace causeway::raft
