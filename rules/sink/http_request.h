// The request that an action owes to an HTTP sink, as it stands in the outbox. The encoding is a
// message body (core/message/body.h): the payload is the request's body, and the user properties
// are
// ":method", ":path" (each only if not empty) and then the headers. So a request that ends in a
// dead-letter queue is an ordinary message there. Encoded by the Router, decoded by HttpSink.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::rules {

struct HttpHeaderView {
    std::string_view name;
    std::string_view value;

    friend bool operator==(const HttpHeaderView&, const HttpHeaderView&) = default;
};

// Empty: as the sink has it.
struct HttpRequestView {
    std::string_view method;
    std::string_view path;  // appended to the sink's URL; percent-encoded, begins with '/' or '?'
    std::vector<HttpHeaderView> headers;
    std::string_view body;

    friend bool operator==(const HttpRequestView&, const HttpRequestView&) = default;
};

// Effect: appends the encoding. What MQTT does not allow in a property is made fit: bytes that are
// not UTF-8 become '?', a part of more than 65,535 bytes is cut there.
void append_http_request(const HttpRequestView& request, std::string& out);

// The views are into `bytes`. nullopt: these bytes are no request.
[[nodiscard]] std::optional<HttpRequestView> parse_http_request(std::string_view bytes);

}  // namespace causeway::rules
