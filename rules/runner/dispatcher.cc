// Dispatcher: outcomes and starting.
#include "rules/runner/dispatcher.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace causeway::rules {

Dispatcher::Dispatcher(std::uint64_t seed, DispatchLimits limits)
    : limits_(limits), random_(seed) {}

void Dispatcher::configure(std::optional<SinkPolicy> policy, MonoMs now) {
    const bool was_configured = policy_.has_value();
    const bool relined =
        was_configured && policy && policy->ordered_by_key != policy_->ordered_by_key;
    policy_ = std::move(policy);
    if (!policy_) {
        release_waiting();
        read_from_front();
        more_ = false;
        return;
    }
    dead_letter_ = policy_->dead_letter;
    breaker_.probe_now(now);
    paused_until_ = 0;
    if (!was_configured || relined) {
        for (auto& [n, item] : items_) {
            leave_line(n, item);
        }
        for (auto& [n, item] : items_) {
            join_line(n, item);
        }
    }
    if (!was_configured) {
        more_ = true;
    }
}

void Dispatcher::lead(bool leading) {
    if (leading == leading_) {
        return;
    }
    leading_ = leading;
    release_waiting();
    settled_.clear();
    read_from_front();
    more_ = leading;
}

void Dispatcher::ready() {
    more_ = true;
    ready_again_ = true;
}

DispatchActions Dispatcher::poll(MonoMs now) {
    DispatchActions actions;
    if (active()) {
        start(now, actions.started);
        actions.read = plan_read(now);
        actions.wake_at = wake_at(now);
    }
    actions.ended = std::exchange(ends_, {});
    return actions;
}

void Dispatcher::promote(MonoMs now) {
    while (!delayed_.empty() && delayed_.begin()->first <= now) {
        const std::uint64_t n = delayed_.begin()->second;
        delayed_.erase(delayed_.begin());
        items_.find(n)->second.not_before = 0;
        startable_.insert(n);
    }
}

bool Dispatcher::may_start(MonoMs now) const {
    return in_flight_ < policy_->max_in_flight && now >= paused_until_ && breaker_.allows(now);
}

void Dispatcher::start(MonoMs now, std::vector<StartDelivery>& out) {
    // A log that takes no ends would let settled_ grow: then nothing begins, and nothing ends by
    // age.
    // An end may offer the next of a line, whose time may have come long ago: hence promote().
    for (promote(now); !startable_.empty() && settled_.size() < limits_.settled_hard;
         promote(now)) {
        const std::uint64_t n = *startable_.begin();
        const auto at = items_.find(n);
        Held& item = at->second;
        if (too_old(item, now)) {
            ++counters_.too_old;
            end(at, false,
                item.attempts == 0 ? "too old"
                                   : "too old after " + std::to_string(item.attempts) +
                                         " attempts: " + item.last_reason,
                now);
            continue;
        }
        if (!may_start(now)) {
            return;
        }
        unwait(n, item);
        item.in_flight = true;
        if (item.lined) {
            ++lines_[item.key].in_flight;
            update_head(lines_[item.key]);
        }
        ++item.attempts;
        ++in_flight_;
        in_flight_bytes_ += item.bytes();
        ++counters_.sent;
        breaker_.begin(n);
        out.push_back(StartDelivery{n, item.attempts, item.request});
    }
}

bool Dispatcher::too_old(const Held& item, MonoMs now) const {
    return policy_->age_max_ms != 0 && static_cast<std::int64_t>(now) - item.born >=
                                           static_cast<std::int64_t>(policy_->age_max_ms);
}

void Dispatcher::ended(std::uint64_t n, const DeliveryOutcome& outcome, MonoMs now) {
    const auto at = items_.find(n);
    CW_CHECK(at != items_.end() && at->second.in_flight, "not in flight: " + std::to_string(n));
    Held& item = at->second;
    item.in_flight = false;
    --in_flight_;
    in_flight_bytes_ -= item.bytes();
    if (item.lined) {
        --lines_[item.key].in_flight;
    }
    if (outcome.kind == OutcomeKind::kRetry) {
        retry(at, outcome, now);
        return;
    }
    breaker_.succeeded();
    const bool delivered = outcome.kind == OutcomeKind::kDelivered;
    ++(delivered ? counters_.delivered : counters_.refused);
    end(at, delivered, outcome.reason, now);
}

void Dispatcher::retry(Items::iterator at, const DeliveryOutcome& outcome, MonoMs now) {
    auto& [n, item] = *at;
    breaker_.failed(n, policy_ ? policy_->breaker : BreakerPolicy{}, now);
    // One that reading has not come to again since it began anew from the front: what stands before
    // it in its line may not be known yet. It is still owed, and comes back in order.
    const bool unread = n > high_;
    if (!active() || unread) {
        ++counters_.retried;
        release(at);
        return;
    }
    if (policy_->attempts_max != 0 && item.attempts >= policy_->attempts_max) {
        ++counters_.attempts_exceeded;
        end(at, false,
            "given up after " + std::to_string(item.attempts) + " attempts: " + outcome.reason,
            now);
        return;
    }
    ++counters_.retried;
    item.last_reason = outcome.reason;
    item.not_before = now + std::max(backoff(item.attempts), outcome.after_ms);
    if (outcome.after_ms != 0) {
        paused_until_ = std::max(paused_until_, now + outcome.after_ms);
    }
    if (policy_->age_max_ms != 0) {
        // Not later than its end by age, so that this is not put off until the next attempt.
        const std::int64_t too_old_at = item.born + static_cast<std::int64_t>(policy_->age_max_ms);
        item.not_before = std::clamp(static_cast<MonoMs>(std::max<std::int64_t>(too_old_at, 0)),
                                     now, item.not_before);
    }
    wait(n, item);
}

std::uint64_t Dispatcher::backoff(std::uint32_t attempts) {
    const std::uint64_t doubled = policy_->backoff_initial_ms << std::min(attempts - 1, 30U);
    const std::uint64_t full = std::min(doubled, policy_->backoff_max_ms);
    return full - random_.below(full / 2 + 1);
}

void Dispatcher::end(Items::iterator at, bool delivered, std::string reason, MonoMs now) {
    const std::uint64_t n = at->first;
    EndDelivery end{n, delivered, std::move(reason), delivered ? std::string() : dead_letter_};
    if (leading_) {
        settled_.insert_or_assign(n, Settled{end, now});
    }
    ends_.push_back(std::move(end));
    release(at);
}

std::optional<MonoMs> Dispatcher::wake_at(MonoMs now) const {
    std::optional<MonoMs> at;
    const auto earliest = [&](MonoMs when) { at = at ? std::min(*at, when) : when; };
    if (!delayed_.empty()) {
        earliest(delayed_.begin()->first);
    }
    if (!startable_.empty() && paused_until_ > now) {
        earliest(paused_until_);
    }
    if (const auto until = breaker_.opens_until(); until && *until > now && !startable_.empty()) {
        earliest(*until);
    }
    if (sweep_at_ && !reading_) {
        earliest(*sweep_at_);
    }
    return at;
}

}  // namespace causeway::rules
