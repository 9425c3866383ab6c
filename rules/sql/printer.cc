#include "rules/sql/printer.h"

#include <array>
#include <bit>
#include <charconv>
#include <string_view>

#include "rules/sql/lexer.h"

namespace causeway::rules::sql {
namespace {

// Binding strength of what an expression prints as; an operand weaker than its place needs
// parentheses.
enum Strength : int { kOrS, kAndS, kNotS, kComparisonS, kSumS, kProductS, kUnaryS, kPrimaryS };

int strength(const Expr& expr) {
    switch (expr.kind) {
        case ExprKind::kOr:
            return kOrS;
        case ExprKind::kAnd:
            return kAndS;
        case ExprKind::kNot:
            return kNotS;
        case ExprKind::kIn:
        case ExprKind::kBetween:
        case ExprKind::kLike:
        case ExprKind::kIsNull:
        case ExprKind::kIsUndefined:
            return kComparisonS;
        case ExprKind::kNegate:
            return kUnaryS;
        case ExprKind::kBinary:
            if (expr.operation >= Operation::kEqual) {
                return kComparisonS;
            }
            return expr.operation <= Operation::kSubtract ? kSumS : kProductS;
        default:
            return kPrimaryS;
    }
}

std::string_view symbol(Operation operation) {
    constexpr std::array<std::string_view, 13> kSymbols = {"+",  "-", "*",  "/", "div", "%", "=",
                                                           "<>", "<", "<=", ">", ">=",  "=~"};
    return kSymbols[static_cast<std::size_t>(operation)];
}

void quote(std::string_view text, char mark, std::string& out) {
    out.push_back(mark);
    for (const char c : text) {
        if (c == mark) {
            out.push_back(c);
        }
        out.push_back(c);
    }
    out.push_back(mark);
}

void name(std::string_view text, bool may_be_reserved, std::string& out) {
    if (is_bare_name(text) && (may_be_reserved || !is_reserved(text))) {
        out += text;
    } else {
        quote(text, '"', out);
    }
}

class Printer {
public:
    explicit Printer(const Query& query) : query_(query) {}

    void expression(ExprId id, int place, std::string& out) {
        const Expr& expr = query_.nodes[id];
        const bool parentheses = strength(expr) < place;
        out += parentheses ? "(" : "";
        body(expr, out);
        out += parentheses ? ")" : "";
    }

private:
    void body(const Expr& expr, std::string& out) {
        switch (expr.kind) {
            case ExprKind::kNull:
                out += "NULL";
                break;
            case ExprKind::kBoolean:
                out += expr.boolean ? "TRUE" : "FALSE";
                break;
            case ExprKind::kInteger:
                out += std::to_string(expr.integer);
                break;
            case ExprKind::kDecimal:
                out += print_decimal(expr.decimal);
                break;
            case ExprKind::kString:
                quote(expr.text, '\'', out);
                break;
            case ExprKind::kList:
                list(expr.args, 0, "[", "]", out);
                break;
            case ExprKind::kObject:
                object(expr, out);
                break;
            case ExprKind::kPath:
                name(expr.text, false, out);
                segments(expr, out);
                break;
            case ExprKind::kAccess:
                access(expr, out);
                break;
            case ExprKind::kCall:
                out += expr.text;
                list(expr.args, 0, "(", ")", out);
                break;
            case ExprKind::kCase:
                case_when(expr, out);
                break;
            default:
                operation(expr, out);
                break;
        }
    }

    void operation(const Expr& expr, std::string& out) {
        const std::string_view no = expr.negated ? " NOT" : "";
        switch (expr.kind) {
            case ExprKind::kNegate:
                negate(expr, out);
                break;
            case ExprKind::kNot:
                out += "NOT ";
                expression(expr.args[0], kNotS, out);
                break;
            case ExprKind::kAnd:
                chain(expr, " AND ", kNotS, out);
                break;
            case ExprKind::kOr:
                chain(expr, " OR ", kAndS, out);
                break;
            case ExprKind::kBinary:
                binary(expr, out);
                break;
            case ExprKind::kIn:
                expression(expr.args[0], kSumS, out);
                out.append(no).append(" IN ");
                list(expr.args, 1, "(", ")", out);
                break;
            case ExprKind::kBetween:
                expression(expr.args[0], kSumS, out);
                out.append(no).append(" BETWEEN ");
                expression(expr.args[1], kSumS, out);
                out += " AND ";
                expression(expr.args[2], kSumS, out);
                break;
            case ExprKind::kLike:
                expression(expr.args[0], kSumS, out);
                out.append(no).append(" LIKE ");
                expression(expr.args[1], kSumS, out);
                break;
            default:  // kIsNull, kIsUndefined
                expression(expr.args[0], kSumS, out);
                out.append(" IS").append(no);
                out += expr.kind == ExprKind::kIsNull ? " NULL" : " UNDEFINED";
                break;
        }
    }

    void negate(const Expr& expr, std::string& out) {
        out += "-";
        // "-5" is a literal and "--" a comment.
        const ExprKind kind = query_.nodes[expr.args[0]].kind;
        const bool ambiguous = kind == ExprKind::kInteger || kind == ExprKind::kDecimal ||
                               kind == ExprKind::kNegate || kind == ExprKind::kAccess;
        expression(expr.args[0], ambiguous ? kPrimaryS + 1 : kUnaryS, out);
    }

    void chain(const Expr& expr, std::string_view word, int place, std::string& out) {
        std::string_view between;
        for (const ExprId arg : expr.args) {
            out += between;
            expression(arg, place, out);
            between = word;
        }
    }

    void binary(const Expr& expr, std::string& out) {
        const int own = strength(expr);
        expression(expr.args[0], own == kComparisonS ? kSumS : own, out);
        out.append(" ").append(symbol(expr.operation)).append(" ");
        expression(expr.args[1], own + 1, out);
    }

    void list(const std::vector<ExprId>& args, std::size_t from, std::string_view open,
              std::string_view close, std::string& out) {
        out += open;
        for (std::size_t i = from; i < args.size(); ++i) {
            out += i == from ? "" : ", ";
            expression(args[i], kOrS, out);
        }
        out += close;
    }

    void object(const Expr& expr, std::string& out) {
        out += "{";
        for (std::size_t i = 0; i < expr.keys.size(); ++i) {
            out += i == 0 ? "" : ", ";
            quote(expr.keys[i], '\'', out);
            out += ": ";
            expression(expr.args[i], kOrS, out);
        }
        out += "}";
    }

    void access(const Expr& expr, std::string& out) {
        // A bare path would swallow the segments, and a number has none.
        const ExprKind kind = query_.nodes[expr.args[0]].kind;
        const bool closed = kind == ExprKind::kCall || kind == ExprKind::kList ||
                            kind == ExprKind::kObject || kind == ExprKind::kString;
        expression(expr.args[0], closed ? kPrimaryS : kPrimaryS + 1, out);
        segments(expr, out);
    }

    static void segments(const Expr& expr, std::string& out) {
        for (const Segment& segment : expr.segments) {
            switch (segment.kind) {
                case Segment::Kind::kName:
                    if (is_bare_name(segment.name)) {
                        out.append(".").append(segment.name);
                    } else {
                        out += "[";
                        quote(segment.name, '\'', out);
                        out += "]";
                    }
                    break;
                case Segment::Kind::kIndex:
                    out += "[" + std::to_string(segment.first) + "]";
                    break;
                case Segment::Kind::kRange:
                    out += "[" + std::to_string(segment.first) + ".." +
                           std::to_string(segment.last) + "]";
                    break;
            }
        }
    }

    void case_when(const Expr& expr, std::string& out) {
        out += "CASE";
        std::size_t at = 0;
        if (expr.has_operand) {
            out += " ";
            expression(expr.args[at++], kOrS, out);
        }
        for (; at + 1 < expr.args.size(); at += 2) {
            out += " WHEN ";
            expression(expr.args[at], kOrS, out);
            out += " THEN ";
            expression(expr.args[at + 1], kOrS, out);
        }
        if (expr.has_else) {
            out += " ELSE ";
            expression(expr.args[at], kOrS, out);
        }
        out += " END";
    }

    const Query& query_;
};

void print_items(const Query& query, Printer& printer, std::string& out) {
    out += query.value ? "VALUE " : "";
    std::string_view between;
    if (query.star) {
        out += "*";
        between = ", ";
    }
    for (const Item& item : query.items) {
        out += between;
        between = ", ";
        printer.expression(item.expr, kOrS, out);
        for (std::size_t i = 0; i < item.alias.size(); ++i) {
            out += i == 0 ? " AS " : ".";
            name(item.alias[i], true, out);
        }
    }
}

bool same_expr(const Query& a, ExprId left, const Query& b, ExprId right) {
    const Expr& x = a.nodes[left];
    const Expr& y = b.nodes[right];
    if (x.kind != y.kind || x.negated != y.negated || x.boolean != y.boolean ||
        x.has_operand != y.has_operand || x.has_else != y.has_else || x.integer != y.integer ||
        x.operation != y.operation || x.text != y.text || x.keys != y.keys ||
        x.segments != y.segments || x.args.size() != y.args.size() ||
        std::bit_cast<std::uint64_t>(x.decimal) != std::bit_cast<std::uint64_t>(y.decimal)) {
        return false;
    }
    for (std::size_t i = 0; i < x.args.size(); ++i) {
        if (!same_expr(a, x.args[i], b, y.args[i])) {
            return false;
        }
    }
    return true;
}

bool same_optional(const Query& a, const std::optional<ExprId>& left, const Query& b,
                   const std::optional<ExprId>& right) {
    return left.has_value() == right.has_value() && (!left || same_expr(a, *left, b, *right));
}

bool same_loop(const Query& a, const Query& b) {
    if (!a.loop || !b.loop) {
        return a.loop.has_value() == b.loop.has_value();
    }
    return a.loop->name == b.loop->name && same_expr(a, a.loop->over, b, b.loop->over) &&
           same_optional(a, a.loop->in_case, b, b.loop->in_case);
}

}  // namespace

std::string print_decimal(double value) {
    std::array<char, 32> buffer{};
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    std::string text(buffer.data(), result.ptr);
    if (text.find_first_of(".e") == std::string::npos) {
        text += ".0";
    }
    return text;
}

std::string print(const Query& query, ExprId expr) {
    std::string out;
    Printer(query).expression(expr, kOrS, out);
    return out;
}

std::string print(const Query& query) {
    Printer printer(query);
    std::string out = query.loop ? "" : "SELECT ";
    if (query.loop) {
        out = "FOREACH ";
        printer.expression(query.loop->over, kOrS, out);
        if (query.loop->name != "item") {
            out += " AS ";
            name(query.loop->name, true, out);
        }
        out += query.star || !query.items.empty() ? " DO " : "";
    }
    print_items(query, printer, out);
    if (query.loop && query.loop->in_case) {
        out += " INCASE ";
        printer.expression(*query.loop->in_case, kOrS, out);
    }
    std::string_view between = " FROM ";
    for (const Source& source : query.sources) {
        out += between;
        between = ", ";
        quote(source.filter, '\'', out);
    }
    if (query.where) {
        out += " WHERE ";
        printer.expression(*query.where, kOrS, out);
    }
    return out;
}

bool same(const Query& a, const Query& b) {
    if (a.star != b.star || a.value != b.value || a.items.size() != b.items.size() ||
        a.sources.size() != b.sources.size() || !same_loop(a, b)) {
        return false;
    }
    for (std::size_t i = 0; i < a.sources.size(); ++i) {
        if (a.sources[i].filter != b.sources[i].filter) {
            return false;
        }
    }
    for (std::size_t i = 0; i < a.items.size(); ++i) {
        if (a.items[i].alias != b.items[i].alias ||
            !same_expr(a, a.items[i].expr, b, b.items[i].expr)) {
            return false;
        }
    }
    return same_optional(a, a.where, b, b.where);
}

}  // namespace causeway::rules::sql
