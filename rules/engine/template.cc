#include "rules/engine/template.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/message/topic.h"

namespace causeway::rules {
namespace {

using From = TemplatePiece::From;
using As = TemplatePiece::As;

bool name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

// The path between "${" and "}": name { .name | [n] | ['key'] }.
class PathReader {
public:
    explicit PathReader(std::string_view text) : text_(text) {}

    // False: not a path.
    bool run(std::vector<sql::Segment>& out) {
        if (!dotted_name(out)) {
            return false;
        }
        while (at_ < text_.size()) {
            const char c = text_[at_++];
            if (!(c == '.' ? dotted_name(out) : c == '[' && bracket(out))) {
                return false;
            }
        }
        return out.size() <= 64;
    }

private:
    bool dotted_name(std::vector<sql::Segment>& out) {
        const std::size_t start = at_;
        while (at_ < text_.size() && name_character(text_[at_])) {
            ++at_;
        }
        out.push_back(sql::Segment{sql::Segment::Kind::kName,
                                   std::string(text_.substr(start, at_ - start)), 0, 0});
        return at_ > start;
    }
    bool bracket(std::vector<sql::Segment>& out) {
        const std::size_t close = text_.find(']', at_);
        if (close == std::string_view::npos) {
            return false;
        }
        const std::string_view inside = text_.substr(at_, close - at_);
        at_ = close + 1;
        sql::Segment segment;
        if (inside.size() >= 2 && inside.front() == '\'' && inside.back() == '\'') {
            segment.name = inside.substr(1, inside.size() - 2);
        } else {
            segment.kind = sql::Segment::Kind::kIndex;
            const auto result =
                std::from_chars(inside.data(), inside.data() + inside.size(), segment.first);
            if (result.ec != std::errc{} || result.ptr != inside.data() + inside.size()) {
                return false;
            }
        }
        out.push_back(std::move(segment));
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// Whether the output can have this name at its root. SELECT VALUE and error envelopes: unknown,
// yes.
bool output_may_have(const Program& program, std::string_view name) {
    const auto& children = program.output[0].children;
    return program.value || std::any_of(children.begin(), children.end(), [&](std::uint32_t child) {
               return program.output[child].name == name;
           });
}

std::optional<TemplateError> set_source(TemplatePiece& piece, std::string_view inside,
                                        const Program* program) {
    const auto error = [&piece](std::string message) {
        return TemplateError{std::move(message), piece.offset};
    };
    if (inside == ".") {
        piece.from = From::kOutputAll;
        return std::nullopt;
    }
    const bool of_message = inside.starts_with("$.");
    const std::string_view text = of_message ? inside.substr(2) : inside;
    std::vector<sql::Segment> path;
    if (!PathReader(text).run(path)) {
        return error("'${" + std::string(inside) + "}' is not a path");
    }
    if (!of_message) {
        if (path.size() == 1 && path[0].name == "rule_id" &&
            (program == nullptr || program->value || !output_may_have(*program, "rule_id"))) {
            piece.from = From::kRuleId;
            return std::nullopt;
        }
        if (program != nullptr && !output_may_have(*program, path[0].name)) {
            return error("the output has no '" + path[0].name +
                         "' (a field of the message is ${$." + path[0].name + "})");
        }
        piece.from = From::kOutput;
        piece.segments = std::move(path);
        return std::nullopt;
    }
    const auto field = find_field(path[0].name);
    if (!field) {
        return error("unknown field '" + path[0].name + "'");
    }
    if (path.size() > 1 && !has_parts(*field)) {
        return error("'" + path[0].name + "' has no parts");
    }
    piece.from = From::kMessage;
    piece.field = *field;
    piece.segments.assign(path.begin() + 1, path.end());
    return std::nullopt;
}

// "$${" is the text "${".
std::optional<TemplateError> append_pieces(std::string_view text, As as, const Program* program,
                                           Template& out) {
    std::string literal;
    const auto flush = [&] {
        if (!literal.empty()) {
            TemplatePiece piece;
            if (as == As::kJsonString) {
                append_json_string(literal, piece.literal);
                piece.literal = piece.literal.substr(1, piece.literal.size() - 2);
            } else {
                piece.literal = literal;
            }
            out.pieces.push_back(std::move(piece));
            literal.clear();
        }
    };
    std::size_t at = 0;
    while (at < text.size()) {
        if (text.substr(at).starts_with("$${")) {
            literal += "${";
            at += 3;
            continue;
        }
        if (!text.substr(at).starts_with("${")) {
            literal.push_back(text[at++]);
            continue;
        }
        flush();
        TemplatePiece piece;
        piece.as = as;
        piece.offset = static_cast<std::uint32_t>(at);
        const std::size_t close = text.find('}', at);
        if (close == std::string_view::npos) {
            return TemplateError{"'${' without '}' (the text itself is written $${)", piece.offset};
        }
        std::string_view inside = text.substr(at + 2, close - at - 2);
        if (inside.ends_with(":levels")) {
            piece.levels = true;
            inside.remove_suffix(7);
        }
        if (piece.levels && out.place != Place::kTopic) {
            return TemplateError{"':levels' is for topics", piece.offset};
        }
        if (auto error = set_source(piece, inside, program)) {
            return error;
        }
        out.pieces.push_back(std::move(piece));
        at = close + 1;
    }
    flush();
    return std::nullopt;
}

class JsonTemplateCompiler {
public:
    JsonTemplateCompiler(std::string_view file, const Program* program, Template& out)
        : file_(file), program_(program), out_(out) {}

    std::optional<TemplateError> value(const JsonNode& node) {
        switch (node.kind) {
            case JsonNode::Kind::kString:
                return string(node);
            case JsonNode::Kind::kArray: {
                literal("[");
                for (std::size_t i = 0; i < node.items.size(); ++i) {
                    literal(i == 0 ? "" : ",");
                    if (auto error = value(node.items[i])) {
                        return error;
                    }
                }
                literal("]");
                return std::nullopt;
            }
            case JsonNode::Kind::kObject:
                return object(node);
            default:
                literal(file_.substr(node.offset, node.end - node.offset));
                return std::nullopt;
        }
    }

private:
    void literal(std::string_view text) {
        if (!out_.pieces.empty() && out_.pieces.back().from == From::kLiteral) {
            out_.pieces.back().literal += text;
        } else if (!text.empty()) {
            TemplatePiece piece;
            piece.literal = text;
            out_.pieces.push_back(std::move(piece));
        }
    }
    std::optional<TemplateError> object(const JsonNode& node) {
        literal("{");
        for (std::size_t i = 0; i < node.members.size(); ++i) {
            std::string key = i == 0 ? "" : ",";
            append_json_string(node.members[i].key, key);
            literal(key + ":");
            if (auto error = value(node.members[i].value)) {
                return error;
            }
        }
        literal("}");
        return std::nullopt;
    }
    std::optional<TemplateError> string(const JsonNode& node) {
        const bool whole =
            node.text.starts_with("${") && node.text.find('}') == node.text.size() - 1;
        literal(whole ? "" : "\"");
        const std::size_t first = out_.pieces.size();
        auto error =
            append_pieces(node.text, whole ? As::kJsonValue : As::kJsonString, program_, out_);
        for (std::size_t i = first; i < out_.pieces.size(); ++i) {
            out_.pieces[i].offset = offset_in_file(file_, node, out_.pieces[i].offset);
        }
        if (error) {
            error->offset = offset_in_file(file_, node, error->offset);
            return error;
        }
        literal(whole ? "" : "\"");
        return std::nullopt;
    }

    std::string_view file_;
    const Program* program_;
    Template& out_;
};

bool unreserved(char c) { return name_character(c) || c == '.' || c == '~'; }

void append_percent_encoded(std::string_view text, std::string& out) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    for (const char c : text) {
        if (unreserved(c)) {
            out.push_back(c);
        } else {
            out.push_back('%');
            out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
            out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
        }
    }
}

// What is wrong with `value` in this place; empty: nothing.
std::string_view fault(Place place, const TemplatePiece& piece, std::string_view value,
                       bool at_start) {
    if (place == Place::kTopic) {
        if (value.find_first_of(std::string_view("+#\0", 3)) != std::string_view::npos) {
            return "it holds +, # or NUL";
        }
        if (!piece.levels && value.find('/') != std::string_view::npos) {
            return "it holds / (allowed by ${path:levels})";
        }
        if (at_start && value.starts_with('$')) {
            return "it would begin the topic with $";
        }
        return valid_utf8(value) ? "" : "it is not UTF-8";
    }
    if (place == Place::kHeader) {
        const bool control = std::any_of(value.begin(), value.end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
        });
        return control ? "it holds a control character" : "";
    }
    return "";
}

Value piece_value(const TemplatePiece& piece, const RenderContext& context) {
    switch (piece.from) {
        case From::kOutput:
            return walk(context.output, piece.segments);
        case From::kOutputAll:
            return context.output;
        case From::kRuleId:
            return Value::string(context.rule_id);
        default:
            break;
    }
    // The payload as it came, not as it would be written again.
    const bool raw =
        piece.field == Field::kPayload && piece.segments.empty() && piece.as == As::kText;
    return raw ? Value::bytes(context.machine.message().payload)
               : context.machine.field(piece.field, piece.segments);
}

// Appends the value as the piece wants it. False: too long.
bool append_value(const TemplatePiece& piece, const Value& value, std::size_t bytes_max,
                  std::string& out) {
    if (piece.as == As::kJsonValue) {
        return append_json(value, bytes_max, out);
    }
    if (piece.as == As::kText) {
        return append_text(value, bytes_max, out);
    }
    std::string text;
    if (value.is(Type::kBytes) && !valid_utf8(value.text())) {
        append_base64(value.text(), text);
    } else if (!append_text(value, bytes_max, text)) {
        return false;
    }
    const std::size_t quote = out.size();
    append_json_string(text, out);
    out.erase(quote, 1);
    out.pop_back();
    return out.size() <= bytes_max;
}

}  // namespace

std::optional<std::string> Template::fixed() const {
    std::string text;
    for (const TemplatePiece& piece : pieces) {
        if (piece.from != From::kLiteral) {
            return std::nullopt;
        }
        text += piece.literal;
    }
    return text;
}

tl::expected<Template, TemplateError> compile_template(std::string_view text, Place place,
                                                       const Program* program) {
    Template out;
    out.place = place;
    out.source = text;
    if (auto error = append_pieces(text, As::kText, program, out)) {
        return tl::unexpected<TemplateError>(std::move(*error));
    }
    return out;
}

tl::expected<Template, TemplateError> compile_json_template(const JsonNode& json,
                                                            std::string_view file,
                                                            const Program* program) {
    Template out;
    out.source = file.substr(json.offset, json.end - json.offset);
    if (auto error = JsonTemplateCompiler(file, program, out).value(json)) {
        return tl::unexpected<TemplateError>(std::move(*error));
    }
    return out;
}

std::optional<RenderError> render(const Template& text, const RenderContext& context,
                                  std::string& out) {
    const std::size_t start = out.size();
    const std::size_t bytes_max = start + context.bytes_max;
    for (const TemplatePiece& piece : text.pieces) {
        if (piece.from == From::kLiteral) {
            out += piece.literal;
            continue;
        }
        const Value value = piece_value(piece, context);
        if (context.machine.failed()) {
            return RenderError{context.machine.reason(), context.machine.error()};
        }
        if (value.undefined() && context.missing_is_error) {
            return RenderError{FailReason::kMissing, "a value of '" + text.source + "' is missing"};
        }
        const std::size_t before = out.size();
        if (!append_value(piece, value, bytes_max, out)) {
            return RenderError{FailReason::kBudget, "the output is too long"};
        }
        const std::string_view whole = out;
        const std::string_view added = whole.substr(before);
        if (const auto wrong = fault(text.place, piece, added, before == start); !wrong.empty()) {
            return RenderError{FailReason::kTemplate, "a value may not stand in '" + text.source +
                                                          "': " + std::string(wrong)};
        }
        if (text.place == Place::kPath) {
            const std::string raw(added);
            out.resize(before);
            append_percent_encoded(raw, out);
        }
    }
    return out.size() > bytes_max
               ? std::optional(RenderError{FailReason::kBudget, "the output is too long"})
               : std::nullopt;
}

}  // namespace causeway::rules
