// GET /v1/memory: where the memory of a node goes (docs/api.md). Pure.
#pragma once

#include <string>

#include "cluster/node/node.h"
#include "core/io/heap.h"
#include "gateway/net/shard.h"

namespace causeway::api {

[[nodiscard]] std::string memory_json(const io::HeapStatus& heap, const node::NodeStatus& node,
                                      const net::ShardStatus& gateway);

}  // namespace causeway::api
