// Reads sinks and queues.
#include <initializer_list>
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

}  // namespace

namespace {

class SinkReader {
public:
    SinkReader(const FileReader& file, const JsonNode& object) : file_(file), object_(object) {}

    SinkConfig run() {
        sink_.id = file_.identifier(object_, "sink");
        file_.string(object_, "description", "");
        const std::string type = file_.string(object_, "type", "http");
        if (type == "file") {
            file_sink();
        } else if (type == "console") {
            console();
        } else if (type == "http") {
            http();
        } else {
            file_.report(object_.find("type")->offset,
                         "unknown type of sink; known: http file console");
        }
        sink_.max_in_flight = number(object_, "max_in_flight", {1, 10'000, sink_.max_in_flight});
        const std::string ordered_by = file_.string(object_, "ordered_by", "none");
        if (ordered_by != "none" && ordered_by != "key") {
            file_.report(object_.find("ordered_by")->offset,
                         "'ordered_by' must be \"key\" or \"none\"");
        }
        sink_.ordered_by_key = ordered_by == "key";
        sink_.dead_letter = file_.optional_identifier(object_, "dead_letter");
        return std::move(sink_);
    }

private:
    // nullptr: not there, or reported.
    const JsonNode* part(std::string_view key, std::initializer_list<std::string_view> keys) const {
        const JsonNode* node = object_.find(key);
        if (node == nullptr ||
            !file_.want(*node, JsonNode::Kind::kObject, "'" + std::string(key) + "'")) {
            return nullptr;
        }
        file_.check_keys(*node, keys);
        return node;
    }
    std::uint32_t number(const JsonNode& object, std::string_view key,
                         FileReader::Range range) const {
        return static_cast<std::uint32_t>(file_.integer(object, key, range));
    }

    void http() {
        file_.check_keys(object_, {"sink", "type", "description", "url", "method", "headers",
                                   "timeout_ms", "max_in_flight", "ordered_by", "retry",
                                   "dead_letter", "tls", "gzip", "signature", "batch", "breaker"});
        url();
        sink_.method = file_.string(object_, "method", sink_.method);
        if (!known_method(sink_.method)) {
            file_.report(object_.find("method")->offset,
                         "'method' must be POST, PUT, PATCH, GET or DELETE");
        }
        read_headers(file_, object_, sink_);
        sink_.timeout_ms = number(object_, "timeout_ms", {1, 600'000, sink_.timeout_ms});
        sink_.gzip = file_.boolean(object_, "gzip", false);
        retry(true);
        tls();
        signature();
        batch();
        breaker();
    }

    void file_sink() {
        file_.check_keys(object_, {"sink", "type", "description", "path", "rotate_bytes", "keep",
                                   "max_in_flight", "ordered_by", "retry", "dead_letter"});
        sink_.type = ActionKind::kFile;
        sink_.file.path = file_.string(object_, "path", "");
        if (sink_.file.path.empty() || sink_.file.path.find('\0') != std::string::npos) {
            file_.report(object_.offset, "a file sink needs a 'path'");
        }
        sink_.file.rotate_bytes = static_cast<std::uint64_t>(file_.integer(
            object_, "rotate_bytes",
            {4096, 1'099'511'627'776, static_cast<std::int64_t>(sink_.file.rotate_bytes)}));
        sink_.file.keep = number(object_, "keep", {1, 1000, sink_.file.keep});
        retry(false);
    }

    void console() {
        file_.check_keys(
            object_, {"sink", "type", "description", "max_in_flight", "ordered_by", "dead_letter"});
        sink_.type = ActionKind::kConsole;
    }

    void url() {
        const JsonNode* url = object_.find("url");
        if (url == nullptr) {
            return file_.report(object_.offset, "the key 'url' is missing");
        }
        sink_.url = secret(file_, *url, "url");
        const std::string_view text = sink_.url.text;
        const bool plain =
            text.find_first_of(std::string_view(" \t\r\n\0", 5)) == std::string_view::npos;
        if (!text.empty() && sink_.url.from == SecretText::From::kText &&
            ((!text.starts_with("http://") && !text.starts_with("https://")) || !plain)) {
            file_.report(url->offset, "'url' must begin with http:// or https://, without blanks");
        }
    }

    void retry(bool http) {
        const JsonNode* node =
            http ? part("retry", {"initial_ms", "max_ms", "max_attempts", "max_age_s", "statuses",
                                  "retry_after_max_ms"})
                 : part("retry", {"initial_ms", "max_ms", "max_attempts", "max_age_s"});
        if (node == nullptr) {
            return;
        }
        RetryConfig& retry = sink_.retry;
        retry.initial_ms = number(*node, "initial_ms", {1, 3'600'000, retry.initial_ms});
        retry.max_ms = number(*node, "max_ms", {1, 86'400'000, retry.max_ms});
        retry.max_attempts = number(*node, "max_attempts", {0, 1'000'000, retry.max_attempts});
        retry.max_age_s = number(*node, "max_age_s", {1, kYearS, retry.max_age_s});
        retry.retry_after_max_ms =
            number(*node, "retry_after_max_ms", {1, 86'400'000, retry.retry_after_max_ms});
        if (retry.max_ms < retry.initial_ms) {
            file_.report(node->offset, "'max_ms' is less than 'initial_ms'");
        }
        if (http) {
            statuses(*node);
        }
    }

    void statuses(const JsonNode& retry) {
        const JsonNode* node = retry.find("statuses");
        if (node == nullptr || !file_.want(*node, JsonNode::Kind::kArray, "'statuses'")) {
            return;
        }
        sink_.retry.statuses.clear();
        for (const JsonNode& item : node->items) {
            if (!item.is(JsonNode::Kind::kInteger) || item.integer < 400 || item.integer > 499 ||
                node->items.size() > 100) {
                return file_.report(item.offset,
                                    "'statuses' lists up to 100 numbers from 400 to "
                                    "499; all from 500 on are tried again anyway");
            }
            sink_.retry.statuses.push_back(static_cast<std::uint16_t>(item.integer));
        }
    }

    void tls() {
        const JsonNode* node = part("tls", {"ca_file", "cert_file", "key_file", "verify"});
        if (node == nullptr) {
            return;
        }
        sink_.tls.ca_file = file_.string(*node, "ca_file", "");
        sink_.tls.cert_file = file_.string(*node, "cert_file", "");
        sink_.tls.key_file = file_.string(*node, "key_file", "");
        sink_.tls.verify = file_.boolean(*node, "verify", true);
        if (sink_.tls.cert_file.empty() != sink_.tls.key_file.empty()) {
            file_.report(node->offset, "'cert_file' and 'key_file' belong together");
        }
    }

    void signature() {
        const JsonNode* node = part("signature", {"header", "algorithm", "key"});
        if (node == nullptr) {
            return;
        }
        SignatureConfig& signature = sink_.signature;
        signature.header = file_.string(*node, "header", signature.header);
        signature.algorithm = file_.string(*node, "algorithm", signature.algorithm);
        if (!settable_header(signature.header)) {
            file_.report(node->find("header")->offset,
                         "'" + signature.header + "' is not a header that can be set");
        }
        if (signature.algorithm != "sha1" && signature.algorithm != "sha256" &&
            signature.algorithm != "sha512") {
            file_.report(node->find("algorithm")->offset,
                         "'algorithm' must be sha1, sha256 or sha512");
        }
        const JsonNode* key = node->find("key");
        if (key == nullptr) {
            return file_.report(node->offset, "the key 'key' is missing");
        }
        signature.key = secret(file_, *key, "key");
        if (signature.key.text.empty()) {
            file_.report(key->offset, "'key' is empty");
        }
    }

    void batch() {
        const JsonNode* node = part("batch", {"max_items", "wait_ms", "max_bytes"});
        if (node == nullptr) {
            return;
        }
        BatchConfig& batch = sink_.batch;
        batch.items_max = number(*node, "max_items", {2, 1000, 100});
        batch.wait_ms = number(*node, "wait_ms", {0, 60'000, batch.wait_ms});
        batch.bytes_max = number(*node, "max_bytes", {1024, 16'777'216, batch.bytes_max});
    }

    void breaker() {
        const JsonNode* node = part("breaker", {"failures", "open_ms", "open_max_ms"});
        if (node == nullptr) {
            return;
        }
        BreakerConfig& breaker = sink_.breaker;
        breaker.failures = number(*node, "failures", {0, 1'000'000, breaker.failures});
        breaker.open_ms = number(*node, "open_ms", {1, 3'600'000, breaker.open_ms});
        breaker.open_max_ms = number(*node, "open_max_ms", {1, 86'400'000, breaker.open_max_ms});
    }

    const FileReader& file_;
    const JsonNode& object_;
    SinkConfig sink_;
};

}  // namespace

SinkConfig read_sink(const FileReader& file, const JsonNode& object) {
    return SinkReader(file, object).run();
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
