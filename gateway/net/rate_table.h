// How often each of many keys may do something: a token bucket per key (GCRA, «ITU-T I.371»: one
// number per key, the time by which it has paid), in a table of fixed size that never allocates.
// Pure; used by a shard on its loop.
//
// The table is associative in sets of kWays. A key that comes when its set is full takes the place
// of the one that has paid longest ago: what is forgotten that way is in the key's favour, so a
// flood of keys makes the limit softer for some and never refuses one that is within it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/time.h"

namespace causeway::net {

class RateTable {
public:
    // `per_s` times a second, a second's worth at once; 0: any number, and no memory is held.
    RateTable(std::uint32_t per_s, std::size_t keys_max);

    // Effect: counts one. False, without counting: the key is above its rate.
    bool admit(std::uint64_t key, MonoMs now);
    // In how many milliseconds admit() will succeed if nobody else comes; 0: now.
    [[nodiscard]] std::uint64_t wait_ms(std::uint64_t key, MonoMs now) const;

private:
    static constexpr std::size_t kWays = 4;
    struct Entry {
        std::uint64_t key = 0;
        std::uint64_t paid_until_us = 0;
    };

    // Where the key is, or the entry it would replace. Precondition: there are entries.
    [[nodiscard]] std::size_t place_of(std::uint64_t key) const;

    std::uint64_t cost_us_;
    std::uint64_t ahead_max_us_;
    std::vector<Entry> entries_;
};

}  // namespace causeway::net
