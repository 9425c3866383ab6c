#include "rules/engine/check.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <utility>

#include "rules/engine/loops.h"
#include "rules/engine/machine.h"
#include "rules/engine/rule.h"

namespace causeway::rules {
namespace {

class Checker {
public:
    explicit Checker(const RuleSet& set) : set_(set.impl()) {
        report_.rules.assign(set.rules().begin(), set.rules().end());
        report_.version = set.version();
    }

    CheckReport run() {
        for (const Rule& rule : set_.rules) {
            check_rule(rule);
        }
        check_sinks();
        check_loops();
        return std::move(report_);
    }

private:
    void hint(HintKind kind, Diagnostic where, std::string message) {
        where.message = std::move(message);
        report_.hints.push_back({kind, std::move(where)});
    }

    void check_rule(const Rule& rule) {
        if (!rule.enabled) {
            hint(HintKind::kDisabled, rule.where, "rule '" + rule.id + "' is disabled");
        }
        if (rule.actions.empty()) {
            hint(HintKind::kNoActions, rule.where, "rule '" + rule.id + "' has no actions");
        }
        if (rule.program.where && rule.program.where_constant && !constant_where(rule.program)) {
            hint(HintKind::kUnreachable, rule.condition_where,
                 "rule '" + rule.id + "' never fires: its WHERE is never true");
        }
        const auto& sources = rule.query.sources;
        for (std::size_t i = 0; i < sources.size(); ++i) {
            for (std::size_t k = 0; k < sources.size(); ++k) {
                const bool same = sources[i].filter == sources[k].filter;
                if (i != k && filter_covers(sources[k].filter, sources[i].filter) &&
                    (!same || k < i)) {
                    hint(HintKind::kShadowed, rule.source_where[i],
                         "rule '" + rule.id + "': source '" + sources[i].filter +
                             "' is covered by '" + sources[k].filter + "'");
                    break;
                }
            }
        }
    }

    // A condition without fields is the same for every message; so any message tells.
    static bool constant_where(const Program& program) {
        constexpr MachineLimits kLimits = {20'000, 20'000, 1'048'576, 1024, 64};
        Machine machine(kLimits);
        Random random(1);
        const MessageView message;
        const EvalContext context{.random = random};
        machine.begin_message(message, context);
        machine.refill_steps();
        machine.begin_rule(program);
        return machine.where();
    }

    void check_sinks() {
        std::set<std::string> used;
        for (const Rule& rule : set_.rules) {
            for (const auto* list : {&rule.actions, &rule.error_actions}) {
                for (const Action& action : *list) {
                    if (action.kind >= ActionKind::kHttp) {
                        used.insert(action.target);
                    }
                }
            }
        }
        for (std::size_t i = 0; i < set_.sinks.size(); ++i) {
            if (!used.contains(set_.sinks[i].id)) {
                report_.unused_sinks.push_back(set_.sinks[i].id);
                hint(HintKind::kUnusedSink, set_.sink_where[i],
                     "no rule uses sink '" + set_.sinks[i].id + "'");
            }
        }
    }

    void check_loops() {
        const auto steps = all_steps(set_, kLoopEdgesMax);
        std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
        for (const LoopStep& step : steps) {
            if (seen.emplace(step.from, step.to).second) {
                report_.edges.push_back({step.from, step.to, step.certain});
            }
        }
        const auto cycle = find_cycle(set_.rules.size(), steps);
        if (cycle.empty()) {
            return;
        }
        std::string message = "a republish may come back: ";
        for (const LoopStep& step : cycle) {
            message += set_.rules[step.from].id + " -> ";
        }
        message += set_.rules[cycle[0].from].id + " (a rule runs once along such a chain)";
        hint(HintKind::kLoop, set_.rules[cycle[0].from].actions[cycle[0].action].where, message);
    }

    const RuleSetImpl& set_;
    CheckReport report_;
};

void list_actions(std::string_view label, const std::vector<ActionInfo>& actions,
                  std::string& out) {
    for (const ActionInfo& action : actions) {
        out.append("    ").append(label).append(" ").append(name(action.kind));
        out.append(" ").append(action.target).append("\n");
    }
}

}  // namespace

std::string_view name(HintKind kind) {
    constexpr std::array<std::string_view, 6> kNames = {"disabled",   "unreachable", "shadowed",
                                                        "no actions", "unused sink", "loop"};
    return kNames[static_cast<std::size_t>(kind)];
}

CheckReport check(const RuleSet& set) { return Checker(set).run(); }

std::string to_text(const CheckReport& report) {
    std::array<char, 20> version{};
    std::snprintf(version.data(), version.size(), "%016llx",
                  static_cast<unsigned long long>(report.version));
    std::string out =
        std::to_string(report.rules.size()) + " rules, version " + version.data() + "\n";
    for (const RuleInfo& rule : report.rules) {
        out += rule.id + (rule.enabled ? "" : " (disabled)") + "  " + rule.where_defined.file +
               ":" + std::to_string(rule.where_defined.line) + "\n";
        for (const std::string& source : rule.sources) {
            out += "    from " + source + "\n";
        }
        list_actions("to", rule.actions, out);
        list_actions("on error to", rule.error_actions, out);
    }
    for (const LoopEdge& edge : report.edges) {
        out += report.rules[edge.from].id + " republishes to " + report.rules[edge.to].id +
               (edge.certain ? " (always)\n" : " (perhaps)\n");
    }
    for (const Hint& hint : report.hints) {
        out += to_string(hint.diagnostic) + " [" + std::string(name(hint.kind)) + "]\n";
    }
    return out;
}

}  // namespace causeway::rules
