// A notation for wire bytes that a reader of the specification can check:
//   10 003C    hexadecimal bytes, spaces are free
//   'MQTT'     the characters as they are
//   "MQTT"     a UTF-8 string or binary: two length bytes, then the characters
//   { ... }    a Variable Byte Integer with the length of what stands inside, then that
// so CONNECT is  10 { "MQTT" 04 02 003C "device" }.
#pragma once

#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"

namespace causeway::mqtt {

namespace notation {

inline std::string varint(std::size_t value) {
    std::string out;
    do {
        const auto low = static_cast<std::uint8_t>(value & 0x7F);
        value >>= 7;
        out.push_back(static_cast<char>(value != 0 ? low | 0x80 : low));
    } while (value != 0);
    return out;
}

inline std::string string(std::string_view text) {
    std::string out{static_cast<char>(text.size() >> 8), static_cast<char>(text.size())};
    return out.append(text);
}

inline std::string quoted(std::string_view& rest, char quote) {
    const std::size_t end = rest.find(quote, 1);
    CW_CHECK(end != std::string_view::npos, rest);
    const std::string_view text = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    return std::string(text);
}

inline std::string sequence(std::string_view& rest, bool inner) {
    std::string out;
    while (!rest.empty()) {
        const char c = rest[0];
        if (c == '}') {
            CW_CHECK(inner, rest);
            rest.remove_prefix(1);
            return out;
        }
        if (c == '{') {
            rest.remove_prefix(1);
            const std::string content = sequence(rest, true);
            out += varint(content.size()) + content;
        } else if (c == '"') {
            out += string(quoted(rest, '"'));
        } else if (c == '\'') {
            out += quoted(rest, '\'');
        } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            rest.remove_prefix(1);
        } else {
            CW_CHECK(rest.size() >= 2 && std::isxdigit(static_cast<unsigned char>(c)) != 0 &&
                         std::isxdigit(static_cast<unsigned char>(rest[1])) != 0,
                     rest);
            out.push_back(
                static_cast<char>(std::stoi(std::string(rest.substr(0, 2)), nullptr, 16)));
            rest.remove_prefix(2);
        }
    }
    CW_CHECK(!inner);
    return out;
}

}  // namespace notation

inline std::string wire(std::string_view text) { return notation::sequence(text, false); }

inline std::string hex(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) {
        constexpr std::string_view kDigits = "0123456789ABCDEF";
        out += kDigits[static_cast<std::uint8_t>(byte) >> 4];
        out += kDigits[static_cast<std::uint8_t>(byte) & 15];
        out += ' ';
    }
    return out;
}

}  // namespace causeway::mqtt
