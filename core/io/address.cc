#include "core/io/address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace causeway::io {

std::optional<std::string> normal_address(std::string_view text) {
    if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
        text = text.substr(1, text.size() - 2);
    }
    const std::string copy(text);
    char out[INET6_ADDRSTRLEN];
    in_addr v4{};
    if (::inet_pton(AF_INET, copy.c_str(), &v4) == 1) {
        return ::inet_ntop(AF_INET, &v4, out, sizeof(out));
    }
    in6_addr v6{};
    if (::inet_pton(AF_INET6, copy.c_str(), &v6) != 1) {
        return std::nullopt;
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        return ::inet_ntop(AF_INET, &v6.s6_addr[12], out, sizeof(out));
    }
    return ::inet_ntop(AF_INET6, &v6, out, sizeof(out));
}

std::string responsible_for(std::string_view address) {
    in6_addr v6{};
    if (::inet_pton(AF_INET6, std::string(address).c_str(), &v6) != 1) {
        return std::string(address);
    }
    std::fill(v6.s6_addr + 8, v6.s6_addr + 16, 0);
    char out[INET6_ADDRSTRLEN];
    return std::string(::inet_ntop(AF_INET6, &v6, out, sizeof(out))) + "/64";
}

}  // namespace causeway::io
