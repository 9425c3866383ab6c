// A hashed timer wheel: arming and cancelling cost O(1) and 32 bytes, so that every connection can
// have timers without a libuv handle. Pure: time is an argument. Driven by LoopTimers (timer.h).
//
// A timer's deadline is rounded up to the resolution, so it never fires early and at most one
// resolution plus the driver's delay late. Each bucket is a circular list through a pool of nodes;
// a node further than one revolution away is skipped when its bucket comes by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace causeway::io {

class TimerWheel {
public:
    struct Options {
        std::uint32_t resolution_ms = 100;
        std::uint32_t buckets = 512;
    };
    // Names one armed timer; stale once it fired or was cancelled. {} names none.
    struct Id {
        std::uint32_t slot = 0;
        std::uint32_t generation = 0;
        explicit operator bool() const { return generation != 0; }
        bool operator==(const Id&) const = default;
    };

    // Preconditions: resolution_ms > 0, buckets > 0.
    TimerWheel(MonoMs now, Options options);

    // Effect: `cookie` is given to fire at the first advance() to `deadline` or later; a deadline
    // already passed fires at the next tick.
    Id arm(MonoMs deadline, std::uint64_t cookie);
    // Returns false, without effect, when the timer has fired or was cancelled, and for {}.
    bool cancel(Id id);
    // Effect: calls fire(cookie) for every timer due at `now`, in the order of ticks, then of
    // arming (unless more than one revolution passed). fire may arm and cancel; what it arms fires
    // in a later advance. Returns how many fired.
    template <typename F>
    std::size_t advance(MonoMs now, F&& fire) {
        collect_due(now);
        std::size_t fired = 0;
        std::uint64_t cookie = 0;
        while (pop_due(cookie)) {
            ++fired;
            fire(cookie);
        }
        return fired;
    }
    // Armed timers.
    [[nodiscard]] std::size_t size() const { return size_; }
    // The heap held.
    [[nodiscard]] std::size_t memory_bytes() const {
        return nodes_.capacity() * sizeof(Node) + free_.capacity() * sizeof(std::uint32_t);
    }

private:
    struct Node {
        std::uint32_t prev = 0;
        std::uint32_t next = 0;
        std::uint32_t generation = 0;  // Odd while armed.
        std::uint64_t tick = 0;
        std::uint64_t cookie = 0;
    };

    void collect_due(MonoMs now);
    bool pop_due(std::uint64_t& cookie);
    void link_before(std::uint32_t list, std::uint32_t slot);
    void unlink(std::uint32_t slot);
    void release(std::uint32_t slot);
    [[nodiscard]] std::uint32_t due_list() const { return options_.buckets; }

    Options options_;
    std::uint64_t tick_;  // All timers of this tick and before have fired.
    std::size_t size_ = 0;
    std::vector<Node> nodes_;  // [0, buckets): list heads; [buckets]: the due list; then timers.
    std::vector<std::uint32_t> free_;
};

}  // namespace causeway::io
