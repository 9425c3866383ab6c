// What a CA has issued and when it ends; see issue.h.
#include <openssl/x509v3.h>

#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "certs/authority.h"

namespace causeway::certs {
namespace {

Listed listed_of(X509* certificate, std::int64_t now_s) {
    Listed one;
    one.serial = serial_of(certificate);
    one.not_after = seconds_of(X509_get0_notAfter(certificate));
    one.kind = word_of(kind_of(certificate));
    one.name = holder_of(certificate);
    one.standing = one.not_after < now_s ? Standing::kExpired : Standing::kValid;
    return one;
}

Result<> list_crl(const std::string& path, std::int64_t now_s, std::vector<Listed>& out) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return {};
    }
    const auto crls = read_crls(path);
    if (!crls) {
        return tl::unexpected(crls.error());
    }
    for (const CrlPtr& crl : *crls) {
        Listed one;
        one.kind = "crl";
        one.name = common_name_of(X509_CRL_get_issuer(crl.get()));
        const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl.get());
        one.not_after = next == nullptr ? 0 : seconds_of(next);
        one.standing =
            next != nullptr && one.not_after < now_s ? Standing::kExpired : Standing::kValid;
        out.push_back(std::move(one));
    }
    return {};
}

Result<> list_issued(const std::string& dir, std::int64_t now_s, std::vector<Listed>& out) {
    const auto issued = read_issued(dir);
    if (!issued) {
        return tl::unexpected(issued.error());
    }
    const auto revoked = read_revoked(dir);
    if (!revoked) {
        return tl::unexpected(revoked.error());
    }
    std::set<std::string> gone;
    for (const Revoked& one : *revoked) {
        gone.insert(one.serial);
    }
    std::map<std::pair<std::string, std::string>, std::int64_t> longest;
    for (const Issued& one : *issued) {
        std::int64_t& until = longest[{one.kind, one.name}];
        until = gone.contains(one.serial) ? until : std::max(until, one.not_after);
    }
    for (const Issued& one : *issued) {
        Standing standing = Standing::kValid;
        if (gone.contains(one.serial)) {
            standing = Standing::kRevoked;
        } else if (one.not_after < longest[{one.kind, one.name}]) {
            standing = Standing::kReplaced;
        } else if (one.not_after < now_s) {
            standing = Standing::kExpired;
        }
        out.push_back({one.serial, one.not_after, one.kind, one.name, standing});
    }
    return {};
}

}  // namespace

Result<std::vector<Listed>> list_certificates(const std::string& dir, std::int64_t now_s) {
    auto all = list_file(dir + "/ca.crt", now_s);
    if (!all) {
        return all;
    }
    auto added = list_crl(dir + "/ca.crl", now_s, *all);
    if (added) {
        added = list_issued(dir, now_s, *all);
    }
    if (!added) {
        return tl::unexpected(added.error());
    }
    return all;
}

Result<std::vector<Listed>> list_file(const std::string& path, std::int64_t now_s) {
    const auto certificates = read_certificates(path, "certificate");
    if (!certificates) {
        return tl::unexpected(certificates.error());
    }
    std::vector<Listed> all;
    for (const CertificatePtr& certificate : *certificates) {
        all.push_back(listed_of(certificate.get(), now_s));
    }
    return all;
}

}  // namespace causeway::certs
