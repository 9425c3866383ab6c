#include "rules/engine/loops.h"

#include <algorithm>
#include <set>

namespace causeway::rules {
namespace {

std::vector<std::string_view> levels(std::string_view filter) {
    std::vector<std::string_view> out;
    std::size_t at = 0;
    while (true) {
        const std::size_t slash = filter.find('/', at);
        out.push_back(filter.substr(at, slash - at));
        if (slash == std::string_view::npos) {
            return out;
        }
        at = slash + 1;
    }
}

// A wildcard in the first level does not match a topic that begins with "$" [MQTT-4.7.2-1].
bool dollar_apart(std::string_view a, std::string_view b) {
    const auto wild = [](std::string_view f) { return f.starts_with('+') || f.starts_with('#'); };
    return (wild(a) && b.starts_with('$')) || (wild(b) && a.starts_with('$'));
}

bool always_fires(const Rule& rule) { return !rule.program.where && !rule.program.loop; }

}  // namespace

std::string topic_pattern(const Template& topic) {
    // A value is marked by a byte that no topic holds, then its whole level becomes "+".
    std::string text;
    bool open_end = false;
    for (const TemplatePiece& piece : topic.pieces) {
        if (piece.from == TemplatePiece::From::kLiteral) {
            text += piece.literal;
            continue;
        }
        text.push_back('\0');
        if (piece.levels) {
            open_end = true;
            break;
        }
    }
    std::string pattern;
    const auto parts = levels(text);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool wild = parts[i].find('\0') != std::string_view::npos;
        const bool last = i + 1 == parts.size();
        pattern += i == 0 ? "" : "/";
        pattern += wild ? (last && open_end ? "#" : "+") : parts[i];
    }
    return pattern;
}

bool filters_meet(std::string_view a, std::string_view b) {
    if (dollar_apart(a, b)) {
        return false;
    }
    const auto x = levels(a);
    const auto y = levels(b);
    for (std::size_t i = 0;; ++i) {
        const bool x_ends = i == x.size();
        const bool y_ends = i == y.size();
        if (x_ends || y_ends) {  // "a/#" matches "a" too.
            return (x_ends || x[i] == "#") && (y_ends || y[i] == "#");
        }
        if (x[i] == "#" || y[i] == "#") {
            return true;
        }
        if (x[i] != y[i] && x[i] != "+" && y[i] != "+") {
            return false;
        }
    }
}

bool filter_covers(std::string_view wide, std::string_view narrow) {
    if (dollar_apart(wide, narrow)) {
        return false;
    }
    const auto w = levels(wide);
    const auto n = levels(narrow);
    for (std::size_t i = 0;; ++i) {
        if (i < w.size() && w[i] == "#") {
            return true;
        }
        if (i == w.size() || i == n.size()) {
            return i == w.size() && i == n.size();
        }
        if (n[i] == "#" || (w[i] != "+" && w[i] != n[i])) {
            return false;
        }
    }
}

std::vector<LoopStep> certain_steps(const RuleSetImpl& set) {
    std::vector<LoopStep> steps;
    for (std::uint32_t from = 0; from < set.rules.size(); ++from) {
        const Rule& rule = set.rules[from];
        if (!rule.enabled || !always_fires(rule)) {
            continue;
        }
        for (std::uint32_t action = 0; action < rule.actions.size(); ++action) {
            if (rule.actions[action].kind != ActionKind::kRepublish) {
                continue;
            }
            // Matched as if it were a topic: a level "+" meets only wildcards. That is covering,
            // but for "#", which a wildcard "+" does not cover.
            const std::string pattern = topic_pattern(rule.actions[action].topic);
            if (pattern.ends_with('#')) {
                continue;
            }
            std::set<std::uint32_t> reached;
            set.trie.match(pattern, [&](std::uint32_t to) { reached.insert(to); });
            for (const std::uint32_t to : reached) {
                if (always_fires(set.rules[to])) {
                    steps.push_back({from, action, to, true});
                }
            }
        }
    }
    return steps;
}

std::vector<LoopStep> all_steps(const RuleSetImpl& set, std::size_t steps_max) {
    std::vector<LoopStep> steps;
    for (std::uint32_t from = 0; from < set.rules.size(); ++from) {
        const Rule& rule = set.rules[from];
        for (std::uint32_t action = 0; rule.enabled && action < rule.actions.size(); ++action) {
            if (rule.actions[action].kind != ActionKind::kRepublish) {
                continue;
            }
            const std::string pattern = topic_pattern(rule.actions[action].topic);
            for (std::uint32_t to = 0; to < set.rules.size() && steps.size() < steps_max; ++to) {
                const auto& sources = set.rules[to].query.sources;
                const bool meets =
                    set.rules[to].enabled &&
                    std::any_of(sources.begin(), sources.end(), [&](const sql::Source& source) {
                        return filters_meet(source.filter, pattern);
                    });
                const bool covers =
                    meets && std::any_of(sources.begin(), sources.end(), [&](const auto& source) {
                        return filter_covers(source.filter, pattern);
                    });
                if (meets) {
                    steps.push_back({from, action, to,
                                     covers && always_fires(rule) && always_fires(set.rules[to])});
                }
            }
        }
    }
    return steps;
}

// Depth first without recursion: a set may chain thousands of rules.
std::vector<LoopStep> find_cycle(std::size_t rules, const std::vector<LoopStep>& steps) {
    std::vector<std::uint32_t> first(rules + 1, 0);  // steps are sorted by `from`
    for (const LoopStep& step : steps) {
        ++first[step.from + 1];
    }
    for (std::size_t i = 1; i < first.size(); ++i) {
        first[i] += first[i - 1];
    }
    enum class Mark : std::uint8_t { kNew, kOpen, kDone };
    std::vector<Mark> marks(rules, Mark::kNew);
    for (std::uint32_t root = 0; root < rules; ++root) {
        if (marks[root] != Mark::kNew) {
            continue;
        }
        std::vector<std::uint32_t> next_of{first[root]};
        std::vector<std::uint32_t> rule_of{root};
        std::vector<LoopStep> path;
        marks[root] = Mark::kOpen;
        while (!rule_of.empty()) {
            const std::uint32_t rule = rule_of.back();
            if (next_of.back() == first[rule + 1]) {
                marks[rule] = Mark::kDone;
                rule_of.pop_back();
                next_of.pop_back();
                if (!path.empty()) {
                    path.pop_back();
                }
                continue;
            }
            const LoopStep& step = steps[next_of.back()++];
            if (marks[step.to] == Mark::kOpen) {
                const auto start = std::find(rule_of.begin(), rule_of.end(), step.to);
                path.erase(path.begin(), path.begin() + (start - rule_of.begin()));
                path.push_back(step);
                return path;
            }
            if (marks[step.to] == Mark::kNew) {
                marks[step.to] = Mark::kOpen;
                path.push_back(step);
                rule_of.push_back(step.to);
                next_of.push_back(first[step.to]);
            }
        }
    }
    return {};
}

}  // namespace causeway::rules
