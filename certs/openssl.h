// OpenSSL's objects as unique_ptrs, its PEM as strings and its errors as one line. Internal to the
// module.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

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
using RequestPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;

// Effect: empties OpenSSL's error queue of this thread; returns the first reason in it.
std::string openssl_reason();

// Reads every certificate of a PEM file; an error names the file. At least one.
Result<std::vector<CertificatePtr>> read_certificates(const std::string& path,
                                                      std::string_view what);
Result<KeyPtr> read_key(const std::string& path, std::string_view what);
RequestPtr parse_request(std::string_view pem);
std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);

// An error if `certificate` (of the file `path`) is not valid now.
Result<> check_validity(const X509* certificate, const std::string& path);

}  // namespace causeway::certs
