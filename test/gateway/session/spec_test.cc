// Plays the cases of test/spec/*.txt: what goes over the wire, byte by byte, beside what passes
// between the gateway and the core. test/spec/README.md explains the notation.
// `gateway_session_spec_test --rewrite` puts the present outcomes into the files; review the
// difference.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/gateway/mqtt/notation.h"
#include "test/gateway/session/device.h"

namespace causeway::session::test {
namespace {

bool g_rewrite = false;
std::string g_case;  // its title; empty: all of them

// --- words of a line -----------------------------------------------------------------------------

// `a key=1 flag` -> positional words and named values; a flag has the value "".
struct Words {
    std::vector<std::string> words;

    explicit Words(const std::string& line) {
        std::istringstream in(line);
        for (std::string word; in >> word;) {
            words.push_back(word);
        }
    }
    [[nodiscard]] std::string at(std::size_t i) const { return i < words.size() ? words[i] : ""; }
    [[nodiscard]] bool flag(std::string_view name) const {
        return std::find(words.begin(), words.end(), name) != words.end();
    }
    [[nodiscard]] std::string text(std::string_view name) const {
        for (const std::string& word : words) {
            if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=') {
                return word.substr(name.size() + 1);
            }
        }
        return "";
    }
    [[nodiscard]] std::uint64_t number(std::string_view name, std::uint64_t otherwise = 0) const {
        const std::string value = text(name);
        return value.empty() ? otherwise : std::stoull(value);
    }
};

// Hexadecimal, but text where three printable characters stand together. Is notation again.
std::string readable(std::string_view bytes) {
    const auto printable = [](char c) { return c > ' ' && c < 0x7F && c != '\''; };
    std::string out;
    for (std::size_t at = 0; at < bytes.size();) {
        std::size_t end = at;
        while (end < bytes.size() && printable(bytes[end])) {
            ++end;
        }
        out += ' ';
        if (end - at >= 3) {
            out += "'" + std::string(bytes.substr(at, end - at)) + "'";
            at = end;
        } else {
            out += mqtt::hex(bytes.substr(at, 1)).substr(0, 2);
            ++at;
        }
    }
    return out;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// --- commands to the core ------------------------------------------------------------------------

std::string message_text(std::string_view topic, std::string_view body) {
    const BodyView view = parse_body(body);
    std::string out = quoted(topic) + " " + quoted(view.payload);
    return view.properties.empty() ? out : out + " properties" + readable(view.properties);
}

std::string text_of(const Open& open) {
    std::string out = "OPEN " + quoted(open.client_id) + (open.clean_start ? " clean" : "");
    out += " expiry=" + std::to_string(open.session_expiry_interval_s);
    out += " window=" + std::to_string(open.receive_maximum);
    if (!open.username.empty()) {
        out += " username=" + std::string(open.username);
    }
    if (open.will) {
        const WillView& will = *open.will;
        out += " will " + message_text(will.topic, will.body) + " qos=" + std::to_string(will.qos);
        out += will.retain ? " retain" : "";
        out += will.delay_s != 0 ? " delay=" + std::to_string(will.delay_s) : "";
        out += will.expiry_s != 0 ? " expiry=" + std::to_string(will.expiry_s) : "";
    }
    return out;
}

std::string text_of(const Close& close) {
    constexpr const char* kReasons[] = {"normal", "with-will", "lost"};
    std::string out = "CLOSE " + std::string(kReasons[static_cast<int>(close.reason)]);
    if (close.session_expiry_interval_s) {
        out += " expiry=" + std::to_string(*close.session_expiry_interval_s);
    }
    return out;
}

std::string text_of(const Publish& publish) {
    std::string out = "PUBLISH " + message_text(publish.topic, publish.body);
    out += " qos=" + std::to_string(publish.qos) + (publish.retain ? " retain" : "");
    out += publish.packet_id != 0 ? " id=" + std::to_string(publish.packet_id) : "";
    return out + (publish.expiry_s != 0 ? " expiry=" + std::to_string(publish.expiry_s) : "");
}

std::string text_of(const Subscribe& subscribe) {
    std::string out = "SUBSCRIBE";
    for (const SubscriptionRequest& request : subscribe.filters) {
        out += " " + quoted(request.filter) + " qos=" + std::to_string(request.qos);
        out += request.no_local ? " no-local" : "";
        out += request.retain_as_published ? " retain-as-published" : "";
        out += request.retain_handling != 0
                   ? " retain-handling=" + std::to_string(request.retain_handling)
                   : "";
        out += request.identifier != 0 ? " identifier=" + std::to_string(request.identifier) : "";
    }
    return out;
}

std::string text_of(const Asked& asked) {
    switch (asked.kind()) {
        case CommandKind::kOpen:
            return text_of(asked.as<Open>());
        case CommandKind::kClose:
            return text_of(asked.as<Close>());
        case CommandKind::kPublish:
            return text_of(asked.as<Publish>());
        case CommandKind::kRelease:
            return "RELEASE id=" + std::to_string(asked.as<Release>().packet_id);
        case CommandKind::kSubscribe:
            return text_of(asked.as<Subscribe>());
        case CommandKind::kReceived:
            return "RECEIVED n=" + std::to_string(asked.as<Received>().n);
        default: {
            CW_CHECK(asked.kind() == CommandKind::kUnsubscribe);
            const auto unsubscribe = asked.as<Unsubscribe>();
            std::string out = "UNSUBSCRIBE";
            for (const std::string_view filter : unsubscribe.filters) {
                out += " " + quoted(filter);
            }
            return out;
        }
    }
}

ResultCode code_of(const std::string& word) {
    const std::map<std::string, ResultCode> codes = {
        {"ok", ResultCode::kOk},
        {"no-subscribers", ResultCode::kNoSubscribers},
        {"stale", ResultCode::kStale},
        {"quota", ResultCode::kQuotaExceeded},
        {"not-found", ResultCode::kNotFound},
    };
    const auto found = codes.find(word);
    CW_CHECK(found != codes.end(), word);
    return found->second;
}

// --- one case ------------------------------------------------------------------------------------

class Case {
public:
    // Effect: plays one line; returns the lines of its outcome.
    std::string play(const std::string& line);
    // What was left unchecked; empty: nothing.
    [[nodiscard]] std::string left_over() const {
        return device_ && !device_->kept.empty() ? "bytes the session did not take\n" : "";
    }

private:
    Device& device();
    void limits(const Words& words);
    void online(const Words& words);
    void send(const std::string& line);
    void answer(const Words& words);
    void deliver(const Words& words);
    std::string outcome();

    Limits limits_;
    std::unique_ptr<Device> device_;
    std::size_t printed_ = 0;  // of device_->asked
    bool ended_ = false;
};

Device& Case::device() {
    if (!device_) {
        device_ = std::make_unique<Device>(limits_);
    }
    return *device_;
}

void Case::limits(const Words& words) {
    const auto u16 = [&](std::string_view name, std::uint16_t& value) {
        value = static_cast<std::uint16_t>(words.number(name, value));
    };
    u16("receive_maximum", limits_.receive_maximum);
    u16("inflight_max", limits_.inflight_max);
    u16("topic_alias_maximum", limits_.topic_alias_maximum);
    u16("keep_alive_max_s", limits_.keep_alive_max_s);
    limits_.topic_bytes_max =
        static_cast<std::uint32_t>(words.number("topic_bytes_max", limits_.topic_bytes_max));
    limits_.publish_rate_max =
        static_cast<std::uint32_t>(words.number("publish_rate_max", limits_.publish_rate_max));
    limits_.packet_bytes_max =
        static_cast<std::uint32_t>(words.number("packet_bytes_max", limits_.packet_bytes_max));
    limits_.topic_levels_max =
        static_cast<std::uint32_t>(words.number("topic_levels_max", limits_.topic_levels_max));
}

void Case::online(const Words& words) {
    const std::map<std::string, mqtt::Version> versions = {
        {"3.1", mqtt::Version::k31}, {"3.1.1", mqtt::Version::k311}, {"5.0", mqtt::Version::k5}};
    mqtt::ConnectProperties properties;
    properties.receive_maximum =
        static_cast<std::uint16_t>(words.number("receive_maximum", 65'535));
    properties.session_expiry_interval_s = static_cast<std::uint32_t>(words.number("expiry"));
    properties.topic_alias_maximum =
        static_cast<std::uint16_t>(words.number("topic_alias_maximum"));
    if (const std::uint64_t max = words.number("maximum_packet_size"); max != 0) {
        properties.maximum_packet_size = static_cast<std::uint32_t>(max);
    }
    CW_CHECK(versions.contains(words.at(1)), words.at(1));
    device().online(versions.at(words.at(1)), properties);
}

// -> NAME notation
void Case::send(const std::string& line) {
    const std::size_t space = line.find(' ', 3);
    const std::string name = line.substr(3, space - 3);
    const std::string bytes = mqtt::wire(std::string_view(line).substr(space));
    CW_CHECK(name == "BYTES" || name == mqtt::name(static_cast<mqtt::PacketType>(
                                            static_cast<unsigned char>(bytes[0]) >> 4)),
             line);
    device().bytes(bytes);
}

// <= code [codes of filters in hex] [opened: present expiry=N]
void Case::answer(const Words& words) {
    CW_CHECK(printed_ > 0, "no command waits for an answer");
    --printed_;
    if (words.at(1) == "opened") {
        device().answer_open({device().epoch, static_cast<std::uint32_t>(words.number("expiry")),
                              words.flag("present")});
        return;
    }
    std::string detail;
    for (std::size_t i = 2; i < words.words.size(); ++i) {
        detail += mqtt::wire(words.words[i]);
    }
    device().answer(code_of(words.at(1)), detail);
}

// deliver topic payload qos=1 [n=5] [dup] [retain] [ids=1,2] [expires_in_ms=N] [properties=hex]
void Case::deliver(const Words& words) {
    Delivery delivery;
    delivery.epoch = device().epoch;
    delivery.qos = static_cast<std::uint8_t>(words.number("qos"));
    delivery.n = words.number("n");
    delivery.dup = words.flag("dup");
    delivery.retain = words.flag("retain");
    std::istringstream ids(words.text("ids"));
    for (std::string id; std::getline(ids, id, ',');) {
        delivery.subscription_ids.push_back(static_cast<std::uint32_t>(std::stoul(id)));
    }
    const std::uint64_t expires = words.number("expires_in_ms");
    device().deliver(delivery,
                     message_of(words.at(1), words.at(2), mqtt::wire(words.text("properties")),
                                expires == 0 ? 0 : device().set_now + expires));
}

std::string Case::play(const std::string& line) {
    const Words words(line);
    const std::string verb = words.at(0);
    if (verb == "limits") {
        limits(words);
        return "";
    }
    if (verb == "->") {
        send(line);
    } else if (verb == "<=") {
        answer(words);
    } else if (verb == "online") {
        online(words);
    } else if (verb == "deliver") {
        deliver(words);
    } else if (verb == "release") {
        device().release(words.number("n"));
    } else if (verb == "takeover") {
        device().takeover(device().epoch);
    } else if (verb == "wait") {
        device().advance(words.number("ms"));
    } else if (verb == "closed") {
        device().closed();
    } else if (verb == "shutdown") {
        device().shutdown(mqtt::ReasonCode::kServerShuttingDown);
    } else if (verb == "stream-lost") {
        printed_ = 0;
        device().stream_lost();
    } else if (verb == "without-leader") {
        device().core_available = false;
    } else if (verb == "slow") {
        device().output_full = true;
    } else {
        CW_CHECK(false, "no such line: " + line);
    }
    return outcome();
}

std::string Case::outcome() {
    Device& of = device();
    std::string out;
    for (; printed_ < of.asked.size(); ++printed_) {
        out += "=> " + text_of(of.asked[printed_]) + "\n";
    }
    for (const Unlogged& publish : of.unlogged) {
        out += "=> QoS 0 " + message_text(publish.topic, publish.body) +
               (publish.retain ? " retain\n" : "\n");
    }
    of.unlogged.clear();
    for (; !of.sent.empty(); of.sent.pop_front()) {
        const std::string& bytes = of.sent.front().bytes;
        const auto type = static_cast<mqtt::PacketType>(static_cast<unsigned char>(bytes[0]) >> 4);
        out += "<- " + std::string(mqtt::name(type)) + readable(bytes) + "\n";
    }
    for (const std::uint64_t n : of.take_acknowledged()) {
        out += "=> acknowledged n=" + std::to_string(n) + "\n";
    }
    if (of.end != End::kNone && !ended_) {
        ended_ = true;
        out += of.end == End::kFlush ? "close after flush\n" : "close\n";
    }
    return out;
}

// --- files ---------------------------------------------------------------------------------------

bool is_outcome(const std::string& line) {
    return line.starts_with("<-") || line.starts_with("=>") || line == "close" ||
           line == "close after flush";
}

struct Played {
    std::string content;  // the file as it would be if every outcome were right
    std::size_t cases = 0;
    std::vector<std::string> uncited;  // cases that name no statement
};

Played play_file(const std::string& content) {
    Played played;
    std::unique_ptr<Case> current;
    std::string title;
    bool cited = true;
    const auto finish = [&] {
        if (!cited) {
            played.uncited.push_back(title);
        }
        if (current) {
            played.content += current->left_over();
        }
    };
    std::istringstream in(content);
    bool chosen = g_case.empty();
    for (std::string line; std::getline(in, line);) {
        if (!g_case.empty() && line.starts_with("## ")) {
            chosen = line.substr(3) == g_case;
        }
        if (!chosen) {
            played.content += line + "\n";
            continue;
        }
        if (is_outcome(line)) {
            continue;
        }
        played.content += line + "\n";
        if (line.starts_with("## ")) {
            finish();
            title = line;
            cited = false;
            current = std::make_unique<Case>();
            ++played.cases;
        } else if (line.empty() || line.starts_with("#")) {
            cited = cited || line.find("[MQTT-") != std::string::npos;
        } else {
            played.content += current->play(line);
        }
    }
    finish();
    return played;
}

TEST(WireCases, EveryFileEndsAsWritten) {
    std::vector<std::filesystem::path> files;
    for (const auto& item : std::filesystem::directory_iterator(CAUSEWAY_SOURCE_DIR "/test/spec")) {
        if (item.path().extension() == ".txt") {
            files.push_back(item.path());
        }
    }
    std::sort(files.begin(), files.end());
    std::size_t cases = 0;
    for (const auto& path : files) {
        SCOPED_TRACE(path.filename().string());
        std::ifstream in(path);
        const std::string wanted((std::istreambuf_iterator<char>(in)), {});
        const Played played = play_file(wanted);
        cases += played.cases;
        for (const std::string& title : played.uncited) {
            ADD_FAILURE() << "no statement cited: " << title;
        }
        if (g_rewrite) {
            std::ofstream(path) << played.content;
        } else {
            EXPECT_EQ(played.content, wanted);
        }
    }
    EXPECT_GE(cases, g_case.empty() ? 60U : 1U);
}

}  // namespace
}  // namespace causeway::session::test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        causeway::session::test::g_rewrite |= argument == "--rewrite";
        if (argument.starts_with("--case=")) {
            causeway::session::test::g_case = argument.substr(7);
        }
    }
    return RUN_ALL_TESTS();
}
