// Who takes part in a run: publishers, subscribers and readers of retained messages, drawn.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "test/sim/cluster/device.h"

namespace causeway::sim {

// What is published there goes to the queue too (app.h).
inline constexpr std::string_view kQueueFilter = "d/+/t1";

std::vector<DeviceOptions> draw_devices(Random& random);

}  // namespace causeway::sim
