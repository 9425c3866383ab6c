#include "gateway/api/secrets.h"

#include <algorithm>
#include <chrono>

#include <openssl/rand.h>

#include "core/base/check.h"
#include "gateway/auth/crypto.h"

namespace causeway::api {

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    CW_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                        static_cast<int>(bytes.size())) == 1,
             "a system without random numbers makes no secrets");
    return bytes;
}

std::string new_secret() {
    constexpr std::size_t kBytes = 32;
    return auth::to_base64(random_bytes(kBytes));
}

std::uint64_t now_s() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

void rotate(std::vector<auth::Credential>& live, std::string secret, std::uint64_t grace_s,
            std::uint64_t now) {
    std::vector<auth::Credential> next{{std::move(secret), 0}};
    for (const auth::Credential& old : live) {
        if (grace_s != 0 && old.live(now) && next.size() < auth::kLiveCredentialsMax) {
            const std::uint64_t until = now + grace_s;
            next.push_back({old.value, old.until_s == 0 ? until : std::min(old.until_s, until)});
        }
    }
    live = std::move(next);
}

}  // namespace causeway::api
