// What one publish costs the state machine: entries of 64 publishes of 200 bytes over a table in
// memory, committed after each entry. Nothing here measures the store; items_per_second counts
// publishes.
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/base/check.h"
#include "core/message/body.h"
#include "core/state/machine.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::state {
namespace {

constexpr int kPublishes = 64;
constexpr std::size_t kPayloadBytes = 200;

class Bench {
public:
    Bench() {
        CW_CHECK(machine_.load().has_value());
        const std::string detail = run(0, Hello{1, 1, 0, 0});
        stream_ = static_cast<StreamId>(ByteReader(detail).varint());
    }

    // Opens a session subscribed to the topic of every publish; its epoch.
    std::uint64_t subscriber(int number, std::uint32_t expiry_s, std::uint8_t qos) {
        const std::string client = "plant/reader" + std::to_string(number);
        Open open;
        open.client_id = client;
        open.nonce = static_cast<std::uint64_t>(number) + 1;
        open.session_expiry_interval_s = expiry_s;
        OpenAnswer answer;
        CW_CHECK(decode(run(stream_, open), answer));
        Subscribe subscribe;
        subscribe.epoch = answer.epoch;
        subscribe.filters.push_back(SubscriptionRequest{"plant/+/up", 0, qos, false, false, 2});
        run(stream_, subscribe);
        return answer.epoch;
    }
    SharedBytes entry(std::uint8_t qos) {
        const std::string body = make_body("", std::string(kPayloadBytes, 'x'));
        std::string bytes;
        begin_entry(++time_, bytes);
        for (int i = 0; i < kPublishes; ++i) {
            const std::string topic = "plant/dev" + std::to_string(i) + "/up";
            Publish publish;
            publish.topic = topic;
            publish.client_id = "plant/dev";
            publish.body = body;
            publish.qos = qos;
            append(CommandHeader{{}, 0, 0}, publish, bytes);
        }
        return SharedBytes::take(std::move(bytes));
    }
    // Acknowledges everything up to `last`, as a reader's gateway would.
    SharedBytes ack(std::uint64_t epoch, std::uint64_t last) {
        std::string bytes;
        begin_entry(++time_, bytes);
        append(CommandHeader{{}, stream_, ++seq_}, Ack{{{epoch, 1, last}}}, bytes);
        return SharedBytes::take(std::move(bytes));
    }
    std::size_t apply(const SharedBytes& entry) {
        Outputs out;
        machine_.apply(index_ = index_.next(), entry, out);
        machine_.commit();
        std::size_t deliveries = 0;
        for (const StreamOutputs& stream : out.streams) {
            deliveries += stream.deliveries.size();
        }
        return deliveries;
    }

private:
    template <typename Command>
    static void append(const CommandHeader& header, const Command& command, std::string& entry) {
        std::string bytes;
        encode(header, command, bytes);
        append_frame(bytes, entry);
    }
    // One command; the detail of its result.
    template <typename Command>
    std::string run(StreamId stream, const Command& command) {
        std::string bytes;
        begin_entry(++time_, bytes);
        append(CommandHeader{{}, stream, stream == 0 ? 1 : ++seq_}, command, bytes);
        Outputs out;
        machine_.apply(index_ = index_.next(), SharedBytes::take(std::move(bytes)), out);
        machine_.commit();
        return stream == 0 ? out.leader.at(0).detail : out.streams.at(0).results.at(0).detail;
    }

    sim::MemoryKv kv_;
    Machine machine_{kv_};
    Index index_;
    SetMs time_ = 1'000'000;
    StreamId stream_ = 0;
    std::uint64_t seq_ = 0;
};

void no_subscriber(benchmark::State& state) {
    Bench bench;
    const SharedBytes entry = bench.entry(1);
    for (auto _ : state) {
        benchmark::DoNotOptimize(bench.apply(entry));
    }
    state.SetItemsProcessed(state.iterations() * kPublishes);
}
BENCHMARK(no_subscriber);

// With the acknowledgement of every message, one ACK command per entry.
void persistent_subscriber(benchmark::State& state) {
    Bench bench;
    const std::uint64_t epoch = bench.subscriber(0, 3600, 1);
    const SharedBytes entry = bench.entry(1);
    std::uint64_t last = 0;
    for (auto _ : state) {
        CW_CHECK(bench.apply(entry) == kPublishes);
        last += kPublishes;
        benchmark::DoNotOptimize(bench.apply(bench.ack(epoch, last)));
    }
    state.SetItemsProcessed(state.iterations() * kPublishes);
}
BENCHMARK(persistent_subscriber);

void qos0_subscribers(benchmark::State& state) {
    Bench bench;
    const auto subscribers = static_cast<int>(state.range(0));
    for (int i = 0; i < subscribers; ++i) {
        bench.subscriber(i, 0, 0);
    }
    const SharedBytes entry = bench.entry(1);
    for (auto _ : state) {
        CW_CHECK(bench.apply(entry) == static_cast<std::size_t>(kPublishes) *
                                           static_cast<std::size_t>(subscribers));
    }
    state.SetItemsProcessed(state.iterations() * kPublishes);
}
BENCHMARK(qos0_subscribers)->Arg(1000);

}  // namespace
}  // namespace causeway::state
