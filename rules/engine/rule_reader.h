// Reads rule files into a RuleSetImpl, saying of everything that is wrong where it stands. Internal
// to rules/engine. Source: docs/formats/rule-file.md.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/engine/json_text.h"
#include "rules/engine/rule.h"
#include "rules/engine/rule_set.h"

namespace causeway::rules {

// Of a written message.
inline constexpr std::array<std::string_view, 22> kMessageKeys = {
    "topic",          "payload",   "clientid",      "username",        "qos",
    "retain",         "timestamp", "now",           "user_properties", "session_epoch",
    "event",          "reason",    "from_clientid", "session_present", "clean_start",
    "session_expiry", "queue",     "sink",          "dead_letter",     "key",
    "rule",           "failures"};

// What is wrong, so far; at most kDiagnosticsMax are kept.
class Diagnostics {
public:
    void add(Diagnostic diagnostic);
    std::vector<Diagnostic> take() { return std::move(list_); }
    [[nodiscard]] bool empty() const { return list_.empty(); }

private:
    std::vector<Diagnostic> list_;
};

// One file: positions, and typed access to the members of an object. A missing key gives the
// default; a key of a wrong type or out of range is reported and gives the default too.
class FileReader {
public:
    FileReader(const SourceFile& file, Diagnostics& diagnostics);

    [[nodiscard]] Diagnostic at(std::uint32_t offset, std::string message = {}) const;
    void report(std::uint32_t offset, std::string message) const;
    [[nodiscard]] std::string_view text() const { return file_.text; }

    // Reports every key that is not allowed.
    void check_keys(const JsonNode& object, std::initializer_list<std::string_view> allowed) const {
        check_keys(object, std::span(allowed.begin(), allowed.size()));
    }
    void check_keys(const JsonNode& object, std::span<const std::string_view> allowed) const;
    // Reports when it is not of this kind.
    bool want(const JsonNode& node, JsonNode::Kind kind, std::string_view what) const;
    std::string string(const JsonNode& object, std::string_view key,
                       std::string_view fallback) const;
    bool boolean(const JsonNode& object, std::string_view key, bool fallback) const;
    struct Range {
        std::int64_t low = 0;
        std::int64_t high = 0;
        std::int64_t fallback = 0;
    };
    std::int64_t integer(const JsonNode& object, std::string_view key, Range range) const;
    // A required id or queue name: 1 to 128 letters, digits and _ . -
    std::string identifier(const JsonNode& object, std::string_view key) const;
    std::string optional_identifier(const JsonNode& object, std::string_view key) const;

private:
    std::string checked_identifier(const JsonNode& node, std::string_view key) const;
    [[nodiscard]] std::uint32_t characters_before(std::uint32_t offset) const;

    const SourceFile& file_;
    Diagnostics& diagnostics_;
    std::vector<std::uint32_t> lines_;  // where each begins
    std::vector<std::uint32_t> marks_;  // characters before each KiB, and before the end
};

[[nodiscard]] std::optional<Rule> read_rule(const FileReader& file, const JsonNode& object);
[[nodiscard]] std::optional<Action> read_action(const FileReader& file, const JsonNode& node,
                                                const Program* program);
// The keys of a message, in a test or a capture. False: something was reported.
[[nodiscard]] bool read_message(const FileReader& file, const JsonNode& node,
                                CapturedMessage& message);
[[nodiscard]] std::optional<TestCase> read_test(const FileReader& file, const JsonNode& node);
[[nodiscard]] SinkConfig read_sink(const FileReader& file, const JsonNode& object);
[[nodiscard]] QueueConfig read_queue(const FileReader& file, const JsonNode& object);

// True for 1 or more characters that RFC 9110 allows in a field name.
[[nodiscard]] bool valid_header_name(std::string_view name);
// A header name that rules may set: not one that frames or routes the request.
[[nodiscard]] bool settable_header(std::string_view name);
[[nodiscard]] bool known_method(std::string_view method);
[[nodiscard]] bool known_action(std::string_view kind);

}  // namespace causeway::rules
