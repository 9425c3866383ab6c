// Reads one entry of "actions" or "error_actions".
#include <utility>

#include "core/message/topic.h"
#include "rules/engine/rule_reader.h"

namespace causeway::rules {
namespace {

constexpr std::int64_t kDelayMaxS = 1'296'000;
constexpr std::size_t kPropertiesMax = 32;

class ActionReader {
public:
    ActionReader(const FileReader& file, const Program* program, Action& action)
        : file_(file), program_(program), action_(action) {}

    // False: something was reported.
    bool run(std::string_view kind, const JsonNode& body) {
        if (!file_.want(body, JsonNode::Kind::kObject, "'" + std::string(kind) + "'")) {
            return false;
        }
        action_.where = file_.at(body.offset);
        if (kind == "queue") {
            queue(body);
        } else if (kind == "republish") {
            republish(body);
        } else if (kind == "http") {
            http(body);
        } else {
            file_.check_keys(body, {"sink", "key", "body", "missing"});
            action_.kind = kind == "file" ? ActionKind::kFile : ActionKind::kConsole;
            action_.target = file_.identifier(body, "sink");
            action_.key = text(body, "key", Place::kKey);
        }
        this->body(body);
        const std::string missing = file_.string(body, "missing", "empty");
        if (missing != "empty" && missing != "error") {
            fault(body.find("missing")->offset, "'missing' must be \"empty\" or \"error\"");
        }
        action_.missing_is_error = missing == "error";
        return good_;
    }

private:
    void fault(std::uint32_t offset, std::string message) {
        good_ = false;
        file_.report(offset, std::move(message));
    }

    Template text(const JsonNode& node, Place place) {
        auto compiled = compile_template(node.text, place, program_);
        if (!compiled) {
            fault(offset_in_file(file_.text(), node, compiled.error().offset),
                  compiled.error().message);
            return {};
        }
        return std::move(*compiled);
    }
    Template text(const JsonNode& object, std::string_view key, Place place) {
        const JsonNode* node = object.find(key);
        const bool given = node != nullptr &&
                           file_.want(*node, JsonNode::Kind::kString, "'" + std::string(key) + "'");
        return given ? text(*node, place) : Template{place, {}, {}};
    }

    void body(const JsonNode& object) {
        const JsonNode* node = object.find("body");
        const bool object_output = program_ == nullptr || !program_->value;
        if (node == nullptr) {
            action_.body = *compile_template("${.}", Place::kBody, program_);
            action_.body_is_json = object_output;
        } else if (node->is(JsonNode::Kind::kString)) {
            action_.body = text(*node, Place::kBody);
            action_.body_is_json = node->text == "${.}" && object_output;
        } else if (node->is(JsonNode::Kind::kObject) || node->is(JsonNode::Kind::kArray)) {
            auto compiled = compile_json_template(*node, file_.text(), program_);
            action_.body_is_json = true;
            if (compiled) {
                action_.body = std::move(*compiled);
            } else {
                fault(compiled.error().offset, compiled.error().message);
            }
        } else {
            fault(node->offset, "'body' must be a string, an object or an array");
        }
    }

    void queue(const JsonNode& object) {
        file_.check_keys(object, {"name", "key", "delay_s", "tags", "body", "missing"});
        action_.kind = ActionKind::kQueue;
        action_.target = file_.identifier(object, "name");
        action_.key = text(object, "key", Place::kKey);
        action_.delay_s =
            static_cast<std::uint32_t>(file_.integer(object, "delay_s", {0, kDelayMaxS, 0}));
        tags(object);
    }

    void tags(const JsonNode& object) {
        const JsonNode* node = object.find("tags");
        if (node == nullptr || !file_.want(*node, JsonNode::Kind::kArray, "'tags'")) {
            return;
        }
        if (node->items.size() > kPropertiesMax) {
            return fault(node->offset, "more than " + std::to_string(kPropertiesMax) + " tags");
        }
        for (const JsonNode& tag : node->items) {
            if (file_.want(tag, JsonNode::Kind::kString, "a tag")) {
                action_.tags.push_back(text(tag, Place::kKey));
            }
        }
    }

    void republish(const JsonNode& object) {
        file_.check_keys(object, {"topic", "qos", "retain", "user_properties", "body", "missing"});
        action_.kind = ActionKind::kRepublish;
        action_.retain = file_.boolean(object, "retain", false);
        properties(object, "user_properties");
        qos(object);
        const JsonNode* topic = object.find("topic");
        if (topic == nullptr || !topic->is(JsonNode::Kind::kString)) {
            return fault(topic == nullptr ? object.offset : topic->offset,
                         "a republish needs a 'topic' (a string)");
        }
        action_.target = topic->text;
        action_.topic = text(*topic, Place::kTopic);
        check_topic(*topic);
    }

    // Every literal part must be able to stand in a topic name, and not in a reserved one.
    void check_topic(const JsonNode& node) {
        for (const TemplatePiece& piece : action_.topic.pieces) {
            if (piece.literal.find_first_of(std::string_view("+#\0", 3)) != std::string::npos) {
                return fault(node.offset, "a topic to publish to cannot hold +, # or NUL");
            }
        }
        const auto fixed = action_.topic.fixed();
        if (good_ && (fixed ? !valid_topic_name(*fixed) : node.text.size() > kTopicBytesMax)) {
            return fault(node.offset, "this is not a topic name");
        }
        for (const std::string_view reserved : {"$SYS", "$share", "$events", "$queue"}) {
            if (node.text == reserved || node.text.starts_with(std::string(reserved) + "/")) {
                return fault(node.offset, "a rule cannot publish to " + std::string(reserved));
            }
        }
    }

    void qos(const JsonNode& object) {
        const JsonNode* node = object.find("qos");
        if (node != nullptr && node->is(JsonNode::Kind::kString)) {
            action_.qos_template = text(*node, Place::kKey);
        } else {
            action_.qos = static_cast<std::uint8_t>(file_.integer(object, "qos", {0, 2, 0}));
        }
    }

    void http(const JsonNode& object) {
        file_.check_keys(object, {"sink", "path", "method", "headers", "key", "body", "missing"});
        action_.kind = ActionKind::kHttp;
        action_.target = file_.identifier(object, "sink");
        action_.key = text(object, "key", Place::kKey);
        action_.path = text(object, "path", Place::kPath);
        action_.method = file_.string(object, "method", "");
        if (!action_.method.empty() && !known_method(action_.method)) {
            fault(object.find("method")->offset,
                  "'method' must be POST, PUT, PATCH, GET or DELETE");
        }
        if (!action_.path.source.empty() && action_.path.source[0] != '/') {
            fault(object.find("path")->offset, "'path' must begin with '/'");
        }
        check_plain(object.find("path"));
        properties(object, "headers");
    }

    // Literal text of a path or a header: no control characters, no blanks in a path.
    void check_plain(const JsonNode* node) {
        if (node == nullptr) {
            return;
        }
        for (const char c : node->text) {
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
                return fault(node->offset, "control characters cannot stand here");
            }
        }
    }

    void properties(const JsonNode& object, std::string_view key) {
        const JsonNode* node = object.find(key);
        if (node == nullptr ||
            !file_.want(*node, JsonNode::Kind::kObject, "'" + std::string(key) + "'")) {
            return;
        }
        const bool headers = key == "headers";
        if (node->members.size() > kPropertiesMax) {
            fault(node->offset, "more than " + std::to_string(kPropertiesMax) + " entries");
        }
        for (const JsonMember& member : node->members) {
            if (headers && !settable_header(member.key)) {
                fault(member.key_offset, "'" + member.key + "' is not a header that can be set");
            }
            if (!file_.want(member.value, JsonNode::Kind::kString, "'" + member.key + "'")) {
                continue;
            }
            check_plain(headers ? &member.value : nullptr);
            action_.properties.emplace_back(
                member.key, text(member.value, headers ? Place::kHeader : Place::kKey));
        }
    }

    const FileReader& file_;
    const Program* program_;
    Action& action_;
    bool good_ = true;
};

}  // namespace

bool known_action(std::string_view kind) {
    return kind == "queue" || kind == "republish" || kind == "http" || kind == "file" ||
           kind == "console";
}

std::optional<Action> read_action(const FileReader& file, const JsonNode& node,
                                  const Program* program) {
    if (!file.want(node, JsonNode::Kind::kObject, "an action")) {
        return std::nullopt;
    }
    if (node.members.size() != 1) {
        file.report(node.offset, "an action has one key: queue, republish, http, file or console");
        return std::nullopt;
    }
    const JsonMember& member = node.members[0];
    if (!known_action(member.key)) {
        file.report(member.key_offset, "unknown action '" + member.key +
                                           "'; known: queue republish http file console");
        return std::nullopt;
    }
    Action action;
    return ActionReader(file, program, action).run(member.key, member.value)
               ? std::optional(std::move(action))
               : std::nullopt;
}

}  // namespace causeway::rules
