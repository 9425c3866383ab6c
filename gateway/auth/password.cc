#include "gateway/auth/password.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "gateway/auth/crypto.h"

namespace causeway::auth {
namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kSaltBytesMin = 8;
constexpr std::size_t kSaltBytesMax = 64;
constexpr std::uint64_t kMemoryMax = std::uint64_t{64} << 20;
constexpr std::uint8_t kParallelMax = 4;

std::string scrypt(const PasswordHash& hash, std::string_view password) {
    std::array<unsigned char, kHashBytes> out{};
    // What EVP_PBE_scrypt allows itself: a little above the 128·N·r it needs.
    const std::uint64_t memory = kMemoryMax + (std::uint64_t{4} << 20);
    const int ok = EVP_PBE_scrypt(password.data(), password.size(),
                                  reinterpret_cast<const unsigned char*>(hash.salt.data()),
                                  hash.salt.size(), std::uint64_t{1} << hash.log_n, hash.r, hash.p,
                                  memory, out.data(), out.size());
    return ok == 1 ? std::string(reinterpret_cast<const char*>(out.data()), out.size())
                   : std::string();
}

bool take_number(std::string_view& text, std::string_view name, char end, std::uint8_t& out) {
    if (!text.starts_with(name)) {
        return false;
    }
    text.remove_prefix(name.size());
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    const auto size = static_cast<std::size_t>(rest - text.data());
    if (error != std::errc{} || size == text.size() || text[size] != end) {
        return false;
    }
    text.remove_prefix(size + 1);
    return true;
}

std::string unpadded(std::string_view bytes) {
    std::string text = to_base64(bytes);
    text.erase(text.find_last_not_of('=') + 1);
    return text;
}

}  // namespace

std::optional<PasswordHash> parse_password_hash(std::string_view text) {
    constexpr std::string_view kPrefix = "$scrypt$";
    if (!text.starts_with(kPrefix)) {
        return std::nullopt;
    }
    text.remove_prefix(kPrefix.size());
    PasswordHash hash;
    if (!take_number(text, "ln=", ',', hash.log_n) || !take_number(text, "r=", ',', hash.r) ||
        !take_number(text, "p=", '$', hash.p)) {
        return std::nullopt;
    }
    const std::size_t dollar = text.find('$');
    const auto salt = from_base64(text.substr(0, dollar));
    const auto digest = dollar == std::string_view::npos ? std::nullopt
                                                         : from_base64(text.substr(dollar + 1));
    if (!salt || !digest || salt->size() < kSaltBytesMin || salt->size() > kSaltBytesMax ||
        digest->size() != kHashBytes) {
        return std::nullopt;
    }
    if (hash.log_n < 10 || hash.log_n > 20 || hash.r < 1 || hash.p < 1 || hash.p > kParallelMax ||
        (std::uint64_t{128} << hash.log_n) * hash.r > kMemoryMax) {
        return std::nullopt;
    }
    hash.salt = *salt;
    hash.hash = *digest;
    return hash;
}

std::string hash_password(std::string_view password, std::string_view salt) {
    PasswordHash hash;
    hash.salt = salt;
    return "$scrypt$ln=" + std::to_string(hash.log_n) + ",r=" + std::to_string(hash.r) +
           ",p=" + std::to_string(hash.p) + "$" + unpadded(salt) + "$" +
           unpadded(scrypt(hash, password));
}

bool verify_password(const PasswordHash& hash, std::string_view password) {
    return equal_secrets(scrypt(hash, password), hash.hash);
}

}  // namespace causeway::auth
