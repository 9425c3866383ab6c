// What a node says of itself under "$SYS/nodes/NAME/" (docs/configuration.md, "$SYS"). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/net/shard.h"

namespace causeway::net {

struct SysMessage {
    std::string topic;
    std::string payload;
};

// Empty when the node's name cannot stand in a topic.
[[nodiscard]] std::vector<SysMessage> sys_messages(std::string_view node, const ShardStatus& status,
                                                   std::uint64_t uptime_s);

}  // namespace causeway::net
