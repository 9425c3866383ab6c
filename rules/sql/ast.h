// The syntax tree of one rule query. Nodes live in one vector and name each other by index, so a
// tree is copied, compared and destroyed without recursion. Made by parse(), written back by
// print(), compiled by rules/engine. Plain values; any thread. Source: docs/rules.md, "SQL".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace causeway::rules::sql {

// Index of a node in Query::nodes.
using ExprId = std::uint32_t;

enum class ExprKind : std::uint8_t {
    kNull,
    kBoolean,
    kInteger,
    kDecimal,
    kString,
    kList,         // args: the elements
    kObject,       // keys and args, of one length
    kPath,         // text: the name it starts from; segments: the rest
    kAccess,       // args[0] and segments: a path into a value that is not a name
    kCall,         // text: the function as written; args
    kNegate,       // args[0]
    kNot,          // args[0]
    kAnd,          // args: two or more
    kOr,           // args: two or more
    kBinary,       // operation; args[0], args[1]
    kIn,           // args[0] among args[1..]; negated
    kBetween,      // args[0] between args[1] and args[2]; negated
    kLike,         // args[0] like args[1]; negated
    kIsNull,       // args[0]; negated
    kIsUndefined,  // args[0]; negated
    kCase,         // args: [operand] (when, then)+ [else]
};

enum class Operation : std::uint8_t {
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kDiv,
    kMod,
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kTopicMatch,
};

// One step of a path: `.name` / `['name']`, `[n]` (from 1; negative from the end), or
// `[first..last]`.
struct Segment {
    enum class Kind : std::uint8_t { kName, kIndex, kRange };
    Kind kind = Kind::kName;
    std::string name;
    std::int64_t first = 0;
    std::int64_t last = 0;

    friend bool operator==(const Segment&, const Segment&) = default;
};

struct Expr {
    ExprKind kind = ExprKind::kNull;
    Operation operation = Operation::kAdd;
    bool negated = false;
    bool boolean = false;
    bool has_operand = false;  // kCase
    bool has_else = false;     // kCase
    std::int64_t integer = 0;
    double decimal = 0;
    std::string text;
    std::vector<ExprId> args;
    std::vector<std::string> keys;
    std::vector<Segment> segments;
    std::uint32_t offset = 0;  // byte in the query where it starts (of an operator: the operator)
    std::uint32_t depth = 1;   // 1 for a leaf
};

struct Item {
    ExprId expr = 0;
    std::vector<std::string> alias;  // a.b.c, empty: none given
    std::uint32_t offset = 0;
    std::uint32_t alias_offset = 0;
};

struct Source {
    std::string filter;
    std::uint32_t offset = 0;
};

// FOREACH over [AS name] … [INCASE in_case]: one output for each element of the array.
struct Loop {
    ExprId over = 0;
    std::string name = "item";
    std::optional<ExprId> in_case;
    std::uint32_t offset = 0;
};

struct Query {
    std::optional<Loop> loop;
    bool star = false;        // `*` is among the items
    bool value = false;       // SELECT VALUE, DO VALUE: exactly one item, and it is the output
    std::vector<Item> items;  // none: a FOREACH without DO, whose output is the element
    std::vector<Source> sources;
    std::optional<ExprId> where;
    std::vector<Expr> nodes;
};

// True when both say the same; offsets and the order of nodes do not count. Decimals by their bits.
// Precondition: indices are in range (parse() sees to it). Recursion is bounded by Expr::depth.
[[nodiscard]] bool same(const Query& a, const Query& b);

}  // namespace causeway::rules::sql
