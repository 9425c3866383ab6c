// Who this node is: a random number made once per data directory, and a boot number that is larger
// at each start, by which the core tells a restarted node's streams from the old ones.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace causeway::node {

struct Identity {
    std::uint64_t id = 0;    // not 0
    std::uint64_t boot = 0;  // from 1
};

// Effect: reads `data_dir`/identity, or makes it with the seed `random`; counts the boot and makes
// that durable. Errors: the file cannot be read or written, or holds something else.
Result<Identity> load_identity(const std::string& data_dir, std::uint64_t random);

}  // namespace causeway::node
