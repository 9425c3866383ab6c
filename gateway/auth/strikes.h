// Who did something too often is kept out for a while: failed authentications of an address or an
// identity, connections of a client that comes and goes. A table of fixed size, associative in sets
// of four, that never allocates: who comes when its set is full takes the place of the one that was
// quiet longest, and of those kept out only when all four are. So a flood of names may shorten
// someone's time, and never keeps out who did nothing. Pure; belongs to one loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/time.h"

namespace causeway::auth {

struct StrikeLimits {
    std::uint32_t strikes_max = 0;  // within `window_ms`; one more keeps out. 0: nothing does
    std::uint64_t window_ms = 60'000;
    std::uint64_t out_ms = 60'000;
};

class StrikeTable {
public:
    StrikeTable(const StrikeLimits& limits, std::size_t keys_max);

    // Effect: counts one. True: with this one the key is kept out.
    bool strike(std::uint64_t key, MonoMs now);
    // Effect: what was counted is forgotten, unless it is kept out.
    void forgive(std::uint64_t key, MonoMs now);
    // How long it is kept out yet; 0: it is not.
    [[nodiscard]] std::uint64_t out_ms(std::uint64_t key, MonoMs now) const;
    [[nodiscard]] std::size_t memory_bytes() const { return entries_.size() * sizeof(Entry); }

private:
    static constexpr std::size_t kWays = 4;
    struct Entry {
        std::uint64_t key = 0;
        MonoMs since = 0;
        MonoMs out_until = 0;
        std::uint32_t strikes = 0;
    };
    [[nodiscard]] std::size_t set_of(std::uint64_t key) const;
    [[nodiscard]] const Entry* find(std::uint64_t key) const;

    StrikeLimits limits_;
    std::vector<Entry> entries_;
};

}  // namespace causeway::auth
