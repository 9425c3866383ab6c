// The machine's clocks behind the Clock port. Called by every driver, on any thread.
#pragma once

#include "core/base/time.h"

namespace causeway::io {

// The boot clock (CLOCK_BOOTTIME: monotonic, counts suspend), milliseconds. Any thread.
[[nodiscard]] MonoMs boot_ms();

class SystemClock final : public Clock {
public:
    // The same clock as boot_ms() and Loop::now_ms().
    [[nodiscard]] MonoMs mono_ms() const override;
    // CLOCK_REALTIME: may jump when an operator or NTP sets it.
    [[nodiscard]] std::uint64_t wall_ms() const override;
};

}  // namespace causeway::io
