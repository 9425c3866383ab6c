#include "rules/engine/capture.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/message/topic.h"
#include "rules/engine/rule_reader.h"

namespace causeway::rules {
namespace {

constexpr std::int64_t kTimeMaxMs = 253'402'300'799'999;  // the year 9999
constexpr std::int64_t kTestTimeMs = 1'700'000'000'000;

// JSON as it stands in the file; or the bytes of {"text": …} or {"base64": …} alone.
bool read_payload(const FileReader& file, const JsonNode& node, std::string& out) {
    const bool wrapped =
        node.members.size() == 1 && node.members[0].value.is(JsonNode::Kind::kString);
    if (wrapped && node.members[0].key == "text") {
        out = node.members[0].value.text;
        return true;
    }
    if (wrapped && node.members[0].key == "base64") {
        if (decode_base64(node.members[0].value.text, out)) {
            return true;
        }
        file.report(node.members[0].value.offset, "this is not base64");
        return false;
    }
    out = file.text().substr(node.offset, node.end - node.offset);
    return true;
}

void read_failures(const FileReader& file, const JsonNode& node, std::vector<Failure>& out) {
    if (!file.want(node, JsonNode::Kind::kArray, "'failures'")) {
        return;
    }
    for (const JsonNode& item : node.items) {
        if (file.want(item, JsonNode::Kind::kObject, "a failure")) {
            file.check_keys(item, {"action", "resource", "error"});
            Failure& failure = out.emplace_back();
            failure.action = file.string(item, "action", "");
            failure.resource = file.string(item, "resource", "");
            failure.error = file.string(item, "error", "");
        }
    }
}

bool read_event(const FileReader& file, const JsonNode& node, CapturedMessage& message) {
    const std::string wanted = file.string(node, "event", "");
    const auto found = std::find(kEventNames.begin(), kEventNames.end(), wanted);
    if (found == kEventNames.end()) {
        file.report(node.find("event")->offset, "there is no event '" + wanted + "'");
        return false;
    }
    CapturedEvent& event = message.event.emplace();
    event.kind = static_cast<EventKind>(found - kEventNames.begin());
    event.has_message = node.find("payload") != nullptr;
    const auto text = [&](std::string_view key, std::optional<std::string>& out) {
        if (node.find(key) != nullptr) {
            out = file.string(node, key, "");
        }
    };
    text("reason", event.reason);
    text("from_clientid", event.from_clientid);
    text("queue", event.queue);
    text("sink", event.sink);
    text("dead_letter", event.dead_letter);
    text("key", event.key);
    text("rule", event.rule);
    if (node.find("session_present") != nullptr) {
        event.session_present = file.boolean(node, "session_present", false);
    }
    if (node.find("clean_start") != nullptr) {
        event.clean_start = file.boolean(node, "clean_start", false);
    }
    if (node.find("session_expiry") != nullptr) {
        event.session_expiry_s =
            static_cast<std::uint32_t>(file.integer(node, "session_expiry", {0, 0xFFFFFFFF, 0}));
    }
    if (const JsonNode* failures = node.find("failures")) {
        read_failures(file, *failures, event.failures);
    }
    return true;
}

}  // namespace

bool read_message(const FileReader& file, const JsonNode& node, CapturedMessage& message) {
    message.topic = file.string(node, "topic", "");
    message.clientid = file.string(node, "clientid", "test-client");
    if (node.find("username") != nullptr) {
        message.username = file.string(node, "username", "");
    }
    message.qos = static_cast<std::uint8_t>(file.integer(node, "qos", {0, 2, 0}));
    message.retain = file.boolean(node, "retain", false);
    message.timestamp_ms =
        static_cast<std::uint64_t>(file.integer(node, "timestamp", {0, kTimeMaxMs, kTestTimeMs}));
    message.now_ms =
        static_cast<std::uint64_t>(file.integer(node, "now", {0, kTimeMaxMs, kTestTimeMs}));
    message.session_epoch = static_cast<std::uint64_t>(
        file.integer(node, "session_epoch", {0, std::numeric_limits<std::int64_t>::max(), 0}));
    if (node.find("event") != nullptr) {
        if (!read_event(file, node, message)) {
            return false;
        }
    } else if (!valid_topic_name(message.topic)) {
        file.report(node.offset, "a message needs a 'topic' that is a topic name");
        return false;
    }
    const JsonNode* payload = node.find("payload");
    if (payload != nullptr && !read_payload(file, *payload, message.payload)) {
        return false;
    }
    const JsonNode* properties = node.find("user_properties");
    if (properties != nullptr &&
        file.want(*properties, JsonNode::Kind::kObject, "'user_properties'")) {
        for (const JsonMember& member : properties->members) {
            message.user_properties.push_back(
                {member.key, file.string(*properties, member.key, "")});
        }
    }
    return true;
}

MessageView view_of(const CapturedMessage& message, ViewParts& parts) {
    parts.properties.clear();
    for (const Property& property : message.user_properties) {
        parts.properties.push_back({property.name, property.value});
    }
    MessageView view;
    if (message.event) {
        const CapturedEvent& event = *message.event;
        parts.event = EventView{};
        parts.event.kind = event.kind;
        parts.event.has_message = event.has_message;
        parts.event.reason = event.reason;
        parts.event.from_clientid = event.from_clientid;
        parts.event.session_present = event.session_present;
        parts.event.clean_start = event.clean_start;
        parts.event.session_expiry_s = event.session_expiry_s;
        parts.event.queue = event.queue;
        parts.event.sink = event.sink;
        parts.event.dead_letter = event.dead_letter;
        parts.event.key = event.key;
        parts.event.rule = event.rule;
        if (event.kind == EventKind::kRuleFailed) {
            parts.event.failures = event.failures;
        }
        view.event = &parts.event;
    }
    view.id = "test";
    view.trace_id = "test";
    view.clientid = message.clientid;
    if (message.username) {
        view.username = *message.username;
    }
    view.topic = message.topic;
    view.payload = message.payload;
    view.qos = message.qos;
    view.retain = message.retain;
    view.timestamp_ms = message.timestamp_ms;
    view.received_at_ms = message.timestamp_ms;
    view.node = "test";
    view.user_properties = parts.properties;
    view.session_epoch = message.session_epoch;
    return view;
}

tl::expected<CapturedMessage, Diagnostic> read_captured(const std::string& path, std::uint32_t line,
                                                        std::string text) {
    const SourceFile source{path, std::move(text)};
    Diagnostics diagnostics;
    const FileReader file(source, diagnostics);
    CapturedMessage message;
    const auto node = parse_json_text(source.text);
    if (!node) {
        file.report(node.error().offset, node.error().message);
    } else if (file.want(*node, JsonNode::Kind::kObject, "a message")) {
        file.check_keys(*node, kMessageKeys);
        static_cast<void>(read_message(file, *node, message));  // Reported.
    }
    auto wrong = diagnostics.take();
    if (wrong.empty()) {
        return message;
    }
    wrong.front().line += line - 1;
    return tl::unexpected<Diagnostic>(std::move(wrong.front()));
}

}  // namespace causeway::rules
