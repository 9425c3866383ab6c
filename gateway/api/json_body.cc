#include "gateway/api/json_body.h"

#include <algorithm>
#include <charconv>

#include <absl/strings/escaping.h>

#include "core/message/body.h"
#include "core/message/topic.h"

namespace causeway::api {

io::HttpResponse error(int status, std::string_view what) {
    io::HttpResponse response;
    response.status = status;
    response.body =
        Json{{"error", what}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    return response;
}

io::HttpResponse ok(const Json& body, int status) {
    io::HttpResponse response;
    response.status = status;
    response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    return response;
}

Json parse_json(std::string_view text) {
    constexpr int kDepthMax = 32;
    bool deep = false;
    Json json = Json::parse(
        text,
        [&deep](int depth, Json::parse_event_t, Json&) {
            deep = deep || depth > kDepthMax;
            return !deep;
        },
        false);
    return deep ? Json(Json::value_t::discarded) : json;
}

Body parse_body(const io::HttpRequest& request, std::initializer_list<std::string_view> keys) {
    Body body;
    body.json = request.body.empty() ? Json::object() : parse_json(request.body);
    if (!body.json.is_object()) {
        body.refusal = error(400, "the body must be a JSON object");
        return body;
    }
    for (const auto& [key, value] : body.json.items()) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
            body.refusal = error(400, "unknown key \"" + key + "\"");
            return body;
        }
    }
    return body;
}

std::optional<std::uint64_t> number(const Json& json, const char* key, std::uint64_t min,
                                    std::uint64_t max, std::uint64_t fallback) {
    const auto found = json.find(key);
    if (found == json.end()) {
        return fallback;
    }
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() < min ||
        found->get<std::uint64_t>() > max) {
        return std::nullopt;
    }
    return found->get<std::uint64_t>();
}

std::optional<std::string> payload_of(const Json& json) {
    const auto payload = json.find("payload");
    const std::string encoding = json.value("encoding", Json("utf8")).is_string()
                                     ? json.value("encoding", Json("utf8")).get<std::string>()
                                     : std::string{};
    if (payload == json.end() || !payload->is_string()) {
        return std::nullopt;
    }
    const auto& text = payload->get_ref<const std::string&>();
    if (encoding == "utf8") {
        return text;
    }
    std::string bytes;
    if (encoding == "base64" && absl::Base64Unescape(text, &bytes)) {
        return bytes;
    }
    return std::nullopt;
}

Json to_json(const QueueMessage& message, GroupId set) {
    const std::string_view payload = causeway::parse_body(message.body).payload;
    // valid_utf8 refuses U+0000, which JSON can carry; base64 serves as well.
    const bool text = valid_utf8(payload);
    Json json = {
        {"id", message.n},
        {"set", set.value()},
        {"receipt", std::to_string(set.value()) + "." + std::to_string(message.n) + "." +
                        std::to_string(message.lease)},
        {"payload", text ? std::string(payload)
                         : absl::Base64Escape(absl::string_view(payload.data(), payload.size()))},
        {"encoding", text ? "utf8" : "base64"},
        {"receive_count", message.receive_count},
        {"sent_at_ms", message.sent_at},
        {"first_received_at_ms", message.first_received_at},
        {"visible_at_ms", message.visible_at},
    };
    const std::pair<const char*, std::string_view> optional[] = {
        {"key", message.key},
        {"topic", message.topic},
        {"clientid", message.client_id},
        {"reason", message.reason},
    };
    for (const auto& [key, value] : optional) {
        if (!value.empty()) {
            json[key] = value;
        }
    }
    ByteReader tags(message.tags);
    while (!tags.at_end() && !tags.failed()) {
        json["tags"].push_back(tags.string());
    }
    return json;
}

std::optional<std::uint64_t> number_of(const io::HttpRequest& request, std::string_view name,
                                       std::uint64_t fallback) {
    const auto text = request.query_value(name);
    if (!text) {
        return fallback;
    }
    std::uint64_t number = 0;
    const char* end = text->data() + text->size();
    const auto [at, fault] = std::from_chars(text->data(), end, number);
    return fault == std::errc{} && at == end ? std::optional(number) : std::nullopt;
}

}  // namespace causeway::api
