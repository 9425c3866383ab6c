// The files of an audit log: audit-NNNNNNNN.jsonl, numbered from 1. Internal to gateway/audit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>

#include "core/base/result.h"

namespace causeway::audit {

struct LogFile {
    std::uint64_t number = 0;
    std::string path;
};
[[nodiscard]] std::string path_of(const std::string& directory, std::uint64_t number);
// Ascending by number.
[[nodiscard]] std::vector<LogFile> list_files(const std::string& directory);

// Calls `visit` with each whole line until it returns false. Returns the bytes of the whole lines
// that were visited. A line longer than kLineBytesMax ends the reading.
std::uint64_t for_each_line(const std::string& path,
                            absl::FunctionRef<bool(std::string_view line)> visit);

}  // namespace causeway::audit
