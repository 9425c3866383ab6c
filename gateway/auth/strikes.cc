#include "gateway/auth/strikes.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace causeway::auth {

StrikeTable::StrikeTable(const StrikeLimits& limits, std::size_t keys_max)
    : limits_(limits),
      entries_(limits.strikes_max == 0 ? 0 : std::bit_ceil(std::max(keys_max, kWays))) {}

std::size_t StrikeTable::set_of(std::uint64_t key) const {
    return (key * kWays) & (entries_.size() - 1);
}

const StrikeTable::Entry* StrikeTable::find(std::uint64_t key) const {
    if (entries_.empty()) {
        return nullptr;
    }
    const Entry* first = entries_.data() + set_of(key);
    const Entry* last = first + kWays;
    const Entry* found =
        std::find_if(first, last, [key](const Entry& one) { return one.key == key; });
    return found == last ? nullptr : found;
}

bool StrikeTable::strike(std::uint64_t key, MonoMs now) {
    if (entries_.empty()) {
        return false;
    }
    auto* entry = const_cast<Entry*>(find(key));
    if (entry == nullptr) {
        Entry* first = entries_.data() + set_of(key);
        entry = std::min_element(first, first + kWays, [now](const Entry& a, const Entry& b) {
            const auto worth = [now](const Entry& one) {
                return std::tuple(one.out_until > now, std::max(one.out_until, one.since));
            };
            return worth(a) < worth(b);
        });
        *entry = Entry{key, now, 0, 0};
    }
    if (entry->out_until > now) {
        return false;  // who tries on is not kept out for ever by it
    }
    if (entry->out_until != 0 || now - entry->since >= limits_.window_ms) {
        *entry = Entry{key, now, 0, 0};
    }
    if (++entry->strikes <= limits_.strikes_max) {
        return false;
    }
    entry->out_until = now + limits_.out_ms;
    return true;
}

void StrikeTable::forgive(std::uint64_t key, MonoMs now) {
    auto* entry = const_cast<Entry*>(find(key));
    if (entry != nullptr && entry->out_until <= now) {
        *entry = Entry{};
    }
}

std::uint64_t StrikeTable::out_ms(std::uint64_t key, MonoMs now) const {
    const Entry* entry = find(key);
    return entry == nullptr || entry->out_until <= now ? 0 : entry->out_until - now;
}

}  // namespace causeway::auth
