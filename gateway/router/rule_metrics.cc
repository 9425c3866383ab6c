#include "gateway/router/rule_metrics.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace causeway::router {
namespace {

class Text {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        out_.append("# HELP ").append(name).append(" ").append(help).append("\n");
        out_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
    }
    // Ids of rules and the other values need no escapes: letters, digits, '_', '.', '-'.
    void line(std::string_view labels, std::uint64_t value) {
        out_.append(name_).append("{").append(labels).append("} ");
        out_.append(std::to_string(value)).append("\n");
    }
    std::string take() { return std::move(out_); }

private:
    std::string name_;
    std::string out_;
};

std::string rule_label(const rules::RuleStatistics& rule) { return "rule=\"" + rule.id + "\""; }

void results(std::span<const rules::RuleStatistics> rules, Text& text) {
    text.family("causeway_rule_matched_total", "counter", "Messages on a rule's sources");
    for (const rules::RuleStatistics& rule : rules) {
        text.line(rule_label(rule), rule.counters.matched);
    }
    text.family("causeway_rule_results_total", "counter", "What the rule decided");
    for (const rules::RuleStatistics& rule : rules) {
        const rules::RuleCounters& count = rule.counters;
        const auto outcome = [&](std::string_view name, std::uint64_t value) {
            text.line(rule_label(rule) + ",outcome=\"" + std::string(name) + "\"", value);
        };
        outcome("passed", count.passed);
        outcome("no_result", count.no_result);
        outcome("failed", count.failed);
        outcome("cut", count.cut);
        outcome("suspended", count.suspended);
    }
    text.family("causeway_rule_failures_total", "counter", "Failures of a rule's SQL by reason");
    for (const rules::RuleStatistics& rule : rules) {
        for (std::size_t i = 0; i < rules::kFailReasons; ++i) {
            const auto reason = name(static_cast<rules::FailReason>(i));
            text.line(rule_label(rule) + ",reason=\"" + std::string(reason) + "\"",
                      rule.counters.failed_by_reason[i]);
        }
    }
    text.family("causeway_rule_outputs_total", "counter",
                "Outputs of a rule: each runs its actions");
    for (const rules::RuleStatistics& rule : rules) {
        text.line(rule_label(rule), rule.counters.outputs);
    }
    text.family("causeway_rule_payload_not_json_total", "counter",
                "Payloads a rule looked into that are not JSON");
    for (const rules::RuleStatistics& rule : rules) {
        text.line(rule_label(rule), rule.counters.not_json);
    }
}

void actions_of(const rules::RuleStatistics& rule, bool error, Text& text) {
    const auto& kinds = error ? rule.error_actions : rule.actions;
    const auto& counts = error ? rule.counters.error_actions : rule.counters.actions;
    for (std::size_t i = 0; i < std::min(kinds.size(), counts.size()); ++i) {
        const std::string labels = rule_label(rule) + ",action=\"" + (error ? "error_" : "") +
                                   std::to_string(i + 1) + "\",kind=\"" +
                                   std::string(name(kinds[i])) + "\",outcome=\"";
        text.line(labels + "sent\"", counts[i].sent);
        text.line(labels + "failed\"", counts[i].failed);
        text.line(labels + "cut\"", counts[i].cut);
    }
}

}  // namespace

std::string rule_metrics(std::span<const rules::RuleStatistics> rules) {
    Text text;
    results(rules, text);
    text.family("causeway_rule_actions_total", "counter", "What became of a rule's actions");
    for (const rules::RuleStatistics& rule : rules) {
        actions_of(rule, false, text);
        actions_of(rule, true, text);
    }
    return text.take();
}

}  // namespace causeway::router
