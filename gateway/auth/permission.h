// What a rule of a product, a device or a listener allows or denies. The values as an operator
// writes them; acl.h makes them into something that is checked in nanoseconds. Pure; any thread.
// The JSON form and what decides: docs/devices.md, "Permissions".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace causeway::auth {

inline constexpr std::size_t kPermissionsMax = 64;        // of one product, device or listener
inline constexpr std::size_t kPermissionTopicsMax = 64;   // of one permission
inline constexpr std::size_t kTopicTemplateBytesMax = 512;

struct Permission {
    bool allow = true;
    bool publish = false;
    bool subscribe = false;
    std::uint8_t qos = 0b111;    // bit n: QoS n
    std::optional<bool> retain;  // of a publish; none: either
    std::vector<std::string> topics;

    friend bool operator==(const Permission&, const Permission&) = default;
};

}  // namespace causeway::auth
