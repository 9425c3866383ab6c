// Addresses of clients as one text each, for bans and for counting failures. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace causeway::io {

// An IPv4 address, or an IPv6 address with or without brackets, as inet_ntop writes it; one of IPv4 in
// IPv6 («RFC 4291» §2.5.5.2) as IPv4. nullopt: no address.
[[nodiscard]] std::optional<std::string> normal_address(std::string_view text);

// Whom to hold responsible for what comes from `address` (normal): itself, or for IPv6 its /64, the
// least that a network gives to one customer.
[[nodiscard]] std::string responsible_for(std::string_view address);

}  // namespace causeway::io
