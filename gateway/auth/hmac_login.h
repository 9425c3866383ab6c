// User names and passwords that are signed with a device's secret, so that the secret is never
// sent. Two published forms, bit for bit:
//
//   Tencent  user name  PRODUCT DEVICE ";" SDKAPPID ";" CONNID ";" EXPIRY   (seconds since 1970)
//            password   HEX ";hmacsha256" or ";hmacsha1"; key: the secret, base64-decoded; message:
//            the user name. A product's name is its first ten characters, or what is before a "/".
//   Aliyun   client id  ID "|securemode=…,signmethod=…,timestamp=…|"
//            user name  DEVICE "&" PRODUCT
//            password   HEX of hmacsha256, hmacsha1 or hmacmd5; key: the secret as it is; message:
//            "clientId" ID "deviceName" … "productKey" … "timestamp" … (the last only if it is there)
//
// Pure; any thread. docs/devices.md, "Signed user names".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/auth/crypto.h"

namespace causeway::auth {

struct HmacLogin {
    std::string device_key;
    std::string client_id;    // under which the session is known
    std::string message;      // what is signed
    std::string signature;    // bytes
    std::uint64_t signed_until_s = 0;  // 0: no end was signed
    std::uint64_t signed_at_ms = 0;    // 0: no time was signed
    Digest digest = Digest::kSha256;
    bool base64_secret = false;  // the key is the decoded secret
    bool other_client_id = false;  // the client id signed is not the one shown
};

// The device that a name stands for: "PRODUCT/DEVICE", or ten characters of product and the device
// right behind; empty: neither.
[[nodiscard]] std::string device_key_of(std::string_view name);

// nullopt: the user name is of neither form, so this scheme does not apply. A signature that cannot
// be read is an empty one, which no secret makes. At most 512 bytes each.
[[nodiscard]] std::optional<HmacLogin> parse_hmac_login(std::string_view client_id,
                                                        std::string_view user_name,
                                                        std::string_view password);

// Whether the device with this secret signed it. Constant time in the signature.
[[nodiscard]] bool verify_hmac_login(const HmacLogin& login, std::string_view secret);

// Not yet expired, and, with `age_max_s`, neither signed for longer than that nor that long ago.
[[nodiscard]] bool hmac_login_in_time(const HmacLogin& login, std::uint64_t now_s,
                                      std::uint64_t age_max_s);

}  // namespace causeway::auth
