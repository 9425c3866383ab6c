// The commands: plan, carry out, report.
#include "gateway/bench/bench.h"

#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "gateway/bench/coordinator.h"
#include "gateway/bench/memory.h"
#include "gateway/bench/plan.h"
#include "gateway/bench/report.h"

namespace causeway::bench {
namespace {

Result<std::uint64_t> resident_bytes(std::uint32_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/statm";
    std::FILE* file = std::fopen(path.c_str(), "re");
    unsigned long size = 0;
    unsigned long resident = 0;
    const bool read = file != nullptr && std::fscanf(file, "%lu %lu", &size, &resident) == 2;
    if (file != nullptr) {
        std::fclose(file);
    }
    if (!read) {
        return fail("--pid " + std::to_string(pid) + ": no such process");
    }
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<MemorySample> look_at(const MemOptions& options, const Fetch& fetch) {
    MemorySample sample;
    for (const std::string& api : options.apis) {
        const auto body = fetch(api + "/v1/memory");
        if (!body) {
            return tl::unexpected(body.error());
        }
        if (const auto added = add_node(*body, sample); !added) {
            return tl::unexpected(added.error());
        }
    }
    for (const std::uint32_t pid : options.pids) {
        const auto resident = resident_bytes(pid);
        if (!resident) {
            return tl::unexpected(resident.error());
        }
        sample.resident_bytes += *resident;
    }
    return sample;
}

int run(const Result<Plan>& plan) {
    if (!plan) {
        std::fprintf(stderr, "bench: %s\n", plan.error().message.c_str());
        return kExitUsage;
    }
    const auto measured = carry_out(*plan);
    if (!measured) {
        std::fprintf(stderr, "bench: %s\n", measured.error().message.c_str());
        return kExitUsage;
    }
    const std::string report =
        plan->run.json ? json_report(*plan, *measured) : text_report(*plan, *measured);
    std::fwrite(report.data(), 1, report.size(), stdout);
    std::fflush(stdout);
    return succeeded(*plan, *measured) ? kExitOk : kExitFailures;
}

}  // namespace

int run_mem(const MemOptions& options, const Fetch& fetch) {
    const auto plan = make_plan(options);
    if (!plan) {
        std::fprintf(stderr, "bench: %s\n", plan.error().message.c_str());
        return kExitUsage;
    }
    std::vector<MemorySample> samples;
    std::string fault;
    const auto measured = carry_out(*plan, [&](std::uint64_t connected) {
        auto sample = look_at(options, fetch);
        if (!sample) {
            fault = sample.error().message;
            return false;
        }
        sample->sessions = connected;
        samples.push_back(std::move(*sample));
        return true;
    });
    if (!measured) {
        fault = measured.error().message;
    }
    if (!fault.empty()) {
        std::fprintf(stderr, "bench: %s\n", fault.c_str());
        return kExitUsage;
    }
    const bool complete = samples.size() == plan->steps + 1 && succeeded(*plan, *measured);
    if (!complete) {
        const std::string report = text_report(*plan, *measured);
        std::fwrite(report.data(), 1, report.size(), stderr);
        return kExitFailures;
    }
    const std::string report = plan->run.json ? memory_json(samples) : memory_text(samples);
    std::fwrite(report.data(), 1, report.size(), stdout);
    return kExitOk;
}

int run_conn(const ConnOptions& options) { return run(make_plan(options)); }
int run_pub(const PubOptions& options) { return run(make_plan(options)); }
int run_sub(const SubOptions& options) { return run(make_plan(options)); }

}  // namespace causeway::bench
