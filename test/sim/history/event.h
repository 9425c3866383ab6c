// What the devices of a run saw, as plain values: the input of the history checkers. A simulator
// fills a History in memory, a workload against real processes writes JSON lines (README.md) that
// json_lines.h reads. Nothing here knows the code under test, so that a fault in it cannot hide.
//
// Events stand in the order in which they happened. An id names one message for ever: it travels in
// the payload, and a publisher that gives up on a message and sends it as a new one takes a new id.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

namespace causeway::sim {

// A client id, a topic or a filter, interned.
using Name = std::uint32_t;

class Names {
public:
    Names() { intern(""); }  // Name 0.
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;
    Names(Names&&) = default;
    Names& operator=(Names&&) = default;
    ~Names() = default;

    Name intern(std::string_view text) {
        const auto known = ids_.find(text);
        if (known != ids_.end()) {
            return known->second;
        }
        const auto id = static_cast<Name>(texts_.size());
        ids_.emplace(texts_.emplace_back(text), id);
        return id;
    }
    [[nodiscard]] const std::string& text(Name name) const { return texts_[name]; }
    [[nodiscard]] std::size_t size() const { return texts_.size(); }

private:
    std::deque<std::string> texts_;  // Stays in place: the keys below are views of it.
    absl::flat_hash_map<std::string_view, Name> ids_;
};

enum class EventKind : std::uint8_t {
    kSent,          // A publisher hands a PUBLISH to its socket; again for each time it sends it.
    kAcknowledged,  // It got a PUBACK or PUBREC that says success.
    kRefused,       // It got one that says failure.
    kDelivered,     // A subscriber took a message over (QoS 2: after its own packet id check).
    kDrained,       // After the run the message was found stored in `who`, an inbox or a queue.
    kSubscribed,    // `who` got a successful SUBACK for `filter`; or a queue of that name exists.
    kUnsubscribed,  // `who` sends UNSUBSCRIBE for `filter`.
    kEnded,         // The session of `who` ends because it asked for it: clean start, expiry.
    kLost,          // The session of `who` is gone and it did not ask: itself a violation.
    kEvicted,       // The hub counts `id` messages dropped from the inbox of `who`, which was full.
};

struct Event {
    EventKind kind = EventKind::kSent;
    std::uint8_t qos = 0;     // kSent, kDelivered; kSubscribed: the QoS granted.
    bool dup = false;         // kDelivered
    bool retain = false;      // kDelivered: comes from the retained store, not from a publish.
    bool persistent = false;  // kSubscribed: the session outlives its connection.
    Name who = 0;             // The publisher, or the subscriber or queue.
    Name topic = 0;           // kSent, kDelivered; kSubscribed, kUnsubscribed: the filter.
    std::uint64_t id = 0;
    std::uint64_t connection = 0;  // Numbered by the run; 0: not told.
    std::uint64_t at_us = 0;
};

// An operation on one register: a retained message, the owner of a session.
struct Operation {
    static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
    Name key = 0;
    Name client = 0;
    bool write = false;
    std::uint64_t value = 0;  // Written, or read. A register starts with 0.
    std::uint64_t call_us = 0;
    std::uint64_t return_us = kNever;  // kNever: nobody knows whether or when it took effect.
};

struct History {
    Names names;
    std::vector<Event> events;
    std::vector<Operation> operations;
};

}  // namespace causeway::sim
