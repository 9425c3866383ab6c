// Seeded random numbers (xoshiro256** 1.0 by Blackman and Vigna, public domain algorithm, seeded by
// SplitMix64). The same seed gives the same numbers on every machine, which
// std::uniform_int_distribution does not promise. Not for secrets.
#pragma once

#include <bit>
#include <cstdint>

namespace causeway {

__extension__ using Wide = unsigned __int128;  // The product of two 64-bit numbers.

class Random {
public:
    explicit Random(std::uint64_t seed) {
        for (auto& word : state_) {
            seed += 0x9E3779B97F4A7C15U;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
            word = z ^ (z >> 31);
        }
    }
    std::uint64_t next() {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }
    // Uniform in [0, bound). Precondition: bound > 0. (Multiply-shift; bias below 2^-32 for our
    // bounds.)
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
    }
    // Uniform in [low, high).
    std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low); }
    // True with probability numerator / denominator.
    bool chance(std::uint64_t numerator, std::uint64_t denominator) {
        return below(denominator) < numerator;
    }
    double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

    using result_type = std::uint64_t;
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return ~result_type{0}; }
    result_type operator()() { return next(); }

private:
    std::uint64_t state_[4]{};
};

}  // namespace causeway
