// The header a load balancer puts in front of a connection to say who the client is: the PROXY
// protocol, versions 1 and 2 (haproxy, proxy-protocol.txt §2.1, §2.2). Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace causeway::io {

struct ProxyHeader {
    enum class Status : std::uint8_t { kNeedMore, kDone, kError };

    Status status = Status::kNeedMore;
    std::size_t size = 0;  // of the header, when it is done
    // The client's address without port; empty when the balancer speaks for itself (LOCAL,
    // UNKNOWN), so that the peer of the socket is the client.
    std::string host;
};

// More than any header of ours: version 2 with its addresses and a few hundred bytes of extensions,
// which are skipped. A longer one is an error.
inline constexpr std::size_t kProxyHeaderBytesMax = 1024;

// Reads the header at the front of `bytes`. kNeedMore only while fewer than kProxyHeaderBytesMax
// are there.
[[nodiscard]] ProxyHeader read_proxy_header(std::string_view bytes);

}  // namespace causeway::io
