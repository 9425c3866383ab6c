// Splits a query into tokens. Used by the parser only; here as a header so that it is tested alone.
// Pure; a token's text is a view into the query, or into the lexer for a string with doubled
// quotes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace causeway::rules::sql {

enum class TokenKind : std::uint8_t {
    kEnd,
    kName,        // letters, digits and _, not starting with a digit
    kQuotedName,  // "…"
    kString,      // '…'
    kInteger,
    kDecimal,
    kSymbol,  // text is the operator or bracket
    kError,   // text says what is wrong
};

struct Token {
    TokenKind kind = TokenKind::kEnd;
    std::string text;
    std::uint32_t offset = 0;
};

class Lexer {
public:
    explicit Lexer(std::string_view query) : query_(query) {}

    // Effect: the next token; kEnd at the end and ever after. After kError the state is
    // unspecified.
    Token next();

private:
    void skip_blanks();
    Token quoted(char quote);
    Token number();
    Token symbol();

    std::string_view query_;
    std::size_t at_ = 0;
};

// True when `name` is `keyword` (given in capitals), whatever its case. ASCII only.
[[nodiscard]] bool is_keyword(std::string_view name, std::string_view keyword);

// True for a word that cannot be a bare name in an expression.
[[nodiscard]] bool is_reserved(std::string_view name);

// True when `name` can be written without quotes.
[[nodiscard]] bool is_bare_name(std::string_view name);

}  // namespace causeway::rules::sql
