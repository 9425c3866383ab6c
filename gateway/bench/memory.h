// What `bench mem` saw at each step, and what follows: bytes per session as the slope over the
// steps, and by part. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace causeway::bench {

// One look at the broker: all its processes together.
struct MemorySample {
    std::uint64_t sessions = 0;
    std::uint64_t resident_bytes = 0;
    std::vector<std::pair<std::string, std::uint64_t>> parts;  // bytes, in the order of the API
};

// Effect: adds what one node's GET /v1/memory says. The error is one line.
Result<> add_node(std::string_view json, MemorySample& sample);

struct MemoryLine {
    double bytes_per_session = 0;
    double intercept_bytes = 0;
};
// Least squares over the samples that have sessions. Precondition: at least two such, of different
// sizes.
[[nodiscard]] MemoryLine fit(const std::vector<MemorySample>& samples);

[[nodiscard]] std::string memory_text(const std::vector<MemorySample>& samples);
[[nodiscard]] std::string memory_json(const std::vector<MemorySample>& samples);

}  // namespace causeway::bench
