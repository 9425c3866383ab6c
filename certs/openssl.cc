// OpenSSL's objects, PEM and errors for certs.
#include "certs/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "certs/files.h"

namespace causeway::certs {
namespace {

BioPtr reading(std::string_view bytes) {
    return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string contents(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

// An encrypted key is an error, not a prompt on the terminal.
int no_password(char*, int, int, void*) { return -1; }

std::string date_text(const ASN1_TIME* time) {
    const BioPtr text(BIO_new(BIO_s_mem()));
    ASN1_TIME_print(text.get(), time);
    return contents(text.get());
}

}  // namespace

std::string openssl_reason() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "unknown error";
}

Result<std::vector<CertificatePtr>> read_certificates(const std::string& path,
                                                      std::string_view what) {
    const auto pem = read_file(path, what);
    if (!pem) {
        return tl::unexpected(pem.error());
    }
    const BioPtr bio = reading(*pem);
    std::vector<CertificatePtr> certificates;
    while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
        certificates.emplace_back(certificate);
    }
    // The loop ends with «no start line» at the end of the file; anything else is damage.
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    const std::string reason = openssl_reason();
    if (certificates.empty() || !at_end) {
        return fail(std::string(what) + " " + path + " is not a PEM certificate: " + reason);
    }
    return certificates;
}

Result<KeyPtr> read_key(const std::string& path, std::string_view what) {
    const auto pem = read_file(path, what);
    if (!pem) {
        return tl::unexpected(pem.error());
    }
    KeyPtr key(PEM_read_bio_PrivateKey(reading(*pem).get(), nullptr, no_password, nullptr));
    if (key == nullptr) {
        return fail(std::string(what) + " " + path +
                    " is not an unencrypted PEM private key: " + openssl_reason());
    }
    return key;
}

RequestPtr parse_request(std::string_view pem) {
    return RequestPtr(PEM_read_bio_X509_REQ(reading(pem).get(), nullptr, no_password, nullptr));
}

std::string to_pem(X509* certificate) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate);
    return contents(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
    const BioPtr bio(BIO_new(BIO_s_secmem()));
    PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return contents(bio.get());
}

Result<> check_validity(const X509* certificate, const std::string& path) {
    const ASN1_TIME* from = X509_get0_notBefore(certificate);
    const ASN1_TIME* until = X509_get0_notAfter(certificate);
    if (X509_cmp_current_time(until) < 0) {
        return fail("certificate " + path + " expired on " + date_text(until) +
                    "; issue a new one");
    }
    if (X509_cmp_current_time(from) > 0) {
        return fail("certificate " + path + " is valid only from " + date_text(from) +
                    "; check this machine's clock");
    }
    return {};
}

}  // namespace causeway::certs
