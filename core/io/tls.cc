// TLS as a transform over OpenSSL; see the header.
#include "core/io/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <new>
#include <utility>

#include "core/base/check.h"

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

std::string common_name_of(const X509_NAME* subject) {
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) {
        return {};
    }
    unsigned char* utf8 = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) {
        return {};
    }
    std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    return name;
}

std::string rfc2253_of(const X509_NAME* subject) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), BIO_free);
    if (text == nullptr || X509_NAME_print_ex(text.get(), subject, 0, XN_FLAG_RFC2253) < 0) {
        return {};
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
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

TlsSession::~TlsSession() { SSL_free(ssl_); }

TlsStatus TlsSession::feed(std::string_view ciphertext, Sink sink, std::string& out) {
    if (status_ == TlsStatus::kFailed || status_ == TlsStatus::kPeerClosed) {
        return status_;
    }
    const CallScope scope(ciphertext, out);
    ERR_clear_error();
    if (status_ == TlsStatus::kOpen || handshake()) {
        read_all(sink);
    }
    return status_;
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
        return true;
    }
    const int error = SSL_get_error(ssl_, result);
    if (error != SSL_ERROR_WANT_READ) {
        fail_with(error);
    }
    return false;
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
    const X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) {
        return std::nullopt;
    }
    TlsPeer peer;
    const X509_NAME* subject = X509_get_subject_name(certificate);
    peer.common_name = common_name_of(subject);
    peer.subject = rfc2253_of(subject);
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    if (size > 0) {
        peer.der.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
        OPENSSL_free(der);
    }
    // With SSL_VERIFY_NONE OpenSSL still records the result for the certificate it was sent.
    peer.verified = SSL_get_verify_result(ssl_) == X509_V_OK;
    ERR_clear_error();
    return peer;
}

const std::string& TlsSession::error() const {
    static const std::string kNone;
    return error_ == nullptr ? kNone : *error_;
}

std::string_view TlsSession::version() const { return SSL_get_version(ssl_); }

std::string_view TlsSession::cipher() const { return SSL_get_cipher_name(ssl_); }

}  // namespace causeway::io
