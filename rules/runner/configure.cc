// From the configuration of a sink, as the rule set has it, to its policy and its Sink.
#include <utility>

#include "rules/runner/runner.h"
#include "rules/sink/http_sink.h"

namespace causeway::rules {
namespace {

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
    policy.max_in_flight = config.max_in_flight;
    policy.ordered_by_key = config.ordered_by_key;
    policy.backoff_initial_ms = config.retry.initial_ms;
    policy.backoff_max_ms = config.retry.max_ms;
    policy.attempts_max = config.retry.max_attempts;
    policy.age_max_ms = std::uint64_t{config.retry.max_age_s} * 1000;
    policy.dead_letter = config.dead_letter;
    policy.breaker.open_initial_ms = config.retry.initial_ms;
    policy.breaker.open_max_ms = config.retry.max_ms;
    return policy;
}

MakeSink http_sinks(io::Loop& loop, HttpSinkDefaults defaults) {
    return [&loop, defaults = std::move(defaults)](
               const SinkConfig& config) -> Result<std::unique_ptr<Sink>> {
        HttpSinkOptions options;
        options.url = source_of(config.url);
        options.method = config.method;
        for (const SinkHeader& header : config.headers) {
            options.headers.push_back({header.name, source_of(header.value)});
        }
        options.timeout_ms = config.timeout_ms;
        options.connections_max = config.max_in_flight;
        options.ca_file = defaults.ca_file;
        options.user_agent = defaults.user_agent;
        auto sink = HttpSink::make(loop, options);
        if (!sink) {
            return fail(sink.error().message);
        }
        return std::move(*sink);
    };
}

}  // namespace causeway::rules
