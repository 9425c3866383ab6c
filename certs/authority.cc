// A CA in its folder; see the header.
#include "certs/authority.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "certs/files.h"

namespace causeway::certs {
namespace {

constexpr unsigned kKeyMode = 0600;
constexpr unsigned kCertificateMode = 0644;
constexpr unsigned kRsaBits = 2048;

bool set_serial(X509* certificate) {
    unsigned char random[16];
    if (RAND_bytes(random, sizeof(random)) != 1) {
        return false;
    }
    random[0] =
        static_cast<unsigned char>((random[0] & 0x7F) | 0x40);  // Positive, always 16 bytes.
    BIGNUM* number = BN_bin2bn(random, sizeof(random), nullptr);
    const bool set = number != nullptr &&
                     BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
    BN_free(number);
    return set;
}

bool set_subject(X509* certificate, const Draft& draft) {
    if (draft.like != nullptr) {
        return X509_set_subject_name(certificate, X509_get_subject_name(draft.like)) == 1;
    }
    if (draft.common_name.empty()) {
        return true;
    }
    return X509_NAME_add_entry_by_NID(
               X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
               reinterpret_cast<const unsigned char*>(draft.common_name.data()),
               static_cast<int>(draft.common_name.size()), -1, 0) == 1;
}

bool set_validity(X509* certificate, const Draft& draft) {
    time_t now = 0;
    time(&now);
    return X509_time_adj_ex(X509_getm_notBefore(certificate), 0,
                            -static_cast<long>(draft.backdate_s), &now) != nullptr &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), draft.days,
                            -static_cast<long>(draft.backdate_s), &now) != nullptr;
}

bool add_extension(X509* certificate, X509V3_CTX& context, int nid, const std::string& text) {
    X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, nid, text.c_str());
    const bool added = made != nullptr && X509_add_ext(certificate, made, -1) == 1;
    X509_EXTENSION_free(made);
    return added;
}

// All but what names the keys, which may be others now.
bool copy_extensions(X509* certificate, const X509* from) {
    for (int i = 0; i < X509_get_ext_count(from); ++i) {
        X509_EXTENSION* extension = X509_get_ext(from, i);
        const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        if (nid != NID_subject_key_identifier && nid != NID_authority_key_identifier &&
            X509_add_ext(certificate, extension, -1) != 1) {
            return false;
        }
    }
    return true;
}

bool add_extensions(X509* certificate, const Draft& draft) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, draft.issuer != nullptr ? draft.issuer : certificate, certificate,
                   nullptr, nullptr, 0);
    const auto add = [&](const auto& extension) {
        return add_extension(certificate, context, extension.first, extension.second);
    };
    return (draft.like == nullptr || copy_extensions(certificate, draft.like)) &&
           std::all_of(draft.extensions.begin(), draft.extensions.end(), add);
}

// The certificates of a CA that is not the root: its own and those above it, without the root's.
Result<std::string> read_chain(const std::string& dir, X509* certificate) {
    if (X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0) {
        return std::string{};
    }
    return read_file(dir + "/chain.crt", "CA chain");
}

}  // namespace

const EVP_MD* digest_for(EVP_PKEY* key) {
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
}

Result<CertificatePtr> sign(const Draft& draft) {
    ERR_clear_error();
    CertificatePtr made(X509_new());
    X509* certificate = made.get();
    const X509* issuer = draft.issuer != nullptr ? draft.issuer : certificate;
    const bool signed_ok = certificate != nullptr &&
                           X509_set_version(certificate, X509_VERSION_3) == 1 &&
                           set_serial(certificate) && set_subject(certificate, draft) &&
                           X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
                           X509_set_pubkey(certificate, draft.public_key) == 1 &&
                           set_validity(certificate, draft) && add_extensions(certificate, draft) &&
                           X509_sign(certificate, draft.issuer_key, digest_for(draft.issuer_key)) > 0;
    if (!signed_ok) {
        return fail("cannot make the certificate for " + draft.common_name + ": " +
                    openssl_reason());
    }
    return made;
}

Result<KeyPtr> new_key(KeyKind kind) {
    KeyPtr key(kind == KeyKind::kEd25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
               : kind == KeyKind::kRsa   ? EVP_RSA_gen(kRsaBits)
                                         : EVP_EC_gen("P-256"));
    if (key == nullptr) {
        return fail("cannot make a key: " + openssl_reason());
    }
    return key;
}

Result<> write_pair(const IssuedFiles& files, X509* certificate, EVP_PKEY* key,
                    const PairOptions& options) {
    std::error_code ignored;
    if (!options.force && std::filesystem::exists(files.certificate, ignored)) {
        return fail(files.certificate + " exists already; use --force to replace it");
    }
    auto written = write_file(files.private_key, to_pem(key), {kKeyMode, options.force});
    if (written) {
        written = write_file(files.certificate, to_pem(certificate) + options.chain,
                             {kCertificateMode, options.force});
    }
    return written;
}

Result<Authority> read_authority(const std::string& dir) {
    const std::string path = dir + "/ca.crt";
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return fail("no CA in " + dir + "; make one with: causeway cert init");
    }
    auto certificates = read_certificates(path, "CA certificate");
    if (!certificates) {
        return tl::unexpected(certificates.error());
    }
    auto key = read_key(dir + "/ca.key", "CA key");
    if (!key) {
        return tl::unexpected(key.error());
    }
    Authority authority{dir, std::move(certificates->front()), std::move(*key), {}};
    X509* certificate = authority.certificate.get();
    if (X509_check_private_key(certificate, authority.key.get()) != 1) {
        ERR_clear_error();
        return fail("CA key " + dir + "/ca.key does not belong to " + path);
    }
    if (const auto valid = check_validity(certificate, path); !valid) {
        return tl::unexpected(valid.error());
    }
    auto chain = read_chain(dir, certificate);
    if (!chain) {
        return tl::unexpected(chain.error());
    }
    authority.chain = std::move(*chain);
    return authority;
}

Result<> make_folder(const std::string& dir) {
    std::error_code error;
    std::filesystem::create_directories(dir, error);
    return error ? Result<>(fail("cannot make folder " + dir + ": " + error.message()))
                 : Result<>();
}

std::string file_name_of(std::string_view wanted) {
    std::string name(wanted);
    std::replace_if(
        name.begin(), name.end(),
        [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_' && c != '.'; },
        '_');
    if (name.front() == '.') {
        name.front() = '_';
    }
    return name;
}

std::string holder_of(const X509* certificate) {
    std::string holder = common_name_of(X509_get_subject_name(certificate));
    GENERAL_NAMES* names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) {
            continue;
        }
        const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
        const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                    static_cast<std::size_t>(ASN1_STRING_length(uri)));
        if (text.starts_with(kDeviceUri)) {
            holder = text.substr(kDeviceUri.size());
        }
    }
    GENERAL_NAMES_free(names);
    return holder;
}

std::string_view word_of(Kind kind) {
    constexpr std::string_view kWords[] = {"server", "node", "device", "operator", "ca"};
    return kWords[static_cast<std::size_t>(kind)];
}

Kind kind_of(X509* certificate) {
    const std::string name = common_name_of(X509_get_subject_name(certificate));
    if (X509_check_ca(certificate) == 1) {
        return Kind::kAuthority;
    }
    if (name.starts_with(kNodePrefix)) {
        return Kind::kNode;
    }
    if (name.starts_with(kOperatorPrefix)) {
        return Kind::kOperator;
    }
    return (X509_get_extended_key_usage(certificate) & XKU_SSL_SERVER) != 0 ? Kind::kServer
                                                                            : Kind::kDevice;
}

}  // namespace causeway::certs
