// See term_runs.h. Called by Log.
#include "core/raft/term_runs.h"

#include <algorithm>
#include <iterator>

#include "core/base/check.h"

namespace causeway::raft {

Term TermRuns::at(Index index) const {
    CW_CHECK(first() <= index && index <= last_);
    const auto above = std::upper_bound(runs_.begin(), runs_.end(), index,
                                        [](Index i, const Run& run) { return i < run.first; });
    return std::prev(above)->term;
}

Index TermRuns::last_at_or_below(Index index, Term term) const {
    const auto above = std::upper_bound(runs_.begin(), runs_.end(), term,
                                        [](Term t, const Run& run) { return t < run.term; });
    const Index end = above == runs_.end() ? last_ : before(std::max(above->first, Index(1)));
    return std::max(first(), std::min(index, end));
}

void TermRuns::extend(Index last, Term term) {
    CW_CHECK(last > last_ && term >= runs_.back().term, "I2");
    if (term > runs_.back().term) {
        runs_.push_back({last_.next(), term});
    }
    last_ = last;
}

void TermRuns::truncate_from(Index index) {
    CW_CHECK(first() < index);
    if (index > last_) {
        return;
    }
    while (runs_.back().first >= index) {
        runs_.pop_back();
    }
    last_ = before(index);
}

void TermRuns::compact(Index index) {
    CW_CHECK(first() <= index && index <= last_);
    while (runs_.size() > 1 && runs_[1].first <= index) {
        runs_.erase(runs_.begin());
    }
    runs_.front().first = index;
}

}  // namespace causeway::raft
