// cluster_sim --seeds N [--first S]: N runs; cluster_sim --seed S [--trace]: one, told line by
// line. A failing seed is run again with its trace, and the last lines of it are printed.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

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
}

#if defined(CAUSEWAY_SEEDED_BUGS)
using causeway::SeededBug;
// What finds a bug: the beginning of the failure, one of several. Another failure is none of its
// findings.
constexpr struct {
    const char* name;
    SeededBug bug;
    std::array<std::string_view, 3> findings;
} kBugs[] = {
    {"none", SeededBug::kNone, {}},
    {"acknowledge_before_fsync", SeededBug::kAcknowledgeBeforeFsync, {"I11", "I9", "I16"}},
    {"vote_before_durable", SeededBug::kVoteBeforeDurable, {"I11", "I6", "I1"}},
    {"applied_index_not_atomic", SeededBug::kAppliedIndexNotAtomic, {"I5"}},
    {"missed_directory_fsync", SeededBug::kMissedDirectoryFsync, {"I17"}},
    {"deduplicate_by_packet_id", SeededBug::kDeduplicateByPacketId, {"acknowledged", "queue"}},
    {"pubrel_before_pubrec_applied", SeededBug::kPubrelBeforePubrecApplied, {"twice"}},
    {"pubcomp_before_release", SeededBug::kPubcompBeforeRelease, {"acknowledged", "I16"}},
    {"suback_before_interest", SeededBug::kSubackBeforeInterest, {"acknowledged"}},
    {"accept_behind_refused", SeededBug::kAcceptBehindRefused, {"order"}},
    {"commands_before_own_term", SeededBug::kCommandsBeforeOwnTerm, {"own term"}},
};

bool plant(const std::string& name) {
    for (const auto& known : kBugs) {
        if (name == known.name) {
            causeway::seeded_bug = known.bug;
            hunting = known.bug != SeededBug::kNone;
            return true;
        }
    }
    return false;
}

bool is_finding(const std::string& failure) {
    for (const auto& known : kBugs) {
        for (const std::string_view finding : known.findings) {
            if (known.bug == causeway::seeded_bug && !finding.empty() &&
                failure.starts_with(finding)) {
                return true;
            }
        }
    }
    return false;
}
#else
bool plant(const std::string&) { return false; }
bool is_finding(const std::string&) { return false; }
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
                const bool expected = is_finding(result.failure);
                std::printf(expected ? "found\n" : "that is no finding of the planted bug\n");
                return expected ? 0 : 1;
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
    const std::string missed = totals.too_few();
    std::printf("%s", missed.c_str());
    return missed.empty() ? 0 : 1;
}
