#include "gateway/auth/topic_template.h"

#include <algorithm>
#include <array>

#include "core/message/topic.h"
#include "gateway/auth/permission.h"

namespace causeway::auth {
namespace {

constexpr std::array<std::string_view, kVariables> kNames = {"product", "device", "clientid",
                                                             "username", "cert.cn"};

}  // namespace

std::optional<Variable> parse_variable(std::string_view name) {
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] == name) {
            return static_cast<Variable>(i);
        }
    }
    return std::nullopt;
}

bool next_piece(std::string_view& rest, TemplatePiece& out) {
    if (rest.empty()) {
        return false;
    }
    if (!rest.starts_with("${")) {
        const std::size_t size = std::min(rest.find("${"), rest.size());
        out = TemplatePiece{std::nullopt, rest.substr(0, size)};
        rest.remove_prefix(size);
        return true;
    }
    const std::size_t end = rest.find('}');
    const auto variable =
        end == std::string_view::npos ? std::nullopt : parse_variable(rest.substr(2, end - 2));
    if (!variable) {
        return false;
    }
    out = TemplatePiece{variable, {}};
    rest.remove_prefix(end + 1);
    return true;
}

std::string_view check_topic_template(std::string_view text) {
    if (text.size() > kTopicTemplateBytesMax) {
        return "must be at most 512 bytes";
    }
    std::string sample;
    TemplatePiece piece;
    std::string_view rest = text;
    while (next_piece(rest, piece)) {
        // A value is never empty and has no wildcard, so a letter stands for any of them.
        sample += piece.variable ? std::string_view("x") : piece.text;
    }
    if (!rest.empty()) {
        return "holds \"${\" that begins none of ${product}, ${device}, ${clientid}, ${username}, "
               "${cert.cn}";
    }
    if (!valid_topic_filter(sample)) {
        return "must be a topic filter: \"+\" a level of its own, \"#\" the last one";
    }
    if (is_shared_filter(sample)) {
        return "must be the filter behind \"$share/GROUP/\", which is what is checked";
    }
    return "";
}

bool may_substitute(std::string_view value) {
    constexpr std::string_view kForbidden("+#/\0", 4);
    return !value.empty() && value.front() != '$' && value.find_first_of(kForbidden) == std::string_view::npos &&
           valid_utf8(value);
}

}  // namespace causeway::auth
