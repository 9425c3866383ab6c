#include "gateway/causeway/rules_offline.h"

#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "gateway/causeway/rules_directory.h"
#include "gateway/causeway/terminal.h"
#include "rules/engine/capture.h"
#include "rules/engine/explain.h"
#include "rules/engine/replay.h"

namespace causeway::root {
namespace {

// Calls `each` with every message of a capture and its number. False: it cannot be read, and why
// was printed.
bool read_capture(const std::string& path,
                  const std::function<void(const rules::CapturedMessage&, std::uint32_t)>& each) {
    std::ifstream file;
    if (path != "-") {
        file.open(path, std::ios::binary);
    }
    std::istream& in = path == "-" ? std::cin : file;
    std::uint32_t line = 0;
    for (std::string text; std::getline(in, text);) {
        ++line;
        if (text.find_first_not_of(" \t\r") == std::string::npos) {
            continue;
        }
        const auto message = rules::read_captured(path, line, std::move(text));
        if (!message) {
            std::cerr << rules::to_string(message.error()) << "\n";
            return false;
        }
        each(*message, line);
    }
    if (!in.eof() || in.bad()) {
        std::cerr << path << ": cannot be read\n";
        return false;
    }
    return true;
}

std::optional<rules::CapturedMessage> read_one(const std::string& given) {
    std::string path = "--message";
    std::string text = given;
    if (given.find_first_not_of(" \t\r\n") == std::string::npos ||
        given[given.find_first_not_of(" \t\r\n")] != '{') {
        path = given;
        std::ifstream in(given, std::ios::binary);
        text.assign(std::istreambuf_iterator<char>(in), {});
        if (!in) {
            std::cerr << given << ": cannot be read (a message is a JSON object or a file)\n";
            return std::nullopt;
        }
    }
    const rules::SourceFile source{path, text};
    auto message = rules::read_captured(path, 1, std::move(text));
    if (!message) {
        std::cerr << rules::to_string(message.error(), {&source, 1}) << "\n";
        return std::nullopt;
    }
    return std::move(*message);
}

void print_counters(const rules::Replay& replay) {
    const auto& counters = replay.counters();
    for (std::size_t i = 0; i < counters.size(); ++i) {
        const rules::RuleCounters& count = counters[i];
        if (count.matched > 0) {
            std::cerr << "  " << replay.set().rules()[i].id << ": matched " << count.matched
                      << ", passed " << count.passed << ", no result " << count.no_result
                      << ", failed " << count.failed << ", cut " << count.cut << ", outputs "
                      << count.outputs << "\n";
        }
    }
}

}  // namespace

std::shared_ptr<const rules::RuleSet> load_rules(const std::string& dir, bool json,
                                                 int& exit_code) {
    auto sources = read_rules(dir);
    if (!sources) {
        std::cerr << sources.error().message << "\n";
        exit_code = 2;
        return nullptr;
    }
    auto set = rules::RuleSet::compile(*sources);
    if (set) {
        return *set;
    }
    const Terminal terminal(2);
    nlohmann::json faults = nlohmann::json::array();
    for (const rules::Diagnostic& diagnostic : set.error()) {
        faults.push_back({{"file", diagnostic.file},
                          {"line", diagnostic.line},
                          {"column", diagnostic.column},
                          {"message", diagnostic.message}});
        if (!json) {
            std::cerr << terminal.paint("error: ", Colour::kRed)
                      << rules::to_string(diagnostic, *sources) << "\n";
        }
    }
    if (json) {
        std::cout << nlohmann::json{{"errors", faults}}.dump(2) << "\n";
    }
    exit_code = 1;
    return nullptr;
}

int explain_rules(const RulesArguments& arguments) {
    int exit_code = 0;
    const auto set = load_rules(arguments.dir, arguments.json, exit_code);
    if (!set) {
        return exit_code;
    }
    const auto message = read_one(arguments.message);
    if (!message) {
        return 2;
    }
    rules::ViewParts parts;
    Random random(1);
    const rules::EvalContext context{.now_ms = message->now_ms, .random = random};
    const auto explanations =
        rules::explain(*set, rules::view_of(*message, parts), context, !arguments.all);
    std::cout << (arguments.json ? rules::to_json(explanations) : rules::to_text(explanations));
    bool fired = false;
    for (const rules::Explanation& explanation : explanations) {
        fired = fired || explanation.verdict == rules::Verdict::kFired;
    }
    if (explanations.empty() && !arguments.json) {
        std::cout << "no rule has a source that matches '" << message->topic << "'\n";
    }
    return fired ? 0 : 1;
}

int run_rules(const RulesArguments& arguments) {
    int exit_code = 0;
    const auto set = load_rules(arguments.dir, arguments.json, exit_code);
    if (!set) {
        return exit_code;
    }
    rules::Replay replay(set);
    std::uint64_t messages = 0;
    std::uint64_t outputs = 0;
    std::uint64_t failures = 0;
    const bool read = read_capture(
        arguments.input, [&](const rules::CapturedMessage& message, std::uint32_t line) {
            const rules::Evaluation& evaluation = replay.run(message, line);
            ++messages;
            outputs += evaluation.outputs.size();
            failures += evaluation.failures.size();
            for (const std::string& output : replay.lines()) {
                std::cout << "{\"message\":" << line
                          << ",\"topic\":" << nlohmann::json(message.topic).dump()
                          << ",\"output\":" << output << "}\n";
            }
        });
    if (!read) {
        return 2;
    }
    const Terminal terminal(2);
    std::cerr << messages << " messages, " << outputs << " outputs, "
              << terminal.paint(std::to_string(failures) + " failures",
                                failures > 0 ? Colour::kRed : Colour::kGreen)
              << "\n";
    print_counters(replay);
    return failures > 0 ? 1 : 0;
}

int diff_rules(const RulesArguments& arguments) {
    int exit_code = 0;
    const auto before = load_rules(arguments.dir, false, exit_code);
    const auto after = before ? load_rules(arguments.other, false, exit_code) : nullptr;
    if (!after) {
        return 2;
    }
    rules::Replay old_rules(before);
    rules::Replay new_rules(after);
    const Terminal terminal(1);
    nlohmann::json changes = nlohmann::json::array();
    std::uint64_t messages = 0;
    const bool read = read_capture(
        arguments.input, [&](const rules::CapturedMessage& message, std::uint32_t line) {
            ++messages;
            old_rules.run(message, line);
            new_rules.run(message, line);
            const auto change = rules::difference(old_rules.lines(), new_rules.lines());
            if (change.removed.empty() && change.added.empty()) {
                return;
            }
            changes.push_back({{"message", line},
                               {"topic", message.topic},
                               {"removed", change.removed},
                               {"added", change.added}});
            if (arguments.json) {
                return;
            }
            std::cout << "message " << line << " on " << message.topic << "\n";
            for (const std::string& output : change.removed) {
                std::cout << terminal.paint("- " + output, Colour::kRed) << "\n";
            }
            for (const std::string& output : change.added) {
                std::cout << terminal.paint("+ " + output, Colour::kGreen) << "\n";
            }
        });
    if (!read) {
        return 2;
    }
    if (arguments.json) {
        std::cout << nlohmann::json{{"messages", messages}, {"changed", changes}}.dump(
                         2, ' ', false, nlohmann::json::error_handler_t::replace)
                  << "\n";
    } else {
        std::cout << changes.size() << " of " << messages << " messages are routed differently\n";
    }
    return changes.empty() ? 0 : 1;
}

}  // namespace causeway::root
