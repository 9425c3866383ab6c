#include "core/io/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>

#include "core/io/http_message.h"

namespace causeway::io {

bool is_loopback(std::string_view host) {
    if (equals_ignoring_case(host, "localhost")) {
        return true;
    }
    if (host.find('\0') != std::string_view::npos) {
        return false;  // inet_pton would read up to it
    }
    constexpr unsigned char kNet = 127;
    const std::string text(host);
    in_addr v4{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == kNet;
    }
    in6_addr v6{};
    if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) {
        return false;
    }
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == kNet);
}

}  // namespace causeway::io
