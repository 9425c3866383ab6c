// OpenSSL's objects as unique_ptrs, its PEM as strings and its errors as one line. Internal to the
// module.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace causeway::certs {

template <auto Free>
struct Freer {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, Freer<X509_CRL_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;

// Effect: empties OpenSSL's error queue of this thread; returns the first reason in it.
std::string openssl_reason();

// Reads every certificate of a PEM file; an error names the file. At least one.
Result<std::vector<CertificatePtr>> read_certificates(const std::string& path,
                                                      std::string_view what);
// A private key that others than its owner may read is an error.
Result<KeyPtr> read_key(const std::string& path, std::string_view what);
// Every revocation list of a PEM file; at least one.
Result<std::vector<CrlPtr>> read_crls(const std::string& path);
RequestPtr parse_request(std::string_view pem);
std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);
std::string to_pem(X509_CRL* crl);

// Lower-case hexadecimal digits, an even number of them.
std::string serial_of(const X509* certificate);
std::string serial_text(const ASN1_INTEGER* serial);
// The one CN of a name; empty: none, several, or one with a zero byte.
std::string common_name_of(const X509_NAME* name);
// Seconds since 1970.
std::int64_t seconds_of(const ASN1_TIME* time);

// An error if `certificate` (of the file `path`) is not valid now.
Result<> check_validity(const X509* certificate, const std::string& path);

}  // namespace causeway::certs
