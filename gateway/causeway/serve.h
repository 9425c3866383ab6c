// `causeway serve`: makes the parts of a node, wires them, runs until SIGTERM or SIGINT. Main
// thread.
#pragma once

#include "gateway/causeway/config.h"

namespace causeway::root {

// Returns the exit code: 0 after an orderly stop, 2 when it could not start (one line on stderr
// said why), 3 when a disk failed.
int serve(const Config& config);

}  // namespace causeway::root
