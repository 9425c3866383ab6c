// The operator's rule set: a directory of JSON files, read as one set, and watched for changes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "rules/engine/rule_set.h"

namespace causeway::root {

// Effect: reads every *.json below `dir`, sorted by path; or `dir` itself if it is a file. Errors:
// the directory or a file cannot be read.
Result<std::vector<rules::SourceFile>> read_rules(const std::string& dir);

// A number that changes when a file of the directory is added, removed, renamed or written.
std::uint64_t fingerprint(const std::string& dir);

}  // namespace causeway::root
