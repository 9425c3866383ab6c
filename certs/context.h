// TLS contexts from certificate files: which certificate we show, whom we trust, which versions and
// ciphers. Called at start-up and on reload (make a new one and use it for new connections; the old
// one lives as long as its sessions). A context may be shared by threads.
//
// Rules for all: TLS 1.2 with ECDHE and AEAD only, TLS 1.3, AES-128-GCM first; groups X25519,
// P-256, P-384; session tickets, no session cache, no renegotiation, no compression. Every CA of a
// CA file is trusted for itself, root or not.
// Every error is one line that says what to fix: a missing file, a key of another certificate, an
// expired certificate, a key that others may read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"

struct ssl_st;
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

struct CertificateFiles {
    std::string certificate{};  // PEM file: the certificate, then its intermediates.
    std::string private_key{};  // PEM file, unencrypted, mode 0600.
};

struct ServerTlsConfig {
    std::string certificate{};  // As in CertificateFiles; may be none if `psk`.
    std::string private_key{};
    std::string client_ca{};  // PEM file of CAs; needed unless verify is kNone.
    Verify verify = Verify::kNone;
    TlsVersion min_version = TlsVersion::kTls12;
    // Further certificates: a client that names a server (SNI) is shown those that bear the name,
    // else the first of all. Of one name there may be one for each kind of key.
    std::vector<CertificateFiles> more{};
    std::vector<std::string> crls{};  // PEM files of revocation lists.
    // A CA without a list, or with one that should have been made anew, is as good as none. Else
    // such a CA's certificates are taken, as far as what lists there are does not revoke them.
    bool crl_required = false;
    std::string ciphers{};       // TLS 1.2, in OpenSSL's words; empty: see above.
    std::string ciphersuites{};  // TLS 1.3.
    bool psk = false;            // Cipher suites for pre-shared keys, too; see io::accept_psk().
};

struct ClientTlsConfig {
    std::string ca{};           // PEM file of CAs; empty: the system's.
    std::string certificate{};  // With private_key: what we show if asked. Both or neither.
    std::string private_key{};
    TlsVersion min_version = TlsVersion::kTls12;
    bool insecure = false;  // Accept any server. For tools, when the user says so.
};

// Between nodes; see issue_node().
struct PeerTlsConfig {
    std::string certificate{};  // PEM file: the certificate, then its intermediates.
    std::string private_key{};  // PEM file, unencrypted.
    std::string ca{};           // PEM file of the CAs of the cluster.
    std::string crl{};          // PEM file of what they have revoked; empty: none.
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
// Whether a session of an earlier server context would be let in by this one: its certificate, and
// those above it, are of a CA that is trusted and on no revocation list. Signatures and dates are
// not looked at again. True for a session without a certificate. A session that was resumed and
// whose certificate is not directly of a trusted CA is not: what was between them is not known any
// more. True for a session of this very context. About 1 us; any thread that may use `session`.
bool still_trusted(SslContext* context, const ssl_st* session);
// The certificate that the session's peer has shown is past its date. A resumed session may have
// one. False without a certificate.
bool certificate_expired(const ssl_st* session);

// Keys of session tickets: who has the same ones resumes each other's sessions.
struct TicketKeys {
    unsigned char bytes[80] = {};
};
TicketKeys random_ticket_keys();
void use_ticket_keys(SslContext* context, const TicketKeys& keys);

// The node a certificate was issued to: its CN without «node:».
Result<std::string> node_name_of(const std::string& certificate_path);

}  // namespace causeway::certs
