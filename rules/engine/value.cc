#include "rules/engine/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/message/topic.h"
#include "rules/sql/printer.h"

namespace causeway::rules {
namespace {

// Exact, also where an integer has no double of its own.
std::partial_ordering order_mixed(std::int64_t i, double d) {
    if (std::isnan(d)) {
        return std::partial_ordering::unordered;
    }
    if (d >= 0x1p63) {
        return std::partial_ordering::less;
    }
    if (d < -0x1p63) {
        return std::partial_ordering::greater;
    }
    const double whole = std::trunc(d);
    const auto truncated = static_cast<std::int64_t>(whole);
    if (i != truncated) {
        return i <=> truncated;
    }
    return whole <=> d;
}

std::partial_ordering reversed(std::partial_ordering found) {
    if (std::is_lt(found)) {
        return std::partial_ordering::greater;
    }
    return std::is_gt(found) ? std::partial_ordering::less : found;
}

std::partial_ordering order_numbers(const Value& a, const Value& b) {
    const bool a_integer = a.is(Type::kInteger);
    const bool b_integer = b.is(Type::kInteger);
    if (a_integer && b_integer) {
        return a.as_integer() <=> b.as_integer();
    }
    if (a_integer) {
        return order_mixed(a.as_integer(), b.as_decimal());
    }
    if (b_integer) {
        return reversed(order_mixed(b.as_integer(), a.as_decimal()));
    }
    return a.as_decimal() <=> b.as_decimal();
}

bool equal_objects(std::span<const Member> a, std::span<const Member> b) {
    const Value other = Value::object(b);
    return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const Member& member) {
               return equal(member.value, other.member(member.key));
           });
}

int base64_digit(char c) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t at = kAlphabet.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

bool append_array(std::span<const Value> items, std::size_t bytes_max, std::string& out) {
    out.push_back('[');
    std::string_view between;
    for (const Value& item : items) {
        if (item.undefined()) {
            continue;
        }
        out += between;
        between = ",";
        if (!append_json(item, bytes_max, out)) {
            return false;
        }
    }
    out.push_back(']');
    return out.size() <= bytes_max;
}

bool append_object(std::span<const Member> members, std::size_t bytes_max, std::string& out) {
    out.push_back('{');
    std::string_view between;
    for (const Member& member : members) {
        if (member.value.undefined()) {
            continue;
        }
        out += between;
        between = ",";
        append_json_string(member.key, out);
        out.push_back(':');
        if (!append_json(member.value, bytes_max, out)) {
            return false;
        }
    }
    out.push_back('}');
    return out.size() <= bytes_max;
}

}  // namespace

std::string_view name(Type type) {
    constexpr std::array<std::string_view, 9> kNames = {
        "undefined", "null", "boolean", "integer", "decimal", "string", "bytes", "array", "object"};
    return kNames[static_cast<std::size_t>(type)];
}

Value Value::member(std::string_view key) const {
    if (type_ == Type::kObject) {
        for (const Member& candidate : members()) {
            if (candidate.key == key) {
                return candidate.value;
            }
        }
    }
    return {};
}

Value Value::element(std::int64_t index) const {
    if (type_ != Type::kArray) {
        return {};
    }
    const auto size = static_cast<std::int64_t>(size_);
    const std::int64_t at = index > 0 ? index - 1 : size + index;
    return index == 0 || at < 0 || at >= size ? Value{} : items()[static_cast<std::size_t>(at)];
}

char* Arena::allocate(std::size_t bytes) {
    if (bytes > bytes_max_) {
        return nullptr;
    }
    bytes = std::max<std::size_t>((bytes + 7) / 8, 1) * 8;  // Never nullptr for nothing.
    if (used_ + bytes > bytes_max_) {
        return nullptr;
    }
    if (bytes > left_) {
        const std::size_t size = std::max(bytes, kBlockBytes);
        blocks_.push_back(Block{std::make_unique_for_overwrite<char[]>(size), size});
        at_ = blocks_.back().memory.get();
        left_ = size;
    }
    char* memory = at_;
    at_ += bytes;
    left_ -= bytes;
    used_ += bytes;
    return memory;
}

std::string_view Arena::copy(std::string_view text) {
    char* memory = allocate(text.empty() ? 1 : text.size());
    if (memory == nullptr) {
        return {};
    }
    std::copy(text.begin(), text.end(), memory);
    return {memory, text.size()};
}

void Arena::reset() {
    used_ = 0;
    if (blocks_.size() > 1) {
        blocks_.resize(1);
    }
    at_ = blocks_.empty() ? nullptr : blocks_[0].memory.get();
    left_ = blocks_.empty() ? 0 : blocks_[0].size;
}

bool equal(const Value& a, const Value& b) {
    if (a.undefined() || b.undefined()) {
        return false;
    }
    if (a.number() && b.number()) {
        return std::is_eq(order_numbers(a, b));
    }
    if (a.text_like() && b.text_like()) {
        return a.text() == b.text();
    }
    if (a.type() != b.type()) {
        return false;
    }
    switch (a.type()) {
        case Type::kBoolean:
            return a.as_boolean() == b.as_boolean();
        case Type::kArray:
            return std::equal(a.items().begin(), a.items().end(), b.items().begin(),
                              b.items().end(), equal);
        case Type::kObject:
            return equal_objects(a.members(), b.members());
        default:
            return true;
    }
}

std::uint64_t comparison_cost(const Value& value) {
    std::uint64_t cost = 0;
    switch (value.type()) {
        case Type::kString:
        case Type::kBytes:
            cost = value.text().size() / 64;
            break;
        case Type::kArray:
            for (const Value& item : value.items()) {
                cost += 1 + comparison_cost(item);
            }
            break;
        case Type::kObject:  // Each member is looked for among the other's.
            cost = value.members().size() * value.members().size() / 8;
            for (const Member& member : value.members()) {
                cost += 1 + comparison_cost(member.value);
            }
            break;
        default:
            break;
    }
    return cost;
}

std::partial_ordering order(const Value& a, const Value& b) {
    if (a.number() && b.number()) {
        return order_numbers(a, b);
    }
    if (a.text_like() && b.text_like()) {
        return a.text() <=> b.text();
    }
    return std::partial_ordering::unordered;
}

bool append_json(const Value& value, std::size_t bytes_max, std::string& out) {
    switch (value.type()) {
        case Type::kUndefined:
        case Type::kNull:
            out += "null";
            break;
        case Type::kBoolean:
            out += value.as_boolean() ? "true" : "false";
            break;
        case Type::kInteger: {
            std::array<char, 24> buffer{};
            const auto end =
                std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.as_integer());
            out.append(buffer.data(), end.ptr);
            break;
        }
        case Type::kDecimal:
            out += sql::print_decimal(value.as_decimal());
            break;
        case Type::kString:
            append_json_string(value.text(), out);
            break;
        case Type::kBytes:
            if (valid_utf8(value.text())) {
                append_json_string(value.text(), out);
            } else {
                out.push_back('"');
                append_base64(value.text(), out);
                out.push_back('"');
            }
            break;
        case Type::kArray:
            return append_array(value.items(), bytes_max, out);
        case Type::kObject:
            return append_object(value.members(), bytes_max, out);
    }
    return out.size() <= bytes_max;
}

bool append_text(const Value& value, std::size_t bytes_max, std::string& out) {
    if (value.undefined()) {
        return true;
    }
    if (!value.text_like()) {
        return append_json(value, bytes_max, out);
    }
    if (value.text().size() > bytes_max) {
        return false;
    }
    out += value.text();
    return out.size() <= bytes_max;
}

void append_json_string(std::string_view text, std::string& out) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out.push_back('"');
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
                    out += "\\u00";
                    out.push_back(kHex[byte >> 4]);
                    out.push_back(kHex[byte & 15]);
                } else {
                    out.push_back(c);
                }
        }
    }
    out.push_back('"');
}

void append_base64(std::string_view bytes, std::string& out) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        for (std::size_t k = 0; k < 3; ++k) {
            group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            out.push_back(k <= count ? kAlphabet[group >> (18 - 6 * k) & 63] : '=');
        }
    }
}

bool decode_base64(std::string_view text, std::string& out) {
    while (text.ends_with('=')) {
        text.remove_suffix(1);
    }
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const int digit = base64_digit(c);
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<char>(bits >> count & 0xFF));
        }
    }
    return count < 6;
}

}  // namespace causeway::rules
