// A product: what is common to its devices. Its record is a named document of the control group, its
// JSON text (docs/devices.md). Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "gateway/auth/device.h"
#include "gateway/auth/permission.h"

namespace causeway::auth {

inline constexpr std::size_t kProductJsonBytesMax = std::size_t{64} * 1024;

// How a client proves who it is.
enum class Scheme : std::uint8_t { kX509, kPsk, kHmac, kPassword, kJwt, kHttp, kScram };
inline constexpr std::size_t kSchemes = 7;

// "x509", "psk", "hmac", "password", "jwt", "http", "scram".
[[nodiscard]] std::string_view name(Scheme scheme);
[[nodiscard]] std::optional<Scheme> parse_scheme(std::string_view name);

class SchemeSet {
public:
    constexpr SchemeSet() = default;
    [[nodiscard]] constexpr bool has(Scheme scheme) const { return (bits_ & bit(scheme)) != 0; }
    constexpr void add(Scheme scheme) { bits_ = static_cast<std::uint8_t>(bits_ | bit(scheme)); }
    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
    friend bool operator==(const SchemeSet&, const SchemeSet&) = default;

private:
    static constexpr unsigned bit(Scheme scheme) { return 1U << static_cast<unsigned>(scheme); }
    std::uint8_t bits_ = 0;
};

struct ProductLimits {
    std::uint32_t connections_max = 0;  // of its devices on one node; 0: no limit
    DeviceLimits device;                // of each device that has none of its own

    friend bool operator==(const ProductLimits&, const ProductLimits&) = default;
};

// Whether a device that knows the product's secret may ask for credentials of its own.
struct Registration {
    bool enabled = false;
    bool create = false;  // also a device the registry does not have; else only one that is there
    std::vector<Credential> secrets;  // of the product; text, as of a device

    friend bool operator==(const Registration&, const Registration&) = default;
};

struct Product {
    std::string name;
    std::string description;
    bool enabled = true;
    SchemeSet auth;  // at least one
    // Its devices may take any client id, so they must trust each other; else only their own
    // (docs/devices.md, "Client ids").
    bool any_client_id = false;
    std::vector<Permission> permissions;
    ProductLimits limits;
    Registration registration;

    friend bool operator==(const Product&, const Product&) = default;
};

// Effect: reads and checks one product; errors as parse_device(). At most kProductJsonBytesMax.
Result<Product> parse_product(std::string_view json);
[[nodiscard]] std::string to_json(const Product& product, Secrets secrets);

// Effect: reads an array of permissions as a product has them. `text` is JSON.
Result<std::vector<Permission>> parse_permissions(std::string_view text);

}  // namespace causeway::auth
