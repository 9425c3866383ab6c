// The Router of this node: evaluates the active rule set for a publish and encodes what it made as
// RouteOutputs. route(), route_event() and interested() are called on the core loop; the others
// on any thread. A set is switched between two messages: each message is evaluated by exactly one
// version.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "core/message/router.h"
#include "rules/engine/evaluator.h"
#include "rules/engine/rule_set.h"

namespace causeway::router {

class RulesRouter final : public Router {
public:
    RulesRouter(std::string node_id, std::uint64_t seed);

    // Effect: the next message is evaluated by `rules`; null: by none. Counters start at zero.
    void activate(std::shared_ptr<const rules::RuleSet> rules);
    [[nodiscard]] std::uint64_t version() const;
    // The set that evaluates the next message; null: none.
    [[nodiscard]] std::shared_ptr<const rules::RuleSet> active() const;
    [[nodiscard]] std::vector<rules::RuleStatistics> statistics() const;

    std::uint64_t route(const Publish& publish, SetMs now, std::string& outputs) override;
    std::uint64_t route_event(const Event& event, SetMs now, std::string& outputs) override;
    [[nodiscard]] EventMask events() const override;
    [[nodiscard]] bool interested(std::string_view topic) const override;

private:
    void adopt() const;
    // Effect: fills in what the body and the surroundings say, and evaluates.
    std::uint64_t evaluate(rules::MessageView& message, std::string_view wire_body, SetMs now,
                           std::string& outputs);
    void append(const rules::Output& output, std::string& outputs);

    std::string node_id_;
    Random random_;
    rules::Evaluator evaluator_;
    rules::Evaluation evaluation_;
    std::string body_;
    std::string properties_;
    std::string tags_;
    // Core loop: the set in use, a copy of active_ taken when changed_ says so.
    mutable std::shared_ptr<const rules::RuleSet> using_;
    mutable std::atomic<bool> changed_{false};

    // Guards the rest. On the core loop it is taken once per message that some rule wants: 20 ns
    // without contention beside an evaluation of a microsecond.
    mutable std::mutex mutex_;
    std::shared_ptr<const rules::RuleSet> active_;
    mutable std::vector<rules::RuleCounters> counters_;  // of using_
};

}  // namespace causeway::router
