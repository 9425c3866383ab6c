#include "rules/sql/parser.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "rules/sql/lexer.h"

namespace causeway::rules::sql {
namespace {

class Parser {
public:
    explicit Parser(std::string_view query) : text_(query), lexer_(query) { advance(); }

    tl::expected<Query, SyntaxError> run() {
        query();
        if (error_) {
            const LineColumn at = line_column(text_, error_->offset);
            error_->line = at.line;
            error_->column = at.column;
            return tl::unexpected<SyntaxError>(std::move(*error_));
        }
        return std::move(query_);
    }

private:
    // --- tokens. After an error every token is kEnd, so all loops stop.
    void advance() {
        current_ = error_ ? Token{} : lexer_.next();
        if (current_.kind == TokenKind::kError) {
            const Token bad = std::exchange(current_, Token{});
            fail(bad.offset, bad.text);
        }
    }
    void fail(std::uint32_t offset, std::string message) {
        if (!error_) {
            error_ = SyntaxError{std::move(message), offset, 1, 1};
        }
        current_ = Token{};
    }
    void unexpected(std::string_view wanted) {
        std::string found = "the end of the query";
        if (current_.kind != TokenKind::kEnd) {
            found = '\'' + current_.text.substr(0, 40) + '\'';
        }
        const std::uint32_t offset = current_.kind == TokenKind::kEnd
                                         ? static_cast<std::uint32_t>(text_.size())
                                         : current_.offset;
        fail(offset, "expected " + std::string(wanted) + ", found " + found);
    }
    [[nodiscard]] bool at_word(std::string_view keyword) const {
        return current_.kind == TokenKind::kName && is_keyword(current_.text, keyword);
    }
    [[nodiscard]] bool at_symbol(std::string_view symbol) const {
        return current_.kind == TokenKind::kSymbol && current_.text == symbol;
    }
    bool take_word(std::string_view keyword) {
        const bool yes = at_word(keyword);
        if (yes) {
            advance();
        }
        return yes;
    }
    bool take_symbol(std::string_view symbol) {
        const bool yes = at_symbol(symbol);
        if (yes) {
            advance();
        }
        return yes;
    }
    void want_word(std::string_view keyword) {
        if (!take_word(keyword)) {
            unexpected(keyword);
        }
    }
    void want_symbol(std::string_view symbol) {
        if (!take_symbol(symbol)) {
            unexpected('\'' + std::string(symbol) + '\'');
        }
    }

    // --- nodes
    Expr node(ExprKind kind, std::uint32_t offset) {
        Expr expr;
        expr.kind = kind;
        expr.offset = offset;
        return expr;
    }
    ExprId add(Expr expr) {
        for (const ExprId arg : expr.args) {
            expr.depth = std::max(expr.depth, query_.nodes[arg].depth + 1);
        }
        if (expr.depth > kExprDepthMax) {
            fail(expr.offset, "the expression is nested too deeply");
            expr.args.clear();
            expr.depth = 1;
        }
        query_.nodes.push_back(std::move(expr));
        return static_cast<ExprId>(query_.nodes.size() - 1);
    }

    // --- query
    void query();
    void items();
    void item();
    void sources();

    // --- expressions, lowest precedence first
    ExprId expression();
    ExprId disjunction();
    ExprId conjunction();
    ExprId negation();
    ExprId comparison();
    ExprId negatable_comparison(ExprId left, bool negated);
    ExprId is_test(ExprId left);
    ExprId sum();
    ExprId product();
    ExprId unary();
    ExprId postfix();
    ExprId primary();
    ExprId named();
    ExprId call(std::string name, std::uint32_t offset);
    ExprId number(bool negative);
    ExprId list();
    ExprId object();
    ExprId case_();
    void segments(std::vector<Segment>& out);
    void bracket_segment(std::vector<Segment>& out);
    std::int64_t index();
    void arguments(std::vector<ExprId>& out, std::string_view close);

    // Counts the recursion that makes no node (parentheses) or is deeper than its node.
    class Level {
    public:
        explicit Level(Parser& parser) : parser_(parser) {
            if (++parser_.level_ > kExprDepthMax) {
                parser_.fail(parser_.current_.offset, "the expression is nested too deeply");
            }
        }
        ~Level() { --parser_.level_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;

    private:
        Parser& parser_;
    };

    std::string_view text_;
    Lexer lexer_;
    Token current_;
    Query query_;
    std::optional<SyntaxError> error_;
    std::uint32_t level_ = 0;
};

void Parser::query() {
    if (text_.size() > kQueryBytesMax) {
        return fail(0, "the query is longer than " + std::to_string(kQueryBytesMax) + " bytes");
    }
    want_word("SELECT");
    items();
    want_word("FROM");
    sources();
    if (take_word("WHERE")) {
        query_.where = expression();
    }
    if (!error_ && current_.kind != TokenKind::kEnd) {
        unexpected("the end of the query");
    }
}

void Parser::items() {
    if (take_word("VALUE")) {
        query_.value = true;
        query_.items.push_back(Item{expression(), {}, 0, 0});
        query_.items.back().offset = query_.nodes[query_.items.back().expr].offset;
        return;
    }
    do {
        const std::uint32_t offset = current_.offset;
        if (at_symbol("*")) {
            if (query_.star) {
                return fail(offset, "'*' is given twice");
            }
            query_.star = true;
            advance();
        } else {
            item();
        }
        if (query_.items.size() > kItemsMax) {
            return fail(offset, "more than " + std::to_string(kItemsMax) + " items");
        }
    } while (take_symbol(","));
}

void Parser::item() {
    Item item;
    item.offset = current_.offset;
    item.expr = expression();
    if (take_word("AS")) {
        item.alias_offset = current_.offset;
        do {
            if (current_.kind != TokenKind::kName && current_.kind != TokenKind::kQuotedName) {
                return unexpected("a name");
            }
            item.alias.push_back(current_.text);
            advance();
        } while (take_symbol("."));
        if (item.alias.size() > kExprDepthMax) {
            return fail(item.alias_offset, "the alias is nested too deeply");
        }
    }
    query_.items.push_back(std::move(item));
}

void Parser::sources() {
    do {
        if (current_.kind != TokenKind::kString && current_.kind != TokenKind::kQuotedName) {
            return unexpected("a topic filter in quotes");
        }
        query_.sources.push_back(Source{current_.text, current_.offset});
        if (query_.sources.size() > kSourcesMax) {
            return fail(current_.offset, "more than " + std::to_string(kSourcesMax) + " sources");
        }
        advance();
    } while (take_symbol(","));
}

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
            return case_();
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
        fail(name.offset, "expected an expression, found '" + name.text +
                              "' (a field of this name is written \"" + name.text + "\")");
    }
    segments(expr.segments);
    return add(std::move(expr));
}

ExprId Parser::call(std::string name, std::uint32_t offset) {
    Expr expr = node(ExprKind::kCall, offset);
    expr.text = std::move(name);
    want_symbol("(");
    arguments(expr.args, ")");
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

ExprId Parser::case_() {
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

}  // namespace

LineColumn line_column(std::string_view text, std::size_t offset) {
    LineColumn at;
    for (const char c : text.substr(0, std::min(offset, text.size()))) {
        if (c == '\n') {
            ++at.line;
            at.column = 1;
        } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
            ++at.column;
        }
    }
    return at;
}

tl::expected<Query, SyntaxError> parse(std::string_view query) { return Parser(query).run(); }

}  // namespace causeway::rules::sql
