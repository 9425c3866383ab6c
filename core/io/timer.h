// Timers on a loop: Timer, one libuv timer for the few things a driver has one of, and LoopTimers,
// the timer wheel for everything there is one of per connection.
#pragma once

#include <cstdint>

#include <absl/functional/any_invocable.h>

#include "core/io/loop.h"
#include "core/io/timer_wheel.h"

struct uv_timer_s;

namespace causeway::io {

// Made, used and destroyed on the loop's thread (or while the loop does not run), before the loop.
class Timer {
public:
    // The callback may start, stop and destroy this timer.
    Timer(Loop& loop, Task callback);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    // Effect: the callback runs after `delay_ms`, and then every `repeat_ms` unless that is 0.
    // Replaces an earlier start.
    void start(std::uint64_t delay_ms, std::uint64_t repeat_ms = 0);
    void stop();
    [[nodiscard]] bool active() const;

private:
    struct Handle;
    Handle* handle_;  // Freed in its close callback.
};

// A TimerWheel that one Timer advances while anything is armed. Same thread rules as Timer.
class LoopTimers {
public:
    // `fire` gets the cookie of each timer that is due.
    LoopTimers(Loop& loop, TimerWheel::Options options,
               absl::AnyInvocable<void(std::uint64_t cookie)> fire);

    // Effect: `cookie` fires `delay_ms` from now, at most about one resolution late.
    TimerWheel::Id arm_after(std::uint64_t delay_ms, std::uint64_t cookie);
    // Returns false, without effect, when the timer has fired or was cancelled.
    bool cancel(TimerWheel::Id id) { return wheel_.cancel(id); }
    [[nodiscard]] std::size_t size() const { return wheel_.size(); }
    [[nodiscard]] std::size_t memory_bytes() const { return wheel_.memory_bytes(); }

private:
    void tick();

    Loop& loop_;
    std::uint32_t resolution_ms_;
    TimerWheel wheel_;
    absl::AnyInvocable<void(std::uint64_t)> fire_;
    Timer timer_;
};

}  // namespace causeway::io
