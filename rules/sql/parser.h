// Parses a rule query. Recursive descent, one token ahead; recursion, tree depth and length are
// bounded, so hostile text costs an error. Pure; any thread. Grammar: docs/rules.md, "SQL".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "rules/sql/ast.h"

namespace causeway::rules::sql {

inline constexpr std::size_t kQueryBytesMax = std::size_t{64} * 1024;
inline constexpr std::uint32_t kExprDepthMax = 128;
inline constexpr std::size_t kItemsMax = 256;
inline constexpr std::size_t kSourcesMax = 64;

struct SyntaxError {
    std::string message;
    std::uint32_t offset = 0;  // byte in the query
    std::uint32_t line = 1;    // from 1
    std::uint32_t column = 1;  // from 1, in characters
};

// Line and column (both from 1; columns in UTF-8 characters) of byte `offset` of `text`.
struct LineColumn {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
};
[[nodiscard]] LineColumn line_column(std::string_view text, std::size_t offset);

// Effect: the tree of `query`. Errors: the first place where the text is not a query or is beyond a
// limit above. The sources are not checked to be topic filters; names and functions are not
// resolved.
[[nodiscard]] tl::expected<Query, SyntaxError> parse(std::string_view query);

}  // namespace causeway::rules::sql
