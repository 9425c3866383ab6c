// What matching a topic costs: filters of the form "plant/devN/down", one in a hundred with a
// wildcard, and topics that meet one each. ns per match and bytes per filter, by number of filters.
// Build with the bench preset, run by hand.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/message/trie.h"

namespace causeway {
namespace {

// As many bytes as the state machine keeps for a subscription.
struct Target {
    void* session = nullptr;
    std::uint32_t identifier = 0;
    std::uint32_t options = 0;
};

std::string filter_of(std::uint64_t number) {
    const std::string device = "plant/dev" + std::to_string(number);
    return number % 100 == 0 ? device + "/+" : device + "/down";
}

const TopicTrie<Target>& trie_of(std::uint64_t filters) {
    static TopicTrie<Target> trie;  // grows from one size to the next
    for (std::uint64_t number = trie.size(); number < filters; ++number) {
        trie.insert(filter_of(number), Target{});
    }
    return trie;
}

void match(benchmark::State& state) {
    const auto filters = static_cast<std::uint64_t>(state.range(0));
    const TopicTrie<Target>& trie = trie_of(filters);
    std::vector<std::string> topics;
    std::uint64_t number = 1;
    for (int i = 0; i < 4096; ++i) {  // by chance: neighbours would lie in the cache
        number = number * 6364136223846793005U + 1442695040888963407U;
        topics.push_back("plant/dev" + std::to_string((number >> 33) % filters) + "/down");
    }
    std::size_t at = 0;
    std::uint64_t matched = 0;
    for (auto _ : state) {
        trie.match(topics[at++ % topics.size()], [&](const Target&) { ++matched; });
    }
    benchmark::DoNotOptimize(matched);
    if (matched != static_cast<std::uint64_t>(state.iterations())) {
        state.SkipWithError("each topic meets one filter");
    }
    state.counters["bytes_per_filter"] =
        static_cast<double>(trie.memory_bytes()) / static_cast<double>(filters);
}
BENCHMARK(match)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

void insert_and_erase(benchmark::State& state) {
    TopicTrie<Target> trie;
    for (std::uint64_t number = 0; number < 100'000; ++number) {
        trie.insert(filter_of(number), Target{});
    }
    const std::string filter = filter_of(100'001);
    for (auto _ : state) {
        trie.insert(filter, Target{});
        trie.erase(filter, [](const Target&) { return true; });
    }
}
BENCHMARK(insert_and_erase);

}  // namespace
}  // namespace causeway

BENCHMARK_MAIN();
