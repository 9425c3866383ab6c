// Who may connect to whom: what a certificate and a hello must say. Pure but for the TLS session
// that is asked for the certificate. Internal to cluster/link.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "cluster/link/links.h"
#include "cluster/wire/hello.h"

namespace causeway::io {
class TlsSession;
}

namespace causeway::link {

struct Refusal {
    bool certificate = false;  // Else the handshake.
    std::string why;           // One line.
};

// The node's name in the certificate of the other end of an open session.
tl::expected<std::string, Refusal> certified_name(const io::TlsSession* tls);

// What the other end says of itself, if it belongs to our cluster, speaks a version that we do and
// has the name its certificate has. Whether that is a peer of ours is for the caller to say.
tl::expected<Remote, Refusal> check_hello(const LinkOptions& ours, std::string_view certified_name,
                                          std::string_view body);

// Our own, as a frame.
std::string hello_of(const LinkOptions& ours);

// Whether the reason of a failed TLS handshake, ours or the peer's alert, is a certificate.
[[nodiscard]] bool is_about_certificate(std::string_view tls_error);

}  // namespace causeway::link
