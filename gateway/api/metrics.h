// GET /metrics: what the node and the gateway count, in the Prometheus text format. Pure.
#pragma once

#include <string>

#include "cluster/node/node.h"
#include "gateway/api/guard.h"
#include "gateway/api/register_api.h"
#include "gateway/net/shard.h"

namespace causeway::api {

// Who was refused at the API's door, and what devices registered.
std::string render_access(const RefusedCounters& refused, const RegisterCounters& registered);
std::string render_metrics(const node::NodeStatus& node, const net::ShardStatus& gateway);

}  // namespace causeway::api
