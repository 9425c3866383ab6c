// A CA in its folder: its certificate and key, what it signs, and the lists it keeps of that.
// Internal to the module.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "certs/issue.h"
#include "certs/openssl.h"
#include "core/base/result.h"

namespace causeway::certs {

struct Authority {
    std::string dir;
    CertificatePtr certificate;
    KeyPtr key;
    // PEM of the CAs that stand between what this one signs and the root; empty: this is the root.
    std::string chain;
};
// An error says how to make one, if there is none.
Result<Authority> read_authority(const std::string& dir);

// What a certificate says; `issuer` null: it signs itself.
struct Draft {
    std::string common_name;
    EVP_PKEY* public_key = nullptr;
    X509* issuer = nullptr;
    EVP_PKEY* issuer_key = nullptr;
    std::int64_t backdate_s = 3600;
    int days = 0;
    std::vector<std::pair<int, std::string>> extensions;  // NID and OpenSSL's text for it.
    const X509* like = nullptr;  // takes subject and extensions of this one instead
};
Result<CertificatePtr> sign(const Draft& draft);

Result<KeyPtr> new_key(KeyKind kind);
// Of EC keys, which say it in their signatures; Ed25519 has its own.
const EVP_MD* digest_for(EVP_PKEY* key);

struct PairOptions {
    std::string chain;  // PEM, behind the certificate
    bool force = false;
};
Result<> write_pair(const IssuedFiles& files, X509* certificate, EVP_PKEY* key,
                    const PairOptions& options);
Result<> make_folder(const std::string& dir);
// The path with the characters that files should not have replaced.
std::string file_name_of(std::string_view name);

// What certificates are for; the kind stands in the ledger.
enum class Kind : std::uint8_t { kServer, kNode, kDevice, kOperator, kAuthority };
std::string_view word_of(Kind kind);
Kind kind_of(X509* certificate);

// --- ledger.cc: DIR/issued.tsv and DIR/revoked.tsv ----------------------------------------------

struct Issued {
    std::string serial;
    std::int64_t not_after = 0;  // seconds since 1970
    std::string kind;            // a word_of()
    std::string name;            // the CN
};
// Effect: the certificate is in the folder's list before anyone has it.
Result<> note_issued(const std::string& dir, X509* certificate, Kind kind);
// Whom it was issued to: the device of its URI, else its CN.
std::string holder_of(const X509* certificate);
// Oldest first; nothing if there is no list. A torn last line (a crash) is left out.
Result<std::vector<Issued>> read_issued(const std::string& dir);

struct Revoked {
    std::string serial;
    std::int64_t at = 0;
    std::int64_t not_after = 0;  // 0: not known
    std::string reason;          // a word of RFC 5280, as OpenSSL spells it
};
Result<> note_revoked(const std::string& dir, const std::vector<Revoked>& revoked);
Result<std::vector<Revoked>> read_revoked(const std::string& dir);

}  // namespace causeway::certs
