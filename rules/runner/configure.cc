// From the configuration of a sink, as the rule set has it, to its policy and its Sink.
#include <algorithm>
#include <utility>

#include "rules/runner/runner.h"
#include "rules/sink/console_sink.h"
#include "rules/sink/file_sink.h"
#include "rules/sink/http_sink.h"

namespace causeway::rules {
namespace {

// Deliveries held for batches: beyond max_in_flight they only wait in memory.
constexpr std::uint32_t kBatchedInFlightMax = 4'096;

SecretSource source_of(const SecretText& text) {
    switch (text.from) {
        case SecretText::From::kEnv:
            return {SecretSource::From::kEnv, text.text};
        case SecretText::From::kFile:
            return {SecretSource::From::kFile, text.text};
        case SecretText::From::kText:
            break;
    }
    return {SecretSource::From::kText, text.text};
}

}  // namespace

SinkPolicy policy_of(const SinkConfig& config) {
    SinkPolicy policy;
    // The limit counts requests, and a batch is one.
    policy.max_in_flight =
        std::min<std::uint32_t>(config.max_in_flight * config.batch.items_max,
                                std::max<std::uint32_t>(config.max_in_flight, kBatchedInFlightMax));
    policy.ordered_by_key = config.ordered_by_key;
    policy.backoff_initial_ms = config.retry.initial_ms;
    policy.backoff_max_ms = config.retry.max_ms;
    policy.attempts_max = config.retry.max_attempts;
    policy.age_max_ms = std::uint64_t{config.retry.max_age_s} * 1000;
    policy.dead_letter = config.dead_letter;
    const BreakerConfig& breaker = config.breaker;
    policy.breaker.failures = breaker.failures;
    policy.breaker.open_initial_ms =
        breaker.open_ms != 0 ? breaker.open_ms : config.retry.initial_ms;
    policy.breaker.open_max_ms =
        breaker.open_max_ms != 0 ? breaker.open_max_ms : config.retry.max_ms;
    return policy;
}

namespace {

HttpSinkOptions http_options(const SinkConfig& config, const HttpSinkDefaults& defaults) {
    HttpSinkOptions options;
    options.url = source_of(config.url);
    options.method = config.method;
    for (const SinkHeader& header : config.headers) {
        options.headers.push_back({header.name, source_of(header.value)});
    }
    options.timeout_ms = config.timeout_ms;
    options.connections_max = config.max_in_flight;
    options.ca_file = config.tls.ca_file.empty() ? defaults.ca_file : config.tls.ca_file;
    options.cert_file = config.tls.cert_file;
    options.key_file = config.tls.key_file;
    options.verify_tls = config.tls.verify;
    options.gzip = config.gzip;
    if (!config.signature.key.text.empty()) {
        options.signature.header = config.signature.header;
        options.signature.digest = config.signature.algorithm == "sha1" ? SignatureDigest::kSha1
                                   : config.signature.algorithm == "sha512"
                                       ? SignatureDigest::kSha512
                                       : SignatureDigest::kSha256;
        options.signature.key = source_of(config.signature.key);
    }
    options.batch = {config.batch.items_max, config.batch.wait_ms, config.batch.bytes_max};
    options.retry = {config.retry.statuses, config.retry.retry_after_max_ms};
    options.user_agent = defaults.user_agent;
    return options;
}

}  // namespace

MakeSink all_sinks(io::Loop& loop, HttpSinkDefaults defaults, ConsoleWrite console) {
    auto write = std::make_shared<ConsoleWrite>(std::move(console));
    return [&loop, defaults = std::move(defaults),
            write = std::move(write)](const SinkConfig& config) -> Result<std::unique_ptr<Sink>> {
        if (config.type == ActionKind::kConsole) {
            return std::unique_ptr<Sink>(std::make_unique<ConsoleSink>(
                loop, [write](std::string_view line) { (*write)(line); }));
        }
        if (config.type == ActionKind::kFile) {
            auto sink = FileSink::make(
                loop, {config.file.path, config.file.rotate_bytes, config.file.keep});
            return sink ? Result<std::unique_ptr<Sink>>(std::move(*sink))
                        : fail(sink.error().message);
        }
        auto sink = HttpSink::make(loop, http_options(config, defaults));
        return sink ? Result<std::unique_ptr<Sink>>(std::move(*sink)) : fail(sink.error().message);
    };
}

}  // namespace causeway::rules
