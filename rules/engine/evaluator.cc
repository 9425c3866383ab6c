#include "rules/engine/evaluator.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/message/topic.h"
#include "rules/engine/machine.h"
#include "rules/engine/rule.h"

namespace causeway::rules {
namespace {

// A republish that is to be evaluated: everything owned, since outputs move as they grow.
struct Pending {
    std::string topic;
    std::string payload;
    std::vector<Property> properties;
    std::vector<std::uint64_t> trail;
    std::uint8_t qos = 0;
    bool retain = false;
    std::uint8_t hops = 0;
};

// Of one rule and message that are listed; all are counted.
constexpr std::size_t kFailuresMax = 32;

std::size_t size_of(const Output& output) {
    std::size_t size = output.target.size() + output.key.size() + output.body.size() +
                       output.path.size() + 8 * output.trail.size();
    for (const Property& property : output.properties) {
        size += property.name.size() + property.value.size();
    }
    for (const std::string& tag : output.tags) {
        size += tag.size();
    }
    return size;
}

bool contains(std::span<const std::uint64_t> trail, std::uint64_t rule) {
    return std::find(trail.begin(), trail.end(), rule) != trail.end();
}

}  // namespace

struct Evaluator::Impl {
    explicit Impl(const EvalLimits& given)
        : limits(given),
          machine({given.steps_per_rule, given.steps, given.scratch_bytes,
                   given.payload_bytes_as_json, given.payload_depth}) {}

    void message(const MessageView& message);
    void tell_failures(const MessageView& message);
    void rule(std::uint32_t index, const MessageView& message);
    void run_actions(std::uint32_t index, const MessageView& message, const Value& output);
    std::optional<RenderError> make(const Action& action, const RenderContext& context,
                                    Output& out);
    std::optional<RenderError> make_republish(const Action& action, const RenderContext& context,
                                              Output& out);
    void emit(const Action& action, Output&& output, const MessageView& message);
    void fail(std::uint32_t index, const RenderError& error, std::string action,
              std::string resource);
    void run_error_actions(std::uint32_t index, const MessageView& message);
    Value envelope(const Rule& rule, const MessageView& message);
    bool is_cut(const Action& action, const MessageView& message);

    EvalLimits limits;
    Machine machine;
    std::vector<std::uint32_t> matches;
    std::vector<Pending> pending;
    std::vector<Value> values;  // what the rule that runs made
    std::vector<UserProperty> user_properties;
    // Of the evaluate() that runs.
    const RuleSetImpl* set = nullptr;
    const EvalContext* context = nullptr;
    std::span<RuleCounters> counters;
    Evaluation* out = nullptr;
    std::size_t bytes_left = 0;
    std::size_t error_bytes_left = 0;
    std::size_t first_failure = 0;     // of the rule that runs
    std::size_t message_failures = 0;  // of the message that is evaluated: the first
};

Evaluator::Evaluator(EvalLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
Evaluator::~Evaluator() = default;

void Evaluator::evaluate(const RuleSet& rules, const MessageView& message,
                         const EvalContext& context, std::span<RuleCounters> counters,
                         Evaluation& out) {
    CW_CHECK(counters.size() == rules.rules().size());
    Impl& impl = *impl_;
    out.clear();
    impl.set = &rules.impl();
    impl.context = &context;
    impl.counters = counters;
    impl.out = &out;
    impl.bytes_left = impl.limits.output_bytes;
    impl.error_bytes_left = 2 * impl.limits.output_bytes;
    impl.pending.clear();
    impl.message_failures = 0;
    impl.machine.refill_steps();
    impl.message(message);
    for (std::size_t i = 0; i < impl.pending.size(); ++i) {
        const Pending next = std::move(impl.pending[i]);
        MessageView view = message;
        view.event = nullptr;
        view.topic = next.topic;
        view.payload = next.payload;
        view.qos = next.qos;
        view.retain = next.retain;
        view.dup = false;
        view.content_type.reset();
        view.response_topic.reset();
        view.correlation_data.reset();
        view.hops = next.hops;
        view.trail = next.trail;
        impl.user_properties.clear();
        for (const Property& property : next.properties) {
            impl.user_properties.push_back({property.name, property.value});
        }
        view.user_properties = impl.user_properties;
        impl.message(view);
    }
}

void Evaluator::Impl::message(const MessageView& message) {
    ++out->messages;
    machine.begin_message(message, *context);
    matches.clear();
    if (message.event != nullptr) {
        matches = set->of_event[static_cast<std::size_t>(message.event->kind)];
    } else {
        set->trie.match(message.topic, [this](std::uint32_t index) { matches.push_back(index); });
    }
    std::sort(matches.begin(), matches.end());
    matches.erase(std::unique(matches.begin(), matches.end()), matches.end());
    for (const std::uint32_t index : matches) {
        if (context->only_rule == EvalContext::kAllRules || context->only_rule == index) {
            rule(index, message);
        }
    }
    if (message.event == nullptr || message.event->kind != EventKind::kRuleFailed) {
        tell_failures(message);
    }
}

// $events/rule/failed: once for each rule that failed with this message, in the same entry. What
// fails then makes no event.
void Evaluator::Impl::tell_failures(const MessageView& message) {
    const std::size_t end = out->failures.size();
    if (message_failures == end || (set->events & mask_of(EventKind::kRuleFailed)) == 0) {
        message_failures = end;
        return;
    }
    // The list grows while rules of the event run.
    const std::vector<Failure> failures(
        out->failures.begin() + static_cast<std::ptrdiff_t>(message_failures), out->failures.end());
    const bool has_message = message.event == nullptr || message.event->has_message;
    for (std::size_t first = 0; first < failures.size();) {
        std::size_t last = first;
        while (last < failures.size() && failures[last].rule == failures[first].rule) {
            ++last;
        }
        EventView event;
        event.kind = EventKind::kRuleFailed;
        event.rule = set->rules[failures[first].rule].id;
        event.failures = std::span(failures).subspan(first, last - first);
        event.has_message = has_message;
        MessageView view = message;
        view.event = &event;
        this->message(view);
        first = last;
    }
    message_failures = out->failures.size();
}

void Evaluator::Impl::rule(std::uint32_t index, const MessageView& message) {
    const Rule& rule = set->rules[index];
    RuleCounters& count = counters[index];
    ++count.matched;
    if (limits.suspend_after != 0 && count.over_budget_in_row >= limits.suspend_after) {
        ++count.suspended;
        return;
    }
    if (contains(message.trail, rule.id_hash)) {
        ++count.cut;
        ++out->loops_cut;
        return;
    }
    first_failure = out->failures.size();
    machine.begin_rule(rule.program);
    values.clear();
    if (machine.where()) {
        machine.outputs(limits.outputs, values);
    }
    count.not_json += machine.saw_no_json() ? 1 : 0;
    if (!machine.over_own_budget()) {
        count.over_budget_in_row = 0;
    } else if (count.over_budget_in_row < limits.suspend_after) {
        ++count.over_budget_in_row;
    }
    if (machine.failed()) {
        ++count.failed;
        ++count.failed_by_reason[static_cast<std::size_t>(machine.reason())];
        const std::string at =
            " (at byte " + std::to_string(machine.error_offset()) + " of the SQL)";
        fail(index, {machine.reason(), machine.error() + at}, "sql", {});
    } else if (values.empty()) {
        ++count.no_result;
    } else {
        ++count.passed;
        count.outputs += values.size();
        for (const Value& value : values) {
            run_actions(index, message, value);
        }
    }
    if (out->failures.size() > first_failure) {
        run_error_actions(index, message);
    }
}

// A republish that would be the hop too many.
bool Evaluator::Impl::is_cut(const Action& action, const MessageView& message) {
    return action.kind == ActionKind::kRepublish && message.hops >= context->hops_max;
}

void Evaluator::Impl::run_actions(std::uint32_t index, const MessageView& message,
                                  const Value& output) {
    const Rule& rule = set->rules[index];
    for (std::uint32_t i = 0; i < rule.actions.size(); ++i) {
        const Action& action = rule.actions[i];
        ActionCounters& count = counters[index].actions[i];
        if (is_cut(action, message)) {
            ++count.cut;
            ++out->loops_cut;
            continue;
        }
        Output made;
        made.kind = action.kind;
        made.rule = index;
        made.action = i;
        auto error =
            make(action, {machine, output, rule.id, bytes_left, action.missing_is_error}, made);
        const std::size_t size = size_of(made);
        if (!error && (size > bytes_left || out->outputs.size() >= limits.outputs)) {
            error = RenderError{FailReason::kBudget, "the message makes too much output"};
        }
        if (error) {
            ++count.failed;
            fail(index, *error, std::string(name(action.kind)), action.target);
            machine.forget_failure();
            continue;
        }
        bytes_left -= size;
        ++count.sent;
        emit(action, std::move(made), message);
    }
}

std::optional<RenderError> Evaluator::Impl::make(const Action& action,
                                                 const RenderContext& render_context,
                                                 Output& made) {
    made.method = action.method;
    made.delay_s = action.delay_s;
    if (action.kind == ActionKind::kRepublish) {
        if (auto error = make_republish(action, render_context, made)) {
            return error;
        }
    } else {
        made.target = action.target;
    }
    if (auto error = render(action.key, render_context, made.key)) {
        return error;
    }
    for (const Template& tag : action.tags) {
        if (auto error = render(tag, render_context, made.tags.emplace_back())) {
            return error;
        }
    }
    if (auto error = render(action.path, render_context, made.path)) {
        return error;
    }
    for (const auto& [property, text] : action.properties) {
        made.properties.push_back({property, {}});
        if (auto error = render(text, render_context, made.properties.back().value)) {
            return error;
        }
        const std::string& value = made.properties.back().value;
        if (action.kind == ActionKind::kRepublish &&
            (value.size() > 65'535 || !valid_utf8(value))) {
            return RenderError{FailReason::kTemplate, "'" + text.source + "' made no MQTT string"};
        }
    }
    return render(action.body, render_context, made.body);
}

std::optional<RenderError> Evaluator::Impl::make_republish(const Action& action,
                                                           const RenderContext& render_context,
                                                           Output& made) {
    if (auto error = render(action.topic, render_context, made.target)) {
        return error;
    }
    if (!valid_topic_name(made.target)) {
        return RenderError{FailReason::kTemplate, "'" + action.target + "' made no topic name"};
    }
    made.retain = action.retain;
    made.qos = action.qos;
    if (action.qos_template) {
        std::string text;
        if (auto error = render(*action.qos_template, render_context, text)) {
            return error;
        }
        if (text.size() != 1 || text[0] < '0' || text[0] > '2') {
            return RenderError{FailReason::kTemplate,
                               "'" + action.qos_template->source + "' made no QoS (0, 1 or 2)"};
        }
        made.qos = static_cast<std::uint8_t>(text[0] - '0');
    }
    return std::nullopt;
}

void Evaluator::Impl::emit(const Action& action, Output&& made, const MessageView& message) {
    if (action.kind == ActionKind::kRepublish) {
        made.hops = static_cast<std::uint8_t>(message.hops + 1);
        made.trail.assign(message.trail.begin(), message.trail.end());
        made.trail.push_back(set->rules[made.rule].id_hash);
        if (context->evaluates_here(made.target)) {
            pending.push_back(Pending{made.target, made.body, made.properties, made.trail, made.qos,
                                      made.retain, made.hops});
        }
    }
    out->outputs.push_back(std::move(made));
}

void Evaluator::Impl::fail(std::uint32_t index, const RenderError& error, std::string action,
                           std::string resource) {
    if (out->failures.size() - first_failure < kFailuresMax) {
        out->failures.push_back(Failure{index, error.reason, std::move(action), std::move(resource),
                                        error.message, false});
    }
}

Value Evaluator::Impl::envelope(const Rule& rule, const MessageView& message) {
    Member* members = machine.arena().make<Member>(6);
    if (members == nullptr) {
        return {};
    }
    std::string& payload = machine.scratch();
    append_base64(message.payload, payload);
    members[0] = {"rule", Value::string(rule.id)};
    members[1] = {"topic", Value::string(message.topic)};
    members[2] = {"clientid", Value::string(message.clientid)};
    members[3] = {"trace_id", Value::string(message.trace_id)};
    members[4] = {"payload_base64", machine.new_string(payload)};
    members[5] = {"failures", machine.failures(std::span(out->failures).subspan(first_failure))};
    return Value::object({members, 6});
}

void Evaluator::Impl::run_error_actions(std::uint32_t index, const MessageView& message) {
    const Rule& rule = set->rules[index];
    machine.begin_rule(rule.program);
    const Value output = envelope(rule, message);
    for (std::uint32_t i = 0; i < rule.error_actions.size(); ++i) {
        const Action& action = rule.error_actions[i];
        ActionCounters& count = counters[index].error_actions[i];
        if (is_cut(action, message)) {
            ++count.cut;
            ++out->loops_cut;
            continue;
        }
        Output made;
        made.kind = action.kind;
        made.rule = index;
        made.action = i;
        made.error_action = true;
        auto error = make(
            action, {machine, output, rule.id, error_bytes_left, action.missing_is_error}, made);
        const std::size_t size = size_of(made);
        if (!error && (size > error_bytes_left || out->outputs.size() >= 2 * limits.outputs)) {
            error = RenderError{FailReason::kBudget, "the message makes too much output"};
        }
        if (error) {
            ++count.failed;
            out->failures.push_back(Failure{index, error->reason, std::string(name(action.kind)),
                                            action.target, error->message, true});
            machine.forget_failure();
            continue;
        }
        error_bytes_left -= size;
        ++count.sent;
        emit(action, std::move(made), message);
    }
}

}  // namespace causeway::rules
