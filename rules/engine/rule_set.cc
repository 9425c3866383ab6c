#include "rules/engine/rule_set.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>

#include "core/base/hash.h"
#include "rules/engine/loops.h"
#include "rules/engine/rule.h"
#include "rules/engine/rule_reader.h"
#include "rules/sql/printer.h"

namespace causeway::rules {
namespace {

ActionInfo info_of(const Action& action) { return {action.kind, action.target}; }

RuleInfo info_of(const Rule& rule) {
    RuleInfo info;
    info.id = rule.id;
    info.description = rule.description;
    info.enabled = rule.enabled;
    info.sql = sql::print(rule.query);
    for (const sql::Source& source : rule.query.sources) {
        info.sources.push_back(source.filter);
    }
    for (const Action& action : rule.actions) {
        info.actions.push_back(info_of(action));
    }
    for (const Action& action : rule.error_actions) {
        info.error_actions.push_back(info_of(action));
    }
    info.tests = rule.tests.size();
    info.where_defined = rule.where;
    return info;
}

// Independent of the order in which the files are given.
std::uint64_t version_of(std::span<const SourceFile> files) {
    std::vector<std::size_t> order(files.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::tie(files[a].path, files[a].text) < std::tie(files[b].path, files[b].text);
    });
    std::uint64_t version = 0;
    for (const std::size_t i : order) {
        version = hash64(files[i].path, version);
        version = hash64(files[i].text, version);
    }
    return version == 0 ? 1 : version;
}

std::string place_of(const Diagnostic& where) {
    return where.file + ":" + std::to_string(where.line);
}

class SetReader {
public:
    tl::expected<std::unique_ptr<RuleSetImpl>, std::vector<Diagnostic>> run(
        std::span<const SourceFile> files) {
        for (const SourceFile& file : files) {
            read_file(file);
        }
        check_sinks();
        if (diagnostics_.empty()) {
            index();
            check_loops();
        }
        if (!diagnostics_.empty()) {
            return tl::unexpected<std::vector<Diagnostic>>(sorted(files));
        }
        set_->version = version_of(files);
        return std::move(set_);
    }

private:
    std::vector<Diagnostic> sorted(std::span<const SourceFile> files) {
        absl::flat_hash_map<std::string, std::size_t> order;
        for (const SourceFile& file : files) {
            order.emplace(file.path, order.size());
        }
        std::vector<Diagnostic> list = diagnostics_.take();
        std::stable_sort(list.begin(), list.end(), [&](const Diagnostic& a, const Diagnostic& b) {
            return std::tuple(order.at(a.file), a.line, a.column) <
                   std::tuple(order.at(b.file), b.line, b.column);
        });
        return list;
    }

    void read_file(const SourceFile& source) {
        const FileReader file(source, diagnostics_);
        if (source.text.size() > kFileBytesMax) {
            return file.report(0, "the file is larger than 16 MiB");
        }
        const auto root = parse_json_text(source.text);
        if (!root) {
            return file.report(root.error().offset, root.error().message);
        }
        if (!root->is(JsonNode::Kind::kArray)) {
            return read_object(file, *root);
        }
        for (const JsonNode& item : root->items) {
            read_object(file, item);
        }
    }

    void read_object(const FileReader& file, const JsonNode& object) {
        if (!file.want(object, JsonNode::Kind::kObject, "a rule, sink or queue")) {
            return;
        }
        if (object.find("sink") != nullptr) {
            SinkConfig sink = read_sink(file, object);
            if (is_new(file, object, "sink", sink.id)) {
                set_->sink_index[sink.id] = static_cast<std::uint32_t>(set_->sinks.size());
                set_->sink_where.push_back(file.at(object.offset));
                set_->sinks.push_back(std::move(sink));
            }
        } else if (object.find("queue") != nullptr) {
            QueueConfig queue = read_queue(file, object);
            if (is_new(file, object, "queue", queue.name)) {
                set_->queue_index[queue.name] = static_cast<std::uint32_t>(set_->queues.size());
                set_->queues.push_back(std::move(queue));
            }
        } else if (object.find("id") != nullptr || object.find("sql") != nullptr) {
            auto rule = read_rule(file, object);
            if (!is_new(file, object, "id", rule ? rule->id : file_id(object)) || !rule) {
                return;
            }
            if (set_->rules.size() >= kRulesMax) {
                return file.report(object.offset,
                                   "more than " + std::to_string(kRulesMax) + " rules");
            }
            set_->rules.push_back(std::move(*rule));
        } else {
            file.report(object.offset,
                        "this is no rule ('id', 'sql'), sink ('sink') or queue ('queue')");
        }
    }

    static std::string file_id(const JsonNode& object) {
        const JsonNode* id = object.find("id");
        return id == nullptr ? std::string() : id->text;
    }

    bool is_new(const FileReader& file, const JsonNode& object, std::string_view kind,
                const std::string& id) {
        if (id.empty()) {
            return false;  // Reported.
        }
        const JsonNode* node = object.find(kind);
        const Diagnostic here = file.at(node->offset);
        const auto [first, inserted] = seen_.emplace(std::string(kind) + "/" + id, here);
        if (!inserted) {
            file.report(node->offset, "the " + std::string(kind) + " '" + id +
                                          "' is defined twice, first at " +
                                          place_of(first->second));
        }
        return inserted;
    }

    void check_sinks() {
        for (const Rule& rule : set_->rules) {
            for (const auto* list : {&rule.actions, &rule.error_actions}) {
                for (const Action& action : *list) {
                    if (action.kind >= ActionKind::kHttp) {
                        check_sink(action);
                    }
                }
            }
        }
    }

    void check_sink(const Action& action) {
        Diagnostic diagnostic = action.where;
        const auto found = set_->sink_index.find(action.target);
        if (found == set_->sink_index.end()) {
            if (action.target.empty() || seen_.contains("sink/" + action.target)) {
                return;  // Reported: no name, or a definition that is wrong.
            }
            diagnostic.message = "unknown sink '" + action.target + "'";
            return diagnostics_.add(std::move(diagnostic));
        }
        const SinkConfig& sink = set_->sinks[found->second];
        if (sink.type != action.kind) {
            diagnostic.message = "the sink '" + action.target + "' is of type " +
                                 std::string(name(sink.type)) + ": the action is named " +
                                 std::string(name(sink.type)) + " too";
            diagnostics_.add(std::move(diagnostic));
        } else if ((sink.batch.items_max > 1 || sink.type == ActionKind::kFile) &&
                   !action.body_is_json) {
            diagnostic.message = "the sink '" + action.target +
                                 "' takes JSON only (a batch, a file of lines), so 'body' must be "
                                 "an object, an array, or the whole output "
                                 "of a SELECT without VALUE";
            diagnostics_.add(std::move(diagnostic));
        }
    }

    void index() {
        for (std::uint32_t i = 0; i < set_->rules.size(); ++i) {
            Rule& rule = set_->rules[i];
            set_->infos.push_back(info_of(rule));
            for (const sql::Source& source : rule.query.sources) {
                if (rule.enabled) {
                    add_source(source.filter, i);
                }
            }
            for (Action& action : rule.actions) {
                set_method(action);
            }
            for (Action& action : rule.error_actions) {
                set_method(action);
            }
        }
    }

    // A client may publish to "$events/…": that is a message, and no rule of events sees it.
    void add_source(const std::string& filter, std::uint32_t rule) {
        if (!is_event_source(filter)) {
            set_->trie.insert(filter, rule);
            return;
        }
        const EventMask mask = events_matching(filter);
        set_->events |= mask;
        for (std::size_t kind = 0; kind < set_->of_event.size(); ++kind) {
            auto& rules = set_->of_event[kind];
            const bool named = (mask & mask_of(static_cast<EventKind>(kind))) != 0;
            if (named && (rules.empty() || rules.back() != rule)) {
                rules.push_back(rule);
            }
        }
    }

    void set_method(Action& action) {
        if (action.kind == ActionKind::kHttp && action.method.empty()) {
            action.method = set_->sinks[set_->sink_index.at(action.target)].method;
        }
    }

    void check_loops() {
        const auto cycle = find_cycle(set_->rules.size(), certain_steps(*set_));
        if (cycle.empty()) {
            return;
        }
        Diagnostic diagnostic = set_->rules[cycle[0].from].actions[cycle[0].action].where;
        diagnostic.message = "this republish never ends: ";
        for (const LoopStep& step : cycle) {
            diagnostic.message += set_->rules[step.from].id + " -> ";
        }
        diagnostic.message +=
            set_->rules[cycle[0].from].id + " (a WHERE in one of them can end it)";
        diagnostics_.add(std::move(diagnostic));
    }

    std::unique_ptr<RuleSetImpl> set_ = std::make_unique<RuleSetImpl>();
    Diagnostics diagnostics_;
    absl::flat_hash_map<std::string, Diagnostic> seen_;
};

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
    return diagnostic.file + ":" + std::to_string(diagnostic.line) + ":" +
           std::to_string(diagnostic.column) + ": " + diagnostic.message;
}

namespace {

constexpr std::size_t kExcerptBefore = 60;  // characters of a long line
constexpr std::size_t kExcerptAfter = 40;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

std::string_view line_of(std::string_view text, std::uint32_t line) {
    for (std::uint32_t i = 1; i < line; ++i) {
        const std::size_t end = text.find('\n');
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    }
    return text.substr(0, text.find_first_of("\r\n"));
}

// Two lines: characters of `line` around `column` (from 1), and the caret.
std::string excerpt(std::string_view line, std::uint32_t column) {
    std::string shown;
    std::string caret;
    std::size_t at = 0;
    for (const char c : line) {
        at += begins_character(c) ? 1 : 0;
        if (at + kExcerptBefore < column || at > column + kExcerptAfter) {
            continue;
        }
        shown.push_back(c == '\t' ? ' ' : c);
        if (begins_character(c) && at < column) {
            caret.push_back(' ');
        }
    }
    return "    " + shown + "\n    " + caret + "^";
}

}  // namespace

std::string to_string(const Diagnostic& diagnostic, std::span<const SourceFile> files) {
    std::string out = to_string(diagnostic);
    for (const SourceFile& file : files) {
        if (file.path == diagnostic.file) {
            return out + "\n" + excerpt(line_of(file.text, diagnostic.line), diagnostic.column);
        }
    }
    return out;
}

std::string_view name(ActionKind kind) {
    constexpr std::array<std::string_view, 5> kNames = {"queue", "republish", "http", "file",
                                                        "console"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name(FailReason reason) {
    constexpr std::array<std::string_view, kFailReasons> kNames = {"type", "arithmetic", "budget",
                                                                   "missing", "template"};
    return kNames[static_cast<std::size_t>(reason)];
}

void Evaluation::clear() {
    outputs.clear();
    failures.clear();
    messages = 0;
    loops_cut = 0;
}

tl::expected<std::shared_ptr<const RuleSet>, std::vector<Diagnostic>> RuleSet::compile(
    std::span<const SourceFile> files) {
    auto impl = SetReader().run(files);
    if (!impl) {
        return tl::unexpected<std::vector<Diagnostic>>(std::move(impl.error()));
    }
    return std::make_shared<const RuleSet>(std::move(*impl));
}

RuleSet::RuleSet(std::unique_ptr<const RuleSetImpl> impl) : impl_(std::move(impl)) {}
RuleSet::~RuleSet() = default;

std::uint64_t RuleSet::version() const { return impl_->version; }
std::span<const RuleInfo> RuleSet::rules() const { return impl_->infos; }
std::span<const SinkConfig> RuleSet::sinks() const { return impl_->sinks; }
std::span<const QueueConfig> RuleSet::queues() const { return impl_->queues; }

const SinkConfig* RuleSet::find_sink(std::string_view id) const {
    const auto found = impl_->sink_index.find(absl::string_view(id.data(), id.size()));
    return found == impl_->sink_index.end() ? nullptr : &impl_->sinks[found->second];
}

const QueueConfig* RuleSet::find_queue(std::string_view name) const {
    const auto found = impl_->queue_index.find(absl::string_view(name.data(), name.size()));
    return found == impl_->queue_index.end() ? nullptr : &impl_->queues[found->second];
}

bool RuleSet::interested(std::string_view topic) const {
    bool any = false;
    impl_->trie.match(topic, [&any](std::uint32_t) { any = true; });
    return any;
}

EventMask RuleSet::events() const { return impl_->events; }

std::vector<RuleCounters> RuleSet::make_counters() const {
    std::vector<RuleCounters> counters(impl_->rules.size());
    for (std::size_t i = 0; i < counters.size(); ++i) {
        counters[i].actions.resize(impl_->rules[i].actions.size());
        counters[i].error_actions.resize(impl_->rules[i].error_actions.size());
    }
    return counters;
}

}  // namespace causeway::rules
