// A rule set: the rules, sinks and queues of a number of JSON files, checked and compiled.
// Immutable after compile(), so any number of threads evaluate one set at once (each with its own
// Evaluator). Made by the server when a set is applied and by the command-line tools. Pure: the
// texts are given. Source: docs/formats/rule-file.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "core/message/event.h"
#include "rules/engine/evaluation.h"

namespace causeway::rules {

inline constexpr std::size_t kFileBytesMax = std::size_t{16} * 1024 * 1024;
inline constexpr std::size_t kRulesMax = 100'000;
inline constexpr std::size_t kActionsMax = 16;
inline constexpr std::size_t kDiagnosticsMax = 100;

struct SourceFile {
    std::string path;  // as it is to stand in messages
    std::string text;
};

struct Diagnostic {
    std::string file;
    std::uint32_t line = 1;    // from 1
    std::uint32_t column = 1;  // from 1, in characters
    std::string message;

    friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};
// "file:line:column: message".
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

// "file:line:column: message", and if one of `files` is meant, that line with a caret below the
// place. Of a long line the part around it.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic,
                                    std::span<const SourceFile> files);

// A value that may be a secret: the text itself, or where to read it when it is needed.
struct SecretText {
    enum class From : std::uint8_t { kText, kEnv, kFile };
    From from = From::kText;
    std::string text;  // the value, the variable's name, or the file's path

    friend bool operator==(const SecretText&, const SecretText&) = default;
};

struct SinkHeader {
    std::string name;
    SecretText value;
};

struct RetryConfig {
    std::uint32_t initial_ms = 1'000;
    std::uint32_t max_ms = 60'000;
    std::uint32_t max_attempts = 0;  // 0: as long as max_age_s allows
    std::uint32_t max_age_s = 86'400;
    // Of HTTP, tried again besides all of 500 to 599.
    std::vector<std::uint16_t> statuses = {408, 425, 429};
    std::uint32_t retry_after_max_ms = 300'000;  // a longer Retry-After is taken for this
};

// Of connections to an HTTP sink.
struct TlsConfig {
    std::string ca_file;    // PEM; empty: the server's default
    std::string cert_file;  // PEM of the client certificate; empty: none
    std::string key_file;   // its key
    bool verify = true;
};

// A header with a MAC of the body, so that the receiver knows who sent it.
struct SignatureConfig {
    std::string header = "Causeway-Signature";
    std::string algorithm = "sha256";  // sha1, sha256, sha512
    SecretText key;                    // empty: no signature
};

// Deliveries in one request, as a JSON array.
struct BatchConfig {
    std::uint32_t items_max = 1;  // 1: none
    std::uint32_t wait_ms = 50;   // for more, after the first
    std::uint32_t bytes_max = 1'048'576;
};

struct BreakerConfig {
    std::uint32_t failures = 5;     // in a row; 0: never opens
    std::uint32_t open_ms = 0;      // 0: retry.initial_ms; doubles each time up to
    std::uint32_t open_max_ms = 0;  // 0: retry.max_ms
};

// Of a file sink: when the file is larger, it becomes path.1, that path.2, …
struct FileConfig {
    std::string path;
    std::uint64_t rotate_bytes = 67'108'864;
    std::uint32_t keep = 8;  // rotated files
};

struct SinkConfig {
    std::string id;
    ActionKind type = ActionKind::kHttp;  // kHttp, kFile, kConsole
    SecretText url;                       // http:// or https://
    TlsConfig tls;
    SignatureConfig signature;
    BatchConfig batch;
    bool gzip = false;  // the request's body
    BreakerConfig breaker;
    FileConfig file;
    std::string method = "POST";
    std::vector<SinkHeader> headers;
    std::uint32_t timeout_ms = 10'000;
    std::uint32_t max_in_flight = 32;
    bool ordered_by_key = false;
    RetryConfig retry;
    std::string dead_letter;  // a queue; empty: none
};

struct QueueConfig {
    std::string name;
    std::uint32_t visibility_timeout_s = 30;
    std::uint32_t retention_s = 345'600;
    std::uint64_t max_messages = 1'000'000;
    std::uint64_t max_bytes = 1'073'741'824;
    std::string dead_letter;              // a queue; empty: none
    std::uint32_t max_receive_count = 0;  // then to dead_letter; 0: no limit
};

// What can be told of a rule without running it.
struct ActionInfo {
    ActionKind kind = ActionKind::kQueue;
    std::string target;  // queue, topic template, or sink
};
struct RuleInfo {
    std::string id;
    std::string description;
    bool enabled = true;
    std::string sql;  // as print() writes it
    std::vector<std::string> sources;
    std::vector<ActionInfo> actions;
    std::vector<ActionInfo> error_actions;
    std::size_t tests = 0;
    Diagnostic where_defined;  // message empty
};

struct RuleSetImpl;

class RuleSet {
public:
    // Effect: reads, checks and compiles all files as one set. A file is one object or an array of
    // objects: rules, sinks, queues. Errors: everything found wrong, in the order of the files, at
    // most kDiagnosticsMax; then nothing is made.
    [[nodiscard]] static tl::expected<std::shared_ptr<const RuleSet>, std::vector<Diagnostic>>
    compile(std::span<const SourceFile> files);

    explicit RuleSet(std::unique_ptr<const RuleSetImpl> impl);
    ~RuleSet();
    RuleSet(const RuleSet&) = delete;
    RuleSet& operator=(const RuleSet&) = delete;

    // A hash of the texts in the order of their paths: equal texts, equal version. Never 0.
    [[nodiscard]] std::uint64_t version() const;
    // In the order of files and of rules in a file; Output::rule is an index into it.
    [[nodiscard]] std::span<const RuleInfo> rules() const;
    [[nodiscard]] std::span<const SinkConfig> sinks() const;
    // The declared ones; an action may name others, which have QueueConfig's defaults.
    [[nodiscard]] std::span<const QueueConfig> queues() const;
    [[nodiscard]] const SinkConfig* find_sink(std::string_view id) const;
    [[nodiscard]] const QueueConfig* find_queue(std::string_view name) const;

    // True when an enabled rule has a source that matches. Precondition: valid_topic_name(topic).
    [[nodiscard]] bool interested(std::string_view topic) const;

    // The events that enabled rules have among their sources.
    [[nodiscard]] EventMask events() const;

    // Zeroed counters with the shape of this set, one per rule.
    [[nodiscard]] std::vector<RuleCounters> make_counters() const;

    // For the modules of this folder.
    [[nodiscard]] const RuleSetImpl& impl() const { return *impl_; }

private:
    std::unique_ptr<const RuleSetImpl> impl_;
};

}  // namespace causeway::rules
