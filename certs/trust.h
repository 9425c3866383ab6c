// Whom a context trusts and what it shows, kept beside it for as long as it lives. Internal to the
// module.
#pragma once

#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "certs/context.h"
#include "certs/openssl.h"

namespace causeway::certs {

// A certificate with its key and what is sent behind it.
struct Identity {
    CertificatePtr certificate;
    KeyPtr key;
    STACK_OF(X509) * chain = nullptr;

    Identity() = default;
    Identity(Identity&& other) noexcept;
    Identity& operator=(Identity&&) = delete;
    ~Identity();
};
Result<Identity> read_identity(const CertificateFiles& files);
// Effect: the context shows it to who names no other.
Result<> show(SSL_CTX* context, const Identity& identity, const std::string& path);

struct ContextExtra {
    std::vector<CertificatePtr> authorities;
    std::vector<CrlPtr> crls;
    std::vector<Identity> identities;
    // Lower case, «*.example» for a wildcard; places in `identities`.
    absl::flat_hash_map<std::string, std::vector<std::size_t>> names;
};
// Of a context made here; made on first use and freed with it. Null: no memory.
ContextExtra* extra_of(SSL_CTX* context);

// `announce`: a server names its CAs when it asks for a client certificate.
Result<> trust(SSL_CTX* context, const std::string& path, bool announce);
struct RevocationRules {
    std::vector<std::string> paths;
    bool required = false;
};
Result<> check_revocations(SSL_CTX* context, const RevocationRules& rules);
// Effect: a line for each CA of the context whose revocation list is late or not there. `now_s`:
// seconds since 1970.
void append_lists_due(SSL_CTX* context, std::int64_t now_s, std::vector<std::string>& lines);
// Effect: shows identities[0] or, to a client that asks for its name, another.
Result<> show_by_name(SSL_CTX* context, std::vector<Identity> identities, const std::string& path);

// What check_revocations() takes in place of OpenSSL's own callback.
using VerifyCallback = int (*)(int, X509_STORE_CTX*);
VerifyCallback verify_callback(const RevocationRules& rules);

}  // namespace causeway::certs
