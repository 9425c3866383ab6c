#include "rules/sink/http_request.h"

#include <algorithm>
#include <cstdint>

#include "core/base/encoding.h"
#include "core/message/body.h"
#include "core/message/topic.h"

namespace causeway::rules {
namespace {

constexpr std::uint8_t kUserProperty = 0x26;  // «MQTT 5.0 §2.2.2.2»
constexpr std::size_t kStringBytesMax = 0xFFFF;
constexpr std::string_view kMethod = ":method";
constexpr std::string_view kPath = ":path";

void append_u16(std::size_t value, std::string& out) {
    out.push_back(static_cast<char>(value >> 8));
    out.push_back(static_cast<char>(value));
}

void append_text(std::string_view text, std::string& out) {
    text = text.substr(0, kStringBytesMax);
    append_u16(text.size(), out);
    const std::size_t at = out.size();
    out.append(text);
    if (!valid_utf8(text)) {
        std::replace_if(
            out.begin() + static_cast<std::ptrdiff_t>(at), out.end(),
            [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c == '\0'; }, '?');
    }
}

void append_property(std::string_view name, std::string_view value, std::string& out) {
    out.push_back(static_cast<char>(kUserProperty));
    append_text(name, out);
    append_text(value, out);
}

std::string_view read_text(ByteReader& in) {
    const std::size_t high = in.u8();
    return in.raw(high << 8 | in.u8());
}

}  // namespace

void append_http_request(const HttpRequestView& request, std::string& out) {
    std::string properties;
    if (!request.method.empty()) {
        append_property(kMethod, request.method, properties);
    }
    if (!request.path.empty()) {
        append_property(kPath, request.path, properties);
    }
    for (const HttpHeaderView& header : request.headers) {
        append_property(header.name, header.value, properties);
    }
    append_body(properties, request.body, out);
}

std::optional<HttpRequestView> parse_http_request(std::string_view bytes) {
    ByteReader whole(bytes);
    ByteReader in(whole.string());
    if (whole.failed()) {
        return std::nullopt;
    }
    HttpRequestView request;
    request.body = whole.rest();
    while (!in.at_end()) {
        if (in.u8() != kUserProperty) {
            return std::nullopt;
        }
        const std::string_view name = read_text(in);
        const std::string_view value = read_text(in);
        if (in.failed()) {
            return std::nullopt;
        }
        if (name == kMethod) {
            request.method = value;
        } else if (name == kPath) {
            request.path = value;
        } else {
            request.headers.push_back({name, value});
        }
    }
    return request;
}

}  // namespace causeway::rules
