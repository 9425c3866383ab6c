// A request to the HTTP API that answers in JSON, for the subcommands.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "gateway/causeway/http_client.h"

namespace CLI {
class App;
}

namespace causeway::root {

inline constexpr const char* kDefaultApi = "http://127.0.0.1:8080";

// Null when it failed, and stderr says why.
inline nlohmann::json ask_api(const std::string& method, const std::string& url,
                              const std::optional<std::string>& body = std::nullopt) {
    const auto text = good(send_request(method, url, body));
    return text ? nlohmann::json::parse(*text) : nlohmann::json();
}

// To stdout; the exit code, 2 for null.
int print_answer(const nlohmann::json& answer);

// The options every client of the API has.
void add_api(CLI::App* command, std::string& api, bool& json);

// For a path or a query.
std::string escape_url(const std::string& text);

}  // namespace causeway::root
