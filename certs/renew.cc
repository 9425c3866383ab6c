// Renewal: the same certificate once more, valid from now; see issue.h.
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <filesystem>

#include "certs/authority.h"
#include "certs/files.h"

namespace causeway::certs {
namespace {

constexpr std::int64_t kBackdateS = 3600;

Result<> check_renewable(const Authority& authority, X509* old, const std::string& path) {
    X509* issuer = authority.certificate.get();
    if (X509_check_issued(issuer, old) != X509_V_OK ||
        X509_verify(old, X509_get0_pubkey(issuer)) != 1) {
        ERR_clear_error();
        return fail(path + " was not issued by the CA in " + authority.dir);
    }
    if (X509_check_ca(old) == 1) {
        return fail(path + " is a CA's own; make a new CA, and let both be trusted for a while");
    }
    const auto revoked = read_revoked(authority.dir);
    if (!revoked) {
        return tl::unexpected(revoked.error());
    }
    const std::string serial = serial_of(old);
    if (std::any_of(revoked->begin(), revoked->end(),
                    [&](const Revoked& one) { return one.serial == serial; })) {
        return fail(path + " is revoked; issue a new one");
    }
    return {};
}

int days_of(const X509* certificate) {
    int days = 0;
    int seconds = 0;
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate),
                   X509_get0_notAfter(certificate));
    return std::max(1, days);
}

}  // namespace

Result<IssuedFiles> renew(const std::string& dir, const std::string& certificate_path,
                          const RenewOptions& options) {
    const auto authority = read_authority(dir);
    if (!authority) {
        return tl::unexpected(authority.error());
    }
    const auto chain = read_certificates(certificate_path, "certificate");
    if (!chain) {
        return tl::unexpected(chain.error());
    }
    X509* old = chain->front().get();
    if (auto good = check_renewable(*authority, old, certificate_path); !good) {
        return tl::unexpected(good.error());
    }
    KeyPtr key;
    if (options.new_key) {
        auto made = new_key(options.key);
        if (!made) {
            return tl::unexpected(made.error());
        }
        key = std::move(*made);
    }
    Draft draft;
    draft.like = old;
    draft.public_key = key != nullptr ? key.get() : X509_get0_pubkey(old);
    draft.issuer = authority->certificate.get();
    draft.issuer_key = authority->key.get();
    draft.backdate_s = kBackdateS;
    draft.days = options.days != 0 ? options.days : days_of(old);
    draft.extensions = {{NID_subject_key_identifier, "hash"},
                        {NID_authority_key_identifier, "keyid"}};
    const auto certificate = sign(draft);
    if (!certificate) {
        return tl::unexpected(certificate.error());
    }
    if (auto noted = note_issued(dir, certificate->get(), kind_of(certificate->get())); !noted) {
        return tl::unexpected(noted.error());
    }
    IssuedFiles files{certificate_path,
                      std::filesystem::path(certificate_path).replace_extension(".key")};
    const auto written =
        key != nullptr
            ? write_pair(files, certificate->get(), key.get(), {authority->chain, true})
            : write_file(files.certificate, to_pem(certificate->get()) + authority->chain,
                         {0644, true});
    if (!written) {
        return tl::unexpected(written.error());
    }
    return files;
}

}  // namespace causeway::certs
