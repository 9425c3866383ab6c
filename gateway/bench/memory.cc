#include "gateway/bench/memory.h"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace causeway::bench {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

double to_double(std::uint64_t value) { return static_cast<double>(value); }

std::uint64_t bytes_of(const MemorySample& sample, const std::string& part) {
    const auto at = std::find_if(sample.parts.begin(), sample.parts.end(),
                                 [&](const auto& other) { return other.first == part; });
    return at == sample.parts.end() ? 0 : at->second;
}

// Bytes a session of one part, from the first sample with sessions to the last.
double slope_of(const std::vector<MemorySample>& samples, const std::string& part) {
    const auto first = std::find_if(samples.begin(), samples.end(),
                                    [](const MemorySample& s) { return s.sessions != 0; });
    const MemorySample& last = samples.back();
    return (to_double(bytes_of(last, part)) - to_double(bytes_of(*first, part))) /
           (to_double(last.sessions) - to_double(first->sessions));
}

}  // namespace

Result<> add_node(std::string_view json, MemorySample& sample) {
    const auto parsed = nlohmann::json::parse(json, nullptr, false);
    const bool usable = parsed.is_object() && parsed.contains("resident_bytes") &&
                        parsed["resident_bytes"].is_number_unsigned() && parsed.contains("parts") &&
                        parsed["parts"].is_array();
    if (!usable) {
        return fail("the API's /v1/memory is not what this version expects");
    }
    sample.resident_bytes += parsed["resident_bytes"].get<std::uint64_t>();
    for (const auto& part : parsed["parts"]) {
        const std::string name = part.value("part", "");
        const std::uint64_t bytes = part.value("bytes", std::uint64_t{0});
        const auto at = std::find_if(sample.parts.begin(), sample.parts.end(),
                                     [&](const auto& other) { return other.first == name; });
        if (at == sample.parts.end()) {
            sample.parts.emplace_back(name, bytes);
        } else {
            at->second += bytes;
        }
    }
    return {};
}

MemoryLine fit(const std::vector<MemorySample>& samples) {
    double count = 0;
    double sum_x = 0;
    double sum_y = 0;
    double sum_xx = 0;
    double sum_xy = 0;
    for (const MemorySample& sample : samples) {
        if (sample.sessions != 0) {
            const double x = to_double(sample.sessions);
            const double y = to_double(sample.resident_bytes);
            count += 1;
            sum_x += x;
            sum_y += y;
            sum_xx += x * x;
            sum_xy += x * y;
        }
    }
    MemoryLine line;
    line.bytes_per_session = (count * sum_xy - sum_x * sum_y) / (count * sum_xx - sum_x * sum_x);
    line.intercept_bytes = (sum_y - line.bytes_per_session * sum_x) / count;
    return line;
}

std::string memory_text(const std::vector<MemorySample>& samples) {
    std::string out;
    char text[160];
    for (const MemorySample& sample : samples) {
        std::snprintf(text, sizeof(text), "%10llu sessions %10.1f MiB resident\n",
                      static_cast<unsigned long long>(sample.sessions),
                      to_double(sample.resident_bytes) / kMiB);
        out += text;
    }
    const MemoryLine line = fit(samples);
    std::snprintf(text, sizeof(text), "slope %.0f B a session (%.2f KiB), intercept %.1f MiB\n",
                  line.bytes_per_session, line.bytes_per_session / 1024,
                  line.intercept_bytes / kMiB);
    out += text;
    for (const auto& [part, bytes] : samples.back().parts) {
        std::snprintf(text, sizeof(text), "  %-28.28s %8.0f B a session %10.1f MiB\n", part.c_str(),
                      slope_of(samples, part), to_double(bytes) / kMiB);
        out += text;
    }
    return out;
}

std::string memory_json(const std::vector<MemorySample>& samples) {
    const MemoryLine line = fit(samples);
    nlohmann::ordered_json json = {{"command", "mem"},
                                   {"bytes_per_session", line.bytes_per_session},
                                   {"intercept_bytes", line.intercept_bytes},
                                   {"samples", nlohmann::ordered_json::array()},
                                   {"parts", nlohmann::ordered_json::object()}};
    for (const MemorySample& sample : samples) {
        json["samples"].push_back(
            {{"sessions", sample.sessions}, {"resident_bytes", sample.resident_bytes}});
    }
    for (const auto& [part, bytes] : samples.back().parts) {
        json["parts"][part] = slope_of(samples, part);
    }
    return json.dump() + "\n";
}

}  // namespace causeway::bench
