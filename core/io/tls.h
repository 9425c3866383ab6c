// TLS 1.2 and 1.3 as a transform: ciphertext in, plaintext out, and back. OpenSSL never sees a
// socket; a TcpStream or a test moves the bytes. The SSL_CTX with its keys and rules is made
// elsewhere (certs).
//
// Memory: the sessions of a thread share one BIO without a buffer, which reads from and writes to
// what the call in progress was given; with SSL_MODE_RELEASE_BUFFERS an idle session holds no
// record buffers (test/bench/io).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>

#include "core/base/result.h"
#include "core/io/tls_peer.h"

struct ssl_st;
struct ssl_ctx_st;

namespace causeway::io {

struct PskHandshake;

enum class TlsStatus : std::uint8_t {
    kHandshaking,
    kOpen,
    kPeerClosed,  // The peer sent close_notify; writing is still possible.
    kFailed,      // error() says why; an alert for the peer may be in the output.
};

// Belongs to one loop and is made on its thread. Destroyed at any time except from within feed()'s
// sink.
class TlsSession {
public:
    // Effect: a session in server role. Fails only if OpenSSL has no memory.
    static Result<std::unique_ptr<TlsSession>> server(ssl_ctx_st* context);
    // Effect: a session in client role; feed({}) makes its first flight. `server_name` (DNS name or
    // IP address) must be in the server's certificate if the context verifies it; empty: any name.
    static Result<std::unique_ptr<TlsSession>> client(ssl_ctx_st* context,
                                                      std::string_view server_name);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    // Gets plaintext valid until it returns; false stops the feed and drops what is left of it.
    using Sink = absl::FunctionRef<bool(std::string_view plaintext)>;
    // Effect: takes all of `ciphertext`, hands out the plaintext of whole records (each piece <= 16
    // KiB) and appends what the peer must get (handshake, alerts) to `out`. No effect after
    // kFailed.
    TlsStatus feed(std::string_view ciphertext, Sink sink, std::string& out);
    // Effect: appends `plaintext` as records to `out`. False, with nothing appended, unless the
    // handshake is done and the session has neither failed nor been shut down.
    bool write(std::string_view plaintext, std::string& out);
    // Effect: appends close_notify to `out`, once, if the handshake is done.
    void shutdown(std::string& out);

    [[nodiscard]] TlsStatus status() const { return status_; }
    // The handshake is done and nothing has failed.
    [[nodiscard]] bool can_write() const;
    // One line with OpenSSL's reason, e.g. «certificate verify failed (self-signed certificate)».
    [[nodiscard]] const std::string& error() const;
    // Nothing until the handshake is done, or if the peer has shown neither a certificate nor a
    // pre-shared key.
    [[nodiscard]] std::optional<TlsPeer> peer() const;
    // The handshake went on from a session before.
    [[nodiscard]] bool resumed() const;
    // For certs: what the peer has shown, looked at again.
    [[nodiscard]] const ssl_st* native() const { return ssl_; }

    // Of a server session whose context takes pre-shared keys (tls_psk.h): the identity whose key
    // the handshake waits for; empty: none. Until give_psk() feed() keeps what comes; more than
    // kHeldBytesMax of it fails the session.
    [[nodiscard]] std::string_view wanted_psk() const;
    // Effect: the handshake goes on with this key; an empty one (there is no such identity) fails
    // as a wrong one does. Otherwise as feed().
    TlsStatus give_psk(std::string_view key, Sink sink, std::string& out);
    static constexpr std::size_t kHeldBytesMax = std::size_t{128} * 1024;
    // E.g. «TLSv1.3» and «TLS_AES_128_GCM_SHA256».
    [[nodiscard]] std::string_view version() const;
    [[nodiscard]] std::string_view cipher() const;

private:
    friend struct TlsBio;
    explicit TlsSession(ssl_st* ssl);
    static Result<std::unique_ptr<TlsSession>> make(ssl_ctx_st* context);
    friend PskHandshake* psk_handshake_of(const ssl_st* ssl);
    friend PskHandshake& begin_psk_handshake(ssl_st* ssl);
    bool handshake();
    void end_psk();
    // False: what came is kept until the key is here, or until more has come.
    bool may_go_on(std::string_view ciphertext);
    void read_all(Sink sink);
    void fail_with(int ssl_error);

    ssl_st* ssl_;
    std::unique_ptr<const std::string> error_;  // Null: none.
    // Null: no pre-shared key has come up. Kept for its identity if one was used.
    std::unique_ptr<PskHandshake> psk_;
    TlsStatus status_ = TlsStatus::kHandshaking;
    bool shut_down_ = false;
};

}  // namespace causeway::io
