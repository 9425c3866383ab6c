#include "certs/psk_file.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "certs/files.h"

namespace causeway::certs {
namespace {

constexpr std::size_t kIdentityBytesMax = 256;

int digit_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// Empty: not a key.
std::string bytes_of(std::string_view hex) {
    std::string bytes;
    if (hex.size() % 2 != 0 || hex.size() < 2 * kPskBytesMin || hex.size() > 2 * kPskBytesMax) {
        return bytes;
    }
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = digit_of(hex[i]);
        const int low = digit_of(hex[i + 1]);
        if (high < 0 || low < 0) {
            return {};
        }
        bytes += static_cast<char>(high << 4 | low);
    }
    return bytes;
}

bool is_identity(std::string_view text) {
    return !text.empty() && text.size() <= kIdentityBytesMax &&
           std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

Result<std::shared_ptr<const PskTable>> PskTable::parse(std::string_view text) {
    auto table = std::make_shared<PskTable>();
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        const std::size_t colon = line.rfind(':');
        const std::string_view identity =
            colon == std::string_view::npos ? std::string_view{} : line.substr(0, colon);
        std::string key = identity.empty() ? std::string{} : bytes_of(line.substr(colon + 1));
        const std::string where = "line " + std::to_string(number) + ": ";
        if (!is_identity(identity) || key.empty()) {
            return fail(where +
                        "must be IDENTITY:KEY, the identity without spaces, the key 32 to 512 "
                        "hexadecimal digits");
        }
        if (!table->keys_.emplace(identity, std::move(key)).second) {
            return fail(where + "the identity is there already");
        }
    }
    return table;
}

Result<std::shared_ptr<const PskTable>> PskTable::read(const std::string& path) {
    auto text = read_secret_list(path, "pre-shared keys");
    if (!text) {
        return tl::unexpected(text.error());
    }
    auto table = parse(*text);
    OPENSSL_cleanse(text->data(), text->size());
    if (!table) {
        return fail(path + ": " + table.error().message);
    }
    return table;
}

const std::string* PskTable::find(std::string_view identity) const {
    const auto found = keys_.find(std::string(identity));
    return found == keys_.end() ? nullptr : &found->second;
}

}  // namespace causeway::certs
