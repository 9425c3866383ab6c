// What to send to one sink, and when: the decisions of rules/runner as a pure machine. Events go
// in, poll() says what to do; Runner does it. Source: docs/rules.md, "Guarantees" 6.
//
// Every delivery that the outbox owes is tried until it ends in exactly one of: delivered; refused
// by the receiver; attempts exceeded; too old. Its end goes to the outbox (EndDelivery) and is
// settled when the outbox no longer has it. The argument that nothing is lost or stuck:
//   - numbers ascend and reading goes upwards, so what is behind `cursor_` is known: held (waiting
//     or in flight) or settled, until the outbox does not have it any more;
//   - a sweep reads again from the front, at most every sweep_ms while there is anything to know.
//     It finds what was owed but is not known (a term of another leader lies between), forgets what
//     is gone (settled, evicted, or ended by another leader), and ends again what was settled
//     resend_ms ago and is still there (the log lost the end).
// Attempts are counted in memory: a new leader begins at one.
//
// Order: with ordered_by_key, deliveries of one key are a line; only its head may be tried, and the
// next becomes the head when the head has ended. Deliveries with an empty key are in no line.
//
// Breaker: closed -> (breaker_failures retriable failures in a row) -> open: nothing is tried ->
// (after a time that doubles) -> half open: one probe -> closed, or open again. Any answer that is
// not a retriable failure closes it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/message/outbox.h"
#include "rules/runner/breaker.h"
#include "rules/sink/sink.h"

namespace causeway::rules {

struct SinkPolicy {
    std::uint32_t max_in_flight = 32;
    bool ordered_by_key = false;
    std::uint64_t backoff_initial_ms = 1'000;
    std::uint64_t backoff_max_ms = 60'000;
    std::uint32_t attempts_max = 0;         // 0: no limit
    std::uint64_t age_max_ms = 86'400'000;  // 0: no limit
    std::string dead_letter;                // a queue; empty: none
    BreakerPolicy breaker;
};

// The bounds of what is held in memory: the window's deliveries, and ahead_bytes and one delivery
// more that wait (as long as the window, when all of it comes back to be tried again).
struct DispatchLimits {
    std::uint64_t read_bytes = 256U << 10;
    // Reading stops at these, and goes on below half of them.
    std::uint64_t ahead_bytes = 1U << 20;
    std::size_t ahead_items = 4'096;
    std::size_t settled_soft = 4'096;   // from here on sweeps come quickly,
    std::size_t settled_hard = 16'384;  // and from here on nothing is begun
    std::uint64_t sweep_ms = 10'000;
    std::uint64_t quick_sweep_ms = 250;
    std::uint64_t resend_ms = 5'000;
};

struct StartDelivery {
    std::uint64_t n = 0;
    std::uint32_t attempt = 1;
    SharedBytes request;
};
struct EndDelivery {
    std::uint64_t n = 0;
    bool delivered = false;
    std::string reason;
    std::string dead_letter;
};
struct ReadOutbox {
    std::uint64_t id = 0;  // to be given back to taken()
    std::uint64_t after = 0;
    std::uint64_t bytes_max = 0;
};
struct DispatchActions {
    std::vector<EndDelivery> ended;
    std::vector<StartDelivery> started;
    std::optional<ReadOutbox> read;
    std::optional<MonoMs> wake_at;  // poll again then, if no event comes before
};

// sent = delivered + retried + refused + attempts_exceeded + in flight.
struct DispatchCounters {
    std::uint64_t sent = 0;     // attempts begun
    std::uint64_t retried = 0;  // attempts that failed so that another is owed
    std::uint64_t delivered = 0;
    // Dead-lettered, by reason.
    std::uint64_t refused = 0;
    std::uint64_t attempts_exceeded = 0;
    std::uint64_t too_old = 0;
    // Not this leader's doing: evicted, or ended by another.
    std::uint64_t gone = 0;
    std::uint64_t ends_repeated = 0;
};

class Dispatcher {
public:
    // Leads, and has no policy: nothing is read or tried before configure().
    explicit Dispatcher(std::uint64_t seed, DispatchLimits limits = {});

    // Effect: what comes is decided by `policy`. Without one (the active rule set does not name the
    // sink) what waits goes back to being owed, and what is in flight ends by the policy before. An
    // open breaker tries a probe at once.
    void configure(std::optional<SinkPolicy> policy, MonoMs now);
    // Effect: false: nothing is begun or read and what waits is forgotten; it is the next leader's.
    // True: begins from the front of the outbox.
    void lead(bool leading);
    // The outbox has something.
    void ready();
    // The answer to read `id`; an answer to a read given up since is ignored.
    void taken(std::uint64_t id, std::vector<OwedDelivery> owed, SetMs set_now, MonoMs now);
    // A started delivery ended. Precondition: in flight.
    void ended(std::uint64_t n, const DeliveryOutcome& outcome, MonoMs now);

    // What to do now, in the order of the fields; each is returned once.
    [[nodiscard]] DispatchActions poll(MonoMs now);

    [[nodiscard]] const DispatchCounters& counters() const { return counters_; }
    [[nodiscard]] BreakerState breaker() const { return breaker_.state(); }
    [[nodiscard]] bool configured() const { return policy_.has_value(); }
    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
    // In flight or waiting.
    [[nodiscard]] std::size_t held() const { return items_.size(); }
    [[nodiscard]] std::uint64_t held_bytes() const { return held_bytes_; }
    [[nodiscard]] std::size_t settled() const { return settled_.size(); }

private:
    struct Held {
        std::string key;
        SharedBytes request;
        std::int64_t born = 0;  // by our monotonic clock; may lie before its zero
        std::uint32_t attempts = 0;
        bool in_flight = false;
        bool lined = false;
        MonoMs not_before = 0;
        std::string last_reason;
        [[nodiscard]] std::uint64_t bytes() const { return key.size() + request.size(); }
    };
    struct Settled {
        EndDelivery end;
        MonoMs at = 0;
    };
    struct Line {
        std::uint32_t in_flight = 0;
        std::uint64_t head = 0;  // the one of `waiting` that is offered; 0: none
        absl::btree_set<std::uint64_t> waiting;
    };
    using Items = absl::btree_map<std::uint64_t, Held>;

    // dispatcher.cc: outcomes, starting
    void start(MonoMs now, std::vector<StartDelivery>& out);
    [[nodiscard]] bool may_start(MonoMs now) const;
    void retry(Items::iterator at, const DeliveryOutcome& outcome, MonoMs now);
    void end(Items::iterator at, bool delivered, std::string reason, MonoMs now);
    [[nodiscard]] std::uint64_t backoff(std::uint32_t attempts);
    [[nodiscard]] bool too_old(const Held& item, MonoMs now) const;
    void promote(MonoMs now);
    [[nodiscard]] std::optional<MonoMs> wake_at(MonoMs now) const;
    [[nodiscard]] bool active() const { return leading_ && policy_.has_value(); }

    // dispatcher_read.cc: reading, sweeping
    std::optional<ReadOutbox> plan_read(MonoMs now);
    void plan_sweep(MonoMs now);
    void reconcile(const std::vector<OwedDelivery>& owed, MonoMs now);
    [[nodiscard]] bool has_room(unsigned share) const;
    void read_from_front();

    // dispatcher_line.cc: what is held, lines
    void hold(OwedDelivery owed, SetMs set_now, MonoMs now);
    Items::iterator release(Items::iterator at);
    void release_waiting();
    void wait(std::uint64_t n, Held& item);
    void unwait(std::uint64_t n, Held& item);
    void join_line(std::uint64_t n, Held& item);
    void leave_line(std::uint64_t n, Held& item);
    void update_head(Line& line);
    void offer(std::uint64_t n);
    void withdraw(std::uint64_t n);

    DispatchLimits limits_;
    Random random_;
    std::optional<SinkPolicy> policy_;
    std::string dead_letter_;  // of the last policy
    bool leading_ = true;

    Items items_;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t in_flight_bytes_ = 0;
    std::size_t in_flight_ = 0;
    absl::flat_hash_map<std::string, Line> lines_;  // never iterated for an output
    absl::btree_set<std::uint64_t> startable_;
    absl::btree_set<std::pair<MonoMs, std::uint64_t>> delayed_;
    absl::btree_map<std::uint64_t, Settled> settled_;
    std::vector<EndDelivery> ends_;  // for the next poll

    Breaker breaker_;
    MonoMs paused_until_ = 0;  // by Retry-After

    std::uint64_t cursor_ = 0;  // read up to here
    std::uint64_t high_ = 0;    // ... and once before up to here
    bool more_ = false;         // there may be more behind cursor_
    bool ready_again_ = false;  // ... said while a read was under way
    bool reading_ = false;
    std::uint64_t read_id_ = 0;
    MonoMs last_sweep_ = 0;
    std::optional<MonoMs> sweep_at_;

    DispatchCounters counters_;
};

}  // namespace causeway::rules
