// The parser's expressions, one function per level of precedence.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "rules/sql/parser_state.h"

namespace causeway::rules::sql {

ExprId Parser::expression() {
    const Level level(*this);
    return disjunction();
}

ExprId Parser::disjunction() {
    const ExprId first = conjunction();
    if (!at_word("OR")) {
        return first;
    }
    Expr expr = node(ExprKind::kOr, current_.offset);
    expr.args.push_back(first);
    while (take_word("OR")) {
        expr.args.push_back(conjunction());
    }
    return add(std::move(expr));
}

ExprId Parser::conjunction() {
    const ExprId first = negation();
    if (!at_word("AND")) {
        return first;
    }
    Expr expr = node(ExprKind::kAnd, current_.offset);
    expr.args.push_back(first);
    while (take_word("AND")) {
        expr.args.push_back(negation());
    }
    return add(std::move(expr));
}

ExprId Parser::negation() {
    if (!at_word("NOT")) {
        return comparison();
    }
    const Level level(*this);
    Expr expr = node(ExprKind::kNot, current_.offset);
    advance();
    expr.args.push_back(negation());
    return add(std::move(expr));
}

namespace {

std::optional<Operation> comparison_of(const Token& token) {
    if (token.kind != TokenKind::kSymbol) {
        return std::nullopt;
    }
    constexpr std::pair<std::string_view, Operation> kOperations[] = {
        {"=", Operation::kEqual},         {"<>", Operation::kNotEqual},
        {"!=", Operation::kNotEqual},     {"<", Operation::kLess},
        {"<=", Operation::kLessEqual},    {">", Operation::kGreater},
        {">=", Operation::kGreaterEqual}, {"=~", Operation::kTopicMatch}};
    for (const auto& [symbol, operation] : kOperations) {
        if (token.text == symbol) {
            return operation;
        }
    }
    return std::nullopt;
}

}  // namespace

ExprId Parser::comparison() {
    ExprId left = sum();
    if (const auto operation = comparison_of(current_)) {
        Expr expr = node(ExprKind::kBinary, current_.offset);
        expr.operation = *operation;
        advance();
        expr.args = {left, sum()};
        left = add(std::move(expr));
    } else if (at_word("IS")) {
        left = is_test(left);
    } else if (take_word("NOT")) {
        left = negatable_comparison(left, true);
    } else if (at_word("IN") || at_word("BETWEEN") || at_word("LIKE")) {
        left = negatable_comparison(left, false);
    }
    if (comparison_of(current_) || at_word("IS") || at_word("IN") || at_word("BETWEEN") ||
        at_word("LIKE")) {
        fail(current_.offset, "comparisons do not chain: use AND, or parentheses");
    }
    return left;
}

ExprId Parser::is_test(ExprId left) {
    Expr expr = node(ExprKind::kIsNull, current_.offset);
    advance();
    expr.negated = take_word("NOT");
    expr.args.push_back(left);
    if (take_word("UNDEFINED")) {
        expr.kind = ExprKind::kIsUndefined;
    } else if (!take_word("NULL")) {
        unexpected("NULL or UNDEFINED");
    }
    return add(std::move(expr));
}

ExprId Parser::negatable_comparison(ExprId left, bool negated) {
    Expr expr = node(ExprKind::kIn, current_.offset);
    expr.negated = negated;
    expr.args.push_back(left);
    if (take_word("IN")) {
        want_symbol("(");
        arguments(expr.args, ")");
        if (expr.args.size() < 2) {
            fail(expr.offset, "IN needs at least one value");
        }
    } else if (take_word("BETWEEN")) {
        expr.kind = ExprKind::kBetween;
        expr.args.push_back(sum());
        want_word("AND");
        expr.args.push_back(sum());
    } else if (take_word("LIKE")) {
        expr.kind = ExprKind::kLike;
        expr.args.push_back(sum());
    } else {
        unexpected("IN, BETWEEN or LIKE");
    }
    return add(std::move(expr));
}

ExprId Parser::sum() {
    ExprId left = product();
    while (at_symbol("+") || at_symbol("-")) {
        Expr expr = node(ExprKind::kBinary, current_.offset);
        expr.operation = at_symbol("+") ? Operation::kAdd : Operation::kSubtract;
        advance();
        expr.args = {left, product()};
        left = add(std::move(expr));
    }
    return left;
}

ExprId Parser::product() {
    ExprId left = unary();
    while (true) {
        Expr expr = node(ExprKind::kBinary, current_.offset);
        if (at_symbol("*")) {
            expr.operation = Operation::kMultiply;
        } else if (at_symbol("/")) {
            expr.operation = Operation::kDivide;
        } else if (at_word("DIV")) {
            expr.operation = Operation::kDiv;
        } else if (at_symbol("%") || at_word("MOD")) {
            expr.operation = Operation::kMod;
        } else {
            return left;
        }
        advance();
        expr.args = {left, unary()};
        left = add(std::move(expr));
    }
}

ExprId Parser::unary() {
    if (!at_symbol("-")) {
        return postfix();
    }
    const Level level(*this);
    Expr expr = node(ExprKind::kNegate, current_.offset);
    advance();
    if (current_.kind == TokenKind::kInteger || current_.kind == TokenKind::kDecimal) {
        return number(true);  // The lowest integer has no positive counterpart to negate.
    }
    expr.args.push_back(unary());
    return add(std::move(expr));
}

ExprId Parser::postfix() {
    const ExprId base = primary();
    if (!at_symbol(".") && !at_symbol("[")) {
        return base;
    }
    Expr expr = node(ExprKind::kAccess, query_.nodes[base].offset);
    expr.args.push_back(base);
    segments(expr.segments);
    return add(std::move(expr));
}

ExprId Parser::primary() {
    const std::uint32_t offset = current_.offset;
    switch (current_.kind) {
        case TokenKind::kInteger:
        case TokenKind::kDecimal:
            return number(false);
        case TokenKind::kString: {
            Expr expr = node(ExprKind::kString, offset);
            expr.text = current_.text;
            advance();
            return add(std::move(expr));
        }
        case TokenKind::kName:
        case TokenKind::kQuotedName:
            return named();
        default:
            break;
    }
    if (take_symbol("(")) {
        const ExprId inner = expression();
        want_symbol(")");
        return inner;
    }
    if (at_symbol("[")) {
        return list();
    }
    if (at_symbol("{")) {
        return object();
    }
    unexpected("an expression");
    return add(node(ExprKind::kNull, offset));
}

ExprId Parser::named() {
    Expr expr = node(ExprKind::kPath, current_.offset);
    const bool quoted = current_.kind == TokenKind::kQuotedName;
    if (!quoted) {
        if (at_word("CASE")) {
            return case_when();
        }
        if (at_word("TRUE") || at_word("FALSE") || at_word("NULL")) {
            expr.boolean = at_word("TRUE");
            expr.kind = at_word("NULL") ? ExprKind::kNull : ExprKind::kBoolean;
            advance();
            return add(std::move(expr));
        }
    }
    expr.text = current_.text;
    const Token name = std::exchange(current_, Token{});
    advance();
    if (!quoted && at_symbol("(") && (!is_reserved(name.text) || is_keyword(name.text, "MOD"))) {
        return call(name.text, name.offset);
    }
    if (!quoted && is_reserved(name.text)) {
        // Only a word that does not plainly go on with the query can be meant as a field.
        const bool goes_on = is_keyword(name.text, "FROM") || is_keyword(name.text, "WHERE") ||
                             is_keyword(name.text, "THEN") || is_keyword(name.text, "END");
        fail(name.offset,
             "expected an expression, found '" + name.text + "'" +
                 (goes_on ? "" : " (a field of this name is written \"" + name.text + "\")"));
    }
    segments(expr.segments);
    return add(std::move(expr));
}

ExprId Parser::call(std::string name, std::uint32_t offset) {
    Expr expr = node(ExprKind::kCall, offset);
    expr.text = std::move(name);
    want_symbol("(");
    if (!is_keyword(expr.text, "CAST")) {
        arguments(expr.args, ")");
        return add(std::move(expr));
    }
    // cast(x AS int) is cast(x, 'int').
    expr.args.push_back(expression());
    if (at_word("AS")) {
        advance();
        Expr type = node(ExprKind::kString, current_.offset);
        if (current_.kind != TokenKind::kName) {
            unexpected("a type");
        }
        type.text = current_.text;
        advance();
        expr.args.push_back(add(std::move(type)));
        want_symbol(")");
    } else if (take_symbol(",")) {
        arguments(expr.args, ")");
    } else {
        want_symbol(")");
    }
    return add(std::move(expr));
}

// Reads `expr, expr…` up to and with `close`, which may follow at once.
void Parser::arguments(std::vector<ExprId>& out, std::string_view close) {
    if (take_symbol(close)) {
        return;
    }
    do {
        out.push_back(expression());
    } while (take_symbol(","));
    want_symbol(close);
}

ExprId Parser::number(bool negative) {
    Expr expr = node(ExprKind::kInteger, current_.offset);
    const std::string digits = (negative ? "-" : "") + current_.text;
    const char* end = digits.data() + digits.size();
    std::from_chars_result result{};
    if (current_.kind == TokenKind::kInteger) {
        result = std::from_chars(digits.data(), end, expr.integer);
    } else {
        expr.kind = ExprKind::kDecimal;
        result = std::from_chars(digits.data(), end, expr.decimal);
    }
    if (result.ec != std::errc{}) {
        fail(expr.offset, "the number is out of range");
    }
    advance();
    return add(std::move(expr));
}

ExprId Parser::list() {
    Expr expr = node(ExprKind::kList, current_.offset);
    want_symbol("[");
    arguments(expr.args, "]");
    return add(std::move(expr));
}

ExprId Parser::object() {
    Expr expr = node(ExprKind::kObject, current_.offset);
    want_symbol("{");
    if (take_symbol("}")) {
        return add(std::move(expr));
    }
    do {
        if (current_.kind != TokenKind::kName && current_.kind != TokenKind::kQuotedName &&
            current_.kind != TokenKind::kString) {
            unexpected("a key");
            break;
        }
        if (std::find(expr.keys.begin(), expr.keys.end(), current_.text) != expr.keys.end()) {
            fail(current_.offset, "the key is given twice");
            break;
        }
        expr.keys.push_back(current_.text);
        advance();
        want_symbol(":");
        expr.args.push_back(expression());
    } while (take_symbol(","));
    want_symbol("}");
    return add(std::move(expr));
}

ExprId Parser::case_when() {
    Expr expr = node(ExprKind::kCase, current_.offset);
    want_word("CASE");
    if (!at_word("WHEN")) {
        expr.has_operand = true;
        expr.args.push_back(expression());
    }
    do {
        want_word("WHEN");
        expr.args.push_back(expression());
        want_word("THEN");
        expr.args.push_back(expression());
    } while (at_word("WHEN"));
    if (take_word("ELSE")) {
        expr.has_else = true;
        expr.args.push_back(expression());
    }
    want_word("END");
    return add(std::move(expr));
}

void Parser::segments(std::vector<Segment>& out) {
    while (at_symbol(".") || at_symbol("[")) {
        if (out.size() >= kExprDepthMax) {
            return fail(current_.offset, "the path is too long");
        }
        if (take_symbol("[")) {
            bracket_segment(out);
            continue;
        }
        advance();
        if (current_.kind != TokenKind::kName && current_.kind != TokenKind::kQuotedName &&
            current_.kind != TokenKind::kString) {
            return unexpected("a name");
        }
        out.push_back(Segment{Segment::Kind::kName, current_.text, 0, 0});
        advance();
    }
}

void Parser::bracket_segment(std::vector<Segment>& out) {
    Segment segment;
    if (current_.kind == TokenKind::kString || current_.kind == TokenKind::kQuotedName) {
        segment.name = current_.text;
        advance();
    } else {
        segment.kind = Segment::Kind::kIndex;
        segment.first = index();
        if (take_symbol("..")) {
            segment.kind = Segment::Kind::kRange;
            segment.last = index();
        }
    }
    want_symbol("]");
    out.push_back(std::move(segment));
}

std::int64_t Parser::index() {
    const bool negative = take_symbol("-");
    std::int64_t value = 0;
    if (current_.kind != TokenKind::kInteger) {
        unexpected("an index or a 'key'");
        return 0;
    }
    const std::string digits = (negative ? "-" : "") + current_.text;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec != std::errc{}) {
        fail(current_.offset, "the number is out of range");
    }
    advance();
    return value;
}

}  // namespace causeway::rules::sql
