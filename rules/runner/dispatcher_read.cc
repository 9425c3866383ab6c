// Dispatcher: reading the outbox, and the sweeps that make sure of it.
#include <algorithm>
#include <limits>
#include <utility>

#include "rules/runner/dispatcher.h"

namespace causeway::rules {

std::optional<ReadOutbox> Dispatcher::plan_read(MonoMs now) {
    plan_sweep(now);
    if (reading_) {
        return std::nullopt;
    }
    if (sweep_at_ && now >= *sweep_at_) {
        sweep_at_.reset();
        last_sweep_ = now;
        cursor_ = 0;
        more_ = true;
    }
    const bool behind = cursor_ < high_;
    if (!more_ || (!behind && !has_room(2))) {
        return std::nullopt;
    }
    reading_ = true;
    ready_again_ = false;
    return ReadOutbox{++read_id_, cursor_, limits_.read_bytes};
}

void Dispatcher::plan_sweep(MonoMs now) {
    if (!sweep_at_ && (more_ || !items_.empty() || !settled_.empty())) {
        sweep_at_ = now + limits_.sweep_ms;
    }
    if (sweep_at_ && settled_.size() >= limits_.settled_soft) {
        sweep_at_ = std::min(*sweep_at_, std::max(now, last_sweep_ + limits_.quick_sweep_ms));
    }
}

// Whether less waits than a 1 / share of what may.
bool Dispatcher::has_room(unsigned share) const {
    return held_bytes_ - in_flight_bytes_ < limits_.ahead_bytes / share &&
           items_.size() - in_flight_ < limits_.ahead_items / share;
}

void Dispatcher::read_from_front() {
    cursor_ = 0;
    high_ = 0;
    reading_ = false;
    ++read_id_;  // An answer under way no longer fits.
    sweep_at_.reset();
}

void Dispatcher::taken(std::uint64_t id, std::vector<OwedDelivery> owed, SetMs set_now,
                       MonoMs now) {
    if (!reading_ || id != read_id_) {
        return;
    }
    reading_ = false;
    reconcile(owed, now);
    if (owed.empty()) {
        cursor_ = high_;
        more_ = ready_again_;
        return;
    }
    for (OwedDelivery& one : owed) {
        if (one.n <= cursor_) {
            continue;
        }
        if (!items_.contains(one.n) && !settled_.contains(one.n)) {
            if (!has_room(1)) {
                high_ = cursor_;  // It and what is behind it is read when there is room.
                return;
            }
            const std::uint64_t n = one.n;
            hold(std::move(one), set_now, now);
            cursor_ = n;
        } else {
            cursor_ = one.n;
        }
        high_ = std::max(high_, cursor_);
    }
}

void Dispatcher::reconcile(const std::vector<OwedDelivery>& owed, MonoMs now) {
    // The answer is complete for the numbers from cursor_ to `last`.
    const std::uint64_t last =
        owed.empty() ? std::numeric_limits<std::uint64_t>::max() : owed.back().n;
    auto there = owed.begin();
    const auto is_there = [&](std::uint64_t n) {
        while (there != owed.end() && there->n < n) {
            ++there;
        }
        return there != owed.end() && there->n == n;
    };
    for (auto at = settled_.upper_bound(cursor_); at != settled_.end() && at->first <= last;) {
        if (!is_there(at->first)) {
            at = settled_.erase(at);
            continue;
        }
        if (now - at->second.at >= limits_.resend_ms) {
            at->second.at = now;
            ++counters_.ends_repeated;
            ends_.push_back(at->second.end);
        }
        ++at;
    }
    there = owed.begin();
    for (auto at = items_.upper_bound(cursor_); at != items_.end() && at->first <= last;) {
        if (is_there(at->first) || at->second.in_flight) {
            ++at;
            continue;
        }
        ++counters_.gone;
        at = release(at);
    }
}

}  // namespace causeway::rules
