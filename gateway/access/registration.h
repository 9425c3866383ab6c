// Dynamic registration: a device that knows only its product's secret signs a request for
// credentials of its own. The signature is that of Tencent's device registration:
//
//   StringToSign = METHOD \n Host \n URI \n Query \n Algorithm \n Timestamp \n Nonce \n
//                  hex(SHA-256(body))
//   Signature    = base64(HMAC-SHA-256(product secret, StringToSign))
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_set.h>

#include "gateway/auth/product.h"

namespace causeway::access {

inline constexpr std::string_view kRegistrationAlgorithm = "HmacSha256";
inline constexpr std::uint64_t kRegistrationWindowS = 300;  // a clock may be off by so much
inline constexpr std::size_t kNonceBytesMax = 64;

struct SignedRequest {
    std::string_view method;
    std::string_view host;
    std::string_view uri;
    std::string_view query;
    std::string_view algorithm;
    std::string_view timestamp;  // seconds since 1970, in digits
    std::string_view nonce;
    std::string_view signature;
    std::string_view body;
};

[[nodiscard]] std::string string_to_sign(const SignedRequest& request);
// With any of the product's live registration secrets; each comparison in constant time.
[[nodiscard]] bool signed_by(const SignedRequest& request, const auth::Product& product,
                             std::uint64_t now_s);

// What was signed before is not taken again while its timestamp is within the window. Bounded: when
// it is full nothing more is taken until the oldest leave it.
class Nonces {
public:
    explicit Nonces(std::size_t count_max = 65'536) : count_max_(count_max) {}

    enum class Verdict : std::uint8_t { kFresh, kTime, kReplayed, kFull };
    // Effect: kFresh: remembers it. Only for requests whose signature is good: nobody else may fill
    // it.
    Verdict admit(std::string_view product, std::string_view timestamp, std::string_view nonce,
                  std::uint64_t now_s);

private:
    std::size_t count_max_;
    absl::flat_hash_set<std::string> seen_;
    absl::btree_set<std::pair<std::uint64_t, std::string>> by_time_;
};

}  // namespace causeway::access
