// The three commands: plan, carry out, report.
#include "gateway/bench/bench.h"

#include <cstdio>
#include <string>

#include "gateway/bench/coordinator.h"
#include "gateway/bench/plan.h"
#include "gateway/bench/report.h"

namespace causeway::bench {
namespace {

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

int run_conn(const ConnOptions& options) { return run(make_plan(options)); }
int run_pub(const PubOptions& options) { return run(make_plan(options)); }
int run_sub(const SubOptions& options) { return run(make_plan(options)); }

}  // namespace causeway::bench
