// The circuit breaker of one sink. Pure; part of Dispatcher, whose head describes it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/base/time.h"

namespace causeway::rules {

struct BreakerPolicy {
    std::uint32_t failures = 5;  // in a row, until it opens; 0: never
    std::uint64_t open_initial_ms = 1'000;
    std::uint64_t open_max_ms = 60'000;
};

enum class BreakerState : std::uint8_t { kClosed, kOpen, kHalfOpen };

class Breaker {
public:
    // Whether an attempt may begin.
    [[nodiscard]] bool allows(MonoMs now) const {
        return state_ == BreakerState::kClosed || (state_ == BreakerState::kOpen && now >= until_);
    }
    // Attempt `n` begins. Precondition: allows(now). An open breaker becomes half open, `n` being
    // its probe.
    void begin(std::uint64_t n) {
        if (state_ == BreakerState::kOpen) {
            state_ = BreakerState::kHalfOpen;
            probe_ = n;
        }
    }
    // An attempt was answered, whatever the answer.
    void succeeded() {
        state_ = BreakerState::kClosed;
        failures_ = 0;
        times_opened_ = 0;
    }
    // Attempt `n` failed in a way that may pass. What began before it opened says nothing new.
    void failed(std::uint64_t n, const BreakerPolicy& policy, MonoMs now) {
        if (state_ == BreakerState::kClosed) {
            ++failures_;
            if (policy.failures != 0 && failures_ >= policy.failures) {
                open(policy, now);
            }
        } else if (state_ == BreakerState::kHalfOpen && n == probe_) {
            open(policy, now);
        }
    }
    // Effect: an open breaker lets a probe through at once.
    void probe_now(MonoMs now) { until_ = std::min(until_, now); }

    [[nodiscard]] BreakerState state() const { return state_; }
    // When an open one lets a probe through.
    [[nodiscard]] std::optional<MonoMs> opens_until() const {
        return state_ == BreakerState::kOpen ? std::optional(until_) : std::nullopt;
    }

private:
    void open(const BreakerPolicy& policy, MonoMs now) {
        const std::uint64_t doubled = policy.open_initial_ms << std::min(times_opened_, 20U);
        ++times_opened_;
        until_ = now + std::min(doubled, policy.open_max_ms);
        state_ = BreakerState::kOpen;
    }

    BreakerState state_ = BreakerState::kClosed;
    std::uint32_t failures_ = 0;
    std::uint32_t times_opened_ = 0;
    MonoMs until_ = 0;
    std::uint64_t probe_ = 0;
};

}  // namespace causeway::rules
