// Reads a JSON text (RFC 8259) into a tree in which every key and value knows where it stands, so
// that what is wrong with a rule file is reported at file:line:column, also inside the "sql"
// string. Internal to rules/engine. Nesting is bounded; hostile text costs an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace causeway::rules {

inline constexpr std::size_t kJsonDepthMax = 64;
inline constexpr std::size_t kJsonMembersMax = 4096;  // of one object

struct JsonMember;

struct JsonNode {
    enum class Kind : std::uint8_t {
        kNull,
        kBoolean,
        kInteger,
        kDecimal,
        kString,
        kArray,
        kObject
    };

    Kind kind = Kind::kNull;
    bool boolean = false;
    std::int64_t integer = 0;  // kInteger
    double decimal = 0;        // kInteger and kDecimal
    std::string text;          // kString, decoded
    std::uint32_t offset = 0;  // of its first byte, and behind its last
    std::uint32_t end = 0;
    std::vector<JsonNode> items;
    std::vector<JsonMember> members;

    [[nodiscard]] bool is(Kind other) const { return kind == other; }
    // nullptr: not an object, or no such key.
    [[nodiscard]] const JsonNode* find(std::string_view key) const;
};

struct JsonMember {
    std::string key;
    std::uint32_t key_offset = 0;
    JsonNode value;
};

[[nodiscard]] std::string_view name(JsonNode::Kind kind);

struct JsonError {
    std::string message;
    std::uint32_t offset = 0;
};

// Errors: not JSON, not UTF-8, a key given twice, too many keys, an integer beyond 64 bits, deeper
// than kJsonDepthMax, behind the value something else than blanks, 4 GiB or more.
[[nodiscard]] tl::expected<JsonNode, JsonError> parse_json_text(std::string_view text);

// Where in `file` byte `at` of the decoded string `node` stands. `at` may be the string's size.
// Precondition: `node` is a kString of parse_json_text(file).
[[nodiscard]] std::uint32_t offset_in_file(std::string_view file, const JsonNode& node,
                                           std::size_t at);

// Equal values: numbers by value, members in any order.
[[nodiscard]] bool same_json(const JsonNode& a, const JsonNode& b);

}  // namespace causeway::rules
