// Handshakes over memory, for tests of contexts.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "certs/context.h"

namespace causeway::certs {

struct Handshake {
    using Ssl = std::unique_ptr<SSL, decltype(&SSL_free)>;
    Ssl server{nullptr, SSL_free};
    Ssl client{nullptr, SSL_free};
    bool done = false;  // both sides are content
};

struct HandshakeOptions {
    std::string server_name;         // sent as SNI
    SSL_SESSION* resume = nullptr;
    int max_version = TLS1_3_VERSION;
};

// Runs the handshake, and what comes right behind it (tickets).
inline Handshake shake_hands(SslContext* server_context, SslContext* client_context,
                             const HandshakeOptions& options = {}) {
    Handshake made;
    made.server.reset(SSL_new(server_context));
    made.client.reset(SSL_new(client_context));
    SSL_set_max_proto_version(made.client.get(), options.max_version);
    BIO* one = nullptr;
    BIO* other = nullptr;
    BIO_new_bio_pair(&one, 0, &other, 0);
    SSL_set_bio(made.server.get(), one, one);
    SSL_set_bio(made.client.get(), other, other);
    SSL_set_accept_state(made.server.get());
    SSL_set_connect_state(made.client.get());
    if (!options.server_name.empty()) {
        SSL_set_tlsext_host_name(made.client.get(), options.server_name.c_str());
    }
    if (options.resume != nullptr) {
        SSL_set_session(made.client.get(), options.resume);
    }
    int sides = 0;
    for (int i = 0; i < 20 && sides != 2; ++i) {
        sides = (SSL_do_handshake(made.client.get()) == 1 ? 1 : 0) +
                (SSL_do_handshake(made.server.get()) == 1 ? 1 : 0);
    }
    char byte = 'x';
    made.done = sides == 2 && SSL_write(made.server.get(), &byte, 1) == 1 &&
                SSL_read(made.client.get(), &byte, 1) == 1;
    ERR_clear_error();
    return made;
}

// The CN of what the server has shown.
inline std::string shown_name(const Handshake& made) {
    X509* certificate = SSL_get0_peer_certificate(made.client.get());
    char text[128] = {};
    if (certificate != nullptr) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text,
                                  sizeof(text));
    }
    return text;
}

}  // namespace causeway::certs
