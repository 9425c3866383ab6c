// Writes a syntax tree as query text, with the fewest parentheses: parse(print(q)) is the same as
// q. Pure; any thread.
#pragma once

#include <string>

#include "rules/sql/ast.h"

namespace causeway::rules::sql {

// Precondition: `query` obeys the parser's limits (recursion is bounded by Expr::depth).
[[nodiscard]] std::string print(const Query& query);

// One expression of `query`.
[[nodiscard]] std::string print(const Query& query, ExprId expr);

// The shortest text that reads back as the same decimal; always with a point or an exponent.
// Precondition: finite.
[[nodiscard]] std::string print_decimal(double value);

}  // namespace causeway::rules::sql
