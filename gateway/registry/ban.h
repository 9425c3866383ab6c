// Bans as documents of the control group (kind «ban»): {"kind": "address" | "device" | "product" |
// "client_id", "value": …, "until_s": …, "reason": …}. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "gateway/auth/registry.h"

namespace causeway::registry {

inline constexpr std::string_view kBanDocuments = "ban";
inline constexpr std::size_t kBanReasonBytesMax = 256;

struct BanDocument {
    auth::Ban ban;
    std::string reason;
};

// Effect: reads and checks; the error is one line that names the key.
Result<BanDocument> parse_ban(std::string_view json);
[[nodiscard]] std::string to_json(const BanDocument& ban);
// The document's name: one for each kind and value.
[[nodiscard]] std::string name_of(const auth::Ban& ban);

}  // namespace causeway::registry
