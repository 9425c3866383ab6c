// From the syntax tree to a Program: names and functions resolved, patterns compiled, the output
// laid out. A name means, in this order: an alias given further left in SELECT or DO (in WHERE
// and INCASE: any alias), the element of FOREACH, a field of the message.
#include <algorithm>
#include <utility>

#include <re2/re2.h>

#include "core/message/event.h"
#include "rules/engine/functions.h"
#include "rules/engine/program.h"
#include "rules/sql/printer.h"

namespace causeway::rules {
namespace {

using sql::ExprId;
using sql::ExprKind;

constexpr std::int64_t kPatternMemoryBytes = std::int64_t{1024} * 1024;

struct Compiled {
    std::uint32_t node = 0;
    std::uint32_t depth = 1;  // of evaluation, aliases followed
};

class Compiler {
public:
    explicit Compiler(const sql::Query& query) : query_(query) {}

    tl::expected<Program, CompileError> run() {
        program_.node_of.assign(query_.nodes.size(), kNoNode);
        if (query_.loop) {
            program_.loop = expression(query_.loop->over).node;
            in_loop_ = true;
        }
        items();
        visible_ = query_.items.size();
        if (!error_ && query_.loop && query_.loop->in_case) {
            program_.in_case = expression(*query_.loop->in_case).node;
        }
        if (!error_ && query_.where) {
            // WHERE is asked once, before the loop.
            visible_ = query_.loop ? 0 : visible_;
            in_loop_ = false;
            constant_ = true;
            program_.where = expression(*query_.where).node;
            program_.where_constant = constant_;
        }
        if (error_) {
            return tl::unexpected<CompileError>(std::move(*error_));
        }
        return std::move(program_);
    }

private:
    Compiled fail(std::uint32_t offset, std::string message) {
        if (!error_) {
            error_ = CompileError{std::move(message), offset};
        }
        return {};
    }

    void items();
    Compiled element(std::uint32_t offset, std::span<const sql::Segment> path);
    std::vector<std::string> item_name(const sql::Item& item);
    void lay_out(const std::vector<std::string>& name, std::uint32_t slot, std::uint32_t offset);
    std::uint32_t output_child(std::uint32_t parent, const std::string& name);

    Compiled expression(ExprId id) {
        const Compiled compiled = expression(query_.nodes[id]);
        program_.node_of[id] = compiled.node;
        return compiled;
    }
    Compiled expression(const sql::Expr& expr);
    Compiled path(const sql::Expr& expr);
    [[nodiscard]] bool reads_events() const {
        return std::any_of(
            query_.sources.begin(), query_.sources.end(),
            [](const sql::Source& source) { return is_event_source(source.filter); });
    }
    std::optional<Compiled> alias(const sql::Expr& expr);
    Compiled call(const sql::Expr& expr);
    std::uint32_t pattern(ExprId id);
    Compiled constant(Value value, std::uint32_t offset);
    // The text for as long as the program lives.
    std::string_view keep(const std::string& text) {
        program_.texts.push_back(std::make_unique<const std::string>(text));
        return *program_.texts.back();
    }
    Compiled text_constant(const std::string& text, std::uint32_t offset);
    Compiled compound(const sql::Expr& expr, Node node);
    Compiled object(const sql::Expr& expr, Node node);
    Compiled add(Node node, const std::vector<std::uint32_t>& operands, std::uint32_t depth);
    void set_path(Node& node, std::span<const sql::Segment> segments);

    const sql::Query& query_;
    Program program_;
    std::optional<CompileError> error_;
    std::vector<std::vector<std::string>> names_;  // of the items, as output
    std::vector<Compiled> items_;
    std::size_t visible_ = 0;  // items whose aliases can be used now
    bool in_loop_ = false;     // the element of FOREACH can be used now
    bool constant_ = true;
};

// The element of FOREACH.
Compiled Compiler::element(std::uint32_t offset, std::span<const sql::Segment> path) {
    Node node;
    node.op = Op::kItem;
    node.offset = offset;
    set_path(node, path);
    return add(node, {}, 1);
}

void Compiler::items() {
    program_.value = query_.value;
    program_.output.emplace_back();
    if (query_.loop && !query_.star && query_.items.empty()) {
        program_.value = true;
        program_.slots.push_back(element(query_.loop->offset, {}).node);
        return;
    }
    if (query_.star) {
        const bool events = reads_events();
        for (std::size_t i = 0; i < kFieldNames.size(); ++i) {
            if (of_events(static_cast<Field>(i)) && !events) {
                break;
            }
            const std::uint32_t child = output_child(0, std::string(kFieldNames[i]));
            program_.output[child].field = static_cast<Field>(i);
        }
    }
    for (std::size_t i = 0; i < query_.items.size() && !error_; ++i) {
        const sql::Item& item = query_.items[i];
        visible_ = i;
        items_.push_back(expression(item.expr));
        program_.slots.push_back(items_.back().node);
        names_.push_back(query_.value ? std::vector<std::string>{} : item_name(item));
        if (!query_.value && !error_) {
            lay_out(names_.back(), static_cast<std::uint32_t>(i),
                    item.alias.empty() ? item.offset : item.alias_offset);
        }
    }
}

std::vector<std::string> Compiler::item_name(const sql::Item& item) {
    if (!item.alias.empty()) {
        return item.alias;
    }
    const sql::Expr& expr = query_.nodes[item.expr];
    for (auto segment = expr.segments.rbegin(); segment != expr.segments.rend(); ++segment) {
        if (segment->kind == sql::Segment::Kind::kName) {
            return {segment->name};
        }
    }
    if (expr.kind == ExprKind::kPath) {
        return {expr.text};
    }
    if (expr.kind == ExprKind::kCall) {
        return {std::string(function_table()[*find_function(expr.text)].name)};
    }
    fail(item.offset, "this item needs a name: AS name");
    return {"?"};
}

std::uint32_t Compiler::output_child(std::uint32_t parent, const std::string& name) {
    for (const std::uint32_t child : program_.output[parent].children) {
        if (program_.output[child].name == name) {
            return child;
        }
    }
    const auto child = static_cast<std::uint32_t>(program_.output.size());
    program_.output.push_back(OutputNode{name, {}, {}, {}});
    program_.output[parent].children.push_back(child);
    return child;
}

void Compiler::lay_out(const std::vector<std::string>& name, std::uint32_t slot,
                       std::uint32_t offset) {
    std::uint32_t at = 0;
    for (const std::string& part : name) {
        if (program_.output[at].slot) {
            fail(offset, "the output has a value where this name needs an object");
            return;
        }
        at = output_child(at, part);
    }
    OutputNode& leaf = program_.output[at];
    if (leaf.slot || !leaf.children.empty()) {
        fail(offset, "the output has '" + name.back() + "' twice: give another name with AS");
        return;
    }
    leaf.field.reset();  // Replaces what `*` put there.
    leaf.slot = slot;
}

void Compiler::set_path(Node& node, std::span<const sql::Segment> segments) {
    node.path_first = static_cast<std::uint32_t>(program_.segments.size());
    node.path_count = static_cast<std::uint32_t>(segments.size());
    program_.segments.insert(program_.segments.end(), segments.begin(), segments.end());
}

Compiled Compiler::add(Node node, const std::vector<std::uint32_t>& operands, std::uint32_t depth) {
    if (depth > kEvalDepthMax) {
        return fail(node.offset, "the expression, with the aliases it uses, is nested too deeply");
    }
    if (!operands.empty()) {
        node.first = static_cast<std::uint32_t>(program_.operands.size());
        node.count = static_cast<std::uint32_t>(operands.size());
        program_.operands.insert(program_.operands.end(), operands.begin(), operands.end());
    }
    program_.nodes.push_back(node);
    return {static_cast<std::uint32_t>(program_.nodes.size() - 1), depth};
}

Compiled Compiler::constant(Value value, std::uint32_t offset) {
    Node node;
    node.first = static_cast<std::uint32_t>(program_.constants.size());
    node.offset = offset;
    program_.constants.push_back(value);
    return add(node, {}, 1);
}

Compiled Compiler::text_constant(const std::string& text, std::uint32_t offset) {
    return constant(Value::string(keep(text)), offset);
}

Compiled Compiler::expression(const sql::Expr& expr) {
    Node node;
    node.offset = expr.offset;
    node.negated = expr.negated;
    node.operation = expr.operation;
    switch (expr.kind) {
        case ExprKind::kNull:
            return constant(Value::null(), expr.offset);
        case ExprKind::kBoolean:
            return constant(Value::boolean(expr.boolean), expr.offset);
        case ExprKind::kInteger:
            return constant(Value::integer(expr.integer), expr.offset);
        case ExprKind::kDecimal:
            return constant(Value::decimal(expr.decimal), expr.offset);
        case ExprKind::kString:
            return text_constant(expr.text, expr.offset);
        case ExprKind::kPath:
            return path(expr);
        case ExprKind::kCall:
            return call(expr);
        case ExprKind::kObject:
            return object(expr, node);
        case ExprKind::kAccess:
            set_path(node, expr.segments);
            node.op = Op::kAccess;
            break;
        case ExprKind::kList:
            node.op = Op::kList;
            break;
        case ExprKind::kNegate:
            node.op = Op::kNegate;
            break;
        case ExprKind::kNot:
            node.op = Op::kNot;
            break;
        case ExprKind::kAnd:
            node.op = Op::kAnd;
            break;
        case ExprKind::kOr:
            node.op = Op::kOr;
            break;
        case ExprKind::kBinary:
            node.op = Op::kBinary;
            break;
        case ExprKind::kIn:
            node.op = Op::kIn;
            break;
        case ExprKind::kBetween:
            node.op = Op::kBetween;
            break;
        case ExprKind::kLike:
            node.op = Op::kLike;
            break;
        case ExprKind::kIsNull:
            node.op = Op::kIsNull;
            break;
        case ExprKind::kIsUndefined:
            node.op = Op::kIsUndefined;
            break;
        case ExprKind::kCase:
            node.op = expr.has_operand ? Op::kCaseOf : Op::kCase;
            node.extra = static_cast<std::uint32_t>(expr.args.size()) - (expr.has_else ? 1 : 0);
            break;
    }
    return compound(expr, node);
}

Compiled Compiler::compound(const sql::Expr& expr, Node node) {
    std::vector<std::uint32_t> operands;
    std::uint32_t depth = 0;
    for (const ExprId arg : expr.args) {
        const Compiled operand = expression(arg);
        operands.push_back(operand.node);
        depth = std::max(depth, operand.depth);
    }
    return add(node, operands, depth + 1);
}

Compiled Compiler::object(const sql::Expr& expr, Node node) {
    node.op = Op::kObject;
    std::vector<std::uint32_t> operands;
    std::uint32_t depth = 0;
    for (std::size_t i = 0; i < expr.args.size(); ++i) {
        operands.push_back(static_cast<std::uint32_t>(program_.constants.size()));
        program_.constants.push_back(Value::string(keep(expr.keys[i])));
        const Compiled operand = expression(expr.args[i]);
        operands.push_back(operand.node);
        depth = std::max(depth, operand.depth);
    }
    return add(node, operands, depth + 1);
}

// The latest visible item whose name is a prefix of the path.
std::optional<Compiled> Compiler::alias(const sql::Expr& expr) {
    bool inside_alias = false;
    for (std::size_t i = visible_; i-- > 0;) {
        const auto& name = query_.items[i].alias;
        if (name.empty() || name[0] != expr.text) {
            continue;
        }
        const std::size_t more = name.size() - 1;
        bool prefix = more <= expr.segments.size();
        for (std::size_t k = 0; prefix && k < more; ++k) {
            prefix = expr.segments[k].kind == sql::Segment::Kind::kName &&
                     expr.segments[k].name == name[k + 1];
        }
        if (prefix) {
            Node node;
            node.op = Op::kSlot;
            node.offset = expr.offset;
            node.first = static_cast<std::uint32_t>(i);
            set_path(node, std::span(expr.segments).subspan(more));
            return add(node, {}, items_[i].depth + 1);
        }
        inside_alias = true;
    }
    if (inside_alias && !find_field(expr.text)) {
        return fail(expr.offset, "'" + expr.text + "' is only the beginning of an alias");
    }
    return std::nullopt;
}

Compiled Compiler::path(const sql::Expr& expr) {
    constant_ = false;
    if (const auto slot = alias(expr)) {
        return *slot;
    }
    if (in_loop_ && expr.text == query_.loop->name) {
        return element(expr.offset, expr.segments);
    }
    const auto field = find_field(expr.text);
    if (!field && query_.loop && expr.text == query_.loop->name) {
        return fail(expr.offset, "'" + expr.text + "' is known in DO and INCASE only");
    }
    if (!field) {
        return fail(expr.offset, "unknown field '" + expr.text +
                                     "' (a field of the payload is written payload." + expr.text +
                                     ")");
    }
    if (of_events(*field) && !reads_events()) {
        return fail(expr.offset, "'" + expr.text +
                                     "' is a field of events, and no source is one (a field of "
                                     "the payload is written payload." +
                                     expr.text + ")");
    }
    if (!has_parts(*field) && !expr.segments.empty()) {
        return fail(expr.offset, "'" + expr.text + "' has no parts");
    }
    Node node;
    node.op = Op::kField;
    node.offset = expr.offset;
    node.field = *field;
    set_path(node, expr.segments);
    return add(node, {}, 1);
}

Compiled Compiler::call(const sql::Expr& expr) {
    const auto found = find_function(expr.text);
    if (!found) {
        return fail(expr.offset, "unknown function '" + expr.text + "'");
    }
    const FunctionSpec& spec = function_table()[*found];
    if (expr.args.size() < spec.args_min || expr.args.size() > spec.args_max) {
        std::string wanted = std::to_string(spec.args_min);
        if (spec.args_max != spec.args_min) {
            wanted += " to " + std::to_string(spec.args_max);
        }
        return fail(expr.offset, expr.text + "() takes " + wanted +
                                     (wanted == "1" ? " argument, not " : " arguments, not ") +
                                     std::to_string(expr.args.size()));
    }
    constant_ =
        constant_ && !expr.args.empty();  // Without arguments they read the message or chance.
    Node node;
    node.op = Op::kCall;
    node.offset = expr.offset;
    node.extra = *found;
    std::vector<std::uint32_t> operands;
    std::uint32_t depth = 0;
    for (std::size_t i = 0; i < expr.args.size(); ++i) {
        const bool is_pattern = i == spec.pattern_arg;
        const Compiled operand = is_pattern
                                     ? constant(Value::integer(pattern(expr.args[i])), expr.offset)
                                     : expression(expr.args[i]);
        operands.push_back(operand.node);
        depth = std::max(depth, operand.depth);
    }
    constant_ = constant_ && spec.name != "topic" && !spec.name.starts_with("now");
    return add(node, operands, depth + 1);
}

std::uint32_t Compiler::pattern(ExprId id) {
    const sql::Expr& expr = query_.nodes[id];
    if (expr.kind != ExprKind::kString) {
        fail(expr.offset, "the pattern must be a literal string");
        return 0;
    }
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(kPatternMemoryBytes);
    auto compiled = std::make_shared<const re2::RE2>(expr.text, options);
    if (!compiled->ok()) {
        fail(expr.offset, "bad pattern: " + compiled->error());
        return 0;
    }
    program_.patterns.push_back(std::move(compiled));
    return static_cast<std::uint32_t>(program_.patterns.size() - 1);
}

}  // namespace

tl::expected<Program, CompileError> compile_query(const sql::Query& query) {
    return Compiler(query).run();
}

}  // namespace causeway::rules
