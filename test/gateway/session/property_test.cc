// Random lives of connections; events.h says what holds after each event. The seed of a failure is
// printed, and CAUSEWAY_SEED plays it again; CAUSEWAY_LIVES plays so many for a soak.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "test/gateway/session/events.h"

namespace causeway::session::test {
namespace {

constexpr std::size_t kEvents = 250'000;

char g_seed[64];  // for the handler, which may not format

extern "C" void print_seed(int) {
    // There is nowhere to report a failed write to.
    [[maybe_unused]] const auto written = write(STDERR_FILENO, g_seed, sizeof(g_seed));
}

TEST(SessionProperty, NoOrderOfEventsBreaksAPromise) {
    std::signal(SIGABRT, print_seed);
    const char* given = std::getenv("CAUSEWAY_SEED");
    const char* asked = std::getenv("CAUSEWAY_LIVES");
    const std::uint64_t lives_min = asked != nullptr ? std::strtoull(asked, nullptr, 0) : 0;
    std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : 20'260'101;
    std::size_t events = 0;
    std::size_t lives = 0;
    while (events < kEvents || lives < lives_min) {
        std::snprintf(g_seed, sizeof(g_seed), "CAUSEWAY_SEED=%llu\n",
                      static_cast<unsigned long long>(seed));
        Random random(seed);
        Events player([&](std::uint64_t bound) { return random.below(bound); },
                      [] { return false; });
        events += player.play(2'000);
        ++lives;
        if (given != nullptr) {
            break;
        }
        ++seed;
    }
    std::signal(SIGABRT, SIG_DFL);
    std::printf("%zu events in %zu connections\n", events, lives);
}

}  // namespace
}  // namespace causeway::session::test
