// `causeway device import`: JSON lines to the HTTP API in batches, several at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace causeway::root {

struct ImportArguments {
    std::string api;
    std::string file;  // "-": standard input
    std::uint64_t from_line = 1;
    std::size_t batch = 500;  // lines of a request
    unsigned parallel = 4;    // requests at once
    bool replace = false;
    bool generate = false;  // secrets for devices that have none; printed, a JSON object a line
    bool json = false;      // a summary in JSON instead of lines for people
    bool quiet = false;     // no progress
};

// The exit code: 0 all are there, 1 some were refused (stderr says which), 2 it could not go on;
// then stderr says from which line to.
int import_devices(const ImportArguments& arguments);

}  // namespace causeway::root
