// API tokens: what lets a program or a person in at the HTTP API. The cluster keeps a token as a
// document (kind «token», its id as the name) with the SHA-256 of its text, never the text, which
// is told once, when it is made. Pure; any thread. JSON form: docs/api.md, "Tokens".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "core/base/result.h"

namespace causeway::access {

inline constexpr std::string_view kTokenDocuments = "token";
inline constexpr std::size_t kTokensMax = 2'048;
inline constexpr std::size_t kTokenIdBytes = 12;  // hexadecimal digits
inline constexpr std::size_t kTokenSecretBytes = 32;
inline constexpr std::size_t kTokenNamesMax = 64;  // queues, topics
inline constexpr std::size_t kTokenDescriptionBytesMax = 256;

// What each may is in permit.h.
enum class Role : std::uint8_t { kReadOnly, kApp, kOperator, kAdmin };
// "read-only", "app", "operator", "admin".
[[nodiscard]] std::string_view name(Role role);
[[nodiscard]] std::optional<Role> parse_role(std::string_view name);

struct Token {
    std::string id;
    std::string description;
    Role role = Role::kReadOnly;
    std::string sha256;           // of the text; 64 hexadecimal digits
    std::uint64_t created_s = 0;  // seconds since 1970
    std::uint64_t expires_s = 0;  // 0: never
    // Of an app: which queues ("*": any; a name may end in "*") and which topics it may publish to
    // (filters).
    std::vector<std::string> queues;
    std::vector<std::string> topics;

    friend bool operator==(const Token&, const Token&) = default;
};

// Effect: reads and checks a token's document. The error is one line and holds no secret.
Result<Token> parse_token(std::string_view json);
// `hash`: with the SHA-256, as the document has it; without, for people.
[[nodiscard]] std::string to_json(const Token& token, bool hash);
// One line that says what is wrong with the lists of an app, or nothing.
[[nodiscard]] std::string check_scopes(const Token& token);

// "cw_ID_SECRET", the secret in base64url. Preconditions: the sizes above.
[[nodiscard]] std::string token_text(std::string_view id, std::string_view secret);
[[nodiscard]] std::string hash_of(std::string_view text);

// All tokens at one time.
class Tokens {
public:
    // Effect: adds one; a later one with its id replaces it.
    void add(Token token);
    // The token whose text this is, unless it has expired. Compares in constant time. Null: none.
    [[nodiscard]] const Token* find(std::string_view text, std::uint64_t now_s) const;
    [[nodiscard]] const absl::flat_hash_map<std::string, Token>& all() const { return tokens_; }

private:
    absl::flat_hash_map<std::string, Token> tokens_;
};

}  // namespace causeway::access
