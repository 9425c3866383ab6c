// The development CA and what it signs; see the header.
#include "certs/issue.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>

#include "certs/files.h"
#include "certs/openssl.h"

namespace causeway::certs {
namespace {

constexpr std::size_t kCommonNameBytesMax = 64;  // ub-common-name of X.520.
constexpr unsigned kKeyMode = 0600;
constexpr unsigned kCertificateMode = 0644;

// What a certificate says; `issuer` null: it signs itself.
struct Draft {
    std::string common_name;
    EVP_PKEY* public_key = nullptr;
    X509* issuer = nullptr;
    EVP_PKEY* issuer_key = nullptr;
    std::int64_t backdate_s = 3600;
    int days = 0;
    std::vector<std::pair<int, std::string>> extensions;  // NID and OpenSSL's text for it.
};

struct Authority {
    CertificatePtr certificate;
    KeyPtr key;
};

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

bool set_subject(X509* certificate, const std::string& common_name) {
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                      MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(common_name.data()),
                                      static_cast<int>(common_name.size()), -1, 0) == 1;
}

bool set_validity(X509* certificate, const Draft& draft) {
    time_t now = 0;
    time(&now);
    return X509_time_adj_ex(X509_getm_notBefore(certificate), 0,
                            -static_cast<long>(draft.backdate_s), &now) != nullptr &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), draft.days,
                            -static_cast<long>(draft.backdate_s), &now) != nullptr;
}

bool add_extensions(X509* certificate, const Draft& draft) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, draft.issuer != nullptr ? draft.issuer : certificate, certificate,
                   nullptr, nullptr, 0);
    return std::all_of(
        draft.extensions.begin(), draft.extensions.end(), [&](const auto& extension) {
            X509_EXTENSION* made =
                X509V3_EXT_conf_nid(nullptr, &context, extension.first, extension.second.c_str());
            const bool added = made != nullptr && X509_add_ext(certificate, made, -1) == 1;
            X509_EXTENSION_free(made);
            return added;
        });
}

Result<CertificatePtr> sign(const Draft& draft) {
    ERR_clear_error();
    CertificatePtr made(X509_new());
    X509* certificate = made.get();
    const X509* issuer = draft.issuer != nullptr ? draft.issuer : certificate;
    const bool signed_ok = certificate != nullptr &&
                           X509_set_version(certificate, X509_VERSION_3) == 1 &&
                           set_serial(certificate) && set_subject(certificate, draft.common_name) &&
                           X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
                           X509_set_pubkey(certificate, draft.public_key) == 1 &&
                           set_validity(certificate, draft) && add_extensions(certificate, draft) &&
                           X509_sign(certificate, draft.issuer_key, EVP_sha256()) > 0;
    if (!signed_ok) {
        return fail("cannot make the certificate for " + draft.common_name + ": " +
                    openssl_reason());
    }
    return made;
}

Result<> check_common_name(std::string_view name, std::string_view what) {
    if (name.empty() || name.size() > kCommonNameBytesMax) {
        return fail(std::string(what) +
                    " must have 1 to 64 bytes, the limit of a certificate's CN");
    }
    if (name.find('\0') != std::string_view::npos) {
        return fail(std::string(what) + " must not contain a zero byte");
    }
    return {};
}

Result<> check_device_id(std::string_view id) {
    if (id.starts_with(kNodePrefix)) {
        return fail("a device id must not begin with node: (only nodes have such names)");
    }
    return check_common_name(id, "the device id");
}

Result<> check_node_name(std::string_view name) {
    const bool good = !name.empty() && kNodePrefix.size() + name.size() <= kCommonNameBytesMax &&
                      name.front() != '.' &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) {
                          return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                      });
    return good ? Result<>()
                : fail(
                      "a node's name must have 1 to 59 letters, digits, '-', '_' or '.', and not "
                      "begin with '.'");
}

Result<> write_pair(const IssuedFiles& files, X509* certificate, EVP_PKEY* key, bool force) {
    std::error_code ignored;
    if (!force && std::filesystem::exists(files.certificate, ignored)) {
        return fail(files.certificate + " exists already; use --force to replace it");
    }
    auto written = write_file(files.private_key, to_pem(key), {kKeyMode, force});
    if (written) {
        written = write_file(files.certificate, to_pem(certificate), {kCertificateMode, force});
    }
    return written;
}

Result<KeyPtr> new_key() {
    KeyPtr key(EVP_EC_gen("P-256"));
    if (key == nullptr) {
        return fail("cannot make a key: " + openssl_reason());
    }
    return key;
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
    Authority authority{std::move(certificates->front()), std::move(*key)};
    if (X509_check_private_key(authority.certificate.get(), authority.key.get()) != 1) {
        ERR_clear_error();
        return fail("CA key " + dir + "/ca.key does not belong to " + path);
    }
    if (const auto valid = check_validity(authority.certificate.get(), path); !valid) {
        return tl::unexpected(valid.error());
    }
    return authority;
}

Result<> make_folder(const std::string& dir) {
    std::error_code error;
    std::filesystem::create_directories(dir, error);
    return error ? Result<>(fail("cannot make folder " + dir + ": " + error.message()))
                 : Result<>();
}

bool is_address(const std::string& name) {
    unsigned char raw[16];
    return ::inet_pton(AF_INET, name.c_str(), raw) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), raw) == 1;
}

bool is_dns_name(const std::string& name) {
    return !name.empty() && name.size() <= 253 &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '*' || c == '_';
           });
}

// OpenSSL's text form: «DNS:a.example,IP:192.0.2.1».
Result<std::string> alternative_names(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
        const bool address = is_address(name);
        if (!address && !is_dns_name(name)) {
            return fail("not a DNS name or IP address: " + name);
        }
        text += (text.empty() ? "" : ",") + std::string(address ? "IP:" : "DNS:") + name;
    }
    return text;
}

std::vector<std::pair<int, std::string>> leaf_extensions(const char* usage) {
    return {{NID_basic_constraints, "critical,CA:FALSE"},
            {NID_key_usage, "critical,digitalSignature"},
            {NID_ext_key_usage, usage},
            {NID_subject_key_identifier, "hash"},
            {NID_authority_key_identifier, "keyid"}};
}

std::string file_name_of(std::string_view device_id) {
    std::string name(device_id);
    std::replace_if(
        name.begin(), name.end(),
        [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_' && c != '.'; },
        '_');
    if (name.front() == '.') {
        name.front() = '_';
    }
    return name;
}

struct Leaf {
    std::string common_name;
    std::vector<std::pair<int, std::string>> extensions;
    IssuedFiles files;
};

Result<IssuedFiles> issue(const std::string& dir, Leaf leaf, const IssueOptions& options) {
    const auto authority = read_authority(dir);
    if (!authority) {
        return tl::unexpected(authority.error());
    }
    const auto key = new_key();
    if (!key) {
        return tl::unexpected(key.error());
    }
    const auto certificate = sign(
        Draft{std::move(leaf.common_name), key->get(), authority->certificate.get(),
              authority->key.get(), options.backdate_s, options.days, std::move(leaf.extensions)});
    if (!certificate) {
        return tl::unexpected(certificate.error());
    }
    if (auto made = make_folder(std::filesystem::path(leaf.files.certificate).parent_path());
        !made) {
        return tl::unexpected(made.error());
    }
    if (auto written = write_pair(leaf.files, certificate->get(), key->get(), options.force);
        !written) {
        return tl::unexpected(written.error());
    }
    return std::move(leaf.files);
}

Result<std::string> requested_name(X509_REQ* request) {
    const X509_NAME* subject = X509_REQ_get_subject_name(request);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char* utf8 = nullptr;
    const int size = at < 0
                         ? -1
                         : ASN1_STRING_to_UTF8(
                               &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) {
        return fail("the signing request names no device: give it a CN, or say the device id");
    }
    std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    return name;
}

Result<> check_request(X509_REQ* request) {
    EVP_PKEY* key = X509_REQ_get0_pubkey(request);
    if (key == nullptr || X509_REQ_verify(request, key) != 1) {
        ERR_clear_error();
        return fail("the signing request's signature is wrong; make it anew with the device's key");
    }
    const int type = EVP_PKEY_get_base_id(key);
    const bool strong = (type == EVP_PKEY_EC && EVP_PKEY_get_bits(key) >= 256) ||
                        (type == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048) ||
                        type == EVP_PKEY_ED25519;
    if (!strong) {
        return fail("the signing request's key is too weak; use EC P-256, Ed25519 or RSA 2048");
    }
    return {};
}

}  // namespace

Result<IssuedFiles> init_ca(const std::string& dir, const CaOptions& options) {
    if (auto named = check_common_name(options.common_name, "the CA's name"); !named) {
        return tl::unexpected(named.error());
    }
    if (auto made = make_folder(dir); !made) {
        return tl::unexpected(made.error());
    }
    const auto key = new_key();
    if (!key) {
        return tl::unexpected(key.error());
    }
    Draft draft;
    draft.common_name = options.common_name;
    draft.public_key = draft.issuer_key = key->get();
    draft.days = options.days;
    draft.extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                        {NID_key_usage, "critical,keyCertSign,cRLSign"},
                        {NID_subject_key_identifier, "hash"}};
    const auto certificate = sign(draft);
    if (!certificate) {
        return tl::unexpected(certificate.error());
    }
    IssuedFiles files{dir + "/ca.crt", dir + "/ca.key"};
    if (auto written = write_pair(files, certificate->get(), key->get(), options.force); !written) {
        return tl::unexpected(written.error());
    }
    return files;
}

Result<IssuedFiles> issue_server(const std::string& dir, const std::vector<std::string>& names,
                                 const IssueOptions& options) {
    if (names.empty()) {
        return fail("a server certificate needs a name");
    }
    const auto alternatives = alternative_names(names);
    if (!alternatives) {
        return tl::unexpected(alternatives.error());
    }
    // A long first name is still in the alternative names, which is where clients look.
    Leaf leaf{names.front().substr(0, kCommonNameBytesMax),
              leaf_extensions("serverAuth,clientAuth"),
              {dir + "/server.crt", dir + "/server.key"}};
    leaf.extensions.emplace_back(NID_subject_alt_name, *alternatives);
    return issue(dir, std::move(leaf), options);
}

Result<IssuedFiles> issue_node(const std::string& dir, std::string_view name,
                               const std::vector<std::string>& hosts, const IssueOptions& options) {
    if (auto named = check_node_name(name); !named) {
        return tl::unexpected(named.error());
    }
    const auto alternatives = alternative_names(hosts);
    if (!alternatives) {
        return tl::unexpected(alternatives.error());
    }
    const std::string path = dir + "/nodes/" + std::string(name);
    Leaf leaf{std::string(kNodePrefix) + std::string(name),
              leaf_extensions("serverAuth,clientAuth"),
              {path + ".crt", path + ".key"}};
    if (!alternatives->empty()) {
        leaf.extensions.emplace_back(NID_subject_alt_name, *alternatives);
    }
    return issue(dir, std::move(leaf), options);
}

Result<IssuedFiles> issue_device(const std::string& dir, std::string_view device_id,
                                 const IssueOptions& options) {
    if (auto named = check_device_id(device_id); !named) {
        return tl::unexpected(named.error());
    }
    const std::string path = dir + "/devices/" + file_name_of(device_id);
    return issue(
        dir,
        Leaf{std::string(device_id), leaf_extensions("clientAuth"), {path + ".crt", path + ".key"}},
        options);
}

Result<std::string> sign_csr(const std::string& dir, std::string_view csr_pem,
                             std::string_view device_id, const IssueOptions& options) {
    const RequestPtr request = parse_request(csr_pem);
    if (request == nullptr) {
        return fail("not a PEM certificate signing request: " + openssl_reason());
    }
    if (auto good = check_request(request.get()); !good) {
        return tl::unexpected(good.error());
    }
    auto name = device_id.empty() ? requested_name(request.get())
                                  : Result<std::string>(std::string(device_id));
    if (!name) {
        return name;
    }
    if (auto named = check_device_id(*name); !named) {
        return tl::unexpected(named.error());
    }
    const auto authority = read_authority(dir);
    if (!authority) {
        return tl::unexpected(authority.error());
    }
    const auto certificate = sign(Draft{
        std::move(*name), X509_REQ_get0_pubkey(request.get()), authority->certificate.get(),
        authority->key.get(), options.backdate_s, options.days, leaf_extensions("clientAuth")});
    if (!certificate) {
        return tl::unexpected(certificate.error());
    }
    return to_pem(certificate->get());
}

}  // namespace causeway::certs
