// The load generator for any MQTT broker, behind `causeway bench conn|pub|sub|mem`.
//
//   conn  opens connections and holds them: rate, CONNACK latency, failures by reason
//   pub   publishes: messages acknowledged per second, PUBACK or PUBCOMP latency
//   sub   subscribes, and publishes too if asked: messages received per second, latency from
//         publisher to subscriber, losses, duplicates, order violations
//   mem   opens idle sessions with a subscription each, in steps: the broker's memory per session
//
// The calling process coordinates (coordinator.h) and forks `processes` workers (worker.h) that
// each run one io::Loop. The report goes to standard output, progress and errors to standard error.
// Must be called while the process has one thread.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"
#include "gateway/bench/options.h"

namespace causeway::bench {

inline constexpr int kExitOk = 0;
// Connections refused or lost, error reason codes, messages lost or unanswered, order violated,
// duplicates where the QoS excludes them.
inline constexpr int kExitFailures = 1;
inline constexpr int kExitUsage = 2;

// Effect: does what the options ask, prints the report and returns the exit code. SIGINT or SIGTERM
// ends the measurement early and still reports.
int run_conn(const ConnOptions& options);
int run_pub(const PubOptions& options);
int run_sub(const SubOptions& options);
// `fetch`: the body of a GET, or one line that says why not.
using Fetch = std::function<Result<std::string>(const std::string& url)>;
int run_mem(const MemOptions& options, const Fetch& fetch);

}  // namespace causeway::bench
