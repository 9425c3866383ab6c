// What an HTTP answer, or the lack of one, means for the delivery. Pure. Source: docs/rules.md,
// "Guarantees" 6; RFC 9110 §10.2.3 (Retry-After), §15 (status codes).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/sink/sink.h"

namespace causeway::rules {

struct RetryClasses {
    // Statuses that are tried again, besides all of 500 to 599.
    std::vector<std::uint16_t> statuses = {408, 425, 429};
    std::uint64_t after_max_ms = 300'000;  // a longer Retry-After is taken for this
};

// The delay that a Retry-After asks for, in milliseconds: seconds, or an HTTP date against `now_s`
// (since the Unix epoch; a past one is 0). nullopt: it is neither.
[[nodiscard]] std::optional<std::uint64_t> parse_retry_after(std::string_view value,
                                                             std::uint64_t now_s);

// 2xx is delivered; 3xx is permanent, for redirects are not followed. `retry_after` is the header's
// value, empty if there is none.
[[nodiscard]] DeliveryOutcome classify_status(std::uint32_t status, std::string_view retry_after,
                                              const RetryClasses& classes, std::uint64_t now_s);

// `code` is the CURLcode of a transfer that got no answer, `why` its text. A connection, a
// handshake or a time that fails may do better later; a request that cannot be made never will.
[[nodiscard]] DeliveryOutcome classify_transport(int code, std::string_view why);

// Printable ASCII in one line of at most kReasonBytesMax.
[[nodiscard]] std::string printable_reason(std::string_view text);

}  // namespace causeway::rules
