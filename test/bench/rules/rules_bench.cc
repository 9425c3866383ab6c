// What rules cost the leader of a set: one message of 200 B against 1 and 10,000 installed rules.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>

#include "rules/engine/evaluator.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {
namespace {

// Each rule listens to one product; so of n rules one matches.
std::shared_ptr<const RuleSet> rules_for_products(std::int64_t count) {
    std::string text = "[";
    for (std::int64_t i = 0; i < count; ++i) {
        text += (i > 0 ? "," : "") + std::string(R"({"id": "r)") + std::to_string(i) +
                R"(", "sql": "SELECT topic(2) AS device, payload.temp AS t FROM 'p)" +
                std::to_string(i) +
                R"(/+/up' WHERE payload.temp > 30 AND payload.state = 'on'",
                "actions": [{"queue": {"name": "alarms", "key": "${device}"}}]})";
    }
    const SourceFile file{"f", text + "]"};
    auto set = RuleSet::compile({&file, 1});
    return set ? *set : nullptr;
}

std::string payload(int temperature) {
    std::string out = R"({"serial":"A1B2C3D4E5","firmware":"1.20.3","state":"on","uptime":86400,)"
                      R"("rssi":-61,"humidity":40.25,"rpm":1480,"temp":)" +
                      std::to_string(temperature) + R"(,"note":")";
    out.resize(198, 'x');
    return out + "\"}";
}

void run(benchmark::State& state, int temperature) {
    const auto set = rules_for_products(state.range(0));
    if (!set) {
        state.SkipWithError("the rules do not compile");
        return;
    }
    auto counters = set->make_counters();
    Evaluator evaluator;
    Evaluation out;
    Random random(1);
    const std::string body = payload(temperature);
    MessageView message;
    message.topic = "p0/dev7/up";
    message.clientid = "p0/dev7";
    message.payload = body;
    for (auto _ : state) {
        evaluator.evaluate(*set, message, {.now_ms = 1, .random = random}, counters, out);
        benchmark::DoNotOptimize(out.outputs.data());
    }
    state.SetItemsProcessed(state.iterations());
}

void BM_FilterOut(benchmark::State& state) { run(state, 20); }
BENCHMARK(BM_FilterOut)->Arg(1)->Arg(10'000);

void BM_FireToQueue(benchmark::State& state) { run(state, 31); }
BENCHMARK(BM_FireToQueue)->Arg(1)->Arg(10'000);

// No rule has this topic.
void BM_NoMatch(benchmark::State& state) {
    const auto set = rules_for_products(state.range(0));
    for (auto _ : state) {
        benchmark::DoNotOptimize(set->interested("other/dev7/up"));
    }
}
BENCHMARK(BM_NoMatch)->Arg(1)->Arg(10'000);

void BM_Compile(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(rules_for_products(state.range(0)));
    }
}
BENCHMARK(BM_Compile)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace causeway::rules
