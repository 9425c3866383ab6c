#include "rules/engine/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/message/topic.h"

namespace causeway::rules {
namespace {

void append_utf8(std::uint32_t c, std::string& out) {
    if (c < 0x80) {
        out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
        out.push_back(static_cast<char>(0xC0 | c >> 6));
        out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        out.push_back(static_cast<char>(0xE0 | c >> 12));
        out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    } else {
        out.push_back(static_cast<char>(0xF0 | c >> 18));
        out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
}

std::optional<std::uint32_t> four_hex(std::string_view text, std::size_t at) {
    std::uint32_t value = 0;
    if (at + 4 > text.size()) {
        return std::nullopt;
    }
    const auto result = std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
    return result.ec == std::errc{} && result.ptr == text.data() + at + 4 ? std::optional(value)
                                                                          : std::nullopt;
}

// One character or escape of a string, from text[at]. Moves `at` behind it. False: a bad escape,
// and `at` stays.
bool take_character(std::string_view text, std::size_t& at, std::string& out) {
    if (text[at] != '\\') {
        out.push_back(text[at++]);
        return true;
    }
    if (at + 1 >= text.size()) {
        return false;
    }
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char escape = text[at + 1];
    if (const std::size_t which = kEscapes.find(escape); which != std::string_view::npos) {
        out.push_back(kMeanings[which]);
        at += 2;
        return true;
    }
    auto code = escape == 'u' ? four_hex(text, at + 2) : std::nullopt;
    if (!code || (*code >= 0xDC00 && *code < 0xE000)) {
        return false;
    }
    std::size_t end = at + 6;
    if (*code >= 0xD800 && *code < 0xDC00) {
        const auto low =
            text.substr(end).starts_with("\\u") ? four_hex(text, end + 2) : std::nullopt;
        if (!low || *low < 0xDC00 || *low >= 0xE000) {
            return false;
        }
        code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
        end += 6;
    }
    at = end;
    append_utf8(*code, out);
    return true;
}

class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}

    tl::expected<JsonNode, JsonError> run() {
        JsonNode root;
        if (text_.size() >= std::numeric_limits<std::uint32_t>::max()) {
            fail(0, "the file is too large");
        } else if (const std::size_t nul = text_.find('\0'); nul != std::string_view::npos) {
            fail(nul, "the file holds a NUL byte");
        } else if (!valid_utf8(text_)) {
            fail(0, "the file is not UTF-8");
        } else {
            value(root, 0);
            blanks();
            if (!error_ && at_ < text_.size()) {
                fail(at_, "the file should end here");
            }
        }
        if (error_) {
            return tl::unexpected<JsonError>(std::move(*error_));
        }
        return root;
    }

private:
    bool fail(std::size_t offset, std::string message) {
        if (!error_) {
            error_ = JsonError{std::move(message), static_cast<std::uint32_t>(offset)};
        }
        return false;
    }
    void blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
    bool take(char c) {
        blanks();
        const bool yes = at_ < text_.size() && text_[at_] == c;
        at_ += yes ? 1 : 0;
        return yes;
    }

    bool value(JsonNode& out, std::size_t depth);
    bool literal(std::string_view word, JsonNode::Kind kind, JsonNode& out);
    bool string(std::string& out);
    bool number(JsonNode& out);
    bool array(JsonNode& out, std::size_t depth);
    bool object(JsonNode& out, std::size_t depth);
    std::size_t digits(std::size_t at) const {
        return std::min(text_.find_first_not_of("0123456789", at), text_.size());
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::optional<JsonError> error_;
};

bool Reader::value(JsonNode& out, std::size_t depth) {
    blanks();
    out.offset = static_cast<std::uint32_t>(at_);
    if (depth >= kJsonDepthMax) {
        return fail(at_, "the JSON is nested too deeply");
    }
    bool ok = false;
    switch (at_ < text_.size() ? text_[at_] : '\0') {
        case '{':
            ok = object(out, depth);
            break;
        case '[':
            ok = array(out, depth);
            break;
        case '"':
            out.kind = JsonNode::Kind::kString;
            ok = string(out.text);
            break;
        case 't':
            out.boolean = true;
            ok = literal("true", JsonNode::Kind::kBoolean, out);
            break;
        case 'f':
            ok = literal("false", JsonNode::Kind::kBoolean, out);
            break;
        case 'n':
            ok = literal("null", JsonNode::Kind::kNull, out);
            break;
        default:
            ok = number(out);
            break;
    }
    out.end = static_cast<std::uint32_t>(at_);
    return ok;
}

bool Reader::literal(std::string_view word, JsonNode::Kind kind, JsonNode& out) {
    if (!text_.substr(at_).starts_with(word)) {
        return fail(at_, "expected a JSON value");
    }
    out.kind = kind;
    at_ += word.size();
    return true;
}

bool Reader::string(std::string& out) {
    const std::size_t start = at_++;
    while (at_ < text_.size()) {
        if (text_[at_] == '"') {
            ++at_;
            return true;
        }
        if (static_cast<unsigned char>(text_[at_]) < 0x20) {
            return fail(at_, "a string holds a control character: write it as an escape");
        }
        if (!take_character(text_, at_, out)) {
            return fail(at_, "bad escape in a string");
        }
    }
    return fail(start, "this string has no closing quote");
}

bool Reader::number(JsonNode& out) {
    const std::size_t start = at_;
    std::size_t end = start < text_.size() && text_[start] == '-' ? start + 1 : start;
    const std::size_t whole = end;
    end = digits(end);
    const bool leading_zero = end - whole > 1 && text_[whole] == '0';
    if (end == whole || leading_zero) {
        return fail(start, "expected a JSON value");
    }
    out.kind = JsonNode::Kind::kInteger;
    if (end + 1 < text_.size() && text_[end] == '.' && digits(end + 1) > end + 1) {
        out.kind = JsonNode::Kind::kDecimal;
        end = digits(end + 1);
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
        const bool sign =
            end + 1 < text_.size() && (text_[end + 1] == '+' || text_[end + 1] == '-');
        const std::size_t exponent = end + (sign ? 2 : 1);
        if (digits(exponent) > exponent) {
            out.kind = JsonNode::Kind::kDecimal;
            end = digits(exponent);
        }
    }
    at_ = end;
    const char* first = text_.data() + start;
    const char* last = text_.data() + end;
    if (out.kind == JsonNode::Kind::kInteger &&
        std::from_chars(first, last, out.integer).ec != std::errc{}) {
        return fail(start, "the integer is out of range");
    }
    if (std::from_chars(first, last, out.decimal).ec != std::errc{} ||
        !std::isfinite(out.decimal)) {
        return fail(start, "the number is out of range");
    }
    return true;
}

bool Reader::array(JsonNode& out, std::size_t depth) {
    out.kind = JsonNode::Kind::kArray;
    ++at_;
    if (take(']')) {
        return true;
    }
    do {
        if (!value(out.items.emplace_back(), depth + 1)) {
            return false;
        }
    } while (take(','));
    return take(']') || fail(at_, "expected ',' or ']'");
}

bool Reader::object(JsonNode& out, std::size_t depth) {
    out.kind = JsonNode::Kind::kObject;
    ++at_;
    if (take('}')) {
        return true;
    }
    do {
        blanks();
        if (out.members.size() >= kJsonMembersMax) {
            return fail(at_,
                        "an object has more than " + std::to_string(kJsonMembersMax) + " keys");
        }
        JsonMember member;
        member.key_offset = static_cast<std::uint32_t>(at_);
        if (at_ >= text_.size() || text_[at_] != '"') {
            return fail(at_, "expected a key in quotes");
        }
        if (!string(member.key)) {
            return false;
        }
        if (out.find(member.key) != nullptr) {
            return fail(member.key_offset, "the key '" + member.key + "' is given twice");
        }
        if (!take(':')) {
            return fail(at_, "expected ':'");
        }
        if (!value(member.value, depth + 1)) {
            return false;
        }
        out.members.push_back(std::move(member));
    } while (take(','));
    return take('}') || fail(at_, "expected ',' or '}'");
}

bool is_number(const JsonNode& node) {
    return node.is(JsonNode::Kind::kInteger) || node.is(JsonNode::Kind::kDecimal);
}

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const {
    for (const JsonMember& member : members) {
        if (member.key == key) {
            return &member.value;
        }
    }
    return nullptr;
}

std::string_view name(JsonNode::Kind kind) {
    constexpr std::array<std::string_view, 7> kNames = {"null",   "boolean", "integer", "decimal",
                                                        "string", "array",   "object"};
    return kNames[static_cast<std::size_t>(kind)];
}

tl::expected<JsonNode, JsonError> parse_json_text(std::string_view text) {
    return Reader(text).run();
}

std::uint32_t offset_in_file(std::string_view file, const JsonNode& node, std::size_t at) {
    std::size_t raw = node.offset + 1;  // Behind the quote.
    std::string decoded;
    while (decoded.size() < at && raw < node.end) {
        if (!take_character(file, raw, decoded)) {
            break;
        }
    }
    return static_cast<std::uint32_t>(raw);
}

bool same_json(const JsonNode& a, const JsonNode& b) {
    if (is_number(a) && is_number(b)) {
        return a.kind == b.kind && a.is(JsonNode::Kind::kInteger) ? a.integer == b.integer
                                                                  : a.decimal == b.decimal;
    }
    if (a.kind != b.kind || a.boolean != b.boolean || a.text != b.text ||
        a.items.size() != b.items.size() || a.members.size() != b.members.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.items.size(); ++i) {
        if (!same_json(a.items[i], b.items[i])) {
            return false;
        }
    }
    return std::all_of(a.members.begin(), a.members.end(), [&](const JsonMember& member) {
        const JsonNode* other = b.find(member.key);
        return other != nullptr && same_json(member.value, *other);
    });
}

}  // namespace causeway::rules
