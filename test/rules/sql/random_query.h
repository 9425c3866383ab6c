// Random syntax trees for property tests: any shape the parser can make.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "rules/sql/ast.h"

namespace causeway::rules::sql {

class RandomQuery {
public:
    // `functions` are the names to call; empty: made-up ones. With `meaningful`, names are those of
    // a message, so that most queries compile.
    RandomQuery(Random& random, std::vector<std::string> functions, bool meaningful)
        : random_(random), functions_(std::move(functions)), meaningful_(meaningful) {}

    Query make() {
        query_ = Query{};
        item_.clear();
        in_loop_ = false;
        if (random_.chance(1, 4)) {
            loop();
        }
        query_.value = random_.chance(1, 4);
        query_.star = !query_.value && random_.chance(1, 3);
        const std::uint64_t least = query_.star || query_.loop ? 0 : 1;
        const std::uint64_t items = query_.value ? 1 : random_.below(3) + least;
        for (std::uint64_t i = 0; i < items; ++i) {
            Item item;
            item.expr = expr(4);
            if (!query_.value && (meaningful_ || random_.chance(2, 3))) {
                item.alias = {"x" + std::to_string(i)};
                if (random_.chance(1, 4)) {
                    item.alias.push_back(name());
                }
            }
            query_.items.push_back(std::move(item));
        }
        in_loop_ = false;
        query_.sources.push_back({meaningful_ ? "#" : text(), 0});
        if (random_.chance(1, 2)) {
            query_.sources.push_back({"a/+", 0});
            query_.where = expr(4);
        }
        return std::move(query_);
    }

private:
    void loop() {
        Loop loop;
        loop.over = expr(2);
        loop.name = chance() ? "item" : "element";
        in_loop_ = true;
        if (chance()) {
            loop.in_case = expr(3);
        }
        query_.loop = std::move(loop);
        item_ = query_.loop->name;
    }
    std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
    bool chance() { return random_.chance(1, 2); }

    std::string text() {
        constexpr std::string_view kCharacters = "ab'\"/+#é\n -%_0";
        std::string out;
        for (std::uint64_t i = below(5); i > 0; --i) {
            out.push_back(kCharacters[below(kCharacters.size())]);
        }
        return out;
    }
    std::string name() {
        constexpr const char* kNames[] = {"a", "b1", "select", "odd name", "quo\"te", "temp", ""};
        return kNames[below(7)];
    }
    std::string root() {
        constexpr const char* kFields[] = {"payload", "topic", "clientid", "qos",
                                           "user_properties"};
        if (meaningful_ && in_loop_ && !item_.empty() && chance()) {
            return item_;
        }
        if (meaningful_) {
            return chance() ? "payload" : kFields[below(5)];
        }
        return name();
    }
    std::vector<Segment> segments(std::uint64_t count) {
        std::vector<Segment> out;
        for (; count > 0; --count) {
            Segment segment;
            segment.kind = static_cast<Segment::Kind>(below(3));
            if (segment.kind == Segment::Kind::kName) {
                segment.name = name();
            } else {
                segment.first = static_cast<std::int64_t>(below(9)) - 4;
                segment.last = segment.kind == Segment::Kind::kRange
                                   ? static_cast<std::int64_t>(below(9)) - 4
                                   : 0;
            }
            out.push_back(std::move(segment));
        }
        return out;
    }
    ExprId add(Expr expr) {
        for (const ExprId arg : expr.args) {
            expr.depth = std::max(expr.depth, query_.nodes[arg].depth + 1);
        }
        query_.nodes.push_back(std::move(expr));
        return static_cast<ExprId>(query_.nodes.size() - 1);
    }
    void add_args(Expr& out, std::uint64_t count, int depth) {
        for (; count > 0; --count) {
            out.args.push_back(expr(depth - 1));
        }
    }

    ExprId leaf() {
        Expr out;
        out.kind = static_cast<ExprKind>(below(5));
        constexpr std::int64_t kIntegers[] = {0, 1, -1, 7, INT64_MAX, INT64_MIN};
        constexpr double kDecimals[] = {0.5, -2.25, 1e300, -1e-300, 3.0, 1e15};
        if (chance()) {
            out.kind = ExprKind::kPath;
            out.text = root();
            const bool parts = !meaningful_ || out.text == "payload" ||
                               out.text == "user_properties" || out.text == item_;
            out.segments = segments(parts ? below(3) : 0);
        } else if (out.kind == ExprKind::kBoolean) {
            out.boolean = chance();
        } else if (out.kind == ExprKind::kInteger) {
            out.integer = kIntegers[below(6)];
        } else if (out.kind == ExprKind::kDecimal) {
            out.decimal = kDecimals[below(6)];
        } else if (out.kind == ExprKind::kString) {
            out.text = text();
        }
        return add(std::move(out));
    }

    ExprId expr(int depth) {
        if (depth <= 0 || random_.chance(1, 4)) {
            return leaf();
        }
        Expr out;
        out.kind = static_cast<ExprKind>(below(static_cast<std::uint64_t>(ExprKind::kCase) + 1));
        out.negated = chance();
        switch (out.kind) {
            case ExprKind::kList:
                add_args(out, below(4), depth);
                break;
            case ExprKind::kObject:
                add_args(out, below(3), depth);
                for (std::size_t i = 0; i < out.args.size(); ++i) {
                    out.keys.push_back(text() + std::to_string(i));
                }
                break;
            case ExprKind::kAccess:
                add_args(out, 1, depth);
                out.segments = segments(1 + below(2));
                break;
            case ExprKind::kCall:
                out.text = functions_.empty() ? "f" + std::to_string(below(9))
                                              : functions_[below(functions_.size())];
                add_args(out, below(4), depth);
                break;
            case ExprKind::kNegate:
                negate(out, depth);
                break;
            case ExprKind::kNot:
            case ExprKind::kIsNull:
            case ExprKind::kIsUndefined:
                add_args(out, 1, depth);
                break;
            case ExprKind::kAnd:
            case ExprKind::kOr:
                add_args(out, 2 + below(2), depth);
                break;
            case ExprKind::kBinary:
                out.operation = static_cast<Operation>(below(13));
                add_args(out, 2, depth);
                break;
            case ExprKind::kIn:
                add_args(out, 2 + below(3), depth);
                break;
            case ExprKind::kBetween:
                add_args(out, 3, depth);
                break;
            case ExprKind::kLike:
                add_args(out, 2, depth);
                break;
            case ExprKind::kCase:
                out.has_operand = chance();
                out.has_else = chance();
                add_args(out, 2 + 2 * below(2) + (out.has_operand ? 1 : 0) + (out.has_else ? 1 : 0),
                         depth);
                break;
            default:
                return leaf();
        }
        const bool negatable = out.kind == ExprKind::kIn || out.kind == ExprKind::kBetween ||
                               out.kind == ExprKind::kLike || out.kind == ExprKind::kIsNull ||
                               out.kind == ExprKind::kIsUndefined;
        out.negated = out.negated && negatable;
        return add(std::move(out));
    }

    void negate(Expr& out, int depth) { add_args(out, 1, depth); }

    Random& random_;
    std::vector<std::string> functions_;
    bool meaningful_;
    bool in_loop_ = false;
    std::string item_;
    Query query_;
};

}  // namespace causeway::rules::sql
