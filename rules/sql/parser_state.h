// The recursive-descent parser behind parse(). Internal to rules/sql: tokens and the query itself
// are in parser.cc, expressions in expression.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "rules/sql/ast.h"
#include "rules/sql/lexer.h"
#include "rules/sql/parser.h"

namespace causeway::rules::sql {

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
    void loop();
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
    ExprId case_when();
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

}  // namespace causeway::rules::sql
