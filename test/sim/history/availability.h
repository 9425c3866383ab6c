// When publishers were served: second by second, and the longest time without an acknowledgement.
// A run asserts with it that an election takes at most two seconds, and that it did not pass only
// because nothing was served.
#pragma once

#include <cstdint>

#include "test/sim/history/event.h"

namespace causeway::sim {

struct Availability {
    // Windows of one second from the first sending on, and those with an acknowledgement.
    std::uint64_t windows = 0;
    std::uint64_t served = 0;
    // The longest time somebody waited for an acknowledgement and nobody got one.
    std::uint64_t longest_gap_us = 0;
    std::uint64_t longest_gap_at_us = 0;
};

// Of all publishers, or of `publisher` alone if not 0. Precondition: the events ascend in at_us.
Availability availability(const History& history, Name publisher = 0);

}  // namespace causeway::sim
