// Plays test/raft/*.txt: cases a reader can follow, one per section of the Raft thesis or historic
// bug. A line `> command` is played on machines joined in memory; the lines up to the next blank
// line are what it must answer. `core_raft_script_test --rewrite` puts the present answers into the
// files.
//
//   add-nodes N [id]...      voters 1..N, and nodes outside of the group    options name=value ...
//   campaign N | tick N [n] | propose N text | transfer N to | change N +v|-v|+l|-l id
//   fsync N                  completes N's oldest append       fsync-all N
//   deliver|drop|double [from=N] [to=N] [type=name] [n=count|last]   in-flight | stabilize
//   crash N | restart N | disconnected N peer | compact N | status [N] | log N | applied N
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "test/core/raft/network.h"

namespace causeway::raft::test {
namespace {

bool g_rewrite = false;

using Words = std::vector<std::string>;

template <typename T>
std::string text(T number) {
    return std::to_string(number.value());
}

std::string place(Index index, Term term) { return text(index) + "/" + text(term); }

std::string type_of(const Message& message) {
    struct Name {
        std::string operator()(const VoteRequest& b) { return b.pre ? "pre-vote" : "vote"; }
        std::string operator()(const VoteResponse& b) {
            return b.pre ? "pre-vote-answer" : "vote-answer";
        }
        std::string operator()(const AppendRequest&) { return "append"; }
        std::string operator()(const AppendResponse&) { return "append-answer"; }
        std::string operator()(const Heartbeat&) { return "heartbeat"; }
        std::string operator()(const HeartbeatResponse&) { return "heartbeat-answer"; }
        std::string operator()(const InstallSnapshot&) { return "snapshot"; }
        std::string operator()(const TimeoutNow&) { return "timeout-now"; }
    };
    return std::visit(Name{}, message.body);
}

std::string details_of(const Message& message) {
    struct Details {
        std::string operator()(const VoteRequest& b) {
            return " last " + place(b.last_index, b.last_term) + (b.transfer ? " transfer" : "");
        }
        std::string operator()(const VoteResponse& b) {
            return b.granted ? " granted" : " refused";
        }
        std::string operator()(const AppendRequest& b) {
            std::string out = " after " + place(b.prev_index, b.prev_term);
            for (const Entry& entry : b.entries) {
                out += " +" + place(entry.index, entry.term);
            }
            return out + " commit " + text(b.commit);
        }
        std::string operator()(const AppendResponse& b) {
            return b.rejected
                       ? " rejects " + text(b.index) + " hint " + place(b.hint_index, b.hint_term)
                       : " up to " + text(b.index);
        }
        std::string operator()(const Heartbeat&) { return ""; }
        std::string operator()(const HeartbeatResponse& b) { return " commit " + text(b.commit); }
        std::string operator()(const InstallSnapshot& b) {
            return " of " + place(b.meta.index, b.meta.term);
        }
        std::string operator()(const TimeoutNow&) { return ""; }
    };
    return std::visit(Details{}, message.body);
}

std::string describe(const Message& message) {
    return text(message.from) + "->" + text(message.to) + " term " + text(message.term) + " " +
           type_of(message) + details_of(message) + "\n";
}

const char* name_of(ProposeError error) {
    switch (error) {
        case ProposeError::kNotLeader:
            return "not leader";
        case ProposeError::kTermNotApplied:
            return "term not applied";
        case ProposeError::kTransferring:
            return "transferring";
        case ProposeError::kTooLarge:
            return "too large";
        case ProposeError::kWindowFull:
            return "window full";
        case ProposeError::kConfigurationPending:
            return "configuration pending";
        case ProposeError::kConfigurationRefused:
            return "configuration refused";
    }
    return "?";
}

class Script {
public:
    std::string play(const std::string& line) {
        std::istringstream in(line);
        Words words;
        for (std::string word; in >> word;) {
            words.push_back(word);
        }
        if (words.empty()) {
            return "empty command\n";
        }
        const auto handler = kHandlers.find(words[0]);
        if (handler == kHandlers.end()) {
            return "unknown command\n";
        }
        std::string out = (this->*handler->second)(words);
        if (network_ && !network_->checker.failure.empty()) {
            out += "VIOLATION " + network_->checker.failure + "\n";
        }
        return out.empty() ? "ok\n" : out;
    }

private:
    using Handler = std::string (Script::*)(const Words&);
    static const std::map<std::string, Handler> kHandlers;

    static std::uint64_t number(const Words& words, std::size_t at, std::uint64_t otherwise = 0) {
        return words.size() > at ? std::stoull(words[at]) : otherwise;
    }
    static NodeId node(const Words& words, std::size_t at = 1) { return NodeId(number(words, at)); }
    static std::string option(const Words& words, const std::string& name) {
        for (const std::string& word : words) {
            if (word.starts_with(name + "=")) {
                return word.substr(name.size() + 1);
            }
        }
        return "";
    }

    std::string options(const Words& words) {
        for (const auto& [name, field] :
             {std::pair("message_bytes_max", &options_.message_bytes_max),
              std::pair("window_count", &options_.window.count_max),
              std::pair("unapplied_bytes_max", &options_.unapplied_bytes_max),
              std::pair("entry_bytes_max", &options_.entry_bytes_max)}) {
            if (const std::string value = option(words, name); !value.empty()) {
                *field = std::stoull(value);
            }
        }
        return "";
    }

    std::string add_nodes(const Words& words) {
        network_.emplace(options_);
        network_->apply_at_once = true;
        Configuration bootstrap;
        for (std::uint64_t id = 1; id <= number(words, 1); ++id) {
            bootstrap.voters.push_back(NodeId(id));
        }
        for (const NodeId id : bootstrap.voters) {
            network_->add_node(id, bootstrap);
        }
        for (std::size_t i = 2; i < words.size(); ++i) {
            network_->add_node(node(words, i), Configuration{});
        }
        return "";
    }

    std::string campaign(const Words& words) {
        network_->raft(node(words)).campaign();
        return moved(words);
    }

    std::string tick(const Words& words) {
        for (std::uint64_t i = 0; i < number(words, 2, 1); ++i) {
            network_->raft(node(words)).tick();
            network_->drain(node(words));
        }
        return moved(words);
    }

    // Drains, and shows what that sent.
    std::string moved(const Words& words) {
        network_->drain(node(words));
        std::string out;
        for (; shown_ < network_->in_flight().size(); ++shown_) {
            out += describe(network_->in_flight()[shown_]);
        }
        return out;
    }

    std::string propose(const Words& words) {
        const auto index = network_->raft(node(words)).propose(SharedBytes::copy(words.at(2)));
        return (index ? "index " + text(*index) : std::string(name_of(index.error()))) + "\n" +
               moved(words);
    }

    std::string transfer(const Words& words) {
        const bool done = network_->raft(node(words)).transfer_leadership(node(words, 2));
        return (done ? "" : "refused\n") + moved(words);
    }

    std::string change(const Words& words) {
        Configuration to = network_->raft(node(words)).configuration();
        const NodeId who = node(words, 3);
        NodeIds& list = words.at(2)[1] == 'v' ? to.voters : to.learners;
        if (words[2][0] == '+') {
            for (NodeIds* other : {&to.voters, &to.learners}) {
                other->erase(std::remove(other->begin(), other->end(), who), other->end());
            }
            list.insert(std::lower_bound(list.begin(), list.end(), who), who);
        } else {
            list.erase(std::remove(list.begin(), list.end(), who), list.end());
        }
        const auto index = network_->raft(node(words)).propose_configuration(to);
        return (index ? "index " + text(*index) : std::string(name_of(index.error()))) + "\n" +
               moved(words);
    }

    std::string fsync(const Words& words) {
        return network_->fsync(node(words)) ? moved(words) : "nothing to fsync\n";
    }

    std::string fsync_all(const Words& words) {
        while (network_->fsync(node(words))) {
        }
        return moved(words);
    }

    std::vector<std::size_t> matching(const Words& words) {
        std::vector<std::size_t> places;
        const std::string count = option(words, "n");
        const std::size_t most = count.empty() || count == "last" ? SIZE_MAX : std::stoull(count);
        for (std::size_t i = 0; i < network_->in_flight().size() && places.size() < most; ++i) {
            const Message& message = network_->in_flight()[i];
            const auto fits = [&](const char* name, const std::string& value) {
                return option(words, name).empty() || option(words, name) == value;
            };
            if (fits("from", text(message.from)) && fits("to", text(message.to)) &&
                fits("type", type_of(message))) {
                places.push_back(i);
            }
        }
        if (count == "last" && !places.empty()) {
            places = {places.back()};
        }
        return places;
    }

    std::string deliver(const Words& words) {
        std::string out;
        std::size_t gone = 0;
        for (const std::size_t position : matching(words)) {
            const Message& message = network_->in_flight()[position - gone];
            const Words receiver{"", text(message.to)};
            network_->deliver(position - gone);
            ++gone;
            --shown_;
            out += network_->alive(node(receiver)) ? moved(receiver) : "";
        }
        return gone == 0 ? "nothing in flight\n" : out;
    }

    std::string drop(const Words& words) {
        std::string out;
        std::size_t gone = 0;
        for (const std::size_t position : matching(words)) {
            auto& flying = network_->in_flight();
            out += describe(flying[position - gone]);
            flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(position - gone));
            ++gone;
            --shown_;
        }
        return gone == 0 ? "nothing in flight\n" : out;
    }

    std::string duplicate(const Words& words) {
        std::string out;
        for (const std::size_t position : matching(words)) {
            network_->in_flight().push_back(Message(network_->in_flight()[position]));
        }
        for (; shown_ < network_->in_flight().size(); ++shown_) {
            out += describe(network_->in_flight()[shown_]);
        }
        return out;
    }

    std::string in_flight(const Words&) {
        std::string out;
        for (const Message& message : network_->in_flight()) {
            out += describe(message);
        }
        return out.empty() ? "nothing\n" : out;
    }

    std::string stabilize(const Words&) {
        const bool quiet = network_->settle();
        shown_ = network_->in_flight().size();
        return quiet ? status({"status"}) : "never quiet\n";
    }

    std::string crash(const Words& words) {
        network_->crash(node(words));
        return "";
    }
    std::string restart(const Words& words) {
        network_->start(node(words));
        return moved(words);
    }
    std::string disconnected(const Words& words) {
        network_->raft(node(words)).report_disconnected(node(words, 2));
        return moved(words);
    }
    std::string compact(const Words& words) {
        network_->compact(node(words));
        return "";
    }

    std::string status(const Words& words) {
        std::string out;
        for (auto& [id, item] : network_->nodes()) {
            if (words.size() > 1 && node(words) != id) {
                continue;
            }
            out += text(id);
            if (!item.raft) {
                out += " down\n";
                continue;
            }
            static constexpr const char* kRoles[] = {"follower", "pre-candidate", "candidate",
                                                     "leader"};
            const Status s = item.raft->status();
            out += std::string(" ") + kRoles[static_cast<int>(s.soft_state.role)] + " term " +
                   text(s.term) + " vote " + text(s.vote) + " commit " + text(s.commit) +
                   " durable " + text(s.durable) + " last " + text(s.last);
            for (const PeerStatus& peer : s.peers) {
                static constexpr const char* kStates[] = {"probe", "replicate", "snapshot"};
                out += peer.id == id
                           ? ""
                           : " (" + text(peer.id) + " " + kStates[static_cast<int>(peer.state)] +
                                 " " + text(peer.match) + ")";
            }
            out += "\n";
        }
        return out;
    }

    std::string log(const Words& words) {
        std::string out = "fsynced:";
        for (const Entry& entry : network_->node(node(words)).log.all()) {
            out += " " + place(entry.index, entry.term);
            if (entry.kind == EntryKind::kCommand) {
                out += "=" + std::string(entry.payload.view());
            } else if (entry.kind == EntryKind::kConfiguration) {
                out += "=configuration";
            }
        }
        return out + "\n";
    }

    std::string applied(const Words& words) {
        std::string out = "commands:";
        for (const std::string& command : network_->node(node(words)).applied_commands) {
            out += " " + command;
        }
        return out + "\n";
    }

    Options options_{.heartbeat_ticks = 1, .election_ticks_min = 10, .election_ticks_max = 20};
    std::optional<Network> network_;
    std::size_t shown_ = 0;  // So many of the messages in flight were shown.
};

const std::map<std::string, Script::Handler> Script::kHandlers = {
    {"options", &Script::options},
    {"add-nodes", &Script::add_nodes},
    {"campaign", &Script::campaign},
    {"tick", &Script::tick},
    {"propose", &Script::propose},
    {"transfer", &Script::transfer},
    {"change", &Script::change},
    {"fsync", &Script::fsync},
    {"fsync-all", &Script::fsync_all},
    {"deliver", &Script::deliver},
    {"drop", &Script::drop},
    {"double", &Script::duplicate},
    {"in-flight", &Script::in_flight},
    {"stabilize", &Script::stabilize},
    {"crash", &Script::crash},
    {"restart", &Script::restart},
    {"compact", &Script::compact},
    {"status", &Script::status},
    {"log", &Script::log},
    {"applied", &Script::applied},
    {"disconnected", &Script::disconnected},
};

// The file as it would be if every answer were right.
std::string play_file(const std::string& content) {
    Script script;
    std::istringstream in(content);
    std::string out;
    bool in_answer = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("> ")) {
            out += line + "\n" + script.play(line.substr(2));
            in_answer = true;
        } else if (line.empty() || line.starts_with("#")) {
            out += line + "\n";
            in_answer = false;
        } else if (!in_answer) {
            out += line + "\n";
        }
    }
    return out;
}

std::vector<std::filesystem::path> script_files() {
    std::vector<std::filesystem::path> files;
    for (const auto& item : std::filesystem::directory_iterator(CAUSEWAY_SOURCE_DIR "/test/raft")) {
        if (item.path().extension() == ".txt") {
            files.push_back(item.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

TEST(RaftScript, EveryFileAnswersAsWritten) {
    const auto files = script_files();
    ASSERT_GE(files.size(), 8U);
    for (const auto& path : files) {
        SCOPED_TRACE(path.filename().string());
        std::ifstream in(path);
        const std::string wanted((std::istreambuf_iterator<char>(in)), {});
        const std::string got = play_file(wanted);
        if (g_rewrite) {
            std::ofstream(path) << got;
        } else {
            EXPECT_EQ(got, wanted);
        }
    }
}

}  // namespace
}  // namespace causeway::raft::test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (int i = 1; i < argc; ++i) {
        causeway::raft::test::g_rewrite |= std::string_view(argv[i]) == "--rewrite";
    }
    return RUN_ALL_TESTS();
}
