// A device: who it is and what it proves that with. Its record in the registry is encode()'s bytes,
// its form for people is JSON (docs/devices.md). Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "gateway/auth/permission.h"

namespace causeway::auth {

inline constexpr std::size_t kNameBytesMax = 64;
inline constexpr std::size_t kDeviceJsonBytesMax = std::size_t{64} * 1024;
inline constexpr std::size_t kLiveCredentialsMax = 2;
inline constexpr std::size_t kTagsMax = 16;

// A name of a product or of a device: 1 to 64 of [A-Za-z0-9_.:-].
[[nodiscard]] bool is_name(std::string_view name);

// "product/name". Views into `key`; nullopt: not of this form.
struct DeviceKey {
    std::string_view product;
    std::string_view name;
};
[[nodiscard]] std::optional<DeviceKey> parse_device_key(std::string_view key);

// Something a device proves itself with. Two of a kind may be live, so that one can be replaced
// without a moment in which neither is taken.
struct Credential {
    std::string value;
    std::uint64_t until_s = 0;  // seconds since 1970 after which it is not taken; 0: no end

    [[nodiscard]] bool live(std::uint64_t now_s) const { return until_s == 0 || now_s < until_s; }
    friend bool operator==(const Credential&, const Credential&) = default;
};

// 0: no limit of its own.
struct DeviceLimits {
    std::uint32_t publish_rate_max = 0;        // publishes a second
    std::uint32_t publish_bytes_rate_max = 0;  // topic and payload, a second

    friend bool operator==(const DeviceLimits&, const DeviceLimits&) = default;
};

struct Device {
    std::string product;
    std::string name;
    bool enabled = true;
    // Text as the device has it: HMAC, SCRAM and PSK. 16 to 256 printable ASCII characters.
    std::vector<Credential> secrets;
    // scrypt hashes (password.h), never passwords.
    std::vector<Credential> passwords;
    // SHA-256 fingerprints, 64 lower-case hexadecimal digits. Empty: any certificate of the CA that
    // names this device; else only these.
    std::vector<Credential> certificates;
    std::string subject;    // the certificate's subject (RFC 2253) must be this; empty: any
    std::string client_id;  // a client id it may use beside its key; empty: none
    std::vector<Permission> permissions;  // before those of the product
    DeviceLimits limits;
    std::vector<std::pair<std::string, std::string>> tags;

    // What the registry has it under.
    [[nodiscard]] std::string key() const { return product + "/" + name; }
    friend bool operator==(const Device&, const Device&) = default;
};

// Effect: reads and checks one device. The error is one line, "secrets[1].value: what is wrong",
// and never holds a secret. Unknown keys are refused. At most kDeviceJsonBytesMax.
Result<Device> parse_device(std::string_view json);

// kHidden: secrets and password hashes appear as how many there are. parse_device() takes kShown
// only.
enum class Secrets : std::uint8_t { kHidden, kShown };
[[nodiscard]] std::string to_json(const Device& device, Secrets secrets);

// The record's value, without the key: a version byte and the fields. decode_device(): nullopt for
// bytes that are no such record.
[[nodiscard]] std::string encode(const Device& device);
[[nodiscard]] std::optional<Device> decode_device(std::string_view key, std::string_view value);

}  // namespace causeway::auth
