// A timer with nanoseconds, for the load generator's schedule: libuv's own timers count
// milliseconds and so would add up to one to every latency measured from a planned time. Costs a
// file descriptor; everything else has Timer or LoopTimers.
#pragma once

#include <cstdint>

#include "core/io/loop.h"

namespace causeway::io {

// Made, used and destroyed on the loop's thread (or while the loop does not run), before the loop.
class PreciseTimer {
public:
    // The callback may start, stop and destroy this timer.
    PreciseTimer(Loop& loop, Task callback);
    ~PreciseTimer();
    PreciseTimer(const PreciseTimer&) = delete;
    PreciseTimer& operator=(const PreciseTimer&) = delete;

    // Effect: the callback runs once when CLOCK_MONOTONIC reaches `at_ns`; in a coming turn if that
    // is past. Replaces an earlier start.
    void start_at(std::uint64_t at_ns);
    void stop();

    // CLOCK_MONOTONIC now. Any thread.
    [[nodiscard]] static std::uint64_t now_ns();

private:
    struct Handle;
    Handle* handle_;  // Freed in its close callback.
};

}  // namespace causeway::io
