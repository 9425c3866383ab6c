// Reading and atomic writing of small files for certs. Internal to the module.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace causeway::certs {

// A file larger than 1 MiB is an error: it is no certificate. `what` names it in the error.
Result<std::string> read_file(const std::string& path, std::string_view what);

struct WriteOptions {
    unsigned mode = 0644;
    bool force = false;  // Replace an existing file.
};

// Effect: the file has all of `bytes` or is as before, also after a power cut.
Result<> write_file(const std::string& path, std::string_view bytes, WriteOptions options);

}  // namespace causeway::certs
