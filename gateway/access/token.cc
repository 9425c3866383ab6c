#include "gateway/access/token.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/message/queue_name.h"
#include "core/message/topic.h"
#include "gateway/auth/crypto.h"

namespace causeway::access {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = "cw_";
constexpr std::size_t kHashDigits = 64;

bool is_hex(std::string_view text, std::size_t digits) {
    return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

bool read_text(const Json& json, const char* key, std::size_t bytes_max, std::string& out) {
    const auto found = json.find(key);
    if (found == json.end()) {
        return true;
    }
    if (!found->is_string() || found->get_ref<const std::string&>().size() > bytes_max) {
        return false;
    }
    out = found->get<std::string>();
    return true;
}

bool read_number(const Json& json, const char* key, std::uint64_t& out) {
    const auto found = json.find(key);
    if (found == json.end()) {
        return true;
    }
    if (!found->is_number_unsigned()) {
        return false;
    }
    out = found->get<std::uint64_t>();
    return true;
}

bool read_names(const Json& json, const char* key, std::vector<std::string>& out) {
    const auto found = json.find(key);
    if (found == json.end()) {
        return true;
    }
    if (!found->is_array() || found->size() > kTokenNamesMax) {
        return false;
    }
    for (const Json& name : *found) {
        if (!name.is_string()) {
            return false;
        }
        out.push_back(name.get<std::string>());
    }
    return true;
}

bool is_queue_pattern(std::string_view pattern) {
    if (pattern == "*") {
        return true;
    }
    const bool open = pattern.ends_with('*');
    return is_queue_name(open ? pattern.substr(0, pattern.size() - 1) : pattern);
}

}  // namespace

std::string_view name(Role role) {
    switch (role) {
        case Role::kReadOnly:
            return "read-only";
        case Role::kApp:
            return "app";
        case Role::kOperator:
            return "operator";
        case Role::kAdmin:
            return "admin";
    }
    return "";
}

std::optional<Role> parse_role(std::string_view text) {
    for (const Role role : {Role::kReadOnly, Role::kApp, Role::kOperator, Role::kAdmin}) {
        if (name(role) == text) {
            return role;
        }
    }
    return std::nullopt;
}

std::string check_scopes(const Token& token) {
    if (token.role != Role::kApp && !(token.queues.empty() && token.topics.empty())) {
        return "queues and topics are for the role app";
    }
    if (token.role == Role::kApp && token.queues.empty() && token.topics.empty()) {
        return "an app needs queues or topics: without it may do nothing";
    }
    for (const std::string& queue : token.queues) {
        if (!is_queue_pattern(queue)) {
            return "queues: a queue's name, one that ends in *, or *";
        }
    }
    for (const std::string& topic : token.topics) {
        if (!valid_topic_filter(topic)) {
            return "topics: a topic filter, as of a subscription";
        }
    }
    return "";
}

Result<Token> parse_token(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return fail("a token must be a JSON object");
    }
    Token token;
    std::string role;
    constexpr std::size_t kShort = 64;
    const bool sound =
        read_text(json, "id", kTokenIdBytes, token.id) && is_hex(token.id, kTokenIdBytes) &&
        read_text(json, "description", kTokenDescriptionBytesMax, token.description) &&
        read_text(json, "role", kShort, role) &&
        read_text(json, "sha256", kHashDigits, token.sha256) && is_hex(token.sha256, kHashDigits) &&
        read_number(json, "created_s", token.created_s) &&
        read_number(json, "expires_s", token.expires_s) &&
        read_names(json, "queues", token.queues) && read_names(json, "topics", token.topics);
    const auto parsed = parse_role(role);
    if (!sound || !parsed) {
        return fail("not a token's document");
    }
    token.role = *parsed;
    if (const std::string wrong = check_scopes(token); !wrong.empty()) {
        return fail(wrong);
    }
    return token;
}

std::string to_json(const Token& token, bool hash) {
    Json json{{"id", token.id}, {"role", name(token.role)}, {"created_s", token.created_s}};
    if (!token.description.empty()) {
        json["description"] = token.description;
    }
    if (token.expires_s != 0) {
        json["expires_s"] = token.expires_s;
    }
    if (!token.queues.empty()) {
        json["queues"] = token.queues;
    }
    if (!token.topics.empty()) {
        json["topics"] = token.topics;
    }
    if (hash) {
        json["sha256"] = token.sha256;
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string token_text(std::string_view id, std::string_view secret) {
    return std::string(kPrefix).append(id).append("_").append(auth::to_base64url(secret));
}

std::string hash_of(std::string_view text) { return auth::to_hex(auth::sha256(text)); }

void Tokens::add(Token token) { tokens_[token.id] = std::move(token); }

const Token* Tokens::find(std::string_view text, std::uint64_t now_s) const {
    const std::size_t head = kPrefix.size() + kTokenIdBytes;
    constexpr std::size_t kTextMax = 128;
    if (!text.starts_with(kPrefix) || text.size() <= head || text.size() > kTextMax ||
        text[head] != '_') {
        return nullptr;
    }
    const auto found = tokens_.find(std::string(text.substr(kPrefix.size(), kTokenIdBytes)));
    if (found == tokens_.end()) {
        return nullptr;
    }
    const Token& token = found->second;
    const bool live = token.expires_s == 0 || now_s < token.expires_s;
    return auth::equal_secrets(hash_of(text), token.sha256) && live ? &token : nullptr;
}

}  // namespace causeway::access
