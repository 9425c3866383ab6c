#include "rules/sql/lexer.h"

#include <algorithm>
#include <array>

namespace causeway::rules::sql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

constexpr std::array<std::string_view, 26> kReserved = {
    "AND",    "AS",      "BETWEEN", "CASE",      "DIV",   "DO",   "ELSE",  "END",  "FALSE",
    "FROM",   "FOREACH", "IN",      "INCASE",    "IS",    "LIKE", "NOT",   "NULL", "OR",
    "SELECT", "THEN",    "TRUE",    "UNDEFINED", "VALUE", "WHEN", "WHERE", "MOD"};

}  // namespace

bool is_keyword(std::string_view name, std::string_view keyword) {
    return std::equal(name.begin(), name.end(), keyword.begin(), keyword.end(), [](char a, char b) {
        return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
    });
}

bool is_reserved(std::string_view name) {
    return std::any_of(kReserved.begin(), kReserved.end(),
                       [name](std::string_view word) { return is_keyword(name, word); });
}

bool is_bare_name(std::string_view name) {
    return !name.empty() && is_letter(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_letter(c) || is_digit(c); });
}

void Lexer::skip_blanks() {
    while (at_ < query_.size()) {
        if (const char c = query_[at_]; c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            ++at_;
        } else if (query_.substr(at_).starts_with("--")) {
            const std::size_t end = query_.find('\n', at_);
            at_ = end == std::string_view::npos ? query_.size() : end + 1;
        } else {
            return;
        }
    }
}

Token Lexer::quoted(char quote) {
    const auto start = static_cast<std::uint32_t>(at_);
    Token token{quote == '\'' ? TokenKind::kString : TokenKind::kQuotedName, {}, start};
    for (++at_; at_ < query_.size(); ++at_) {
        if (query_[at_] == quote) {
            if (at_ + 1 >= query_.size() || query_[at_ + 1] != quote) {
                ++at_;
                return token;
            }
            ++at_;
        }
        token.text.push_back(query_[at_]);
    }
    return Token{TokenKind::kError,
                 quote == '\'' ? "this string has no closing '" : "this name has no closing \"",
                 start};
}

Token Lexer::number() {
    const std::size_t start = at_;
    TokenKind kind = TokenKind::kInteger;
    const auto digits = [this] {
        while (at_ < query_.size() && is_digit(query_[at_])) {
            ++at_;
        }
    };
    const auto digit_at = [this](std::size_t i) {
        return i < query_.size() && is_digit(query_[i]);
    };
    digits();
    if (at_ < query_.size() && query_[at_] == '.' && digit_at(at_ + 1)) {  // Not "1..2".
        kind = TokenKind::kDecimal;
        ++at_;
        digits();
    }
    if (at_ < query_.size() && (query_[at_] == 'e' || query_[at_] == 'E')) {
        const bool sign =
            at_ + 1 < query_.size() && (query_[at_ + 1] == '+' || query_[at_ + 1] == '-');
        if (digit_at(at_ + (sign ? 2 : 1))) {
            kind = TokenKind::kDecimal;
            at_ += sign ? 2 : 1;
            digits();
        }
    }
    const auto offset = static_cast<std::uint32_t>(start);
    if (at_ < query_.size() && is_letter(query_[at_])) {
        return Token{TokenKind::kError, "a number is followed by a letter", offset};
    }
    return Token{kind, std::string(query_.substr(start, at_ - start)), offset};
}

Token Lexer::symbol() {
    constexpr std::array<std::string_view, 23> kSymbols = {
        "<=", ">=", "<>", "!=", "=~", "..", "=", "<", ">", "+", "-", "*",
        "/",  "%",  "(",  ")",  "[",  "]",  "{", "}", ",", ".", ":"};
    const auto offset = static_cast<std::uint32_t>(at_);
    for (const std::string_view symbol : kSymbols) {
        if (query_.substr(at_).starts_with(symbol)) {
            at_ += symbol.size();
            return Token{TokenKind::kSymbol, std::string(symbol), offset};
        }
    }
    return Token{TokenKind::kError, "this character has no meaning here", offset};
}

Token Lexer::next() {
    skip_blanks();
    if (at_ >= query_.size()) {
        return Token{TokenKind::kEnd, {}, static_cast<std::uint32_t>(query_.size())};
    }
    const char c = query_[at_];
    if (c == '\'' || c == '"') {
        return quoted(c);
    }
    if (is_digit(c)) {
        return number();
    }
    if (is_letter(c)) {
        const std::size_t start = at_;
        while (at_ < query_.size() && (is_letter(query_[at_]) || is_digit(query_[at_]))) {
            ++at_;
        }
        return Token{TokenKind::kName, std::string(query_.substr(start, at_ - start)),
                     static_cast<std::uint32_t>(start)};
    }
    return symbol();
}

}  // namespace causeway::rules::sql
