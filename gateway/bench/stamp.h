// What the generator writes at the start of a payload so that a subscriber can measure: who
// published it in which run, the how-manieth it is, and when it was due. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace causeway::bench {

struct Stamp {
    std::uint32_t run = 0;        // Random: tells apart the messages of different runs.
    std::uint32_t publisher = 0;  // Its number in the run.
    std::uint64_t sequence = 0;   // From 0, without holes.
    std::uint64_t due_ns = 0;     // CLOCK_MONOTONIC: comparable on one machine only.

    friend bool operator==(const Stamp&, const Stamp&) = default;
};

inline constexpr std::uint32_t kStampMagic = 0x31424357;  // "WCB1"
// Payloads smaller than this carry no stamp.
inline constexpr std::size_t kStampBytes = 28;

// Effect: writes kStampBytes bytes.
inline void write_stamp(const Stamp& stamp, char* to) {
    std::memcpy(to, &kStampMagic, 4);
    std::memcpy(to + 4, &stamp.run, 4);
    std::memcpy(to + 8, &stamp.publisher, 4);
    std::memcpy(to + 12, &stamp.sequence, 8);
    std::memcpy(to + 20, &stamp.due_ns, 8);
}

// Nothing when the payload does not begin with a stamp.
inline std::optional<Stamp> read_stamp(std::string_view payload) {
    std::uint32_t magic = 0;
    if (payload.size() < kStampBytes) {
        return std::nullopt;
    }
    std::memcpy(&magic, payload.data(), 4);
    if (magic != kStampMagic) {
        return std::nullopt;
    }
    Stamp stamp;
    std::memcpy(&stamp.run, payload.data() + 4, 4);
    std::memcpy(&stamp.publisher, payload.data() + 8, 4);
    std::memcpy(&stamp.sequence, payload.data() + 12, 8);
    std::memcpy(&stamp.due_ns, payload.data() + 20, 8);
    return stamp;
}

}  // namespace causeway::bench
