#include "gateway/access/registration.h"

#include <algorithm>
#include <charconv>

#include "gateway/auth/crypto.h"

namespace causeway::access {

std::string string_to_sign(const SignedRequest& request) {
    std::string text;
    for (const std::string_view part : {request.method, request.host, request.uri, request.query,
                                        request.algorithm, request.timestamp, request.nonce}) {
        text.append(part).append("\n");
    }
    return text + auth::to_hex(auth::sha256(request.body));
}

bool signed_by(const SignedRequest& request, const auth::Product& product, std::uint64_t now_s) {
    const auto shown = auth::from_base64(request.signature);
    if (!shown || request.algorithm != kRegistrationAlgorithm || request.nonce.empty() ||
        request.nonce.size() > kNonceBytesMax) {
        return false;
    }
    const std::string text = string_to_sign(request);
    bool good = false;
    for (const auth::Credential& secret : product.registration.secrets) {
        const bool same =
            auth::equal_secrets(auth::hmac(auth::Digest::kSha256, secret.value, text), *shown);
        good = good || (same && secret.live(now_s));
    }
    return good;
}

Nonces::Verdict Nonces::admit(std::string_view product, std::string_view timestamp,
                              std::string_view nonce, std::uint64_t now_s) {
    std::uint64_t at = 0;
    const char* end = timestamp.data() + timestamp.size();
    const auto [stopped, fault] = std::from_chars(timestamp.data(), end, at);
    if (fault != std::errc{} || stopped != end ||
        std::max(at, now_s) - std::min(at, now_s) > kRegistrationWindowS) {
        return Verdict::kTime;
    }
    while (!by_time_.empty() && by_time_.begin()->first + kRegistrationWindowS < now_s) {
        seen_.erase(by_time_.begin()->second);
        by_time_.erase(by_time_.begin());
    }
    std::string key = std::string(product).append("\n").append(timestamp).append("\n");
    key.append(nonce);
    if (seen_.contains(key)) {
        return Verdict::kReplayed;
    }
    if (seen_.size() >= count_max_) {
        return Verdict::kFull;
    }
    by_time_.emplace(at, key);
    seen_.insert(std::move(key));
    return Verdict::kFresh;
}

}  // namespace causeway::access
