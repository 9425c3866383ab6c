#include "rules/sink/http_target.h"

#include <curl/curl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>

#include "rules/sink/http_sink.h"

namespace causeway::rules {
namespace {

// Those that say how the request is framed, or that are ours.
bool reserved(std::string_view name) {
    for (const std::string_view one : {"host", "content-length", "transfer-encoding", "connection",
                                       "upgrade", "expect", "te", "trailer", "causeway-delivery"}) {
        if (equal_no_case(name, one)) {
            return true;
        }
    }
    return false;
}

// A token of RFC 9110 §5.6.2.
bool header_name(std::string_view name) {
    constexpr std::string_view kSigns = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kSigns.find(c) != std::string_view::npos;
    });
}

bool header_value(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
    });
}

Result<> check_header(std::string_view name, std::string_view value) {
    if (!header_name(name) || reserved(name)) {
        return fail("the header '" + std::string(name) + "' cannot be set");
    }
    if (!header_value(value)) {
        return fail("the header '" + std::string(name) + "' holds a control character");
    }
    return {};
}

// Whether a segment of the path is "." or "..", also written with %2e.
bool climbs(std::string_view path) {
    path = path.substr(0, path.find('?'));
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        std::string_view segment = path.substr(0, slash);
        std::size_t dots = 0;
        while (!segment.empty() && (segment[0] == '.' || begins_no_case(segment, "%2e"))) {
            segment.remove_prefix(segment[0] == '.' ? 1 : 3);
            ++dots;
        }
        if (segment.empty() && (dots == 1 || dots == 2)) {
            return true;
        }
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    }
    return false;
}

Result<> check_url(const std::string& url) {
    // The text of an error must not show the URL: it may hold a secret.
    const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), curl_url_cleanup);
    if ((!begins_no_case(url, "http://") && !begins_no_case(url, "https://")) ||
        curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
        return fail("url: must begin with http:// or https:// and name a host");
    }
    if (url.find_first_of("# \t\r\n") != std::string::npos) {
        return fail("url: must not hold '#' or a blank");
    }
    return {};
}

Result<> check_file(std::string_view what, const std::string& path) {
    if (path.empty()) {
        return {};
    }
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) {
        return fail(std::string(what) + ": cannot read " + path + ": " +
                    std::generic_category().message(errno));
    }
    std::fclose(file);
    return {};
}

}  // namespace

bool equal_no_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

Result<HttpTarget> HttpTarget::make(const HttpSinkOptions& options) {
    HttpTarget target;
    auto url = resolve(options.url);
    if (!url) {
        return fail("url: " + url.error().message);
    }
    if (auto good = check_url(*url); !good) {
        return fail(good.error().message);
    }
    const std::size_t query = url->find('?');
    target.base_ = url->substr(0, query);
    target.query_ = query == std::string::npos ? "" : url->substr(query + 1);
    for (const auto& [what, path] :
         {std::pair("ca_file", &options.ca_file), std::pair("cert_file", &options.cert_file),
          std::pair("key_file", &options.key_file)}) {
        if (auto good = check_file(what, *path); !good) {
            return fail(good.error().message);
        }
    }
    target.method_ = options.method;
    for (const HttpSinkOptions::Header& header : options.headers) {
        auto value = resolve(header.value);
        if (!value) {
            return fail("header '" + header.name + "': " + value.error().message);
        }
        if (auto good = check_header(header.name, *value); !good) {
            return fail(good.error().message);
        }
        target.headers_.emplace_back(header.name, std::move(*value));
    }
    return target;
}

Result<std::string> HttpTarget::url_with(std::string_view path) const {
    constexpr char kHex[] = "0123456789ABCDEF";
    if (!path.empty() && path[0] != '/' && path[0] != '?') {
        return fail("the path does not begin with '/'");
    }
    if (climbs(path)) {
        return fail("the path holds a segment '.' or '..'");
    }
    std::string url = base_;
    while (path.starts_with('/') && url.ends_with('/')) {
        url.pop_back();
    }
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte == 0x7F || c == '#') {
            return fail("the path holds a blank, '#' or a control character");
        }
        if (byte < 0x80) {
            url += c;
        } else {
            url.append({'%', kHex[byte >> 4], kHex[byte & 0xF]});
        }
    }
    if (!query_.empty()) {
        url += path.find('?') == std::string_view::npos ? '?' : '&';
        url += query_;
    }
    return url;
}

Result<HttpCall> HttpTarget::call(const HttpRequestView& request) const {
    HttpCall call;
    auto url = url_with(request.path);
    if (!url) {
        return fail(url.error().message);
    }
    call.url = std::move(*url);
    call.method = request.method.empty() ? method_ : std::string(request.method);
    if (!header_name(call.method)) {
        return fail("the method is none");
    }
    for (const HttpHeaderView& header : request.headers) {
        if (auto good = check_header(header.name, header.value); !good) {
            return fail(good.error().message);
        }
        call.headers.emplace_back(header.name, header.value);
    }
    const auto has = [&](std::string_view name) {
        return std::any_of(call.headers.begin(), call.headers.end(),
                           [&](const auto& header) { return equal_no_case(header.first, name); });
    };
    const std::size_t own = call.headers.size();
    for (const auto& header : headers_) {
        const bool replaced = std::any_of(
            call.headers.begin(), call.headers.begin() + static_cast<std::ptrdiff_t>(own),
            [&](const auto& one) { return equal_no_case(one.first, header.first); });
        if (!replaced) {
            call.headers.push_back(header);
        }
    }
    if (!request.body.empty() && !has("content-type")) {
        call.headers.emplace_back("Content-Type", "application/json");
    }
    return call;
}

}  // namespace causeway::rules
