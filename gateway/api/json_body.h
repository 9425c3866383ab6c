// Request bodies and payloads of the API as JSON. Inside this module only: the header brings in
// nlohmann.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/io/http_message.h"
#include "core/message/output.h"

namespace causeway::api {

using Json = nlohmann::json;

// {"error": "..."} with the status.
io::HttpResponse error(int status, std::string_view what);
io::HttpResponse ok(const Json& body, int status = 200);

// The text as JSON; discarded: it is none, or nested deeper than anything of ours (printing it
// again recurses).
Json parse_json(std::string_view text);

// An object with no other keys than `keys`; else the answer to give. An empty body is {}.
struct Body {
    Json json;
    std::optional<io::HttpResponse> refusal;
};
Body parse_body(const io::HttpRequest& request, std::initializer_list<std::string_view> keys);

// A whole number under `key` in [min, max], or `fallback` when absent; nullopt when it is something
// else.
std::optional<std::uint64_t> number(const Json& json, const char* key, std::uint64_t min,
                                    std::uint64_t max, std::uint64_t fallback);

// The whole number in the query, or `fallback` when it has none; nullopt when it is something else.
std::optional<std::uint64_t> number_of(const io::HttpRequest& request, std::string_view name,
                                       std::uint64_t fallback);

// The payload of {"payload": "...", "encoding": "utf8" | "base64"}; nullopt when malformed.
std::optional<std::string> payload_of(const Json& json);

// A received message; the payload as UTF-8 when it is, else base64, told by "encoding".
Json to_json(const QueueMessage& message, GroupId set);

}  // namespace causeway::api
