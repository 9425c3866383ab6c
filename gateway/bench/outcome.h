// What one process of the generator has counted, and how the counts of several are joined. The
// processes are forks of one program, so Counters travel between them as they lie in memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/base/encoding.h"
#include "gateway/bench/histogram.h"

namespace causeway::bench {

// Sums over clients; «window»: within the measurement.
struct Counters {
    std::uint64_t connected = 0;   // CONNACK (and SUBACK, for subscribers) with success, ever.
    std::uint64_t open = 0;        // Of these, now.
    std::uint64_t refused = 0;     // Never got that far.
    std::uint64_t broken = 0;      // Ended, not by us, after that.
    std::uint64_t publishing = 0;  // Processes that have not come to the end of their measurement.
    std::uint64_t sent = 0;
    std::uint64_t sent_window = 0;
    std::uint64_t acked = 0;  // PUBACK or PUBCOMP with success; QoS 0: read or sent.
    std::uint64_t acked_window = 0;
    std::uint64_t ack_errors = 0;  // Reason codes of 0x80 and above.
    std::uint64_t in_flight = 0;
    std::uint64_t unsent = 0;      // Open loop: due in the window, and never sent.
    std::uint64_t unanswered = 0;  // Sent, and in flight at the very end.
    std::uint64_t expected = 0;    // Deliveries owed for what was acknowledged.
    std::uint64_t received = 0;    // Without duplicates.
    std::uint64_t received_window = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t late = 0;     // Against the order of their publisher.
    std::uint64_t missing = 0;  // Gaps in the numbers, when others publish.
    std::uint64_t foreign = 0;  // Not stamped, or of another run.

    Counters& operator+=(const Counters& other);
};

// Why connections failed and acknowledgements were no success, with counts. Bounded: past
// kReasonsMax the rest is "other reasons".
class Reasons {
public:
    static constexpr std::size_t kReasonsMax = 32;
    void add(std::string_view reason, std::uint64_t count = 1);
    [[nodiscard]] const std::map<std::string, std::uint64_t, std::less<>>& counts() const {
        return counts_;
    }

private:
    std::map<std::string, std::uint64_t, std::less<>> counts_;
};

struct Outcome {
    Counters counters;
    Histogram connect_ns;  // From the SYN to the CONNACK.
    Histogram ack_ns;      // From the send, or in open loop the planned time, to PUBACK or PUBCOMP.
    Histogram deliver_ns;  // From the same to the subscriber.
    Reasons reasons;
    std::uint64_t first_connect_ns = ~std::uint64_t{0};  // CLOCK_MONOTONIC
    std::uint64_t last_connack_ns = 0;
    std::uint64_t cpu_ns = 0;  // Of the processes.

    void merge(const Outcome& other);
    void encode(std::string& out) const;
    // Effect: merges what encode() wrote. False when the bytes are no outcome.
    [[nodiscard]] bool merge_encoded(std::string_view bytes);
};

// Counters as bytes, for progress.
[[nodiscard]] std::string encode_counters(const Counters& counters);
// False when the size is wrong.
[[nodiscard]] bool decode_counters(std::string_view bytes, Counters& counters);

}  // namespace causeway::bench
