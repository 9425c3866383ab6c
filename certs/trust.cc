#include "certs/trust.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/base/check.h"

namespace causeway::certs {
namespace {

void free_extra(void*, void* extra, CRYPTO_EX_DATA*, int, long, void*) {
    const std::unique_ptr<ContextExtra> freed(static_cast<ContextExtra*>(extra));
}

int extra_index() {
    static const int kIndex =
        CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, nullptr, nullptr, nullptr, free_extra);
    return kIndex;
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

std::vector<std::string> dns_names_of(const X509* certificate) {
    std::vector<std::string> found;
    GENERAL_NAMES* names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            const auto* bytes =
                reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
            const int size = ASN1_STRING_length(name->d.dNSName);
            found.push_back(lower({bytes, static_cast<std::size_t>(size)}));
        }
    }
    GENERAL_NAMES_free(names);
    return found;
}

const std::vector<std::size_t>* find_name(const ContextExtra& extra, std::string_view asked) {
    const std::string name = lower(asked);
    auto found = extra.names.find(name);
    if (found == extra.names.end()) {
        const std::size_t dot = name.find('.');
        found = dot == std::string::npos ? found : extra.names.find("*" + name.substr(dot));
    }
    return found == extra.names.end() ? nullptr : &found->second;
}

int on_server_name(SSL* ssl, int*, void* argument) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const auto& extra = *static_cast<const ContextExtra*>(argument);
    const auto* found = name == nullptr ? nullptr : find_name(extra, name);
    if (found == nullptr) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    SSL_certs_clear(ssl);
    // Of two with keys of one kind the first stays.
    for (auto at = found->rbegin(); at != found->rend(); ++at) {
        const Identity& identity = extra.identities[*at];
        if (SSL_use_cert_and_key(ssl, identity.certificate.get(), identity.key.get(),
                                 identity.chain, 1) != 1) {
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

// A list that is missing or late would otherwise keep a whole fleet out.
int tolerate_late_lists(int ok, X509_STORE_CTX* context) {
    const int error = X509_STORE_CTX_get_error(context);
    // The third: of a CA that is trusted without its root, which alone could check the list.
    const bool late = error == X509_V_ERR_UNABLE_TO_GET_CRL ||
                      error == X509_V_ERR_CRL_HAS_EXPIRED ||
                      error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER;
    if (ok == 1 || !late) {
        return ok;
    }
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

bool revoked(const ContextExtra& extra, X509* certificate) {
    return std::any_of(extra.crls.begin(), extra.crls.end(), [&](const CrlPtr& crl) {
        X509_REVOKED* entry = nullptr;
        return X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate)) ==
                   0 &&
               X509_CRL_get0_by_cert(crl.get(), &entry, certificate) == 1;
    });
}

}  // namespace

Identity::Identity(Identity&& other) noexcept
    : certificate(std::move(other.certificate)),
      key(std::move(other.key)),
      chain(std::exchange(other.chain, nullptr)) {}

Identity::~Identity() { sk_X509_pop_free(chain, X509_free); }

Result<Identity> read_identity(const CertificateFiles& files) {
    auto all = read_certificates(files.certificate, "certificate");
    if (!all) {
        return tl::unexpected(all.error());
    }
    auto key = read_key(files.private_key, "private key");
    if (!key) {
        return tl::unexpected(key.error());
    }
    for (const auto& certificate : *all) {
        if (auto valid = check_validity(certificate.get(), files.certificate); !valid) {
            return tl::unexpected(valid.error());
        }
    }
    Identity identity;
    identity.certificate = std::move(all->front());
    identity.key = std::move(*key);
    if (X509_check_private_key(identity.certificate.get(), identity.key.get()) != 1) {
        ERR_clear_error();
        return fail("private key " + files.private_key + " does not belong to certificate " +
                    files.certificate);
    }
    identity.chain = sk_X509_new_null();
    for (std::size_t i = 1; i < all->size(); ++i) {
        sk_X509_push(identity.chain, (*all)[i].release());
    }
    return identity;
}

Result<> show(SSL_CTX* context, const Identity& identity, const std::string& path) {
    return SSL_CTX_use_cert_and_key(context, identity.certificate.get(), identity.key.get(),
                                    identity.chain, 1) == 1
               ? Result<>()
               : fail("cannot use certificate " + path + ": " + openssl_reason());
}

ContextExtra* extra_of(SSL_CTX* context) {
    auto* extra = static_cast<ContextExtra*>(SSL_CTX_get_ex_data(context, extra_index()));
    if (extra == nullptr) {
        auto made = std::make_unique<ContextExtra>();
        if (SSL_CTX_set_ex_data(context, extra_index(), made.get()) == 1) {
            extra = made.release();
        }
    }
    return extra;
}

Result<> trust(SSL_CTX* context, const std::string& path, bool announce) {
    auto authorities = read_certificates(path, "CA file");
    if (!authorities) {
        return tl::unexpected(authorities.error());
    }
    ContextExtra* extra = extra_of(context);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    for (auto& authority : *authorities) {
        if (extra == nullptr || X509_STORE_add_cert(store, authority.get()) != 1 ||
            (announce && SSL_CTX_add_client_CA(context, authority.get()) != 1)) {
            return fail("cannot use CA file " + path + ": " + openssl_reason());
        }
        extra->authorities.push_back(std::move(authority));
    }
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return {};
}

Result<> check_revocations(SSL_CTX* context, const RevocationRules& rules) {
    ContextExtra* extra = extra_of(context);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    for (const std::string& path : rules.paths) {
        auto crls = read_crls(path);
        if (!crls) {
            return tl::unexpected(crls.error());
        }
        for (auto& crl : *crls) {
            if (extra == nullptr || X509_STORE_add_crl(store, crl.get()) != 1) {
                return fail("cannot use revocation list " + path + ": " + openssl_reason());
            }
            extra->crls.push_back(std::move(crl));
        }
    }
    if (!rules.paths.empty() || rules.required) {
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    return {};
}

VerifyCallback verify_callback(const RevocationRules& rules) {
    return rules.required ? nullptr : tolerate_late_lists;
}

Result<> show_by_name(SSL_CTX* context, std::vector<Identity> identities,
                      const std::string& path) {
    if (auto shown = show(context, identities.front(), path); !shown) {
        return shown;
    }
    if (identities.size() == 1) {
        return {};
    }
    ContextExtra* extra = extra_of(context);
    if (extra == nullptr) {
        return fail("cannot set up TLS: out of memory");
    }
    extra->identities = std::move(identities);
    for (std::size_t i = 0; i < extra->identities.size(); ++i) {
        for (const std::string& name : dns_names_of(extra->identities[i].certificate.get())) {
            extra->names[name].push_back(i);
        }
    }
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context, extra);
    return {};
}

bool still_trusted(SslContext* context, const ssl_st* session) {
    X509* leaf = SSL_get0_peer_certificate(session);
    const ContextExtra* extra = extra_of(context);
    if (leaf == nullptr || SSL_get_SSL_CTX(session) == context || SSL_CTX_get_verify_mode(context) == SSL_VERIFY_NONE) {
        return true;
    }
    if (extra == nullptr) {
        return false;
    }
    const STACK_OF(X509)* chain = SSL_get0_verified_chain(session);
    if (chain == nullptr) {  // resumed
        return !revoked(*extra, leaf) &&
               std::any_of(extra->authorities.begin(), extra->authorities.end(),
                           [&](const CertificatePtr& authority) {
                               return X509_check_issued(authority.get(), leaf) == X509_V_OK;
                           });
    }
    bool anchored = false;
    for (int i = 0; i < sk_X509_num(chain); ++i) {
        X509* one = sk_X509_value(chain, i);
        if (revoked(*extra, one)) {
            return false;
        }
        anchored = anchored || std::any_of(extra->authorities.begin(), extra->authorities.end(),
                                           [&](const CertificatePtr& authority) {
                                               return X509_cmp(authority.get(), one) == 0;
                                           });
    }
    return anchored;
}

bool certificate_expired(const ssl_st* session) {
    const X509* leaf = SSL_get0_peer_certificate(session);
    return leaf != nullptr && X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0;
}

TicketKeys random_ticket_keys() {
    TicketKeys keys;
    CW_CHECK(RAND_bytes(keys.bytes, sizeof(keys.bytes)) == 1);
    return keys;
}

void use_ticket_keys(SslContext* context, const TicketKeys& keys) {
    TicketKeys copy = keys;
    SSL_CTX_set_tlsext_ticket_keys(context, copy.bytes, sizeof(copy.bytes));
}

void append_lists_due(SSL_CTX* context, std::int64_t now_s, std::vector<std::string>& lines) {
    const ContextExtra* extra = extra_of(context);
    if (extra == nullptr) {
        return;
    }
    for (const CertificatePtr& authority : extra->authorities) {
        const X509_NAME* name = X509_get_subject_name(authority.get());
        const auto found =
            std::find_if(extra->crls.begin(), extra->crls.end(), [&](const CrlPtr& crl) {
                return X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), name) == 0;
            });
        if (found == extra->crls.end()) {
            lines.push_back("CA " + common_name_of(name) + " has no revocation list");
            continue;
        }
        const ASN1_TIME* next = X509_CRL_get0_nextUpdate(found->get());
        if (next != nullptr && seconds_of(next) < now_s) {
            lines.push_back("the revocation list of CA " + common_name_of(name) +
                            " should have been made anew");
        }
    }
}

}  // namespace causeway::certs
