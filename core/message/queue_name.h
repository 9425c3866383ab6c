// Names of operator queues, and the filters by which an MQTT client consumes one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace causeway {

inline constexpr std::size_t kQueueNameMax = 128;
inline constexpr std::string_view kQueuePrefix = "$queue/";

// 1 to 128 of A-Z a-z 0-9 - _ .
[[nodiscard]] constexpr bool is_queue_name(std::string_view name) {
    return !name.empty() && name.size() <= kQueueNameMax &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

// "$queue/NAME": the client wants the queue's messages. NAME may be no name.
[[nodiscard]] constexpr bool is_queue_filter(std::string_view filter) {
    return filter.starts_with(kQueuePrefix);
}
[[nodiscard]] constexpr std::string_view queue_of_filter(std::string_view filter) {
    return filter.substr(kQueuePrefix.size());
}

}  // namespace causeway
