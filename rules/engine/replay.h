// Captured messages through a rule set, or through two to see what a change would route otherwise:
// `causeway rules run` and `diff`. Deterministic: chance starts from the message's number, now is
// in the message. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rules/engine/capture.h"
#include "rules/engine/evaluation.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {

// One output as a JSON object: {"rule", "action", "name" | "topic" | "sink", …, "body"}. A body
// that is JSON stands as it is, other text as {"text": …}, bytes as {"base64": …}: as in a test's
// "expect".
[[nodiscard]] std::string to_json(const RuleSet& set, const Output& output);
// {"rule", "failed": {"action", "resource", "reason", "error"}}
[[nodiscard]] std::string to_json(const RuleSet& set, const Failure& failure);

class Replay {
public:
    explicit Replay(std::shared_ptr<const RuleSet> set);
    ~Replay();
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;

    // Message `n` (from 1) as the hub would route it, republishes followed. Valid until the next.
    const Evaluation& run(const CapturedMessage& message, std::uint64_t n);
    // The outputs and failures of the last run, as JSON objects in order.
    [[nodiscard]] std::vector<std::string> lines() const;
    // Per rule, since the beginning.
    [[nodiscard]] const std::vector<RuleCounters>& counters() const;
    [[nodiscard]] const RuleSet& set() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// What only one of two lists has, each in its order; a line given twice counts twice.
struct LineDifference {
    std::vector<std::string> removed;  // in `a` only
    std::vector<std::string> added;    // in `b` only
};
[[nodiscard]] LineDifference difference(const std::vector<std::string>& a,
                                        const std::vector<std::string>& b);

}  // namespace causeway::rules
