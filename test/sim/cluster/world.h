// Time, chance and the queue of events of one simulated run. Everything that happens is an event at
// a microsecond; events of the same microsecond happen in the order in which they were asked for.
// One seed decides everything, so a run is repeated exactly by its seed. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/base/random.h"

namespace causeway::sim {

using TimeUs = std::uint64_t;
inline constexpr TimeUs kMs = 1'000;
inline constexpr TimeUs kSecond = 1'000'000;

using Action = absl::AnyInvocable<void()>;

class World {
public:
    explicit World(std::uint64_t seed) : random(seed) {}

    // Effect: `action` happens `delay` after now.
    void after(TimeUs delay, Action action) {
        queue_.push(Event{now_ + delay, ++order_, std::move(action)});
    }
    [[nodiscard]] TimeUs now() const { return now_; }
    [[nodiscard]] std::uint64_t events() const { return events_; }
    // Effect: events happen until `end`, or until something failed.
    void run_until(TimeUs end) {
        while (failure.empty() && !queue_.empty() && queue_.top().at <= end) {
            // The action is moved out before it is popped: the queue compares times only.
            Event event = std::move(const_cast<Event&>(queue_.top()));
            queue_.pop();
            now_ = event.at;
            ++events_;
            event.action();
        }
        now_ = now_ < end && failure.empty() ? end : now_;
    }
    // A delay between the two, most often near the lower: shorter ones are likelier.
    TimeUs delay(TimeUs low, TimeUs high) {
        const TimeUs span = high - low + 1;
        const TimeUs one = random.below(span);
        const TimeUs other = random.below(span);
        return low + (one < other ? one : other);
    }

    // The first violation ends the run.
    void fail(std::string text) {
        if (failure.empty()) {
            failure = std::move(text);
            note("FAILED " + failure);
        }
    }
    // Lines of the trace are made only when somebody wants them.
    [[nodiscard]] bool traced() const { return trace_lines > 0; }
    void note(const std::string& line) {
        if (!traced()) {
            return;
        }
        trace.push_back(std::to_string(now_ / kSecond) + "." +
                        std::to_string(kSecond + now_ % kSecond).substr(1) + " " + line);
        if (trace.size() > trace_lines) {
            trace.pop_front();
        }
    }

    Random random;
    std::string failure;
    std::size_t trace_lines = 0;
    std::deque<std::string> trace;

private:
    struct Event {
        TimeUs at;
        std::uint64_t order;
        Action action;
        bool operator<(const Event& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    std::priority_queue<Event> queue_;
    TimeUs now_ = 0;
    std::uint64_t order_ = 0;
    std::uint64_t events_ = 0;
};

// A mailbox, a connection, a thread's queue: what was put in earlier comes out earlier.
struct Lane {
    TimeUs last = 0;
    // The delay for something that would take `delay` if nothing were ahead of it.
    TimeUs next(TimeUs now, TimeUs delay) {
        last = last > now + delay ? last : now + delay;
        return last - now;
    }
};

}  // namespace causeway::sim
