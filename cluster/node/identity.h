// Who this node is: a random number made once per data directory, and a boot number that is larger
// at each start, by which the core tells a restarted node's streams from the old ones.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/wal/disk.h"

namespace causeway::node {

struct Identity {
    std::uint64_t id = 0;    // not 0
    std::uint64_t boot = 0;  // from 1
};

// Effect: reads `files`' identity, or makes it with the seed `random`; counts the boot and makes
// that durable. `data_dir` is for the error's text: the file cannot be read or written, or holds
// something else.
Result<Identity> load_identity(wal::Disk& files, const std::string& data_dir, std::uint64_t random);

}  // namespace causeway::node
