// Who is at the other end of a TLS session: what a certificate says, as values. What of it counts
// is decided elsewhere (gateway/auth).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct x509_st;

namespace causeway::io {

inline constexpr std::size_t kPeerNamesMax = 64;  // Alternative names that are looked at.
inline constexpr std::size_t kPeerNameBytesMax = 1024;

struct TlsPeer {
    std::string common_name;  // Of the subject; empty: none, several, or one with a zero byte.
    std::string subject;      // In the form of RFC 2253.
    std::string issuer;       // The same.
    std::string serial;       // Lower-case hexadecimal digits.
    std::string fingerprint;  // SHA-256 of the whole certificate, lower-case hexadecimal digits.
    // Alternative names: at most kPeerNamesMax together; one longer than kPeerNameBytesMax or with
    // a byte that is not printable ASCII is left out.
    std::vector<std::string> dns_names;
    std::vector<std::string> uris;
    std::string der;        // The whole certificate.
    bool verified = false;  // The chain leads to a trusted CA and was valid at the handshake.
    // Of a session without a certificate: the identity whose pre-shared key the peer has.
    std::string psk_identity;
};

// Any thread. Nothing of it is trusted: `verified` is false.
TlsPeer describe_peer(const x509_st* certificate);
// Nothing if `der` is not exactly one certificate.
std::optional<TlsPeer> parse_peer(std::string_view der);

}  // namespace causeway::io
