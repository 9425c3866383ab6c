// Finds losses, duplicates and order violations in the numbers one publisher gave its messages, as
// one subscriber sees them. Pure.
#pragma once

#include <bitset>
#include <cstdint>

namespace causeway::bench {

enum class Arrival : std::uint8_t {
    kInOrder,    // The number after the largest one so far, or beyond it.
    kLate,       // A smaller number that was not here yet: order was violated.
    kDuplicate,  // Here before, or more than kRemembered behind, where this is the likely cause.
};

// The first number to arrive is the start: what comes before it is late, but was never missing.
class SequenceTracker {
public:
    static constexpr std::uint64_t kRemembered = 256;

    Arrival observe(std::uint64_t number) {
        if (!started_) {
            started_ = true;
            first_ = next_ = number;
        }
        if (number >= next_) {
            advance_to(number);
            return Arrival::kInOrder;
        }
        if (next_ - number > kRemembered || seen_[number % kRemembered]) {
            return Arrival::kDuplicate;
        }
        seen_[number % kRemembered] = true;
        if (number >= first_) {
            --missing_;
        }
        return Arrival::kLate;
    }

    // Numbers skipped and not here yet.
    [[nodiscard]] std::uint64_t missing() const { return missing_; }

private:
    void advance_to(std::uint64_t number) {
        missing_ += number - next_;
        if (number - next_ >= kRemembered) {
            seen_.reset();
        } else {
            for (; next_ < number; ++next_) {
                seen_[next_ % kRemembered] = false;
            }
        }
        seen_[number % kRemembered] = true;
        next_ = number + 1;
    }

    std::bitset<kRemembered> seen_;
    std::uint64_t first_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t missing_ = 0;
    bool started_ = false;
};

}  // namespace causeway::bench
