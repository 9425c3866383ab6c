#include <algorithm>

#include "gateway/auth/device.h"

namespace causeway::auth {

bool is_name(std::string_view name) {
    const auto known = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == ':' || c == '-';
    };
    return !name.empty() && name.size() <= kNameBytesMax &&
           std::all_of(name.begin(), name.end(), known);
}

std::optional<DeviceKey> parse_device_key(std::string_view key) {
    const std::size_t slash = key.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const DeviceKey parts{key.substr(0, slash), key.substr(slash + 1)};
    return is_name(parts.product) && is_name(parts.name) ? std::optional(parts) : std::nullopt;
}

}  // namespace causeway::auth
