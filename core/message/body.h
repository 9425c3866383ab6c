// A message body: what every subscriber gets unchanged. It is encoded once, by the gateway that
// received the publish, and stays the same immutable bytes in the log entry, the store and every
// subscriber's socket.
//
//   body := varint(size of properties) properties payload
//
// `properties` is the MQTT 5 wire encoding, without its length prefix, of what a server forwards
// unaltered: payload format indicator, content type, response topic, correlation data, user
// properties («MQTT 5.0 §3.3.2.3»). A 5.0 subscriber is sent head + properties + payload, a 3.1.1
// subscriber head + payload: both are one slice of the body.
#pragma once

#include <string>
#include <string_view>

#include "core/base/encoding.h"

namespace causeway {

struct BodyView {
    std::string_view properties;
    std::string_view payload;
    // properties and payload as one slice.
    std::string_view both;
};

inline void append_body(std::string_view properties, std::string_view payload, std::string& out) {
    ByteWriter writer(out);
    writer.string(properties);
    writer.raw(payload);
}

inline std::string make_body(std::string_view properties, std::string_view payload) {
    std::string out;
    append_body(properties, payload, out);
    return out;
}

// Bytes that are no body give an empty view (a body is made by our own gateways only; a damaged log
// is caught by its checksums).
inline BodyView parse_body(std::string_view body) {
    ByteReader reader(body);
    const std::uint64_t size = reader.varint();
    const std::string_view both = reader.rest();
    if (reader.failed() || size > both.size()) {
        return {};
    }
    return BodyView{both.substr(0, size), both.substr(size), both};
}

}  // namespace causeway
