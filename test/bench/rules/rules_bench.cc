// What rules cost the leader of a set, on one core: evaluations of one message against 1, 100 and
// 10,000 installed rules of which one matches the topic, with payloads of 200 B and 4 KB. The
// payload is parsed in each evaluation, as for each message in the hub.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>

#include "rules/engine/evaluator.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {
namespace {

constexpr const char* kFilter =
    "SELECT topic(2) AS device, payload.temp AS t FROM '$/+/up' WHERE payload.temp > 30";
constexpr const char* kTwoFields =
    "SELECT topic(2) AS device, payload.temp AS t FROM '$/+/up' WHERE payload.temp > 30 AND "
    "payload.state = 'on'";
constexpr const char* kProjection =
    "SELECT topic(2) AS device, clientid, payload.serial AS serial, payload.firmware AS fw, "
    "payload.state AS state, payload.uptime AS uptime, payload.rssi AS rssi, payload.humidity AS "
    "humidity, payload.rpm AS rpm, payload.temp AS t FROM '$/+/up'";
constexpr const char* kForeach =
    "FOREACH payload.list AS e DO e.id AS id, e.v AS v INCASE e.v >= 0 FROM '$/+/up'";

// Each rule listens to one product, so of n rules one matches.
std::shared_ptr<const RuleSet> rules_for_products(std::string sql, std::int64_t count) {
    const std::size_t product = sql.find('$');
    std::string text = "[";
    for (std::int64_t i = 0; i < count; ++i) {
        std::string own = sql;
        own.replace(product, 1, "p" + std::to_string(i));
        text += (i > 0 ? ",{\"id\": \"r" : "{\"id\": \"r") + std::to_string(i) + "\", \"sql\": \"" +
                own + "\", \"actions\": [{\"queue\": {\"name\": \"out\"}}]}";
    }
    const SourceFile file{"f", text + "]"};
    auto set = RuleSet::compile({&file, 1});
    return set ? *set : nullptr;
}

std::string padded(std::string payload, std::size_t size) {
    payload += R"(,"note":")";
    payload.resize(size - 2, 'x');
    return payload + "\"}";
}

std::string telemetry(int temperature, std::size_t size) {
    return padded(R"({"serial":"A1B2C3D4E5","firmware":"1.20.3","state":"on","uptime":86400,)"
                  R"("rssi":-61,"humidity":40.25,"rpm":1480,"temp":)" +
                      std::to_string(temperature),
                  size);
}

// 20 elements are about 500 B.
std::string elements() {
    std::string out = R"({"list":[)";
    for (int i = 0; i < 20; ++i) {
        out += (i > 0 ? "," : "") + std::string(R"({"id":"s)") + std::to_string(i) + R"(","v":)" +
               std::to_string(i) + "}";
    }
    return out + "]}";
}

void run(benchmark::State& state, const char* sql, const std::string& body) {
    const auto set = rules_for_products(sql, state.range(0));
    if (!set) {
        state.SkipWithError("the rules do not compile");
        return;
    }
    auto counters = set->make_counters();
    Evaluator evaluator;
    Evaluation out;
    Random random(1);
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

std::size_t size_of(const benchmark::State& state) {
    return static_cast<std::size_t>(state.range(1));
}

void BM_FilterOut(benchmark::State& state) { run(state, kFilter, telemetry(20, size_of(state))); }
void BM_FilterOutTwoFields(benchmark::State& state) {
    run(state, kTwoFields, telemetry(31, size_of(state)));
}
void BM_FilterFires(benchmark::State& state) { run(state, kFilter, telemetry(31, size_of(state))); }
void BM_TenFields(benchmark::State& state) {
    run(state, kProjection, telemetry(31, size_of(state)));
}
void BM_Foreach20(benchmark::State& state) { run(state, kForeach, elements()); }

void sizes(benchmark::internal::Benchmark* bench) {
    for (const std::int64_t bytes : {200, 4096}) {
        for (const std::int64_t rules : {1, 100, 10'000}) {
            bench->Args({rules, bytes});
        }
    }
}
BENCHMARK(BM_FilterOut)->Apply(sizes);
BENCHMARK(BM_FilterOutTwoFields)->Args({10'000, 200});
BENCHMARK(BM_FilterFires)->Apply(sizes);
BENCHMARK(BM_TenFields)->Apply(sizes);
BENCHMARK(BM_Foreach20)->Arg(1)->Arg(100)->Arg(10'000);

// No rule has this topic.
void BM_NoMatch(benchmark::State& state) {
    const auto set = rules_for_products(kFilter, state.range(0));
    for (auto _ : state) {
        benchmark::DoNotOptimize(set->interested("other/dev7/up"));
    }
}
BENCHMARK(BM_NoMatch)->Arg(1)->Arg(10'000);

void BM_Compile(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(rules_for_products(kFilter, state.range(0)));
    }
}
BENCHMARK(BM_Compile)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace causeway::rules
