#include "gateway/auth/certificate.h"

#include "gateway/auth/device.h"

namespace causeway::auth {

std::string named_device(const Certificate& certificate) {
    constexpr std::string_view kUrn = "urn:causeway:device:";
    std::string_view named;
    for (const std::string_view uri : certificate.uris) {
        if (uri.starts_with(kUrn)) {
            if (!named.empty()) {
                return {};  // two names are none
            }
            named = uri;
        }
    }
    if (named.empty()) {
        named = certificate.common_name;
    } else {
        named.remove_prefix(kUrn.size());
    }
    return parse_device_key(named) ? std::string(named) : std::string();
}

}  // namespace causeway::auth
