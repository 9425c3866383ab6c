// OpenSSL's objects, PEM and errors for certs.
#include "certs/openssl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

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

namespace {

// Everything of one kind in a PEM text, by OpenSSL's function for it.
template <typename Pointer, auto Read>
Result<std::vector<Pointer>> read_all(std::string_view pem, const std::string& where) {
    const BioPtr bio = reading(pem);
    std::vector<Pointer> all;
    while (auto* one = Read(bio.get(), nullptr, no_password, nullptr)) {
        all.emplace_back(one);
    }
    // The loop ends with «no start line» at the end of the file; anything else is damage.
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    const std::string reason = openssl_reason();
    if (all.empty() || !at_end) {
        return fail(where + reason);
    }
    return all;
}

}  // namespace

Result<std::vector<CertificatePtr>> read_certificates(const std::string& path,
                                                      std::string_view what) {
    const auto pem = read_file(path, what);
    if (!pem) {
        return tl::unexpected(pem.error());
    }
    return read_all<CertificatePtr, PEM_read_bio_X509>(
        *pem, std::string(what) + " " + path + " is not a PEM certificate: ");
}

Result<std::vector<CrlPtr>> read_crls(const std::string& path) {
    const auto pem = read_list(path, "revocation list");
    if (!pem) {
        return tl::unexpected(pem.error());
    }
    return read_all<CrlPtr, PEM_read_bio_X509_CRL>(
        *pem, "revocation list " + path + " is not a PEM revocation list: ");
}

Result<KeyPtr> read_key(const std::string& path, std::string_view what) {
    auto pem = read_secret(path, what);
    if (!pem) {
        return tl::unexpected(pem.error());
    }
    KeyPtr key(PEM_read_bio_PrivateKey(reading(*pem).get(), nullptr, no_password, nullptr));
    OPENSSL_cleanse(pem->data(), pem->size());
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

std::string to_pem(X509_CRL* crl) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_CRL(bio.get(), crl);
    return contents(bio.get());
}

std::string serial_text(const ASN1_INTEGER* serial) {
    constexpr char kDigits[] = "0123456789abcdef";
    const unsigned char* bytes = ASN1_STRING_get0_data(serial);
    std::string text;
    for (int i = 0; i < ASN1_STRING_length(serial); ++i) {
        text += kDigits[bytes[i] >> 4];
        text += kDigits[bytes[i] & 15];
    }
    return text;
}

std::string serial_of(const X509* certificate) {
    return serial_text(X509_get0_serialNumber(certificate));
}

std::string common_name_of(const X509_NAME* name) {
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) {
        return {};
    }
    unsigned char* utf8 = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) {
        ERR_clear_error();
        return {};
    }
    std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    return text.find('\0') == std::string::npos ? text : std::string{};
}

std::int64_t seconds_of(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
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
