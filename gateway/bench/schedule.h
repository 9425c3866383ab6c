// The open loop's plan: message k is due k / rate seconds after the start, whatever the broker
// does, and the publishers take turns. A publisher that lags keeps its place in the plan, so its
// latencies count from when messages were due (no coordinated omission) and a backlog of any length
// takes no memory. Pure.
#pragma once

#include <cmath>
#include <cstdint>

namespace causeway::bench {

class Schedule {
public:
    Schedule() = default;
    // Preconditions: rate > 0 per second, publishers > 0.
    Schedule(std::uint64_t start_ns, double rate, std::uint32_t publishers)
        : start_ns_(start_ns), per_message_ns_(1e9L / rate), publishers_(publishers) {}

    // How many messages are due at `now_ns` or were before.
    [[nodiscard]] std::uint64_t count_by(std::uint64_t now_ns) const {
        if (now_ns < start_ns_) {
            return 0;
        }
        const auto passed = static_cast<long double>(now_ns - start_ns_);
        return static_cast<std::uint64_t>(passed / per_message_ns_) + 1;
    }
    // When message k (from 0) is due, rounded up: count_by(due_ns(k)) is k + 1 or more.
    [[nodiscard]] std::uint64_t due_ns(std::uint64_t k) const {
        return start_ns_ +
               static_cast<std::uint64_t>(std::ceil(static_cast<long double>(k) * per_message_ns_));
    }

    // How many of the first `count` messages are this publisher's.
    [[nodiscard]] std::uint64_t count_of(std::uint32_t publisher, std::uint64_t count) const {
        return count / publishers_ + (count % publishers_ > publisher ? 1 : 0);
    }
    // When this publisher's message j (from 0) is due.
    [[nodiscard]] std::uint64_t due_ns_of(std::uint32_t publisher, std::uint64_t j) const {
        return due_ns(j * publishers_ + publisher);
    }

private:
    std::uint64_t start_ns_ = 0;
    long double per_message_ns_ = 1;
    std::uint32_t publishers_ = 1;
};

}  // namespace causeway::bench
