// The progress line.
#include "gateway/bench/progress.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>

namespace causeway::bench {
namespace {

constexpr double kSecondNs = 1e9;

}  // namespace

Progress::Progress(const Plan& plan, std::uint64_t now_ns)
    : plan_(plan), terminal_(isatty(STDERR_FILENO) == 1), begin_ns_(now_ns), shown_ns_(now_ns) {}

Progress::~Progress() { end_line(); }

void Progress::show(const Counters& counters, std::uint64_t now_ns) {
    const double passed_s = static_cast<double>(now_ns - shown_ns_) / kSecondNs;
    if (plan_.run.quiet || passed_s < 1) {
        return;
    }
    std::fprintf(stderr, "%s%5.0f s  open %" PRIu64 "/%u", terminal_ ? "\r\033[K" : "",
                 static_cast<double>(now_ns - begin_ns_) / kSecondNs, counters.open,
                 plan_.clients());
    const auto rate = [&](std::uint64_t Counters::*field) {
        return static_cast<double>(counters.*field - shown_.*field) / passed_s;
    };
    if (plan_.publishers > 0) {
        std::fprintf(stderr, "  sent %.0f/s  acknowledged %.0f/s  in flight %" PRIu64,
                     rate(&Counters::sent), rate(&Counters::acked), counters.in_flight);
    }
    if (plan_.subscribers > 0) {
        std::fprintf(stderr, "  received %.0f/s", rate(&Counters::received));
    }
    const std::uint64_t failures = counters.refused + counters.broken + counters.ack_errors;
    if (failures > 0) {
        std::fprintf(stderr, "  failures %" PRIu64, failures);
    }
    open_line_ = terminal_;
    std::fputs(terminal_ ? "" : "\n", stderr);
    shown_ns_ = now_ns;
    shown_ = counters;
}

void Progress::say(const char* text, std::uint64_t count) {
    if (!plan_.run.quiet) {
        end_line();
        std::fprintf(stderr, "%s %" PRIu64 "\n", text, count);
    }
}

void Progress::end_line() {
    if (open_line_) {
        std::fputs("\n", stderr);
        open_line_ = false;
    }
}

}  // namespace causeway::bench
