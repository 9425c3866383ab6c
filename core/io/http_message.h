// HTTP/1.1 requests and responses as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::io {

struct HttpRequest {
    std::string method;                                        // As sent: «GET».
    std::string target;                                        // As sent: «/queues/a%20b?max=10».
    std::string path;                                          // The target up to '?', not decoded.
    std::string query;                                         // After the '?', not decoded.
    std::vector<std::pair<std::string, std::string>> headers;  // In order, names as sent.
    std::string body;
    // CN of the client's certificate, if the server's context has verified one.
    std::string client_name;
    bool keep_alive = true;

    // The first header of that name, whatever its case; nothing if there is none.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
    // The decoded value of the first `name=value` of the query («+» and %20 are spaces); empty for
    // a name without '='; nothing if there is none or its value is wrongly encoded.
    [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;
};

struct HttpResponse {
    int status = 200;
    std::string content_type = "application/json";  // Empty: no header.
    std::string body;
    // Further headers. One with a line break in it is left out.
    std::vector<std::pair<std::string, std::string>> headers;
    bool close = false;  // Close the connection after this response.
    // Not sent: what whoever filters the answer (HttpResponder::filter) should know of it.
    std::vector<std::pair<std::string, std::string>> notes;
};

// For header names and tokens: ASCII letters only.
bool equals_ignoring_case(std::string_view a, std::string_view b);

// %XX decoded; nothing if an escape is broken. `plus_is_space` as in queries.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// The status line and headers, up to and with the empty line. Content-Length is of response.body;
// 1xx and 204 have none.
std::string http_response_head(const HttpResponse& response, bool keep_alive);

}  // namespace causeway::io
