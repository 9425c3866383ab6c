#include "core/io/tls_psk.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "core/io/tls.h"

namespace causeway::io {
namespace {

constexpr char kMark[] = "psk";  // In sessions and tickets that come of a pre-shared key.
constexpr unsigned char kAes128GcmSha256[] = {0x13, 0x01};
constexpr std::size_t kKeyExchangeBytesMax = 1024;

bool plausible(std::string_view identity) {
    return !identity.empty() && identity.size() <= kPskIdentityBytesMax &&
           std::all_of(identity.begin(), identity.end(),
                       [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

std::size_t u16(std::string_view bytes) {
    return std::size_t{static_cast<unsigned char>(bytes[0])} << 8 |
           static_cast<unsigned char>(bytes[1]);
}

// The first identity of a ClientHello's extension that may be a device's; tickets are binary.
std::string_view offered_identity(std::string_view extension) {
    if (extension.size() < 2) {
        return {};
    }
    std::string_view list = extension.substr(2, u16(extension));
    while (list.size() >= 2) {
        const std::size_t size = u16(list);
        const std::string_view identity = list.substr(2, size);
        if (identity.size() == size && plausible(identity)) {
            return identity;
        }
        list.remove_prefix(std::min(list.size(), 2 + size + 4));  // and the ticket's age
    }
    return {};
}

int on_client_hello(SSL* ssl, int*, void*) {
    if (psk_handshake_of(ssl) != nullptr) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    const unsigned char* data = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &data, &size) != 1) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    const std::string_view identity =
        offered_identity({reinterpret_cast<const char*>(data), size});
    if (identity.empty()) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    PskHandshake& psk = begin_psk_handshake(ssl);
    psk.identity = identity;
    psk.waiting = true;
    return SSL_CLIENT_HELLO_RETRY;
}

bool key_is_for(const PskHandshake* psk, std::string_view identity) {
    return psk != nullptr && psk->decided && !psk->key.empty() && psk->identity == identity;
}

// TLS 1.3.
int find_session(SSL* ssl, const unsigned char* identity, std::size_t size, SSL_SESSION** found) {
    *found = nullptr;
    const PskHandshake* psk = psk_handshake_of(ssl);
    if (!key_is_for(psk, {reinterpret_cast<const char*>(identity), size})) {
        return 1;  // Not an error: it may be a ticket.
    }
    SSL_SESSION* session = SSL_SESSION_new();
    const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, kAes128GcmSha256);
    const bool made =
        session != nullptr && cipher != nullptr &&
        SSL_SESSION_set1_master_key(session,
                                    reinterpret_cast<const unsigned char*>(psk->key.data()),
                                    psk->key.size()) == 1 &&
        SSL_SESSION_set_cipher(session, cipher) == 1 &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1 &&
        SSL_SESSION_set1_ticket_appdata(session, kMark, sizeof(kMark)) == 1;
    if (!made) {
        SSL_SESSION_free(session);
        return 0;
    }
    SSL_set_num_tickets(ssl, 0);
    *found = session;
    return 1;
}

// TLS 1.2; OpenSSL asks under 1.3, too, when find_session() has found nothing.
unsigned find_key(SSL* ssl, const char* identity, unsigned char* key, unsigned key_bytes_max) {
    const PskHandshake* psk = psk_handshake_of(ssl);
    if (SSL_version(ssl) != TLS1_2_VERSION || identity == nullptr || !key_is_for(psk, identity) ||
        psk->key.size() > key_bytes_max) {
        return 0;
    }
    std::copy(psk->key.begin(), psk->key.end(), key);
    return static_cast<unsigned>(psk->key.size());
}

bool is_psk(const SSL_CIPHER* cipher) {
    if (cipher == nullptr) {
        return false;
    }
    const int exchange = SSL_CIPHER_get_kx_nid(cipher);
    return exchange == NID_kx_psk || exchange == NID_kx_ecdhe_psk || exchange == NID_kx_dhe_psk ||
           exchange == NID_kx_rsa_psk;
}

bool is_marked(SSL_SESSION* session) {
    void* data = nullptr;
    std::size_t size = 0;
    return session != nullptr && SSL_SESSION_get0_ticket_appdata(session, &data, &size) == 1 &&
           size == sizeof(kMark);
}

int on_new_ticket(SSL* ssl, void*) {
    return !is_psk(SSL_get_current_cipher(ssl)) ||
                   SSL_SESSION_set1_ticket_appdata(SSL_get0_session(ssl), kMark, sizeof(kMark)) == 1
               ? 1
               : 0;
}

SSL_TICKET_RETURN on_ticket(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                            SSL_TICKET_STATUS status, void*) {
    const bool good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    if (good && is_marked(session)) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    switch (status) {
        case SSL_TICKET_SUCCESS:
            return SSL_TICKET_RETURN_USE;
        case SSL_TICKET_SUCCESS_RENEW:
            return SSL_TICKET_RETURN_USE_RENEW;
        case SSL_TICKET_EMPTY:
        case SSL_TICKET_NO_DECRYPT:
            return SSL_TICKET_RETURN_IGNORE_RENEW;
        default:
            return SSL_TICKET_RETURN_ABORT;
    }
}

}  // namespace

void accept_psk(ssl_ctx_st* context) {
    SSL_CTX_set_client_hello_cb(context, on_client_hello, nullptr);
    SSL_CTX_set_psk_find_session_callback(context, find_session);
    SSL_CTX_set_psk_server_callback(context, find_key);
    SSL_CTX_set_session_ticket_cb(context, on_new_ticket, on_ticket, nullptr);
}

bool expects_psk_identity(const ssl_st* ssl) {
    return SSL_get_state(ssl) == TLS_ST_SW_SRVR_DONE && is_psk(SSL_get_pending_cipher(ssl));
}

bool used_psk(const ssl_st* ssl) {
    return SSL_version(ssl) == TLS1_2_VERSION
               ? is_psk(SSL_get_current_cipher(ssl)) && SSL_session_reused(ssl) == 0
               : is_marked(SSL_get0_session(ssl));
}

// A record: type, version, length; handshake messages may be cut over several. A ClientKeyExchange:
// type 16, 24 bits of length, and first of all the identity behind 16 bits of length («RFC 4279»
// §2, «RFC 5489» §2).
KeyExchange read_key_exchange(std::string_view records) {
    constexpr char kHandshake = 22;
    constexpr char kClientKeyExchange = 16;
    constexpr std::size_t kRecordHead = 5;
    constexpr std::size_t kMessageHead = 4;
    std::string message;
    while (records.size() >= kRecordHead && records[0] == kHandshake &&
           message.size() <= kKeyExchangeBytesMax) {
        const std::size_t size = u16(records.substr(3));
        const std::string_view fragment = records.substr(kRecordHead, size);
        message.append(fragment);
        if (message.size() >= kMessageHead + 2) {
            const std::string_view whole = message;
            const std::size_t body =
                std::size_t{static_cast<unsigned char>(whole[1])} << 16 | u16(whole.substr(2));
            const std::size_t identity = u16(whole.substr(kMessageHead));
            if (whole[0] != kClientKeyExchange || body > kKeyExchangeBytesMax ||
                identity + 2 > body) {
                return {};
            }
            if (whole.size() >= kMessageHead + 2 + identity) {
                const std::string_view found = whole.substr(kMessageHead + 2, identity);
                return plausible(found)
                           ? KeyExchange{KeyExchangeStatus::kFound, std::string(found)}
                           : KeyExchange{};
            }
        }
        if (fragment.size() < size) {
            return {KeyExchangeStatus::kNeedMore, {}};
        }
        records.remove_prefix(kRecordHead + size);
    }
    const bool cut = records.size() < kRecordHead && (records.empty() || records[0] == kHandshake);
    return {cut && message.size() <= kKeyExchangeBytesMax ? KeyExchangeStatus::kNeedMore
                                                          : KeyExchangeStatus::kOther,
            {}};
}

}  // namespace causeway::io
