#include "gateway/auth/scram.h"

#include <algorithm>
#include <utility>

#include "gateway/auth/crypto.h"

namespace causeway::auth {
namespace {

constexpr std::size_t kMessageBytesMax = 512;

// Takes "X=value" off the front, up to the next comma.
std::optional<std::string_view> take(std::string_view& rest, char name) {
    if (rest.size() < 2 || rest[0] != name || rest[1] != '=') {
        return std::nullopt;
    }
    const std::string_view field = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(field.size() + 1, rest.size()));
    return field.substr(2);
}

// "=2C" is a comma and "=3D" an equals sign; no other "=" may be there.
std::optional<std::string> unescape(std::string_view name) {
    std::string out;
    while (!name.empty()) {
        if (name.starts_with("=2C") || name.starts_with("=3D")) {
            out.push_back(name[2] == 'C' ? ',' : '=');
            name.remove_prefix(3);
        } else if (name.front() == '=') {
            return std::nullopt;
        } else {
            out.push_back(name.front());
            name.remove_prefix(1);
        }
    }
    return out;
}

bool is_nonce(std::string_view nonce) {
    return nonce.size() >= 8 && std::all_of(nonce.begin(), nonce.end(), [](char c) {
               return c > 0x20 && c < 0x7F && c != ',';
           });
}

std::string exclusive_or(std::string_view a, std::string_view b) {
    std::string out(a);
    for (std::size_t i = 0; i < out.size() && i < b.size(); ++i) {
        out[i] = static_cast<char>(out[i] ^ b[i]);
    }
    return out;
}

}  // namespace

std::optional<ScramFirst> parse_scram_first(std::string_view message) {
    if (message.size() > kMessageBytesMax ||
        !(message.starts_with("n,,") || message.starts_with("y,,"))) {
        return std::nullopt;
    }
    ScramFirst first;
    first.header = message.substr(0, 3);
    first.bare = message.substr(3);
    std::string_view rest = first.bare;
    const auto user = take(rest, 'n');
    const auto name = user ? unescape(*user) : std::nullopt;
    const auto nonce = take(rest, 'r');
    if (!name || name->empty() || !nonce || !is_nonce(*nonce) || !rest.empty()) {
        return std::nullopt;
    }
    first.user = *name;
    first.nonce = *nonce;
    return first;
}

ScramKeys derive_scram_keys(std::string_view secret, std::string_view salt) {
    const std::string salted = pbkdf2(secret, salt, kScramIterations);
    ScramKeys keys;
    if (!salted.empty()) {
        keys.stored_key = sha256(hmac(Digest::kSha256, salted, "Client Key"));
        keys.server_key = hmac(Digest::kSha256, salted, "Server Key");
    }
    return keys;
}

std::string scram_salt(std::string_view pepper, std::string_view user) {
    return hmac(Digest::kSha256, pepper, user).substr(0, 16);
}

ScramServer::ScramServer(ScramFirst first, std::vector<ScramKeys> keys, std::string_view salt,
                         std::string_view nonce)
    : first_(std::move(first)),
      keys_(std::move(keys)),
      nonce_(first_.nonce + std::string(nonce)),
      server_first_("r=" + nonce_ + ",s=" + to_base64(salt) +
                    ",i=" + std::to_string(kScramIterations)) {}

std::optional<std::string> ScramServer::finish(std::string_view client_final) {
    const std::size_t proof_at = client_final.rfind(",p=");
    if (client_final.size() > kMessageBytesMax || proof_at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view without_proof = client_final.substr(0, proof_at);
    const auto proof = from_base64(client_final.substr(proof_at + 3));
    std::string_view rest = without_proof;
    const auto binding = take(rest, 'c');
    const auto nonce = take(rest, 'r');
    if (!proof || proof->size() != 32 || !binding || *binding != to_base64(first_.header) ||
        !nonce || *nonce != nonce_ || !rest.empty()) {
        return std::nullopt;
    }
    const std::string message =
        first_.bare + "," + server_first_ + "," + std::string(without_proof);
    for (const ScramKeys& keys : keys_) {
        const std::string client_key =
            exclusive_or(*proof, hmac(Digest::kSha256, keys.stored_key, message));
        if (equal_secrets(sha256(client_key), keys.stored_key)) {
            proven_ = static_cast<std::size_t>(&keys - keys_.data());
            return "v=" + to_base64(hmac(Digest::kSha256, keys.server_key, message));
        }
    }
    return std::nullopt;
}

}  // namespace causeway::auth
