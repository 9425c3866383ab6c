// See availability.h.
#include "test/sim/history/availability.h"

#include <absl/container/flat_hash_set.h>

namespace causeway::sim {
namespace {

constexpr std::uint64_t kWindowUs = 1'000'000;

}  // namespace

Availability availability(const History& history, Name publisher) {
    Availability result;
    absl::flat_hash_set<std::uint64_t> waiting;  // Ids sent and not answered.
    bool started = false;
    std::uint64_t start = 0;
    std::uint64_t last_served_window = 0;
    std::uint64_t gap_from = 0;
    const auto end_gap = [&](std::uint64_t now) {
        if (!waiting.empty() && now - gap_from > result.longest_gap_us) {
            result.longest_gap_us = now - gap_from;
            result.longest_gap_at_us = gap_from;
        }
        gap_from = now;
    };
    std::uint64_t now = 0;
    for (const Event& event : history.events) {
        const bool sent = event.kind == EventKind::kSent && event.qos > 0;
        const bool served = event.kind == EventKind::kAcknowledged;
        const bool answered = served || event.kind == EventKind::kRefused;
        if ((!sent && !answered) || (publisher != 0 && event.who != publisher)) {
            continue;
        }
        now = event.at_us;
        if (!started) {
            started = true;
            start = gap_from = now;
        }
        if (sent) {
            if (waiting.empty()) {
                gap_from = now;  // Nobody waited before.
            }
            waiting.insert(event.id);
            continue;
        }
        if (served) {
            end_gap(now);
            const std::uint64_t window = (now - start) / kWindowUs + 1;
            result.served += window != last_served_window;
            last_served_window = window;
        }
        waiting.erase(event.id);
    }
    if (started) {
        end_gap(now);
        result.windows = (now - start) / kWindowUs + 1;
    }
    return result;
}

}  // namespace causeway::sim
