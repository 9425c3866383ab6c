// TLS as a transform over OpenSSL; see the header.
#include "core/io/tls.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <new>
#include <utility>

#include "core/base/check.h"
#include "core/io/tls_psk.h"

namespace causeway::io {

namespace {

// The call into OpenSSL that this thread is in: what it may read, and where it writes.
struct Call {
    std::string_view in;
    std::string* out = nullptr;
};
thread_local Call call;

// Sets the call for a scope; a sink may make another call meanwhile.
class CallScope {
public:
    CallScope(std::string_view in, std::string& out) : outer_(std::exchange(call, {in, &out})) {}
    ~CallScope() { call = outer_; }
    CallScope(const CallScope&) = delete;
    CallScope& operator=(const CallScope&) = delete;

private:
    Call outer_;
};

}  // namespace

// The one BIO under all sessions of a thread: unbuffered, over the bytes of the call in progress.
struct TlsBio {
    static int read(BIO* bio, char* to, std::size_t size, std::size_t* done) {
        BIO_clear_retry_flags(bio);
        if (call.in.empty()) {
            BIO_set_retry_read(bio);
            return 0;
        }
        *done = std::min(size, call.in.size());
        std::memcpy(to, call.in.data(), *done);
        call.in.remove_prefix(*done);
        return 1;
    }
    static int write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
        BIO_clear_retry_flags(bio);
        if (call.out == nullptr) {
            return 0;
        }
        call.out->append(from, size);
        *done = size;
        return 1;
    }
    static long control(BIO*, int command, long, void*) {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }

    static BIO_METHOD* method() {
        static BIO_METHOD* const kMethod = [] {
            BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "causeway");
            CW_CHECK(made != nullptr);
            BIO_meth_set_read_ex(made, read);
            BIO_meth_set_write_ex(made, write);
            BIO_meth_set_ctrl(made, control);
            return made;
        }();
        return kMethod;
    }
    // Null: no memory. The sessions keep it beyond the thread's end.
    static BIO* of_this_thread() {
        struct Free {
            void operator()(BIO* bio) const { BIO_free(bio); }
        };
        thread_local const std::unique_ptr<BIO, Free> kShared([] {
            BIO* const made = BIO_new(method());
            if (made != nullptr) {
                BIO_set_init(made, 1);
            }
            return made;
        }());
        return kShared.get();
    }
};

namespace {

constexpr std::size_t kUnknownKeyBytes = 32;
constexpr std::size_t kRecordBytes = std::size_t{16} * 1024;

// Effect: empties a key of the handshake, which OpenSSL would keep with the session: the traffic
// keys are made, and no renegotiation comes. Drops our reference.
void wipe(EVP_PKEY* key) {
    EVP_PKEY_set_type(key, EVP_PKEY_get_id(key));
    EVP_PKEY_free(key);
}

std::string reason_text(SSL* ssl, int ssl_error) {
    // The oldest error of the queue is the cause; what follows are its consequences.
    const unsigned long code = ERR_get_error();
    if (code == 0) {
        return ssl_error == SSL_ERROR_SYSCALL ? "the connection broke off" : "TLS protocol error";
    }
    const char* reason = ERR_reason_error_string(code);
    std::string text = reason != nullptr ? reason : "TLS error " + std::to_string(code);
    const long verify = SSL_get_verify_result(ssl);
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK) {
        text += std::string(" (") + X509_verify_cert_error_string(verify) + ")";
    }
    return text;
}

bool set_expected_name(SSL* ssl, const std::string& name) {
    X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1) {
        return true;  // An address; RFC 6066 has no server name indication for it.
    }
    return SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 &&
           SSL_set1_host(ssl, name.c_str()) == 1;
}

}  // namespace

Result<std::unique_ptr<TlsSession>> TlsSession::make(ssl_ctx_st* context) {
    ERR_clear_error();
    SSL* ssl = SSL_new(context);
    if (ssl == nullptr) {
        return fail("cannot make a TLS session: " + reason_text(ssl, SSL_ERROR_SSL));
    }
    std::unique_ptr<TlsSession> session(new TlsSession(ssl));
    BIO* bio = TlsBio::of_this_thread();
    if (bio == nullptr || BIO_up_ref(bio) != 1) {
        return fail("cannot make a TLS session: out of memory");
    }
    SSL_set_bio(ssl, bio, bio);  // takes the one reference
    SSL_set_app_data(ssl, session.get());
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    return session;
}

Result<std::unique_ptr<TlsSession>> TlsSession::server(ssl_ctx_st* context) {
    auto session = make(context);
    if (session) {
        SSL_set_accept_state((*session)->ssl_);
    }
    return session;
}

Result<std::unique_ptr<TlsSession>> TlsSession::client(ssl_ctx_st* context,
                                                       std::string_view server_name) {
    auto session = make(context);
    if (!session) {
        return session;
    }
    SSL_set_connect_state((*session)->ssl_);
    if (!server_name.empty() && !set_expected_name((*session)->ssl_, std::string(server_name))) {
        return fail("not a name or address a TLS server can have: " + std::string(server_name));
    }
    return session;
}

TlsSession::TlsSession(ssl_st* ssl) : ssl_(ssl) {}

TlsSession::~TlsSession() {
    SSL_free(ssl_);
    if (psk_ != nullptr) {
        OPENSSL_cleanse(psk_->key.data(), psk_->key.size());
    }
}

TlsStatus TlsSession::feed(std::string_view ciphertext, Sink sink, std::string& out) {
    if (status_ == TlsStatus::kFailed || status_ == TlsStatus::kPeerClosed) {
        return status_;
    }
    ERR_clear_error();
    std::string held;
    if (status_ == TlsStatus::kHandshaking) {
        if (!may_go_on(ciphertext)) {
            return status_;
        }
        if (psk_ != nullptr && !psk_->held.empty()) {
            held = std::exchange(psk_->held, {});
            ciphertext = held;
        }
    }
    const CallScope scope(ciphertext, out);
    if (status_ == TlsStatus::kOpen || handshake()) {
        read_all(sink);
    }
    return status_;
}

bool TlsSession::may_go_on(std::string_view ciphertext) {
    if (psk_ == nullptr && expects_psk_identity(ssl_)) {
        begin_psk_handshake(ssl_);
    }
    if (psk_ == nullptr || (psk_->decided && psk_->held.empty())) {
        return true;
    }
    psk_->held.append(ciphertext);
    if (psk_->held.size() > kHeldBytesMax) {
        status_ = TlsStatus::kFailed;
        error_ = std::make_unique<const std::string>("too much came before the key was known");
        return false;
    }
    if (psk_->decided || psk_->waiting) {
        return psk_->decided;
    }
    KeyExchange read = read_key_exchange(psk_->held);
    if (read.status == KeyExchangeStatus::kFound) {
        psk_->identity = std::move(read.identity);
        psk_->waiting = true;
    }
    psk_->decided = read.status == KeyExchangeStatus::kOther;  // OpenSSL says what is wrong
    return psk_->decided;
}

std::string_view TlsSession::wanted_psk() const {
    return psk_ != nullptr && psk_->waiting && status_ == TlsStatus::kHandshaking
               ? std::string_view(psk_->identity)
               : std::string_view{};
}

TlsStatus TlsSession::give_psk(std::string_view key, Sink sink, std::string& out) {
    CW_CHECK(psk_ != nullptr && psk_->waiting);
    psk_->key = key.substr(0, kPskKeyBytesMax);
    if (key.empty()) {
        psk_->key.assign(kUnknownKeyBytes, '\0');
        CW_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(psk_->key.data()),
                            static_cast<int>(psk_->key.size())) == 1);
    }
    psk_->waiting = false;
    psk_->decided = true;
    return feed({}, sink, out);
}

PskHandshake* psk_handshake_of(const ssl_st* ssl) {
    return static_cast<const TlsSession*>(SSL_get_app_data(ssl))->psk_.get();
}

PskHandshake& begin_psk_handshake(ssl_st* ssl) {
    auto* session = static_cast<TlsSession*>(SSL_get_app_data(ssl));
    session->psk_ = std::make_unique<PskHandshake>();
    return *session->psk_;
}

bool TlsSession::handshake() {
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) {
        status_ = TlsStatus::kOpen;
        EVP_PKEY* key = nullptr;
        if (SSL_get_tmp_key(ssl_, &key) == 1) {
            wipe(key);
        }
        if (SSL_get_peer_tmp_key(ssl_, &key) == 1) {
            wipe(key);
        }
        ERR_clear_error();
        end_psk();
        return true;
    }
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_WANT_CLIENT_HELLO_CB) {
        psk_->held.assign(call.in);  // what came behind the ClientHello
        return false;
    }
    if (error != SSL_ERROR_WANT_READ) {
        fail_with(error);
    }
    return false;
}

// What was needed for the handshake goes, and the identity too if it was not proven.
void TlsSession::end_psk() {
    if (psk_ == nullptr) {
        return;
    }
    OPENSSL_cleanse(psk_->key.data(), psk_->key.size());
    if (!used_psk(ssl_)) {
        psk_.reset();
        return;
    }
    psk_->key = {};
    psk_->held = {};
}

void TlsSession::read_all(Sink sink) {
    char plain[kRecordBytes];
    while (true) {
        std::size_t size = 0;
        const int result = SSL_read_ex(ssl_, plain, sizeof(plain), &size);
        if (result == 1) {
            if (!sink({plain, size})) {
                return;
            }
            continue;
        }
        const int error = SSL_get_error(ssl_, result);
        if (error == SSL_ERROR_ZERO_RETURN) {
            status_ = TlsStatus::kPeerClosed;
        } else if (error != SSL_ERROR_WANT_READ) {
            fail_with(error);
        }
        return;
    }
}

void TlsSession::fail_with(int ssl_error) {
    status_ = TlsStatus::kFailed;
    error_ = std::make_unique<const std::string>(reason_text(ssl_, ssl_error));
    ERR_clear_error();
}

bool TlsSession::can_write() const {
    return !shut_down_ && (status_ == TlsStatus::kOpen || status_ == TlsStatus::kPeerClosed);
}

bool TlsSession::write(std::string_view plaintext, std::string& out) {
    if (!can_write()) {
        return false;
    }
    if (plaintext.empty()) {
        return true;
    }
    const CallScope scope({}, out);
    ERR_clear_error();
    std::size_t written = 0;
    const int result = SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &written);
    if (result != 1) {
        fail_with(SSL_get_error(ssl_, result));
        return false;
    }
    return true;
}

void TlsSession::shutdown(std::string& out) {
    if (!can_write()) {
        return;
    }
    const CallScope scope({}, out);
    ERR_clear_error();
    SSL_shutdown(ssl_);  // 0: sent, and the peer's is not here yet; we do not wait for it.
    ERR_clear_error();
    shut_down_ = true;
}

std::optional<TlsPeer> TlsSession::peer() const {
    if (status_ == TlsStatus::kHandshaking) {
        return std::nullopt;
    }
    if (psk_ != nullptr && can_write()) {
        TlsPeer peer;
        peer.psk_identity = psk_->identity;
        return peer;
    }
    const X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) {
        return std::nullopt;
    }
    TlsPeer peer = describe_peer(certificate);
    // With SSL_VERIFY_NONE OpenSSL still records the result for the certificate it was sent.
    peer.verified = SSL_get_verify_result(ssl_) == X509_V_OK;
    return peer;
}

bool TlsSession::resumed() const { return SSL_session_reused(ssl_) != 0; }

const std::string& TlsSession::error() const {
    static const std::string kNone;
    return error_ == nullptr ? kNone : *error_;
}

std::string_view TlsSession::version() const { return SSL_get_version(ssl_); }

std::string_view TlsSession::cipher() const { return SSL_get_cipher_name(ssl_); }

}  // namespace causeway::io
