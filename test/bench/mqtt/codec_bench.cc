// What a PUBLISH costs in the codec: build with the bench preset, run by hand.
#include <cstdint>
#include <string>
#include <variant>

#include <benchmark/benchmark.h>

#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"

namespace {

using causeway::mqtt::decode;
using causeway::mqtt::Decoded;
using causeway::mqtt::DecodeResult;
using causeway::mqtt::encode;
using causeway::mqtt::ForwardProperties;
using causeway::mqtt::Publish;
using causeway::mqtt::PublishHead;
using causeway::mqtt::Version;

Publish sample(std::string_view payload, bool with_properties) {
    ForwardProperties forward;
    if (with_properties) {
        forward = {.payload_is_utf8 = true,
                   .content_type = "application/json",
                   .user_properties = {{"trace", "4bf92f3577b34da6"}}};
    }
    return Publish{.topic = "plant/dev4711/up",
                   .packet_id = 17,
                   .qos = 1,
                   .properties = {.forward = forward},
                   .payload = payload};
}

// Arguments: payload bytes, whether there are properties.
void decode_publish(benchmark::State& state, Version version) {
    const std::string payload(static_cast<std::size_t>(state.range(0)), 'x');
    std::string bytes;
    if (!encode(sample(payload, state.range(1) != 0), version, bytes)) {
        state.SkipWithError("cannot encode");
        return;
    }
    for (auto _ : state) {
        const DecodeResult result = decode(bytes, {.version = version});
        benchmark::DoNotOptimize(std::get<Decoded>(result).consumed);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK_CAPTURE(decode_publish, v311, Version::k311)->Args({64, 0})->Args({1024, 0});
BENCHMARK_CAPTURE(decode_publish, v5, Version::k5)->Args({64, 0})->Args({64, 1})->Args({1024, 1});

void encode_head(benchmark::State& state, Version version) {
    const PublishHead head{.topic = "plant/dev4711/up",
                           .packet_id = 17,
                           .qos = 1,
                           .message_expiry_interval_s = 60,
                           .body_properties_bytes = 50,
                           .payload_bytes = 1024};
    std::string out;
    for (auto _ : state) {
        out.clear();
        benchmark::DoNotOptimize(encode_publish_head(head, version, out));
    }
}
BENCHMARK_CAPTURE(encode_head, v311, Version::k311);
BENCHMARK_CAPTURE(encode_head, v5, Version::k5);

void encode_whole(benchmark::State& state) {
    const std::string payload(1024, 'x');
    const causeway::mqtt::Packet packet = sample(payload, true);
    std::string out;
    for (auto _ : state) {
        out.clear();
        benchmark::DoNotOptimize(encode(packet, Version::k5, out));
    }
}
BENCHMARK(encode_whole);

}  // namespace

BENCHMARK_MAIN();
