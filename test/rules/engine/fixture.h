// One rule set, one evaluator, one message: what the evaluation tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/engine/evaluator.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {

// The set; or a test failure with the diagnostics, and an empty set.
inline std::shared_ptr<const RuleSet> compile_or_fail(std::string text) {
    const SourceFile file{"rules.json", std::move(text)};
    auto set = RuleSet::compile({&file, 1});
    if (!set) {
        for (const Diagnostic& diagnostic : set.error()) {
            ADD_FAILURE() << to_string(diagnostic);
        }
        return *RuleSet::compile({});
    }
    return *set;
}

inline MessageView message_on(std::string_view topic, std::string_view payload) {
    MessageView message;
    message.id = "m1";
    message.trace_id = "t1";
    message.clientid = "c1";
    message.topic = topic;
    message.payload = payload;
    message.node = "n1";
    return message;
}

class Bench {
public:
    explicit Bench(std::string text, EvalLimits limits = {})
        : set_(compile_or_fail(std::move(text))),
          counters_(set_->make_counters()),
          evaluator_(limits) {}

    const Evaluation& run(std::string_view topic, std::string_view payload) {
        return run(message_on(topic, payload), {.now_ms = 1'700'000'000'000, .random = random_});
    }
    const Evaluation& run(const MessageView& message, const EvalContext& context) {
        evaluator_.evaluate(*set_, message, context, counters_, evaluation_);
        return evaluation_;
    }
    // "kind target body" of each output.
    static std::vector<std::string> lines(const Evaluation& evaluation) {
        std::vector<std::string> out;
        for (const Output& output : evaluation.outputs) {
            out.push_back(std::string(name(output.kind)) + " " + output.target + " " + output.body);
        }
        return out;
    }

    RuleCounters& counters(std::size_t rule) { return counters_[rule]; }
    [[nodiscard]] const RuleSet& set() const { return *set_; }
    Random& random() { return random_; }

    // matched = passed + no_result + failed + cut + suspended, and outputs = sent + failed + cut of
    // each action.
    void expect_sums() const {
        for (const RuleCounters& count : counters_) {
            EXPECT_EQ(count.matched,
                      count.passed + count.no_result + count.failed + count.cut + count.suspended);
            EXPECT_GE(count.outputs, count.passed);
            std::uint64_t failed = 0;
            for (const std::uint64_t n : count.failed_by_reason) {
                failed += n;
            }
            EXPECT_EQ(count.failed, failed);
            for (const ActionCounters& action : count.actions) {
                EXPECT_EQ(count.outputs, action.sent + action.failed + action.cut);
            }
        }
    }

private:
    std::shared_ptr<const RuleSet> set_;
    std::vector<RuleCounters> counters_;
    Evaluator evaluator_;
    Evaluation evaluation_;
    Random random_{1};
};

}  // namespace causeway::rules
