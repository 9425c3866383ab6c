#include "core/io/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace causeway::io {
namespace {

using Status = ProxyHeader::Status;

constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::size_t kLineBytesMax = 107;
constexpr std::size_t kHead2 = 16;
constexpr std::uint8_t kLocal = 0x20;
constexpr std::uint8_t kProxied = 0x21;
constexpr std::uint8_t kTcp4 = 0x11;
constexpr std::uint8_t kTcp6 = 0x21;
constexpr std::size_t kAddresses4 = 12;
constexpr std::size_t kAddresses6 = 36;

ProxyHeader failed() { return {Status::kError, 0, {}}; }

std::string text_of(int family, const char* address) {
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(family, address, text, sizeof(text));
    return text;
}

// "TCP4" and "TCP6" with an address of that family; empty: it is none.
std::string address_of(std::string_view family, std::string_view word) {
    char address[sizeof(in6_addr)] = {};
    const int which = family == "TCP4" ? AF_INET : AF_INET6;
    const std::string text(word);
    return inet_pton(which, text.c_str(), address) == 1 ? text_of(which, address) : std::string{};
}

std::string_view take_word(std::string_view& line) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, space);
    line.remove_prefix(std::min(space + 1, line.size()));
    return word;
}

ProxyHeader read_line(std::string_view bytes) {
    const std::size_t end = bytes.substr(0, kLineBytesMax).find("\r\n");
    if (end == std::string_view::npos) {
        return bytes.size() < kLineBytesMax ? ProxyHeader{} : failed();
    }
    std::string_view line = bytes.substr(kSignature1.size(), end - kSignature1.size());
    const std::string_view family = take_word(line);
    ProxyHeader header{Status::kDone, end + 2, {}};
    if (family == "UNKNOWN") {
        return header;
    }
    if (family != "TCP4" && family != "TCP6") {
        return failed();
    }
    header.host = address_of(family, take_word(line));
    return header.host.empty() || address_of(family, take_word(line)).empty() ? failed() : header;
}

ProxyHeader read_binary(std::string_view bytes) {
    if (bytes.size() < kHead2) {
        return {};
    }
    const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    const std::uint8_t command = at(12);
    const std::uint8_t family = at(13);
    const std::size_t size = kHead2 + (std::size_t{at(14)} << 8 | at(15));
    if (size > kProxyHeaderBytesMax || (command != kLocal && command != kProxied)) {
        return failed();
    }
    if (bytes.size() < size) {
        return {};
    }
    ProxyHeader header{Status::kDone, size, {}};
    if (command == kLocal) {
        return header;
    }
    const bool v4 = family == kTcp4;
    if ((!v4 && family != kTcp6) || size < kHead2 + (v4 ? kAddresses4 : kAddresses6)) {
        return failed();
    }
    header.host = text_of(v4 ? AF_INET : AF_INET6, bytes.data() + kHead2);
    return header;
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view bytes) {
    const auto begins = [&](std::string_view signature) {
        const std::size_t size = std::min(bytes.size(), signature.size());
        return bytes.substr(0, size) == signature.substr(0, size);
    };
    if (begins(kSignature1)) {
        return bytes.size() < kSignature1.size() ? ProxyHeader{} : read_line(bytes);
    }
    return begins(kSignature2) ? read_binary(bytes) : failed();
}

}  // namespace causeway::io
