#include "gateway/net/rate_table.h"

#include <algorithm>
#include <bit>

namespace causeway::net {
namespace {

constexpr std::uint64_t kSecondUs = 1'000'000;

}  // namespace

RateTable::RateTable(std::uint32_t per_s, std::size_t keys_max)
    : cost_us_(per_s == 0 ? 0 : std::max<std::uint64_t>(kSecondUs / per_s, 1)),
      ahead_max_us_(kSecondUs - std::min(cost_us_, kSecondUs)),
      entries_(per_s == 0 ? 0 : std::bit_ceil(std::max(keys_max, kWays))) {}

std::size_t RateTable::place_of(std::uint64_t key) const {
    const std::size_t first = (key * kWays) & (entries_.size() - 1);
    std::size_t oldest = first;
    for (std::size_t at = first; at < first + kWays; ++at) {
        if (entries_[at].key == key) {
            return at;
        }
        if (entries_[at].paid_until_us < entries_[oldest].paid_until_us) {
            oldest = at;
        }
    }
    return oldest;
}

bool RateTable::admit(std::uint64_t key, MonoMs now) {
    if (entries_.empty()) {
        return true;
    }
    Entry& entry = entries_[place_of(key)];
    if (entry.key != key) {
        entry = Entry{key, 0};
    }
    const std::uint64_t now_us = now * 1000;
    const std::uint64_t paid_until_us = std::max(entry.paid_until_us, now_us);
    if (paid_until_us - now_us > ahead_max_us_) {
        return false;
    }
    entry.paid_until_us = paid_until_us + cost_us_;
    return true;
}

std::uint64_t RateTable::wait_ms(std::uint64_t key, MonoMs now) const {
    if (entries_.empty()) {
        return 0;
    }
    const Entry& entry = entries_[place_of(key)];
    const std::uint64_t allowed_us = now * 1000 + ahead_max_us_;
    return entry.key != key || entry.paid_until_us <= allowed_us
               ? 0
               : (entry.paid_until_us - allowed_us + 999) / 1000;
}

}  // namespace causeway::net
