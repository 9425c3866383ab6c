// Drains what one set owes to sinks: the driver around a Dispatcher for each sink. Made by the root
// on each node for each set; works while that node leads. Everything is on the sink loop's thread.
// Source: docs/rules.md, "Guarantees" 6 and 7.
//
// Events (something ready, an answer of the outbox, an attempt that ended, a timer) only mark a
// sink; the end of the loop's turn polls the marked ones and carries out what their Dispatchers
// say: ends, then starts, then reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/base/result.h"
#include "core/base/tagged.h"
#include "core/io/loop.h"
#include "core/message/outbox.h"
#include "rules/engine/rule_set.h"
#include "rules/runner/dispatcher.h"
#include "rules/sink/sink.h"

namespace causeway::rules {

// Makes what deliveries of a sink go to; called by Runner::apply(). Errors: one line for a person.
using MakeSink = absl::AnyInvocable<Result<std::unique_ptr<Sink>>(const SinkConfig& config)>;

struct HttpSinkDefaults {
    std::string ca_file;  // PEM; empty: the system's CAs
    std::string user_agent = "causeway";
};
// Gets each line of a console sink, on the sink loop.
using ConsoleWrite = absl::AnyInvocable<void(std::string_view line)>;
// MakeSink for every type of sink. `loop` is the sink loop.
[[nodiscard]] MakeSink all_sinks(io::Loop& loop, HttpSinkDefaults defaults, ConsoleWrite console);

[[nodiscard]] SinkPolicy policy_of(const SinkConfig& config);

struct RunnerOptions {
    GroupId set;             // stands in the ids of deliveries: set/sink/n
    std::uint64_t seed = 0;  // of the jitter
    DispatchLimits limits;
};

// One sink whose configuration cannot be used: as it was before, or, if it is new, not configured.
struct SinkProblem {
    std::string sink;
    std::string message;
};

struct SinkStatus {
    std::string sink;
    bool configured = false;  // false: it is owed something, and the active rule set has it not
    BreakerState breaker = BreakerState::kClosed;
    std::size_t in_flight = 0;
    std::size_t waiting = 0;  // read from the outbox; the outbox knows how much is owed in all
    std::uint64_t held_bytes = 0;
    DispatchCounters counters;  // since the runner was made
};

class Runner {
public:
    // Effect: none but on_ready() of the outbox, until apply(). `loop` and `outbox` outlive it.
    Runner(io::Loop& loop, Outbox& outbox, MakeSink make_sink, const RunnerOptions& options);
    // Effect: what is in flight is cut, with its outcome unknown: it is still owed.
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    // Effect: `sinks` are those of the rule set that is now active. Every sink is made anew, so
    // that changed secrets count (apply the same again to read them again); what is in flight ends
    // on the sink that it began on. A sink that is not there any more begins nothing more and keeps
    // what it is owed. Returns those that could not be made.
    std::vector<SinkProblem> apply(std::span<const SinkConfig> sinks);

    // Effect: false: this node does not lead the set any more; nothing more is begun. True: it
    // leads (again). It leads at first.
    void lead(bool leading);

    // Sorted by name: every sink that is configured, or that was ready once.
    [[nodiscard]] std::vector<SinkStatus> status() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;  // Callbacks under way hold it weakly.
};

}  // namespace causeway::rules
