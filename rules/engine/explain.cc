#include "rules/engine/explain.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/message/topic.h"
#include "rules/engine/evaluator.h"
#include "rules/engine/machine.h"
#include "rules/engine/replay.h"
#include "rules/engine/rule.h"
#include "rules/sql/printer.h"

namespace causeway::rules {
namespace {

constexpr std::size_t kShownBytes = 160;
constexpr std::size_t kPartsMax = 500;  // of one rule

bool is_literal(const sql::Expr& expr) { return expr.kind <= sql::ExprKind::kString; }

std::string shortened(std::string text) {
    if (text.size() <= kShownBytes) {
        return text;
    }
    std::size_t end = kShownBytes;
    while ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
        --end;
    }
    return text.substr(0, end) + "…";
}

std::string shown(const Value& value) {
    std::string out;
    if (value.undefined()) {
        return "undefined";
    }
    append_json(value, std::size_t{1} << 20, out);
    return shortened(std::move(out));
}

// Goes through the parts of one rule, after Machine::begin_message().
class Explainer {
public:
    Explainer(Machine& machine, const Rule& rule, Explanation& out)
        : machine_(machine), rule_(rule), out_(out) {}

    void run() {
        begin();
        if (rule_.query.where) {
            title(0, "WHERE");
            tree(*rule_.query.where, 1);
        }
        if (out_.verdict == Verdict::kNoResult && !where()) {
            return;
        }
        if (rule_.query.loop) {
            loop();
        } else {
            items(0);
        }
    }

private:
    // A budget of its own for each part: showing them costs more than running them.
    void begin() {
        machine_.refill_steps();
        machine_.begin_rule(rule_.program);
    }
    bool where() {
        begin();
        return machine_.where();
    }
    void title(std::uint32_t depth, std::string text) {
        out_.parts.push_back({depth, std::move(text), {}});
    }
    Value value_of(sql::ExprId id) {
        const std::uint32_t node = rule_.program.node_of[id];
        begin();
        if (!element_.undefined()) {
            machine_.begin_element(element_);
        }
        return node == kNoNode ? Value{} : machine_.evaluate(node);
    }
    std::string told(const Value& value) {
        return machine_.failed() ? "fails: " + machine_.error() : shown(value);
    }

    // The expression, and below it its operands; literals say nothing that is not seen.
    void tree(sql::ExprId id, std::uint32_t depth) {
        const sql::Expr& expr = rule_.query.nodes[id];
        if (out_.parts.size() >= kPartsMax || rule_.program.node_of[id] == kNoNode) {
            return;
        }
        const Value value = value_of(id);
        out_.parts.push_back({depth, shortened(sql::print(rule_.query, id)), told(value)});
        for (const sql::ExprId arg : expr.args) {
            if (!is_literal(rule_.query.nodes[arg])) {
                tree(arg, depth + 1);
            }
        }
    }

    void items(std::uint32_t depth) {
        if (rule_.query.items.empty()) {
            return;
        }
        title(depth, rule_.query.loop ? "DO" : "SELECT");
        for (const sql::Item& item : rule_.query.items) {
            tree(item.expr, depth + 1);
        }
    }

    void loop() {
        title(0, "FOREACH");
        tree(rule_.query.loop->over, 1);
        const Value over = value_of(rule_.query.loop->over);
        if (!over.is(Type::kArray)) {
            return;
        }
        // Each begin() frees what the machine made: the elements are kept as JSON and read again.
        std::string kept;
        const std::size_t size = over.items().size();
        append_json(over, std::size_t{1} << 20, kept);
        for (std::size_t i = 0; i < std::min(size, kExplainedElementsMax); ++i) {
            Arena arena(std::size_t{4} << 20);
            bool ok = false;
            const auto all = machine_.document().decode(kept, arena, ok);
            if (!ok || !all || i >= all->items().size()) {
                return;
            }
            element_ = all->items()[i];
            out_.parts.push_back({1, "element " + std::to_string(i + 1), shown(element_)});
            if (rule_.query.loop->in_case) {
                title(2, "INCASE");
                tree(*rule_.query.loop->in_case, 3);
            }
            items(2);
            element_ = Value{};
        }
    }

    Machine& machine_;
    const Rule& rule_;
    Explanation& out_;
    Value element_;
};

std::string verdict_reason(const Rule& rule, const Explanation& explanation,
                           const Evaluation& evaluation) {
    switch (explanation.verdict) {
        case Verdict::kFired:
            return "fired, " + std::to_string(evaluation.outputs.size()) + " outputs";
        case Verdict::kNoResult:
            return rule.query.loop ? "WHERE is not true, or FOREACH finds no element"
                                   : "WHERE is not true";
        default:
            return evaluation.failures.empty() ? "the SQL failed" : evaluation.failures[0].error;
    }
}

bool matches(const Rule& rule, const MessageView& message) {
    return std::any_of(
        rule.query.sources.begin(), rule.query.sources.end(), [&](const sql::Source& source) {
            const bool of_events = is_event_source(source.filter);
            return message.event == nullptr
                       ? !of_events && topic_matches(source.filter, message.topic)
                       : of_events &&
                             (events_matching(source.filter) & mask_of(message.event->kind)) != 0;
        });
}

bool nowhere(std::string_view) { return false; }

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(text, out);
    return out;
}

}  // namespace

std::string_view name(Verdict verdict) {
    constexpr std::array<std::string_view, 5> kNames = {"fired", "no_result", "failed", "no_match",
                                                        "disabled"};
    return kNames[static_cast<std::size_t>(verdict)];
}

std::vector<Explanation> explain(const RuleSet& set, const MessageView& message,
                                 const EvalContext& context, bool matching_only) {
    const EvalLimits limits;
    Evaluator evaluator(limits);
    Evaluation evaluation;
    Machine machine({limits.steps_per_rule, limits.steps, limits.scratch_bytes,
                     limits.payload_bytes_as_json, limits.payload_depth});
    std::vector<Explanation> all;
    const auto& rules = set.impl().rules;
    for (std::uint32_t i = 0; i < rules.size(); ++i) {
        const Rule& rule = rules[i];
        const bool match = matches(rule, message);
        if (matching_only && !match) {
            continue;
        }
        Explanation& explanation = all.emplace_back();
        explanation.rule = rule.id;
        if (!rule.enabled || !match) {
            explanation.verdict = rule.enabled ? Verdict::kNoMatch : Verdict::kDisabled;
            explanation.reason = rule.enabled ? "no source matches" : "disabled";
            continue;
        }
        auto counters = set.make_counters();
        EvalContext alone{context.now_ms, context.random, context.hops_max, nowhere, i};
        evaluator.evaluate(set, message, alone, counters, evaluation);
        explanation.verdict = counters[i].passed > 0      ? Verdict::kFired
                              : counters[i].no_result > 0 ? Verdict::kNoResult
                                                          : Verdict::kFailed;
        explanation.reason = verdict_reason(rule, explanation, evaluation);
        for (const Output& output : evaluation.outputs) {
            explanation.outputs.push_back(to_json(set, output));
        }
        for (const Failure& failure : evaluation.failures) {
            explanation.outputs.push_back(to_json(set, failure));
        }
        machine.begin_message(message, alone);
        Explainer(machine, rule, explanation).run();
    }
    return all;
}

std::string to_text(const std::vector<Explanation>& explanations) {
    std::string out;
    for (const Explanation& explanation : explanations) {
        out += explanation.rule + ": " + explanation.reason + "\n";
        std::size_t width = 0;
        for (const ExplainedPart& part : explanation.parts) {
            width = std::max(width, part.text.size() + 2 * std::size_t{part.depth});
        }
        width = std::min<std::size_t>(width, 60);
        for (const ExplainedPart& part : explanation.parts) {
            const std::size_t indent = 2 * std::size_t{part.depth};
            out.append(2 + indent, ' ').append(part.text);
            if (!part.value.empty()) {
                const std::size_t used = indent + part.text.size();
                out.append(used < width ? width - used : 0, ' ').append("  ").append(part.value);
            }
            out += "\n";
        }
        for (const std::string& output : explanation.outputs) {
            out += "  -> " + output + "\n";
        }
    }
    return out;
}

std::string to_json(const std::vector<Explanation>& explanations) {
    std::string out = "[";
    for (const Explanation& explanation : explanations) {
        out += (out.size() > 1 ? ",{\"rule\":" : "{\"rule\":") + quoted(explanation.rule) +
               ",\"verdict\":" + quoted(name(explanation.verdict)) +
               ",\"reason\":" + quoted(explanation.reason) + ",\"parts\":[";
        std::string_view between;
        for (const ExplainedPart& part : explanation.parts) {
            out.append(between).append("{\"depth\":").append(std::to_string(part.depth));
            out.append(",\"text\":").append(quoted(part.text));
            out.append(",\"value\":").append(quoted(part.value)).append("}");
            between = ",";
        }
        out += "],\"outputs\":[";
        between = "";
        for (const std::string& output : explanation.outputs) {
            out.append(between).append(output);
            between = ",";
        }
        out += "]}";
    }
    return out + "]\n";
}

}  // namespace causeway::rules
