// Counting majorities. Pure functions over the few numbers a group has.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <absl/container/inlined_vector.h>

#include "core/base/tagged.h"

namespace causeway::raft {

using Matches = absl::InlinedVector<Index, 8>;

// The highest index that a majority of the voters has reached; 0 if there is no voter.
inline Index quorum_index(Matches matches) {
    if (matches.empty()) {
        return Index(0);
    }
    const auto middle = matches.begin() + static_cast<std::ptrdiff_t>(matches.size() / 2);
    std::nth_element(matches.begin(), middle, matches.end(), std::greater<>());
    return *middle;
}

constexpr bool is_majority(std::size_t count, std::size_t voters) { return count > voters / 2; }

enum class VoteResult : std::uint8_t { kPending, kWon, kLost };

// kLost as soon as the voters that have not refused are no majority.
constexpr VoteResult count_votes(std::size_t voters, std::size_t granted, std::size_t refused) {
    if (is_majority(granted, voters)) {
        return VoteResult::kWon;
    }
    return is_majority(voters - refused, voters) ? VoteResult::kPending : VoteResult::kLost;
}

}  // namespace causeway::raft
