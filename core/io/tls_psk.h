// Pre-shared keys in server sessions («RFC 8446» §4.2.11, «RFC 4279», «RFC 5489»). OpenSSL asks for
// a key in callbacks that must answer at once, but a device's key may be on another node. So the
// handshake is stopped before OpenSSL needs the key: under TLS 1.3 in its ClientHello callback,
// which may say «not yet»; under TLS 1.2, where the identity comes later, by not giving it the
// ClientKeyExchange, which comes in the clear, until the key is known. OpenSSL's callbacks then
// find the key in the session, and only for the identity it was asked for.
//
// Files of core/io only, but for accept_psk().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace causeway::io {

inline constexpr std::size_t kPskIdentityBytesMax = 256;  // Printable ASCII without spaces.
inline constexpr std::size_t kPskKeyBytesMax = 256;

// Effect: sessions of this server context take pre-shared keys, which TlsSession asks for. Its
// cipher list must hold some for TLS 1.2. No session of a pre-shared key is resumed: its key would
// not be asked for again. Before the context is used.
void accept_psk(ssl_ctx_st* context);

// What a handshake with a pre-shared key needs; gone when it is done.
struct PskHandshake {
    std::string identity;
    std::string key;
    std::string held;      // Bytes of the peer that wait for the key.
    bool waiting = false;  // give_psk() is due.
    bool decided = false;  // The key is here, or none is needed.
};

// Of TlsSession: the handshake state of a session that OpenSSL calls back for; null: none yet.
PskHandshake* psk_handshake_of(const ssl_st* ssl);
// Makes it.
PskHandshake& begin_psk_handshake(ssl_st* ssl);

// The peer's ClientKeyExchange is the next thing to come, and its cipher needs a pre-shared key.
bool expects_psk_identity(const ssl_st* ssl);
// The handshake that ended was one with the pre-shared key asked for.
bool used_psk(const ssl_st* ssl);

enum class KeyExchangeStatus : std::uint8_t { kNeedMore, kFound, kOther };
struct KeyExchange {
    KeyExchangeStatus status = KeyExchangeStatus::kOther;  // kOther: let OpenSSL refuse it.
    std::string identity;                                  // kFound
};
// Reads the identity out of the TLS 1.2 records that a client sends after ServerHelloDone.
KeyExchange read_key_exchange(std::string_view records);

}  // namespace causeway::io
