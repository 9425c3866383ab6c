// A CA and what it signs; see the header. Renewals are in renew.cc, revocations in revoke.cc.
#include "certs/issue.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "certs/authority.h"
#include "certs/files.h"
#include "certs/openssl.h"

namespace causeway::certs {
namespace {

constexpr std::size_t kCommonNameBytesMax = 64;  // ub-common-name of X.520.

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

bool is_device_key(std::string_view id) {
    const auto is_name = [](std::string_view name) {
        return !name.empty() && name.size() <= 64 &&
               std::all_of(name.begin(), name.end(), [](unsigned char c) {
                   return std::isalnum(c) != 0 || c == '_' || c == '.' || c == ':' || c == '-';
               });
    };
    const std::size_t slash = id.find('/');
    return slash != std::string_view::npos && is_name(id.substr(0, slash)) &&
           is_name(id.substr(slash + 1));
}

Result<> check_device_id(std::string_view id) {
    if (id.starts_with(kNodePrefix) || id.starts_with(kOperatorPrefix)) {
        return fail(
            "a device id must not begin with node: or operator: (only these have such names)");
    }
    return is_device_key(id) ? Result<>() : check_common_name(id, "the device id");
}

Result<> check_plain_name(std::string_view name, std::string_view prefix, std::string_view whose) {
    const std::size_t bytes_max = kCommonNameBytesMax - prefix.size();
    const bool good = !name.empty() && name.size() <= bytes_max && name.front() != '.' &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) {
                          return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                      });
    return good ? Result<>()
                : fail(std::string(whose) + " name must have 1 to " + std::to_string(bytes_max) +
                       " letters, digits, '-', '_' or '.', and not begin with '.'");
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

std::vector<std::pair<int, std::string>> ca_extensions(int path_length) {
    return {{NID_basic_constraints, "critical,CA:TRUE,pathlen:" + std::to_string(path_length)},
            {NID_key_usage, "critical,keyCertSign,cRLSign"},
            {NID_subject_key_identifier, "hash"}};
}

std::vector<std::pair<int, std::string>> leaf_extensions(const char* usage) {
    return {{NID_basic_constraints, "critical,CA:FALSE"},
            {NID_key_usage, "critical,digitalSignature"},
            {NID_ext_key_usage, usage},
            {NID_subject_key_identifier, "hash"},
            {NID_authority_key_identifier, "keyid"}};
}

// Leaves the CN of a name that is too long for one to the URI.
std::string common_name_for(std::string_view device_id) {
    return std::string(device_id.size() <= kCommonNameBytesMax ? device_id : std::string_view{});
}

std::vector<std::pair<int, std::string>> device_extensions(std::string_view device_id) {
    auto extensions = leaf_extensions("clientAuth");
    if (is_device_key(device_id)) {
        // «RFC 5280» §4.1.2.6: critical without a subject.
        const char* critical = device_id.size() > kCommonNameBytesMax ? "critical," : "";
        extensions.emplace_back(NID_subject_alt_name, critical + std::string("URI:") +
                                                          std::string(kDeviceUri) +
                                                          std::string(device_id));
    }
    return extensions;
}

struct Leaf {
    std::string common_name;
    std::vector<std::pair<int, std::string>> extensions;
    IssuedFiles files;
    Kind kind = Kind::kDevice;
};

Result<IssuedFiles> issue(const std::string& dir, Leaf leaf, const IssueOptions& options) {
    const auto authority = read_authority(dir);
    if (!authority) {
        return tl::unexpected(authority.error());
    }
    const auto key = new_key(options.key);
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
    if (auto noted = note_issued(dir, certificate->get(), leaf.kind); !noted) {
        return tl::unexpected(noted.error());
    }
    if (auto written = write_pair(leaf.files, certificate->get(), key->get(),
                                  {authority->chain, options.force});
        !written) {
        return tl::unexpected(written.error());
    }
    return std::move(leaf.files);
}

Result<std::string> requested_name(X509_REQ* request) {
    std::string name = common_name_of(X509_REQ_get_subject_name(request));
    if (name.empty()) {
        return fail("the signing request names no device: give it a CN, or say the device id");
    }
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
    const auto key = new_key(options.key);
    if (!key) {
        return tl::unexpected(key.error());
    }
    Draft draft;
    draft.common_name = options.common_name;
    draft.public_key = draft.issuer_key = key->get();
    draft.days = options.days;
    draft.extensions = ca_extensions(options.path_length);
    const auto certificate = sign(draft);
    if (!certificate) {
        return tl::unexpected(certificate.error());
    }
    IssuedFiles files{dir + "/ca.crt", dir + "/ca.key"};
    if (auto written = write_pair(files, certificate->get(), key->get(), {{}, options.force});
        !written) {
        return tl::unexpected(written.error());
    }
    return files;
}

Result<IssuedFiles> init_intermediate(const std::string& dir, const std::string& parent,
                                      const CaOptions& options) {
    if (auto named = check_common_name(options.common_name, "the CA's name"); !named) {
        return tl::unexpected(named.error());
    }
    const auto authority = read_authority(parent);
    if (!authority) {
        return tl::unexpected(authority.error());
    }
    const long depth = X509_get_pathlen(authority->certificate.get());
    if (depth == 0) {
        return fail("the CA in " + parent +
                    " may not sign other CAs; make one with --path-length 1 or more");
    }
    // A revocation list is found by its CA's name.
    if (options.common_name ==
        common_name_of(X509_get_subject_name(authority->certificate.get()))) {
        return fail("the CA needs a name of its own, other than its parent's: --name");
    }
    if (auto made = make_folder(dir); !made) {
        return tl::unexpected(made.error());
    }
    const auto key = new_key(options.key);
    if (!key) {
        return tl::unexpected(key.error());
    }
    Draft draft;
    draft.common_name = options.common_name;
    draft.public_key = key->get();
    draft.issuer = authority->certificate.get();
    draft.issuer_key = authority->key.get();
    draft.days = options.days;
    draft.extensions = ca_extensions(depth < 0 ? options.path_length : static_cast<int>(depth) - 1);
    draft.extensions.emplace_back(NID_authority_key_identifier, "keyid");
    const auto certificate = sign(draft);
    if (!certificate) {
        return tl::unexpected(certificate.error());
    }
    if (auto noted = note_issued(parent, certificate->get(), Kind::kAuthority); !noted) {
        return tl::unexpected(noted.error());
    }
    IssuedFiles files{dir + "/ca.crt", dir + "/ca.key"};
    auto written = write_pair(files, certificate->get(), key->get(), {{}, options.force});
    if (written) {
        written = write_file(dir + "/chain.crt", to_pem(certificate->get()) + authority->chain,
                             {0644, true});
    }
    if (!written) {
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
              {dir + "/server.crt", dir + "/server.key"},
              Kind::kServer};
    leaf.extensions.emplace_back(NID_subject_alt_name, *alternatives);
    return issue(dir, std::move(leaf), options);
}

Result<IssuedFiles> issue_node(const std::string& dir, std::string_view name,
                               const std::vector<std::string>& hosts, const IssueOptions& options) {
    if (auto named = check_plain_name(name, kNodePrefix, "a node's"); !named) {
        return tl::unexpected(named.error());
    }
    const auto alternatives = alternative_names(hosts);
    if (!alternatives) {
        return tl::unexpected(alternatives.error());
    }
    const std::string path = dir + "/nodes/" + std::string(name);
    Leaf leaf{std::string(kNodePrefix) + std::string(name),
              leaf_extensions("serverAuth,clientAuth"),
              {path + ".crt", path + ".key"},
              Kind::kNode};
    if (!alternatives->empty()) {
        leaf.extensions.emplace_back(NID_subject_alt_name, *alternatives);
    }
    return issue(dir, std::move(leaf), options);
}

Result<IssuedFiles> issue_operator(const std::string& dir, std::string_view name,
                                   const IssueOptions& options) {
    if (auto named = check_plain_name(name, kOperatorPrefix, "an operator's"); !named) {
        return tl::unexpected(named.error());
    }
    const std::string path = dir + "/operators/" + std::string(name);
    return issue(dir,
                 Leaf{std::string(kOperatorPrefix) + std::string(name),
                      leaf_extensions("clientAuth"),
                      {path + ".crt", path + ".key"},
                      Kind::kOperator},
                 options);
}

Result<IssuedFiles> issue_device(const std::string& dir, std::string_view device_id,
                                 const IssueOptions& options) {
    if (auto named = check_device_id(device_id); !named) {
        return tl::unexpected(named.error());
    }
    const std::string path = dir + "/devices/" + file_name_of(device_id);
    return issue(dir,
                 Leaf{common_name_for(device_id),
                      device_extensions(device_id),
                      {path + ".crt", path + ".key"},
                      Kind::kDevice},
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
        common_name_for(*name), X509_REQ_get0_pubkey(request.get()), authority->certificate.get(),
        authority->key.get(), options.backdate_s, options.days, device_extensions(*name)});
    if (!certificate) {
        return tl::unexpected(certificate.error());
    }
    if (auto noted = note_issued(dir, certificate->get(), Kind::kDevice); !noted) {
        return tl::unexpected(noted.error());
    }
    return to_pem(certificate->get()) + authority->chain;
}

}  // namespace causeway::certs
