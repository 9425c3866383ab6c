// history_check FILE.jsonl [--gap-ms N] [--owed N]: judges a history written by a workload.
// Exit status 0: every promise was kept; 1: not, and standard output says which; 2: bad input.
//   --gap-ms N  also fail when somebody waited longer than N ms without any acknowledgement
//   --owed N    also fail when fewer than N deliveries were owed: then the run tested nothing
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "test/sim/history/availability.h"
#include "test/sim/history/delivery_check.h"
#include "test/sim/history/json_lines.h"
#include "test/sim/history/register_check.h"

namespace causeway::sim {
namespace {

struct Arguments {
    std::string file;
    std::uint64_t gap_ms_max = ~std::uint64_t{0};
    std::uint64_t owed_min = 0;
};

std::optional<Arguments> parse(int count, char** words) {
    Arguments arguments;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--gap-ms" || word == "--owed") {
            std::uint64_t& into = word == "--owed" ? arguments.owed_min : arguments.gap_ms_max;
            const std::string_view number = i + 1 < count ? words[++i] : "";
            const auto [end, error] =
                std::from_chars(number.data(), number.data() + number.size(), into);
            if (error != std::errc{} || end != number.data() + number.size()) {
                return std::nullopt;
            }
        } else if (arguments.file.empty() && !word.starts_with("--")) {
            arguments.file = word;
        } else {
            return std::nullopt;
        }
    }
    return arguments.file.empty() ? std::nullopt : std::optional(arguments);
}

bool show_deliveries(const History& history, std::uint64_t owed_min) {
    const DeliveryReport report = check_deliveries(history);
    const DeliveryTotals& t = report.totals;
    std::printf("messages: sent %" PRIu64 ", acknowledged %" PRIu64 ", refused %" PRIu64
                ", unknown %" PRIu64 "\n",
                t.sent, t.acknowledged, t.refused, t.unknown);
    std::printf("deliveries: first %" PRIu64 ", repeated %" PRIu64 ", drained %" PRIu64
                ", owed %" PRIu64 ", evicted %" PRIu64 "\n",
                t.delivered, t.redelivered, t.drained, t.owed, t.evicted);
    for (const Violation& violation : report.violations) {
        std::printf("FAIL %.*s: %s\n", static_cast<int>(name_of(violation.rule).size()),
                    name_of(violation.rule).data(), violation.text.c_str());
    }
    if (t.owed < owed_min) {
        std::printf("FAIL owed: only %" PRIu64 " of the %" PRIu64 " expected\n", t.owed, owed_min);
        return false;
    }
    return report.ok();
}

bool show_registers(const History& history) {
    const RegisterReport report = check_registers(history);
    std::printf("registers: %" PRIu64 ", operations %" PRIu64 ", configurations %" PRIu64 "\n",
                report.keys, report.operations, report.configurations);
    for (const std::string& text : report.violations) {
        std::printf("FAIL register: %s\n", text.c_str());
    }
    for (const std::string& text : report.undecided) {
        std::printf("FAIL undecided: %s\n", text.c_str());
    }
    return report.ok();
}

bool show_availability(const History& history, std::uint64_t gap_ms_max) {
    const Availability a = availability(history);
    std::printf("availability: %" PRIu64 " of %" PRIu64 " seconds, longest wait %" PRIu64
                " ms at %" PRIu64 " us\n",
                a.served, a.windows, a.longest_gap_us / 1000, a.longest_gap_at_us);
    if (a.longest_gap_us / 1000 > gap_ms_max) {
        std::printf("FAIL availability: no acknowledgement for more than %" PRIu64 " ms\n",
                    gap_ms_max);
        return false;
    }
    return true;
}

int run(int count, char** words) {
    const auto arguments = parse(count, words);
    if (!arguments) {
        std::fputs("usage: history_check FILE.jsonl [--gap-ms N] [--owed N]\n", stderr);
        return 2;
    }
    std::ifstream file(arguments->file, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "history_check: cannot read %s\n", arguments->file.c_str());
        return 2;
    }
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto history = read_json_lines(text);
    if (!history) {
        std::fprintf(stderr, "history_check: %s: %s\n", arguments->file.c_str(),
                     history.error().message.c_str());
        return 2;
    }
    const bool deliveries = show_deliveries(*history, arguments->owed_min);
    const bool registers = show_registers(*history);
    const bool served = show_availability(*history, arguments->gap_ms_max);
    return deliveries && registers && served ? 0 : 1;
}

}  // namespace
}  // namespace causeway::sim

int main(int count, char** words) { return causeway::sim::run(count, words); }
