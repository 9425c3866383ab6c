// Revocation and the revocation list; see issue.h. The list is made from revoked.tsv, so that a
// crash between the two is mended by the next one.
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <set>

#include "certs/authority.h"
#include "certs/files.h"

namespace causeway::certs {
namespace {

constexpr std::int64_t kDayS = 86'400;
constexpr std::int64_t kKeptAfterExpiryS = 7 * kDayS;

struct Reason {
    const char* word;
    int code;
};
// RFC 5280 §5.3.1. certificateHold and removeFromCRL are not here: what is revoked stays so.
constexpr Reason kReasons[] = {{"unspecified", CRL_REASON_UNSPECIFIED},
                               {"keyCompromise", CRL_REASON_KEY_COMPROMISE},
                               {"CACompromise", CRL_REASON_CA_COMPROMISE},
                               {"affiliationChanged", CRL_REASON_AFFILIATION_CHANGED},
                               {"superseded", CRL_REASON_SUPERSEDED},
                               {"cessationOfOperation", CRL_REASON_CESSATION_OF_OPERATION},
                               {"privilegeWithdrawn", CRL_REASON_PRIVILEGE_WITHDRAWN}};

const Reason* reason_of(std::string_view word) {
    const auto* found = std::find_if(std::begin(kReasons), std::end(kReasons),
                                     [&](const Reason& reason) { return word == reason.word; });
    return found == std::end(kReasons) ? nullptr : found;
}

bool names(const Issued& issued, const std::string& name) {
    return issued.name == name || issued.name == std::string(kNodePrefix) + name ||
           issued.name == std::string(kOperatorPrefix) + name;
}

Result<std::string> normal_serial(std::string_view text) {
    std::string serial;
    for (const char c : text) {
        if (c == ':') {
            continue;
        }
        if (std::isxdigit(static_cast<unsigned char>(c)) == 0) {
            return fail("a serial number has hexadecimal digits: " + std::string(text));
        }
        serial += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    if (serial.size() % 2 != 0) {
        serial.insert(0, "0");
    }
    if (serial.empty() || serial.size() > 40) {  // 20 bytes, the limit of RFC 5280 §4.1.2.2
        return fail("a serial number has 1 to 40 hexadecimal digits");
    }
    return serial;
}

// What is to be revoked, with what the folder knows of it.
Result<std::vector<Issued>> find(const Authority& authority, const RevokeTarget& target) {
    auto issued = read_issued(authority.dir);
    if (!issued) {
        return issued;
    }
    std::vector<Issued> found;
    if (!target.name.empty()) {
        std::copy_if(issued->begin(), issued->end(), std::back_inserter(found),
                     [&](const Issued& one) { return names(one, target.name); });
        if (found.empty()) {
            return fail("the CA in " + authority.dir + " has issued nothing to " + target.name);
        }
        return found;
    }
    auto serial = normal_serial(target.serial);
    if (!target.certificate_path.empty()) {
        const auto chain = read_certificates(target.certificate_path, "certificate");
        if (!chain) {
            return tl::unexpected(chain.error());
        }
        X509* certificate = chain->front().get();
        if (X509_check_issued(authority.certificate.get(), certificate) != X509_V_OK) {
            ERR_clear_error();
            return fail(target.certificate_path + " was not issued by the CA in " +
                        authority.dir);
        }
        serial = serial_of(certificate);
    }
    if (!serial) {
        return tl::unexpected(serial.error());
    }
    // A certificate of before the list was kept has no line there.
    Issued one{*serial, 0, {}, {}};
    for (const Issued& other : *issued) {
        one = other.serial == *serial ? other : one;
    }
    found.push_back(std::move(one));
    return found;
}

bool add_entry(X509_CRL* crl, const Revoked& revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    BIGNUM* number = nullptr;
    ASN1_INTEGER* serial =
        BN_hex2bn(&number, revoked.serial.c_str()) > 0 ? BN_to_ASN1_INTEGER(number, nullptr)
                                                       : nullptr;
    ASN1_TIME* at = ASN1_TIME_set(nullptr, revoked.at);
    bool made = entry != nullptr && serial != nullptr && at != nullptr &&
                X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
                X509_REVOKED_set_revocationDate(entry, at) == 1;
    const Reason* reason = reason_of(revoked.reason);
    if (made && reason != nullptr && reason->code != CRL_REASON_UNSPECIFIED) {
        ASN1_ENUMERATED* code = ASN1_ENUMERATED_new();
        made = code != nullptr && ASN1_ENUMERATED_set(code, reason->code) == 1 &&
               X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, 0) == 1;
        ASN1_ENUMERATED_free(code);
    }
    made = made && X509_CRL_add0_revoked(crl, entry) == 1;
    if (!made) {
        X509_REVOKED_free(entry);
    }
    ASN1_TIME_free(at);
    ASN1_INTEGER_free(serial);
    BN_free(number);
    return made;
}

// Above that of the list before, and above what a lost one may have had.
bool set_number(X509_CRL* crl, const std::string& path, std::int64_t now) {
    std::int64_t number = now;
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) {
        if (const auto old = read_crls(path)) {
            auto* text = static_cast<ASN1_INTEGER*>(
                X509_CRL_get_ext_d2i(old->front().get(), NID_crl_number, nullptr, nullptr));
            std::int64_t before = 0;
            if (text != nullptr && ASN1_INTEGER_get_int64(&before, text) == 1) {
                number = std::max(number, before + 1);
            }
            ASN1_INTEGER_free(text);
        }
    }
    ASN1_INTEGER* value = ASN1_INTEGER_new();
    const bool set = value != nullptr && ASN1_INTEGER_set_int64(value, number) == 1 &&
                     X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, 0) == 1;
    ASN1_INTEGER_free(value);
    return set;
}

bool set_times(X509_CRL* crl, std::int64_t now, int days) {
    // Devices' hubs may be a little behind.
    ASN1_TIME* from = ASN1_TIME_set(nullptr, now - 3600);
    ASN1_TIME* until = ASN1_TIME_set(nullptr, now + days * kDayS);
    const bool set = from != nullptr && until != nullptr &&
                     X509_CRL_set1_lastUpdate(crl, from) == 1 &&
                     X509_CRL_set1_nextUpdate(crl, until) == 1;
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return set;
}

bool name_key(X509_CRL* crl, X509* issuer) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl, 0);
    X509_EXTENSION* made =
        X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid");
    const bool added = made != nullptr && X509_CRL_add_ext(crl, made, -1) == 1;
    X509_EXTENSION_free(made);
    return added;
}

// The folder is locked.
Result<std::string> make_crl(const Authority& authority, int days) {
    const auto revoked = read_revoked(authority.dir);
    if (!revoked) {
        return tl::unexpected(revoked.error());
    }
    ERR_clear_error();
    const std::string path = authority.dir + "/ca.crl";
    const std::int64_t now = ::time(nullptr);
    const CrlPtr crl(X509_CRL_new());
    X509_CRL* raw = crl.get();
    X509* issuer = authority.certificate.get();
    bool made = raw != nullptr && X509_CRL_set_version(raw, X509_CRL_VERSION_2) == 1 &&
                X509_CRL_set_issuer_name(raw, X509_get_subject_name(issuer)) == 1 &&
                set_times(raw, now, days) && name_key(raw, issuer) && set_number(raw, path, now);
    for (const Revoked& one : *revoked) {
        if (one.not_after == 0 || one.not_after + kKeptAfterExpiryS > now) {
            made = made && add_entry(raw, one);
        }
    }
    if (!made || X509_CRL_sort(raw) != 1 ||
        X509_CRL_sign(raw, authority.key.get(), digest_for(authority.key.get())) <= 0) {
        return fail("cannot make the revocation list: " + openssl_reason());
    }
    if (auto written = write_file(path, to_pem(raw), {0644, true}); !written) {
        return tl::unexpected(written.error());
    }
    return path;
}

}  // namespace

Result<std::vector<std::string>> revoke(const std::string& dir, const RevokeTarget& target,
                                        const RevokeOptions& options) {
    if (reason_of(options.reason) == nullptr) {
        std::string words;
        for (const Reason& reason : kReasons) {
            words += (words.empty() ? "" : ", ") + std::string(reason.word);
        }
        return fail("not a reason: " + options.reason + "; one of: " + words);
    }
    const auto authority = read_authority(dir);
    if (!authority) {
        return tl::unexpected(authority.error());
    }
    const auto lock = FolderLock::take(dir);
    if (!lock) {
        return tl::unexpected(lock.error());
    }
    const auto found = find(*authority, target);
    if (!found) {
        return tl::unexpected(found.error());
    }
    const auto before = read_revoked(dir);
    if (!before) {
        return tl::unexpected(before.error());
    }
    std::set<std::string> known;
    for (const Revoked& one : *before) {
        known.insert(one.serial);
    }
    std::vector<Revoked> added;
    std::vector<std::string> serials;
    for (const Issued& one : *found) {
        if (known.insert(one.serial).second) {
            added.push_back({one.serial, ::time(nullptr), one.not_after, options.reason});
            serials.push_back(one.serial);
        }
    }
    if (auto noted = added.empty() ? Result<>() : note_revoked(dir, added); !noted) {
        return tl::unexpected(noted.error());
    }
    if (auto made = make_crl(*authority, options.crl_days); !made) {
        return tl::unexpected(made.error());
    }
    return serials;
}

Result<std::string> write_crl(const std::string& dir, int days) {
    const auto authority = read_authority(dir);
    if (!authority) {
        return tl::unexpected(authority.error());
    }
    const auto lock = FolderLock::take(dir);
    if (!lock) {
        return tl::unexpected(lock.error());
    }
    return make_crl(*authority, days);
}

}  // namespace causeway::certs
