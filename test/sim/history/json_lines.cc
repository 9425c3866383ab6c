// See json_lines.h.
#include "test/sim/history/json_lines.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <simdjson.h>

namespace causeway::sim {
namespace {

struct KindName {
    std::string_view name;
    EventKind kind;
};
constexpr std::array<KindName, 10> kKinds{{
    {"sent", EventKind::kSent},
    {"acknowledged", EventKind::kAcknowledged},
    {"refused", EventKind::kRefused},
    {"delivered", EventKind::kDelivered},
    {"drained", EventKind::kDrained},
    {"subscribed", EventKind::kSubscribed},
    {"unsubscribed", EventKind::kUnsubscribed},
    {"ended", EventKind::kEnded},
    {"lost", EventKind::kLost},
    {"evicted", EventKind::kEvicted},
}};
constexpr std::string_view kOperation = "operation";

struct Line {
    std::string_view kind;
    Event event;
    Operation operation;
};

class Reader {
public:
    // Nullptr: added to the history. Else what is wrong.
    const char* read(const simdjson::padded_string_view& text, History& history) {
        simdjson::dom::object object;
        if (parser_.parse(text.data(), text.size(), false).get(object) != simdjson::SUCCESS) {
            return "is not a JSON object";
        }
        Line line;
        for (const auto field : object) {
            if (const char* wrong = take(field.key, field.value, line, history)) {
                return wrong;
            }
        }
        if (line.kind == kOperation) {
            if (line.operation.return_us < line.operation.call_us) {
                return "has a return before its call";
            }
            history.operations.push_back(line.operation);
            return nullptr;
        }
        const auto* known = std::find_if(kKinds.begin(), kKinds.end(),
                                         [&](const KindName& k) { return k.name == line.kind; });
        if (known == kKinds.end()) {
            return "has no known \"e\"";
        }
        line.event.kind = known->kind;
        history.events.push_back(line.event);
        return nullptr;
    }

private:
    static const char* take(std::string_view key, const simdjson::dom::element& value, Line& line,
                            History& history) {
        std::string_view text;
        std::uint64_t number = 0;
        bool flag = false;
        const bool is_text = value.get(text) == simdjson::SUCCESS;
        const bool is_number = value.get(number) == simdjson::SUCCESS;
        const bool is_flag = value.get(flag) == simdjson::SUCCESS;
        if (is_text) {
            return take_text(key, text, line, history);
        }
        if (is_number) {
            return take_number(key, number, line);
        }
        if (is_flag && key == "dup") {
            line.event.dup = flag;
        } else if (is_flag && key == "retain") {
            line.event.retain = flag;
        } else if (is_flag && key == "persistent") {
            line.event.persistent = flag;
        } else if (is_flag && key == "write") {
            line.operation.write = flag;
        } else if (is_expected(key)) {
            return "has a field of the wrong type";
        }
        return nullptr;
    }

    static const char* take_text(std::string_view key, std::string_view text, Line& line,
                                 History& history) {
        if (key == "e") {
            line.kind = text;
        } else if (key == "who") {
            line.event.who = line.operation.client = history.names.intern(text);
        } else if (key == "topic" || key == "filter") {
            line.event.topic = history.names.intern(text);
        } else if (key == "key") {
            line.operation.key = history.names.intern(text);
        } else if (is_expected(key)) {
            return "has a field of the wrong type";
        }
        return nullptr;
    }

    static const char* take_number(std::string_view key, std::uint64_t number, Line& line) {
        if (key == "t") {
            line.event.at_us = number;
        } else if (key == "id") {
            line.event.id = number;
        } else if (key == "qos") {
            if (number > 2) {
                return "has a QoS above 2";
            }
            line.event.qos = static_cast<std::uint8_t>(number);
        } else if (key == "connection") {
            line.event.connection = number;
        } else if (key == "value") {
            line.operation.value = number;
        } else if (key == "call") {
            line.operation.call_us = number;
        } else if (key == "return") {
            line.operation.return_us = number;
        } else if (is_expected(key)) {
            return "has a field of the wrong type";
        }
        return nullptr;
    }

    static bool is_expected(std::string_view key) {
        constexpr std::array<std::string_view, 16> kKeys{
            "e",      "t",          "who",        "topic", "filter", "id",    "qos",  "dup",
            "retain", "persistent", "connection", "key",   "write",  "value", "call", "return"};
        return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
    }

    simdjson::dom::parser parser_;
};

}  // namespace

Result<History> read_json_lines(std::string_view text) {
    History history;
    Reader reader;
    // One copy of a line at a time, with the room behind it that the parser reads into.
    std::string padded;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
            continue;
        }
        padded.assign(line);
        padded.append(simdjson::SIMDJSON_PADDING, ' ');
        const simdjson::padded_string_view view(padded.data(), line.size(), padded.size());
        if (const char* wrong = reader.read(view, history)) {
            return fail("line " + std::to_string(number) + " " + wrong);
        }
    }
    std::stable_sort(history.events.begin(), history.events.end(),
                     [](const Event& a, const Event& b) { return a.at_us < b.at_us; });
    return history;
}

}  // namespace causeway::sim
