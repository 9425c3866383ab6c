// The machine's clocks behind the Clock port. Called by every driver, on any thread.
#include "core/io/clock.h"

#include <ctime>

namespace causeway::io {
namespace {

std::uint64_t read_ms(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

MonoMs boot_ms() { return read_ms(CLOCK_BOOTTIME); }

MonoMs SystemClock::mono_ms() const { return boot_ms(); }

std::uint64_t SystemClock::wall_ms() const { return read_ms(CLOCK_REALTIME); }

}  // namespace causeway::io
