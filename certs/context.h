// TLS contexts from certificate files: which certificate we show, whom we trust, which versions and
// ciphers. Called at start-up and on reload (make a new one and use it for new connections; the old
// one lives as long as its sessions). A context may be shared by threads.
//
// Rules for all: TLS 1.2 with ECDHE and AEAD only, TLS 1.3, AES-128-GCM first; groups X25519,
// P-256, P-384; session tickets, no session cache, no renegotiation, no compression.
// Every error is one line that says what to fix: a missing file, a key of another certificate, an
// expired certificate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/result.h"

struct ssl_ctx_st;

namespace causeway::certs {

// What io::TlsSession and io::ConnectOptions take. Opaque: OpenSSL's SSL_CTX.
using SslContext = ssl_ctx_st;

enum class Verify : std::uint8_t {
    kNone,      // No certificate is asked for.
    kOptional,  // Asked for; if one is shown it must be good.
    kRequired,
};

enum class TlsVersion : std::uint8_t { kTls12, kTls13 };

struct ServerTlsConfig {
    std::string certificate;  // PEM file: the certificate, then its intermediates.
    std::string private_key;  // PEM file, unencrypted.
    std::string client_ca;    // PEM file of CAs; needed unless verify is kNone.
    Verify verify = Verify::kNone;
    TlsVersion min_version = TlsVersion::kTls12;
};

struct ClientTlsConfig {
    std::string ca;           // PEM file of CAs; empty: the system's.
    std::string certificate;  // With private_key: what we show if asked. Both or neither.
    std::string private_key;
    TlsVersion min_version = TlsVersion::kTls12;
    bool insecure = false;  // Accept any server. For tools, when the user says so.
};

// Between nodes; see issue_node().
struct PeerTlsConfig {
    std::string certificate;  // PEM file: the certificate, then its intermediates.
    std::string private_key;  // PEM file, unencrypted.
    std::string ca;           // PEM file of the CAs of the cluster.
};
struct PeerContexts {
    std::shared_ptr<SslContext> server;  // For connections from other nodes.
    std::shared_ptr<SslContext> client;  // For connections to them.
};

Result<std::shared_ptr<SslContext>> make_server_context(const ServerTlsConfig& config);
Result<std::shared_ptr<SslContext>> make_client_context(const ClientTlsConfig& config);
// Effect: TLS 1.3 only, without tickets. Both sides verify, and a node that connects must be good
// for a server, too: no device's certificate is. Who it is must be looked at in its CN.
Result<PeerContexts> make_peer_contexts(const PeerTlsConfig& config);
// The node a certificate was issued to: its CN without «node:».
Result<std::string> node_name_of(const std::string& certificate_path);

}  // namespace causeway::certs
