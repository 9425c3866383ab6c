#include "rules/engine/machine.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/check.h"
#include "rules/engine/functions.h"

namespace causeway::rules {

Machine::Machine(const MachineLimits& limits)
    : limits_(limits),
      arena_(limits.scratch_bytes),
      document_(limits.payload_bytes_as_json, limits.payload_depth) {}

void Machine::begin_message(const MessageView& message, const EvalContext& context) {
    message_ = &message;
    context_ = &context;
    document_.set(message.payload);
}

void Machine::begin_rule(const Program& program) {
    program_ = &program;
    arena_.reset();
    slots_.assign(program.slots.size(), Slot{});
    rule_steps_left_ = limits_.steps_per_rule;
    failed_ = false;
    saw_no_json_ = false;
    shared_budget_spent_ = false;
}

bool Machine::holds(std::uint32_t node, std::string_view word) {
    const Value value = evaluate(node);
    if (!value.absent() && !value.is(Type::kBoolean)) {
        current_offset_ = program_->nodes[node].offset;
        fail(FailReason::kType, std::string(word) + " is of type " +
                                    std::string(name(value.type())) + ", it must be a boolean");
    }
    return value.is_true();
}

bool Machine::where() { return !program_->where || holds(*program_->where, "WHERE"); }

Value Machine::fail(FailReason reason, std::string message) {
    if (!failed_) {
        failed_ = true;
        reason_ = reason;
        error_ = std::move(message);
        error_offset_ = current_offset_;
    }
    return {};
}

Value Machine::fail_type(std::string_view wanted, const Value& found) {
    if (failed_) {
        return {};
    }
    return fail(FailReason::kType,
                std::string(wanted) + " is needed, found " + std::string(name(found.type())));
}

std::string& Machine::scratch() {
    scratch_.clear();
    return scratch_;
}

bool Machine::overspend(std::uint64_t steps) {
    shared_budget_spent_ = steps <= rule_steps_left_;
    rule_steps_left_ = 0;
    fail(FailReason::kBudget, "the evaluation took too many steps");
    return false;
}

Value Machine::new_string(std::string_view text) {
    const std::string_view copy = arena_.copy(text);
    if (copy.data() == nullptr || !charge_bytes(text.size())) {
        return fail(FailReason::kBudget, "the evaluation took too much memory");
    }
    return Value::string(copy);
}

Value Machine::new_bytes(std::string_view bytes) {
    const Value value = new_string(bytes);
    return value.undefined() ? value : Value::bytes(value.text());
}

Value Machine::new_array(std::span<const Value> items) {
    Value* copy = arena_.make<Value>(items.size());
    if (copy == nullptr || !charge(items.size())) {
        return fail(FailReason::kBudget, "the evaluation took too much memory");
    }
    std::copy(items.begin(), items.end(), copy);
    return Value::array({copy, items.size()});
}

const re2::RE2& Machine::pattern(const Value& index) const {
    return *program_->patterns[static_cast<std::size_t>(index.as_integer())];
}

// --- fields

Value Machine::field(Field field, std::span<const sql::Segment> path) {
    if (field == Field::kPayload) {
        return payload(path);
    }
    if (field == Field::kUserProperties) {
        return user_properties(path);
    }
    if (of_events(field)) {
        return message_->event == nullptr ? Value{} : event_field(field, path);
    }
    return path.empty() ? scalar_field(field) : Value{};
}

Value Machine::payload(std::span<const sql::Segment> path) {
    if (!charge(1 + message_->payload.size() / 8192)) {
        return {};
    }
    if (message_->event != nullptr && !message_->event->has_message) {
        return {};
    }
    if (!document_.is_json()) {
        saw_no_json_ = saw_no_json_ || !path.empty();
        return path.empty() ? Value::bytes(message_->payload) : Value{};
    }
    const auto value = document_.at(path, arena_);
    return value ? *value : fail(FailReason::kBudget, "the evaluation took too much memory");
}

Value Machine::user_properties(std::span<const sql::Segment> path) {
    const auto given = message_->user_properties;
    if (!charge(given.size())) {
        return {};
    }
    if (path.size() == 1 && path[0].kind == sql::Segment::Kind::kName) {
        for (std::size_t i = given.size(); i-- > 0;) {
            if (given[i].name == path[0].name) {
                return Value::string(given[i].value);
            }
        }
        return {};
    }
    // A name may be given more than once; the last one counts.
    Member* members = arena_.make<Member>(given.size());
    if (members == nullptr || !charge(given.size() * given.size() / 16)) {
        return fail(FailReason::kBudget, "the evaluation took too much memory");
    }
    std::size_t count = 0;
    for (const UserProperty& property : given) {
        Member* const end = members + count;
        Member* const at = std::find_if(
            members, end, [&](const Member& member) { return member.key == property.name; });
        *at = Member{property.name, Value::string(property.value)};
        count += at == end ? 1 : 0;
    }
    return walk(Value::object({members, count}), path);
}

namespace {

Value optional_string(const std::optional<std::string_view>& text) {
    return text ? Value::string(*text) : Value{};
}

Value unsigned_integer(std::uint64_t value) {
    return Value::integer(static_cast<std::int64_t>(value & 0x7FFF'FFFF'FFFF'FFFFU));
}

Value optional_boolean(const std::optional<bool>& value) {
    return value ? Value::boolean(*value) : Value{};
}

}  // namespace

Value Machine::event_field(Field field, std::span<const sql::Segment> path) {
    const EventView& event = *message_->event;
    switch (field) {
        case Field::kEvent:
            return Value::string(causeway::name(event.kind));
        case Field::kReason:
            return optional_string(event.reason);
        case Field::kFromClientid:
            return optional_string(event.from_clientid);
        case Field::kSessionPresent:
            return optional_boolean(event.session_present);
        case Field::kCleanStart:
            return optional_boolean(event.clean_start);
        case Field::kSessionExpiry:
            return event.session_expiry_s ? Value::integer(*event.session_expiry_s) : Value{};
        case Field::kQueue:
            return optional_string(event.queue);
        case Field::kSink:
            return optional_string(event.sink);
        case Field::kDeadLetter:
            return optional_string(event.dead_letter);
        case Field::kKey:
            return optional_string(event.key);
        case Field::kRule:
            return optional_string(event.rule);
        case Field::kFailures:
            return event.failures ? walk(failures(*event.failures), path) : Value{};
        default:
            return {};
    }
}

Value Machine::failures(std::span<const Failure> all) {
    Value* items = arena_.make<Value>(all.size());
    for (std::size_t i = 0; items != nullptr && i < all.size(); ++i) {
        Member* members = arena_.make<Member>(3);
        if (members == nullptr) {
            return fail(FailReason::kBudget, "the evaluation took too much memory");
        }
        members[0] = {"action", new_string(all[i].action)};
        members[1] = {"resource", new_string(all[i].resource)};
        members[2] = {"error", new_string(all[i].error)};
        items[i] = Value::object({members, 3});
    }
    return items == nullptr ? fail(FailReason::kBudget, "the evaluation took too much memory")
                            : Value::array({items, all.size()});
}

// What the message of an event has; of an event without one it is undefined.
bool Machine::lacks(Field field) const {
    if (message_->event == nullptr || message_->event->has_message) {
        return false;
    }
    return field == Field::kDup || field == Field::kRetain ||
           (message_->topic.empty() && (field == Field::kTopic || field == Field::kQos));
}

Value Machine::scalar_field(Field field) {
    const MessageView& m = *message_;
    if (lacks(field)) {
        return {};
    }
    switch (field) {
        case Field::kId:
            return Value::string(m.id);
        case Field::kClientid:
            return Value::string(m.clientid);
        case Field::kUsername:
            return optional_string(m.username);
        case Field::kProduct:
            return optional_string(m.product);
        case Field::kDevice:
            return optional_string(m.device);
        case Field::kTopic:
            return Value::string(m.topic);
        case Field::kQos:
            return Value::integer(m.qos);
        case Field::kRetain:
            return Value::boolean(m.retain);
        case Field::kDup:
            return Value::boolean(m.dup);
        case Field::kTimestamp:
            return unsigned_integer(m.timestamp_ms);
        case Field::kReceivedAt:
            return unsigned_integer(m.received_at_ms);
        case Field::kPeerhost:
            return optional_string(m.peerhost);
        case Field::kNode:
            return Value::string(m.node);
        case Field::kContentType:
            return optional_string(m.content_type);
        case Field::kResponseTopic:
            return optional_string(m.response_topic);
        case Field::kCorrelationData:
            return m.correlation_data ? Value::bytes(*m.correlation_data) : Value{};
        case Field::kMessageExpiry:
            return m.message_expiry_s ? Value::integer(*m.message_expiry_s) : Value{};
        case Field::kSessionEpoch:
            return unsigned_integer(m.session_epoch);
        default:
            break;
    }
    return {};
}

// --- output

Value Machine::slot(std::uint32_t index) {
    if (!slots_[index].set) {
        slots_[index].value = evaluate(program_->slots[index]);
        slots_[index].set = true;
    }
    return slots_[index].value;
}

Value Machine::output() {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        slot(i);
    }
    if (failed_) {
        return {};
    }
    return program_->value ? slot(0) : output_node(0);
}

void Machine::outputs(std::size_t outputs_max, std::vector<Value>& out) {
    out.clear();
    if (!program_->loop) {
        out.push_back(output());
    } else {
        loop(outputs_max, out);
    }
    if (failed_) {
        out.clear();
    }
}

void Machine::begin_element(const Value& element) {
    item_ = element;
    slots_.assign(program_->slots.size(), Slot{});
}

void Machine::loop(std::size_t outputs_max, std::vector<Value>& out) {
    const Value over = evaluate(*program_->loop);
    if (!over.absent() && !over.is(Type::kArray)) {
        current_offset_ = program_->nodes[*program_->loop].offset;
        fail_type("an array", over);
    }
    if (!over.is(Type::kArray)) {
        return;
    }
    for (const Value& element : over.items()) {
        begin_element(element);
        if (program_->in_case && !holds(*program_->in_case, "INCASE")) {
            if (failed_) {
                return;
            }
            continue;
        }
        const Value made = output();
        if (failed_) {
            return;
        }
        if (out.size() >= outputs_max) {
            fail(FailReason::kBudget,
                 "FOREACH makes more than " + std::to_string(outputs_max) + " outputs");
            return;
        }
        out.push_back(made);
    }
}

Value Machine::output_node(std::uint32_t index) {
    const OutputNode& shape = program_->output[index];
    Value base;
    if (shape.slot) {
        return slot(*shape.slot);
    }
    if (shape.field) {
        base = field(*shape.field, {});
        if (shape.children.empty()) {
            return base;
        }
    }
    return overlay(shape, base);
}

// Lays the children over `base`. With none of them defined and no base, the node is left out.
Value Machine::overlay(const OutputNode& shape, const Value& base) {
    const std::span<const Member> below =
        base.is(Type::kObject) ? base.members() : std::span<const Member>{};
    Member* members = arena_.make<Member>(below.size() + shape.children.size());
    if (members == nullptr || !charge(below.size() + shape.children.size())) {
        return fail(FailReason::kBudget, "the evaluation took too much memory");
    }
    std::copy(below.begin(), below.end(), members);
    std::size_t count = below.size();
    for (const std::uint32_t child : shape.children) {
        const Value value = output_node(child);
        if (value.undefined()) {
            continue;
        }
        const std::string_view key = program_->output[child].name;
        Member* const end = members + count;
        Member* const at =
            below.empty() ? end : std::find_if(members, end, [&](const Member& member) {
                return member.key == key;
            });
        *at = Member{key, value};
        count += at == end ? 1 : 0;
    }
    const bool root = &shape == program_->output.data();
    return count == 0 && !root && !base.is(Type::kObject) ? base : Value::object({members, count});
}

// --- nodes

Value Machine::evaluate(std::uint32_t index) {
    if (failed_ || !charge(1)) {
        return {};
    }
    const Node& node = program_->nodes[index];
    const std::uint32_t outer = std::exchange(current_offset_, node.offset);
    const Value value = dispatch(node);
    current_offset_ = outer;
    return failed_ ? Value{} : value;
}

Value Machine::dispatch(const Node& node) {
    switch (node.op) {
        case Op::kConstant:
            return program_->constants[node.first];
        case Op::kField:
            return field(node.field, path(node));
        case Op::kSlot:
            return walk(slot(node.first), path(node));
        case Op::kItem:
            return walk(item_, path(node));
        case Op::kAccess:
            return walk(evaluate(operands(node)[0]), path(node));
        case Op::kCall:
            return call(node);
        case Op::kNegate:
            return negate(evaluate(operands(node)[0]));
        case Op::kNot:
            return negation(evaluate(operands(node)[0]));
        case Op::kAnd:
        case Op::kOr:
            return connective(node);
        case Op::kBinary:
            return binary(node);
        case Op::kIn:
            return in(node);
        case Op::kBetween:
            return between(node);
        case Op::kLike:
            return like(node);
        case Op::kIsNull:
            return Value::boolean(evaluate(operands(node)[0]).is(Type::kNull) != node.negated);
        case Op::kIsUndefined:
            return Value::boolean(evaluate(operands(node)[0]).undefined() != node.negated);
        case Op::kCase:
            return case_searched(node);
        case Op::kCaseOf:
            return case_of(node);
        case Op::kList:
            return list(node);
        case Op::kObject:
            return object(node);
    }
    return {};
}

Value Machine::call(const Node& node) {
    const FunctionSpec& spec = function_table()[node.extra];
    CW_CHECK(node.count <= kArgsMax);
    std::array<Value, kArgsMax> args;
    bool has_null = false;
    bool has_undefined = false;
    for (std::uint32_t i = 0; i < node.count; ++i) {
        args[i] = evaluate(operands(node)[i]);
        has_null = has_null || args[i].is(Type::kNull);
        has_undefined = has_undefined || args[i].undefined();
    }
    if (failed_) {
        return {};
    }
    if (spec.absent == Absent::kPropagates && (has_null || has_undefined)) {
        return has_undefined ? Value{} : Value::null();
    }
    return spec.run(*this, std::span<const Value>(args.data(), node.count));
}

Value Machine::list(const Node& node) {
    Value* items = arena_.make<Value>(node.count);
    if (items == nullptr) {
        return fail(FailReason::kBudget, "the evaluation took too much memory");
    }
    std::size_t count = 0;
    for (const std::uint32_t operand : operands(node)) {
        const Value value = evaluate(operand);
        if (!value.undefined()) {
            items[count++] = value;
        }
    }
    return Value::array({items, count});
}

Value Machine::object(const Node& node) {
    const auto pairs = operands(node);
    Member* members = arena_.make<Member>(pairs.size() / 2);
    if (members == nullptr) {
        return fail(FailReason::kBudget, "the evaluation took too much memory");
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
        const Value value = evaluate(pairs[i + 1]);
        if (!value.undefined()) {
            members[count++] = Member{program_->constants[pairs[i]].text(), value};
        }
    }
    return Value::object({members, count});
}

}  // namespace causeway::rules
