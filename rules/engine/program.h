// A rule's query, compiled: a flat array of nodes that name their operands by index, with
// constants, paths and regular expressions beside it. Internal to rules/engine. Immutable after
// compile_query(); shared by all threads. Evaluated by Machine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <tl/expected.hpp>

#include "rules/engine/fields.h"
#include "rules/engine/value.h"
#include "rules/sql/ast.h"

namespace re2 {
class RE2;
}

namespace causeway::rules {

enum class Op : std::uint8_t {
    kConstant,  // first: index in constants
    kField,     // field, path
    kSlot,      // first: slot; path
    kItem,      // the element of FOREACH; path
    kAccess,    // operand 0, path
    kCall,      // first, count: operands; extra: index in the function table
    kNegate,
    kNot,
    kAnd,
    kOr,
    kBinary,       // operation
    kIn,           // operand 0 among the others; negated
    kBetween,      // negated
    kLike,         // negated
    kIsNull,       // negated
    kIsUndefined,  // negated
    kCase,         // (when, then)*; extra: index of else among the operands, or count
    kCaseOf,       // operand, (when, then)*; extra as above
    kList,
    kObject,  // (index of the key in constants, operand)*
};

struct Node {
    Op op = Op::kConstant;
    bool negated = false;
    Field field = Field::kId;
    sql::Operation operation = sql::Operation::kAdd;
    std::uint32_t first = 0;  // operands[first, first + count)
    std::uint32_t count = 0;
    std::uint32_t extra = 0;
    std::uint32_t path_first = 0;  // segments[path_first, path_first + path_count)
    std::uint32_t path_count = 0;
    std::uint32_t offset = 0;  // in the query, for messages
};

// The shape of the output: a tree in a vector, root first. A leaf takes the value of a slot or a
// field; an inner node with a field (from `*`) starts from that object and lays its children over
// it.
struct OutputNode {
    std::string name;
    std::optional<std::uint32_t> slot;
    std::optional<Field> field;
    std::vector<std::uint32_t> children;
};

inline constexpr std::uint32_t kNoNode = 0xFFFF'FFFF;

struct Program {
    // Moved, never copied: constants are views of `texts`.
    Program() = default;
    Program(Program&&) noexcept = default;
    Program& operator=(Program&&) noexcept = default;

    std::vector<Node> nodes;
    std::vector<std::uint32_t> operands;
    std::vector<Value> constants;
    // What constants point to; by pointer, so that it stays in place.
    std::vector<std::unique_ptr<const std::string>> texts;
    std::vector<sql::Segment> segments;
    std::vector<std::shared_ptr<const re2::RE2>> patterns;
    std::vector<std::uint32_t> slots;  // the node of each SELECT or DO item
    std::vector<OutputNode> output;
    bool value = false;                    // the output is slot 0 itself
    std::optional<std::uint32_t> loop;     // FOREACH: the array
    std::optional<std::uint32_t> in_case;  // of FOREACH; sees the element and the slots
    std::optional<std::uint32_t> where;
    // WHERE names no field and calls nothing that changes: always this; nullopt: it depends.
    bool where_constant = false;
    // The node of each expression of the query (kNoNode: a pattern): for explain.
    std::vector<std::uint32_t> node_of;
};

static_assert(!std::is_copy_constructible_v<Program> &&
              std::is_nothrow_move_constructible_v<Program>);

struct CompileError {
    std::string message;
    std::uint32_t offset = 0;  // in the query
};

inline constexpr std::uint32_t kEvalDepthMax = 256;

// Effect: resolves names and functions, compiles patterns, lays out the output. Errors: an unknown
// name or function, a wrong number of arguments, a bad pattern, two items of one name, an item
// without a name, evaluation deeper than kEvalDepthMax.
[[nodiscard]] tl::expected<Program, CompileError> compile_query(const sql::Query& query);

}  // namespace causeway::rules
