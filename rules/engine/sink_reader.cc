// Reads sinks and queues.
#include <utility>

#include "rules/engine/rule_reader.h"

namespace causeway::rules {
namespace {

constexpr std::int64_t kYearS = 31'536'000;

// A string, {"env": "NAME"} or {"file": "path"}.
SecretText secret(const FileReader& file, const JsonNode& node, std::string_view what) {
    if (node.is(JsonNode::Kind::kString)) {
        return {SecretText::From::kText, node.text};
    }
    if (node.members.size() == 1 && node.members[0].value.is(JsonNode::Kind::kString) &&
        !node.members[0].value.text.empty()) {
        const JsonMember& member = node.members[0];
        if (member.key == "env" || member.key == "file") {
            return {member.key == "env" ? SecretText::From::kEnv : SecretText::From::kFile,
                    member.value.text};
        }
    }
    file.report(node.offset, "'" + std::string(what) +
                                 "' must be a string, {\"env\": name} or {\"file\": path}");
    return {};
}

void read_headers(const FileReader& file, const JsonNode& object, SinkConfig& sink) {
    const JsonNode* headers = object.find("headers");
    if (headers == nullptr || !file.want(*headers, JsonNode::Kind::kObject, "'headers'")) {
        return;
    }
    for (const JsonMember& member : headers->members) {
        if (!settable_header(member.key)) {
            file.report(member.key_offset, "'" + member.key + "' is not a header that can be set");
            continue;
        }
        SecretText value = secret(file, member.value, member.key);
        if (value.text.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
            file.report(member.value.offset, "control characters cannot stand here");
        }
        sink.headers.push_back(SinkHeader{member.key, std::move(value)});
    }
}

void read_retry(const FileReader& file, const JsonNode& object, RetryConfig& retry) {
    const JsonNode* node = object.find("retry");
    if (node == nullptr || !file.want(*node, JsonNode::Kind::kObject, "'retry'")) {
        return;
    }
    file.check_keys(*node, {"initial_ms", "max_ms", "max_attempts", "max_age_s"});
    const auto number = [&](std::string_view key, FileReader::Range range) {
        return static_cast<std::uint32_t>(file.integer(*node, key, range));
    };
    retry.initial_ms = number("initial_ms", {1, 3'600'000, retry.initial_ms});
    retry.max_ms = number("max_ms", {1, 86'400'000, retry.max_ms});
    retry.max_attempts = number("max_attempts", {0, 1'000'000, retry.max_attempts});
    retry.max_age_s = number("max_age_s", {1, kYearS, retry.max_age_s});
    if (retry.max_ms < retry.initial_ms) {
        file.report(node->offset, "'max_ms' is less than 'initial_ms'");
    }
}

}  // namespace

SinkConfig read_sink(const FileReader& file, const JsonNode& object) {
    file.check_keys(object, {"sink", "type", "description", "url", "method", "headers",
                             "timeout_ms", "max_in_flight", "ordered_by", "retry", "dead_letter"});
    SinkConfig sink;
    sink.id = file.identifier(object, "sink");
    file.string(object, "description", "");
    if (file.string(object, "type", "http") != "http") {
        file.report(object.find("type")->offset, "unknown type of sink; known: http");
    }
    const JsonNode* url = object.find("url");
    if (url == nullptr) {
        file.report(object.offset, "the key 'url' is missing");
    } else {
        sink.url = secret(file, *url, "url");
        const std::string_view text = sink.url.text;
        const bool plain =
            text.find_first_of(std::string_view(" \t\r\n\0", 5)) == std::string_view::npos;
        if (!text.empty() && sink.url.from == SecretText::From::kText &&
            ((!text.starts_with("http://") && !text.starts_with("https://")) || !plain)) {
            file.report(url->offset, "'url' must begin with http:// or https://, without blanks");
        }
    }
    sink.method = file.string(object, "method", sink.method);
    if (!known_method(sink.method)) {
        file.report(object.find("method")->offset,
                    "'method' must be POST, PUT, PATCH, GET or DELETE");
    }
    read_headers(file, object, sink);
    sink.timeout_ms = static_cast<std::uint32_t>(
        file.integer(object, "timeout_ms", {1, 600'000, sink.timeout_ms}));
    sink.max_in_flight = static_cast<std::uint32_t>(
        file.integer(object, "max_in_flight", {1, 10'000, sink.max_in_flight}));
    const std::string ordered_by = file.string(object, "ordered_by", "none");
    if (ordered_by != "none" && ordered_by != "key") {
        file.report(object.find("ordered_by")->offset, "'ordered_by' must be \"key\" or \"none\"");
    }
    sink.ordered_by_key = ordered_by == "key";
    read_retry(file, object, sink.retry);
    sink.dead_letter = file.optional_identifier(object, "dead_letter");
    return sink;
}

QueueConfig read_queue(const FileReader& file, const JsonNode& object) {
    file.check_keys(object, {"queue", "description", "visibility_timeout_s", "retention_s",
                             "max_messages", "max_bytes", "dead_letter", "max_receive_count"});
    QueueConfig queue;
    queue.name = file.identifier(object, "queue");
    file.string(object, "description", "");
    queue.visibility_timeout_s = static_cast<std::uint32_t>(
        file.integer(object, "visibility_timeout_s", {1, 43'200, queue.visibility_timeout_s}));
    queue.retention_s = static_cast<std::uint32_t>(
        file.integer(object, "retention_s", {60, kYearS, queue.retention_s}));
    queue.max_messages = static_cast<std::uint64_t>(file.integer(
        object, "max_messages", {1, 1'000'000'000, static_cast<std::int64_t>(queue.max_messages)}));
    queue.max_bytes = static_cast<std::uint64_t>(
        file.integer(object, "max_bytes",
                     {1024, 1'099'511'627'776, static_cast<std::int64_t>(queue.max_bytes)}));
    queue.dead_letter = file.optional_identifier(object, "dead_letter");
    queue.max_receive_count =
        static_cast<std::uint32_t>(file.integer(object, "max_receive_count", {0, 1'000'000, 0}));
    if (!queue.dead_letter.empty() && queue.dead_letter == queue.name) {
        file.report(object.find("dead_letter")->offset, "a queue cannot be its own dead letter");
    }
    if (queue.max_receive_count > 0 && queue.dead_letter.empty()) {
        file.report(object.find("max_receive_count")->offset,
                    "'max_receive_count' needs a 'dead_letter'");
    }
    return queue;
}

}  // namespace causeway::rules
