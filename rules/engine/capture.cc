#include "rules/engine/capture.h"

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
    if (!valid_topic_name(message.topic)) {
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

MessageView view_of(const CapturedMessage& message, std::vector<UserProperty>& properties) {
    properties.clear();
    for (const Property& property : message.user_properties) {
        properties.push_back({property.name, property.value});
    }
    MessageView view;
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
    view.user_properties = properties;
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
        file.check_keys(*node, {"topic", "payload", "clientid", "username", "qos", "retain",
                                "timestamp", "now", "user_properties"});
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
