// Where the requests of a sink go: its URL, method and headers with the secrets in, and how a
// request of a rule is put on them. Pure but for resolving. Internal to rules/sink.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "rules/sink/http_request.h"

namespace causeway::rules {

struct HttpSinkOptions;

// Without regard to the case of ASCII letters: names of headers, schemes, hex digits.
[[nodiscard]] bool equal_no_case(std::string_view a, std::string_view b);
[[nodiscard]] inline bool begins_no_case(std::string_view text, std::string_view with) {
    return equal_no_case(text.substr(0, with.size()), with);
}

// What goes to libcurl.
struct HttpCall {
    std::string url;
    std::string method;
    std::vector<std::pair<std::string, std::string>> headers;
};

class HttpTarget {
public:
    // Errors: as of HttpSink::make().
    static Result<HttpTarget> make(const HttpSinkOptions& options);

    // The call for `request`: its path is put before the sink's query, its headers replace the
    // sink's of the same name, and a body without a Content-Type is said to be JSON. Errors: one
    // line: a path that does not begin with '/' or '?', that climbs ("..") or holds a control
    // character, blank or '#'; a header that cannot be set.
    [[nodiscard]] Result<HttpCall> call(const HttpRequestView& request) const;

private:
    [[nodiscard]] Result<std::string> url_with(std::string_view path) const;

    std::string base_;   // without the query
    std::string query_;  // without '?'
    std::string method_;
    std::vector<std::pair<std::string, std::string>> headers_;
};

}  // namespace causeway::rules
