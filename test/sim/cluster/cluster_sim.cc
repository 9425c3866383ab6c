// cluster_sim --seeds N [--first S]: N runs; cluster_sim --seed S [--trace]: one, told line by
// line. A failing seed is run again with its trace, and the last lines of it are printed.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/seeded_bug.h"
#include "test/sim/cluster/run.h"

namespace {

using causeway::sim::RunOptions;
using causeway::sim::RunResult;
using causeway::sim::RunTotals;

constexpr std::size_t kTraceLines = 60;

volatile std::uint64_t current_seed = 0;
volatile bool hunting = false;  // a planted bug: it must be found

// A check of the code under test ends the process; the seed must be known then too.
void on_abort(int) {
    std::fprintf(stderr, "\nseed %llu: aborted\n", static_cast<unsigned long long>(current_seed));
    if (hunting) {
        std::_Exit(0);
    }
}

#if defined(CAUSEWAY_SEEDED_BUGS)
using causeway::SeededBug;
constexpr struct {
    const char* name;
    SeededBug bug;
} kBugs[] = {
    {"acknowledge_before_fsync", SeededBug::kAcknowledgeBeforeFsync},
    {"vote_before_durable", SeededBug::kVoteBeforeDurable},
    {"deduplicate_by_packet_id", SeededBug::kDeduplicateByPacketId},
    {"pubrel_before_pubrec_applied", SeededBug::kPubrelBeforePubrecApplied},
    {"pubcomp_before_release", SeededBug::kPubcompBeforeRelease},
    {"suback_before_interest", SeededBug::kSubackBeforeInterest},
    {"commands_before_own_term", SeededBug::kCommandsBeforeOwnTerm},
};

bool plant(const std::string& name) {
    for (const auto& known : kBugs) {
        if (name == known.name) {
            causeway::seeded_bug = known.bug;
            hunting = true;
            return true;
        }
    }
    return false;
}
#else
bool plant(const std::string&) { return false; }
#endif

struct Arguments {
    std::uint64_t first = 1;
    std::uint64_t seeds = 10;
    bool trace = false;
    std::uint64_t seconds_max = 0;  // of this machine's time; 0: no limit
    std::size_t lines = kTraceLines;
};

bool parse(int argc, char** argv, Arguments& out) {
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--trace") {
            out.trace = true;
            out.lines = 10'000'000;
            continue;
        }
        if (++i == argc) {
            return false;
        }
        if (name == "--bug") {
            if (!plant(argv[i])) {
                return false;
            }
            continue;
        }
        const std::uint64_t value = std::strtoull(argv[i], nullptr, 10);
        if (name == "--seeds") {
            out.seeds = value;
        } else if (name == "--first") {
            out.first = value;
        } else if (name == "--seed") {
            out.first = value;
            out.seeds = 1;
        } else if (name == "--seconds") {
            out.seconds_max = value;
        } else if (name == "--lines") {
            out.lines = value;
        } else {
            return false;
        }
    }
    return true;
}

void print_trace(const RunResult& result) {
    for (const std::string& line : result.trace) {
        std::printf("%s\n", line.c_str());
    }
}

// The run must not have been idle.
bool enough(const RunTotals& totals) {
    const auto at_least = [&](const char* what, std::uint64_t is, std::uint64_t per_run) {
        const std::uint64_t wanted = totals.runs * per_run;
        if (is >= wanted) {
            return true;
        }
        std::printf("too few %s: %llu of %llu\n", what, static_cast<unsigned long long>(is),
                    static_cast<unsigned long long>(wanted));
        return false;
    };
    bool ok = at_least("events", totals.events, 2'000);
    ok = at_least("acknowledged publishes", totals.acknowledged, 200) && ok;
    ok = at_least("leaders", totals.log.leaders, 3) && ok;
    ok = at_least("starts", totals.nodes.starts, 4) && ok;
    if (totals.runs >= 10) {
        ok = at_least("gateway deaths", totals.gateway_deaths * 5, 1) && ok;
        ok = at_least("takeovers with QoS 2 under way", totals.devices.takeovers_qos2, 1) && ok;
        ok = at_least("truncations", totals.log.truncations * 5, 1) && ok;
        ok = at_least("crashes in a commit", totals.nodes.crashes_in_commit * 5, 1) && ok;
        ok = at_least("wills", totals.devices.wills_due, 1) && ok;
    }
    return ok;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    if (!parse(argc, argv, arguments)) {
        std::fprintf(
            stderr,
            "usage: cluster_sim [--seeds N] [--first S] [--seconds T] | --seed S [--trace]\n");
        return 2;
    }
    std::signal(SIGABRT, on_abort);
    const auto begun = std::chrono::steady_clock::now();
    RunTotals totals;
    for (std::uint64_t seed = arguments.first; seed < arguments.first + arguments.seeds; ++seed) {
        current_seed = seed;
        RunOptions options;
        options.seed = seed;
        options.trace_lines = arguments.trace ? arguments.lines : 0;
        RunResult result = run_cluster(options);
        totals.add(result.totals);
        if (arguments.trace) {
            print_trace(result);
        }
        if (!result.failure.empty()) {
            std::printf("seed %llu FAILED: %s\n(%s)\n", static_cast<unsigned long long>(seed),
                        result.failure.c_str(), result.settings.c_str());
            if (hunting) {
                return 0;
            }
            if (!arguments.trace) {
                options.trace_lines = arguments.lines;
                result = run_cluster(options);
                print_trace(result);
                std::printf("again: cluster_sim --seed %llu --trace\n",
                            static_cast<unsigned long long>(seed));
            }
            return 1;
        }
        const auto spent = std::chrono::duration_cast<std::chrono::seconds>(
            std::chrono::steady_clock::now() - begun);
        if (totals.runs % 10 == 0 || seed == arguments.first) {
            std::fprintf(stderr, "%llu runs, %lld s\n",
                         static_cast<unsigned long long>(totals.runs),
                         static_cast<long long>(spent.count()));
        }
        if (arguments.seconds_max != 0 &&
            static_cast<std::uint64_t>(spent.count()) >= arguments.seconds_max) {
            break;
        }
    }
    std::printf("%s", totals.text().c_str());
    if (hunting) {
        std::printf("the planted bug was not found\n");
        return 1;
    }
    return enough(totals) ? 0 : 1;
}
