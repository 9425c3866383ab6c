// Times are plain integers with their unit in the name, so that they go into encodings unchanged
// and a pure module takes "now" as an argument.
//   MonoMs   the machine's monotonic boot clock, milliseconds: timers, keep-alive.
//   SetMs    the set's time, milliseconds since the Unix epoch, stamped into each log entry by the
//            leader; never falls. All expiry in the replicated state is in set time.
#pragma once

#include "core/base/tagged.h"

namespace causeway {

using MonoMs = std::uint64_t;
using SetMs = std::uint64_t;

// The two clocks a driver reads for its machines. A port: the simulator has its own.
class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual MonoMs mono_ms() const = 0;
    // Milliseconds since the Unix epoch.
    [[nodiscard]] virtual std::uint64_t wall_ms() const = 0;
};

}  // namespace causeway
