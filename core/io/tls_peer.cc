#include "core/io/tls_peer.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

namespace causeway::io {
namespace {

std::string hex(const unsigned char* bytes, std::size_t size) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * size);
    for (std::size_t i = 0; i < size; ++i) {
        text += kDigits[bytes[i] >> 4];
        text += kDigits[bytes[i] & 15];
    }
    return text;
}

// Two names are a riddle and a zero byte is a trick («good.example\0.evil.example»): neither is a
// name.
std::string common_name_of(const X509_NAME* subject) {
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return {};
    }
    unsigned char* utf8 = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) {
        return {};
    }
    std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    OPENSSL_free(utf8);
    const bool usable =
        name.size() <= kPeerNameBytesMax && name.find('\0') == std::string::npos;
    return usable ? name : std::string{};
}

std::string rfc2253_of(const X509_NAME* name) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), BIO_free);
    if (text == nullptr || X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253) < 0) {
        return {};
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

void add_name(const ASN1_IA5STRING* from, std::vector<std::string>& to) {
    const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(from));
    const std::string_view name(bytes, static_cast<std::size_t>(ASN1_STRING_length(from)));
    const bool printable = std::all_of(
        name.begin(), name.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
    if (!name.empty() && name.size() <= kPeerNameBytesMax && printable) {
        to.emplace_back(name);
    }
}

void add_alternative_names(const X509* certificate, TlsPeer& peer) {
    GENERAL_NAMES* names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    const int count = std::min(sk_GENERAL_NAME_num(names), static_cast<int>(kPeerNamesMax));
    for (int i = 0; i < count; ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            add_name(name->d.dNSName, peer.dns_names);
        } else if (name->type == GEN_URI) {
            add_name(name->d.uniformResourceIdentifier, peer.uris);
        }
    }
    GENERAL_NAMES_free(names);
}

}  // namespace

TlsPeer describe_peer(const x509_st* certificate) {
    TlsPeer peer;
    const X509_NAME* subject = X509_get_subject_name(certificate);
    peer.common_name = common_name_of(subject);
    peer.subject = rfc2253_of(subject);
    peer.issuer = rfc2253_of(X509_get_issuer_name(certificate));
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
    peer.serial = hex(ASN1_STRING_get0_data(serial),
                      static_cast<std::size_t>(ASN1_STRING_length(serial)));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest, &digest_size) == 1) {
        peer.fingerprint = hex(digest, digest_size);
    }
    add_alternative_names(certificate, peer);
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    if (size > 0) {
        peer.der.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
        OPENSSL_free(der);
    }
    ERR_clear_error();
    return peer;
}

std::optional<TlsPeer> parse_peer(std::string_view der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const auto* end = at + der.size();
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free);
    ERR_clear_error();
    if (certificate == nullptr || at != end) {
        return std::nullopt;
    }
    return describe_peer(certificate.get());
}

}  // namespace causeway::io
