#include "rules/sink/http_body.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zlib.h>

#include <array>

namespace causeway::rules {

void append_json_array(std::span<const std::string_view> bodies, std::string& out) {
    out.push_back('[');
    std::string_view between;
    for (const std::string_view body : bodies) {
        out.append(between).append(body);
        between = ",";
    }
    out.push_back(']');
}

Result<std::string> gzip(std::string_view bytes) {
    constexpr int kGzipWindow = 15 + 16;
    z_stream stream{};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return fail("gzip: out of memory");
    }
    std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // Only read.
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return result == Z_STREAM_END ? Result<std::string>(std::move(out)) : fail("gzip: failed");
}

Result<std::string> signature(SignatureDigest digest, std::string_view key, std::uint64_t now_s,
                              std::string_view body) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto [name, algorithm] = digest == SignatureDigest::kSha1 ? std::pair("sha1", EVP_sha1())
                                   : digest == SignatureDigest::kSha256
                                       ? std::pair("sha256", EVP_sha256())
                                       : std::pair("sha512", EVP_sha512());
    std::string signed_text = std::to_string(now_s);
    const std::string time = signed_text;
    signed_text.append(".").append(body);
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned int size = 0;
    if (HMAC(algorithm, key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(),
             sum.data(), &size) == nullptr) {
        return fail(std::string("signature: ") + name + " is not available");
    }
    std::string out = "t=" + time + "," + name + "=";
    for (unsigned int i = 0; i < size; ++i) {
        out.push_back(kDigits[sum[i] >> 4]);
        out.push_back(kDigits[sum[i] & 15]);
    }
    return out;
}

}  // namespace causeway::rules
