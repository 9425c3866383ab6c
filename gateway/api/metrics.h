// GET /metrics: what the node and the gateway count, in the Prometheus text format. Pure.
#pragma once

#include <string>

#include "cluster/node/node.h"
#include "gateway/net/shard.h"

namespace causeway::api {

std::string render_metrics(const node::NodeStatus& node, const net::ShardStatus& gateway);

}  // namespace causeway::api
