// HTTP/1.1 requests and responses as values.
#include "core/io/http_message.h"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <ostream>  // Beast's string_view needs the whole of it.

namespace causeway::io {
namespace {

char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = lower_case(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool breaks_line(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower_case(x) == lower_case(y); });
}

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (equals_ignoring_case(key, name)) {
            return value;
        }
    }
    return std::nullopt;
}

std::optional<std::string> HttpRequest::query_value(std::string_view name) const {
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::string_view part = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const std::size_t equals = part.find('=');
        if (percent_decode(part.substr(0, equals), true) == name) {
            return equals == std::string_view::npos ? std::string()
                                                    : percent_decode(part.substr(equals + 1), true);
        }
    }
    return std::nullopt;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        decoded += static_cast<char>(high << 4 | low);
        i += 2;
    }
    return decoded;
}

std::string http_response_head(const HttpResponse& response, bool keep_alive) {
    namespace http = boost::beast::http;
    const auto reason = http::obsolete_reason(
        http::int_to_status(response.status > 0 ? static_cast<unsigned>(response.status) : 0U));
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
    head.append(reason.data(), reason.size());
    head += "\r\n";
    if (response.status >= 200 && response.status != 204) {
        head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
        if (!response.content_type.empty() && !breaks_line(response.content_type)) {
            head += "Content-Type: " + response.content_type + "\r\n";
        }
    }
    if (response.status >= 200 && !keep_alive) {
        head += "Connection: close\r\n";
    }
    for (const auto& [name, value] : response.headers) {
        if (!breaks_line(name) && !breaks_line(value)) {
            head += name + ": " + value + "\r\n";
        }
    }
    return head + "\r\n";
}

}  // namespace causeway::io
