// See progress.h. Called by replication.cc.
#include "core/raft/progress.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/seeded_bug.h"

namespace causeway::raft {

bool Progress::may_send() const {
    switch (state_) {
        case ProgressState::kProbe:
            return !probe_sent_;
        case ProgressState::kReplicate:
            return true;
        case ProgressState::kSnapshot:
            return false;
    }
    return false;
}

bool Progress::window_full() const {
    return window_.size() >= limits_.count_max || window_bytes_ >= limits_.bytes_max;
}

std::size_t Progress::window_left() const {
    return limits_.bytes_max - std::min(limits_.bytes_max, window_bytes_);
}

void Progress::on_sent(std::size_t count, std::size_t bytes, Index commit) {
    CW_CHECK(may_send());
    nudged_ = false;
    commit_sent_ = std::max(commit_sent_, commit);
    if (state_ == ProgressState::kProbe) {
        probe_sent_ = true;  // next stays: only the answer tells where to go on.
        return;
    }
    if (count > 0) {
        CW_CHECK(!window_full());
        next_ = after(next_, count);
        window_.push_back(Sent{.last = before(next_), .bytes = bytes});
        window_bytes_ += bytes;
    }
    check();
}

bool Progress::on_accepted(Index index) {
    const bool news = index > match_;
    match_ = std::max(match_, index);
    next_ = std::max(next_, match_.next());
    free_window(match_);
    if (state_ == ProgressState::kProbe && index == match_) {
        state_ = ProgressState::kReplicate;
        next_ = match_.next();
        probe_sent_ = false;
    } else if (state_ == ProgressState::kSnapshot && match_ >= pending_snapshot_) {
        on_snapshot_reported(true);
        probe_sent_ = false;
    }
    check();
    return news;
}

bool Progress::on_rejected(Index rejected, Index hint) {
    if (state_ == ProgressState::kReplicate) {
        if (rejected <= match_) {
            return false;
        }
        become_probe();
        return true;
    }
    if (state_ == ProgressState::kSnapshot || before(next_) != rejected) {
        return false;
    }
    next_ = std::min(rejected, hint.next());
    if (!CAUSEWAY_BUG(kNextNotAboveMatch)) {
        next_ = std::max(next_, match_.next());
    }
    probe_sent_ = false;
    check();
    return true;
}

void Progress::on_heartbeat_response(Index commit, Index last) {
    recently_active = true;
    probe_sent_ = false;
    nudged_ = nudged_ || match_ < last;
    // It cannot know more than it was told, and may have forgotten in a crash.
    commit_sent_ = std::min(commit_sent_, commit);
}

void Progress::on_snapshot_sent(Index index) {
    clear_window();
    state_ = ProgressState::kSnapshot;
    pending_snapshot_ = index;
    probe_sent_ = false;
    check();
}

void Progress::on_snapshot_reported(bool installed) {
    if (state_ != ProgressState::kSnapshot) {
        return;
    }
    const Index from = installed ? std::max(match_, pending_snapshot_) : match_;
    state_ = ProgressState::kProbe;
    next_ = from.next();
    pending_snapshot_ = Index(0);
    probe_sent_ = true;  // The next heartbeat's answer is soon enough.
    check();
}

void Progress::become_probe() {
    if (state_ == ProgressState::kSnapshot) {
        return;
    }
    // Who is still being probed keeps its place: match is not known yet, and what follows it may
    // be compacted, though this follower has it.
    if (state_ == ProgressState::kReplicate) {
        next_ = match_.next();
    }
    clear_window();
    state_ = ProgressState::kProbe;
    probe_sent_ = false;
    commit_sent_ = Index(0);
    check();
}

void Progress::clear_window() {
    window_.clear();
    window_bytes_ = 0;
}

void Progress::free_window(Index upto) {
    while (!window_.empty() && window_.front().last <= upto) {
        window_bytes_ -= window_.front().bytes;
        window_.pop_front();
    }
}

void Progress::check() const {
    CW_CHECK(next_ > match_, "I10");
    CW_CHECK(window_.size() <= limits_.count_max, "I10");
    CW_CHECK(window_bytes_ <= limits_.bytes_max || window_.size() == 1, "I10");
}

}  // namespace causeway::raft
