// Topic filters with variables: "${product}/${device}/up/#". Pure; any thread. docs/devices.md,
// "Permissions".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::auth {

enum class Variable : std::uint8_t { kProduct, kDevice, kClientId, kUserName, kCertificateName };
inline constexpr std::size_t kVariables = 5;

// "product", "device", "clientid", "username", "cert.cn".
[[nodiscard]] std::optional<Variable> parse_variable(std::string_view name);

// Takes the next piece off the front of a template: a variable, or the text before the next one.
// False at the end, or at "${" that begins no variable (then `rest` is not empty).
struct TemplatePiece {
    std::optional<Variable> variable;
    std::string_view text;
};
bool next_piece(std::string_view& rest, TemplatePiece& out);

// "": it is a topic filter whatever is put in for its variables (may_substitute() values);
// otherwise what is wrong with it.
[[nodiscard]] std::string_view check_topic_template(std::string_view text);

// False for what could reach beyond its own level, make a wildcard or name what is the server's own:
// empty, with '+', '#', '/', NUL or bytes that are not UTF-8, or beginning with '$'.
[[nodiscard]] bool may_substitute(std::string_view value);

}  // namespace causeway::auth
