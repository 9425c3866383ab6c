// The term of every entry of a log, as a short list: terms never fall along a log, so they are a
// few runs of equal terms. Answers without a read of the disk. Part of Log; same thread.
#pragma once

#include <vector>

#include "core/raft/types.h"

namespace causeway::raft {

class TermRuns {
public:
    // Starts with one place, the compaction point.
    TermRuns(Index index, Term term) : runs_{{index, term}}, last_(index) {}

    [[nodiscard]] Index first() const { return runs_.front().first; }
    [[nodiscard]] Index last() const { return last_; }
    // Precondition: first() <= index <= last().
    [[nodiscard]] Term at(Index index) const;
    // The highest index <= `index` whose term is <= `term`; first() if there is none.
    [[nodiscard]] Index last_at_or_below(Index index, Term term) const;

    // Effect: extends to `last` with `term`. Precondition: term is not below the last one (I2, I3).
    void extend(Index last, Term term);
    // Effect: forgets the places >= index. Precondition: first() < index.
    void truncate_from(Index index);
    // Effect: forgets the places < index. Precondition: first() <= index <= last().
    void compact(Index index);

private:
    struct Run {
        Index first;
        Term term;
    };
    std::vector<Run> runs_;
    Index last_;
};

}  // namespace causeway::raft
