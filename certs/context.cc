// TLS contexts from certificate files; see the header.
#include "certs/context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <utility>

#include "certs/issue.h"
#include "certs/openssl.h"
#include "certs/trust.h"

namespace causeway::certs {
namespace {

constexpr char kTls12Ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
// Those of OpenSSL, the smallest first: SHA-256 keeps less per session than SHA-384.
constexpr char kTls13Ciphers[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr long kSessionLifetimeS = 12L * 3600;
constexpr unsigned char kSessionIdContext[] = "causeway";

using Context = std::shared_ptr<SslContext>;

Result<Context> new_context(const SSL_METHOD* method, TlsVersion min_version) {
    ERR_clear_error();
    Context context(SSL_CTX_new(method), SSL_CTX_free);
    SSL_CTX* raw = context.get();
    if (raw == nullptr ||
        SSL_CTX_set_min_proto_version(
            raw, min_version == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(raw, kTls12Ciphers) != 1 ||
        SSL_CTX_set_ciphersuites(raw, kTls13Ciphers) != 1 ||
        SSL_CTX_set1_groups_list(raw, kGroups) != 1) {
        return fail("cannot set up TLS: " + openssl_reason());
    }
    // CHACHA20 first for a client that lists it first: it has no AES instructions.
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    // Tickets need no cache, and a cache would hold a session per device.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    return context;
}

// For those that make no certificates: without a round of ECDHE a stolen key opens what was
// recorded, so those with it come first.
constexpr char kPskCiphers[] =
    "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:"
    "PSK-CHACHA20-POLY1305:PSK-AES128-CCM8:PSK-AES128-CCM";

Result<> choose_ciphers(SSL_CTX* context, const ServerTlsConfig& config) {
    std::string ciphers = config.ciphers;
    if (ciphers.empty()) {
        ciphers = std::string(kTls12Ciphers) + (config.psk ? std::string(":") + kPskCiphers : "");
    }
    if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
        return fail("no cipher for TLS 1.2 in \"" + ciphers + "\": " + openssl_reason());
    }
    if (!config.ciphersuites.empty() &&
        SSL_CTX_set_ciphersuites(context, config.ciphersuites.c_str()) != 1) {
        return fail("no cipher suite for TLS 1.3 in \"" + config.ciphersuites +
                    "\": " + openssl_reason());
    }
    return {};
}

Result<> show_certificates(SSL_CTX* context, const ServerTlsConfig& config) {
    std::vector<CertificateFiles> files{{config.certificate, config.private_key}};
    files.insert(files.end(), config.more.begin(), config.more.end());
    if (config.certificate.empty() && config.psk && config.more.empty()) {
        return {};
    }
    std::vector<Identity> identities;
    for (const CertificateFiles& one : files) {
        auto identity = read_identity(one);
        if (!identity) {
            return tl::unexpected(identity.error());
        }
        identities.push_back(std::move(*identity));
    }
    return show_by_name(context, std::move(identities), config.certificate);
}

Result<> verify_clients(SSL_CTX* context, const ServerTlsConfig& config) {
    if (config.client_ca.empty()) {
        return fail("to verify client certificates, name the CA file that signed them");
    }
    if (auto trusted = trust(context, config.client_ca, true); !trusted) {
        return trusted;
    }
    const RevocationRules rules{config.crls, config.crl_required};
    if (auto checked = check_revocations(context, rules); !checked) {
        return checked;
    }
    SSL_CTX_set_verify(context,
                       config.verify == Verify::kRequired
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       verify_callback(rules));
    return {};
}

}  // namespace

Result<std::shared_ptr<SslContext>> make_server_context(const ServerTlsConfig& config) {
    auto context = new_context(TLS_server_method(), config.min_version);
    if (!context) {
        return context;
    }
    SSL_CTX* raw = context->get();
    auto made = choose_ciphers(raw, config);
    if (made) {
        made = show_certificates(raw, config);
    }
    if (made && config.verify != Verify::kNone) {
        made = verify_clients(raw, config);
    }
    if (!made) {
        return tl::unexpected(made.error());
    }
    SSL_CTX_set_num_tickets(raw, 1);
    SSL_CTX_set_timeout(raw, kSessionLifetimeS);
    SSL_CTX_set_session_id_context(raw, kSessionIdContext, sizeof(kSessionIdContext) - 1);
    return context;
}

Result<std::shared_ptr<SslContext>> make_client_context(const ClientTlsConfig& config) {
    auto context = new_context(TLS_client_method(), config.min_version);
    if (!context) {
        return context;
    }
    SSL_CTX* raw = context->get();
    if (config.certificate.empty() != config.private_key.empty()) {
        return fail("a client certificate needs its private key, and the key its certificate");
    }
    if (!config.certificate.empty()) {
        const auto identity = read_identity({config.certificate, config.private_key});
        const auto shown = identity ? show(raw, *identity, config.certificate)
                                    : Result<>(tl::unexpected(identity.error()));
        if (!shown) {
            return tl::unexpected(shown.error());
        }
    }
    if (!config.ca.empty()) {
        if (auto trusted = trust(raw, config.ca, false); !trusted) {
            return tl::unexpected(trusted.error());
        }
    } else if (SSL_CTX_set_default_verify_paths(raw) != 1) {
        return fail("cannot use the system's CAs: " + openssl_reason());
    }
    SSL_CTX_set_verify(raw, config.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    return context;
}

Result<PeerContexts> make_peer_contexts(const PeerTlsConfig& config) {
    if (config.certificate.empty() || config.private_key.empty() || config.ca.empty()) {
        return fail(
            "nodes need a certificate, its private key and the CA file; make them with: "
            "causeway cert issue-node");
    }
    ServerTlsConfig server{config.certificate, config.private_key, config.ca, Verify::kRequired,
                           TlsVersion::kTls13};
    if (!config.crl.empty()) {
        server.crls.push_back(config.crl);
    }
    ClientTlsConfig client{config.ca, config.certificate, config.private_key, TlsVersion::kTls13};
    auto accepting = make_server_context(server);
    if (!accepting) {
        return tl::unexpected(accepting.error());
    }
    auto dialing = make_client_context(client);
    if (!dialing) {
        return tl::unexpected(dialing.error());
    }
    const RevocationRules rules{server.crls, false};
    if (auto checked = check_revocations(dialing->get(), rules); !checked) {
        return tl::unexpected(checked.error());
    }
    SSL_CTX_set_verify(dialing->get(), SSL_VERIFY_PEER, verify_callback(rules));
    // A resumed session would be one whose certificate is not looked at again.
    if (SSL_CTX_set_num_tickets(accepting->get(), 0) != 1 ||
        SSL_CTX_set_purpose(accepting->get(), X509_PURPOSE_SSL_SERVER) != 1) {
        return fail("cannot set up TLS between nodes: " + openssl_reason());
    }
    SSL_CTX_set_options(accepting->get(), SSL_OP_NO_TICKET);
    return PeerContexts{std::move(*accepting), std::move(*dialing)};
}

Result<std::string> node_name_of(const std::string& certificate_path) {
    const auto chain = read_certificates(certificate_path, "certificate");
    if (!chain) {
        return tl::unexpected(chain.error());
    }
    char name[128] = {};
    const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(chain->front().get()),
                                               NID_commonName, name, sizeof(name));
    const std::string_view text(name, size < 0 ? 0 : static_cast<std::size_t>(size));
    if (!text.starts_with(kNodePrefix) || text.size() == kNodePrefix.size()) {
        return fail("certificate " + certificate_path +
                    " is not a node's; make one with: causeway cert issue-node");
    }
    return std::string(text.substr(kNodePrefix.size()));
}

}  // namespace causeway::certs
