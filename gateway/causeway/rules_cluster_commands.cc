// `causeway rules apply|activate|rollback|versions|status`: the rules of a running hub or cluster,
// by its HTTP API.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "gateway/causeway/commands.h"
#include "gateway/causeway/http_client.h"
#include "gateway/causeway/rules_directory.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

// How long every node may take to switch, and how often they are asked.
constexpr std::chrono::seconds kSwitchMax{30};
constexpr std::chrono::milliseconds kAskEvery{200};

struct Arguments {
    std::string api = "http://127.0.0.1:8080";
    std::string dir;
    std::string comment;
    std::uint64_t version = 0;
    bool json = false;
};

// 1: decided and refused, 2: not known.
int failure(const HttpAnswer& answer) {
    return answer.status == 409 || answer.status == 422 ? 1 : 2;
}

std::optional<Json> get(const std::string& url, int& exit_code) {
    const auto answer = request(url, std::nullopt);
    const auto text = good(answer);
    if (!text) {
        exit_code = failure(answer);
        return std::nullopt;
    }
    return Json::parse(*text);
}

// Waits until every node that answers evaluates the version.
int wait_for(const Arguments& arguments, std::uint64_t version) {
    const auto end = std::chrono::steady_clock::now() + kSwitchMax;
    while (true) {
        int exit_code = 0;
        const auto rules = get(arguments.api + "/v1/rules", exit_code);
        if (!rules) {
            return exit_code;
        }
        std::string behind;
        for (const Json& node : (*rules)["nodes"]) {
            if (node["active"] != version) {
                behind += " " + node["node"].dump();
            }
        }
        if (behind.empty()) {
            std::cout << "rules version " << version << " is active on " << (*rules)["nodes"].size()
                      << " node(s)\n";
            return 0;
        }
        if (std::chrono::steady_clock::now() >= end) {
            std::cerr << "rules version " << version << " is decided; not yet evaluated by node(s)"
                      << behind << ": see their logs\n";
            return 1;
        }
        std::this_thread::sleep_for(kAskEvery);
    }
}

int send(const Arguments& arguments, const std::string& path, const Json& body, bool put) {
    const auto answer = request(arguments.api + path, body.dump(), put);
    const auto text = good(answer);
    return text ? wait_for(arguments, Json::parse(*text)["active"].get<std::uint64_t>())
                : failure(answer);
}

int apply(const Arguments& arguments) {
    const auto sources = read_rules(arguments.dir);
    if (!sources) {
        std::cerr << sources.error().message << "\n";
        return 2;
    }
    Json files = Json::array();
    for (const rules::SourceFile& source : *sources) {
        const auto name = std::filesystem::path(source.path).lexically_relative(arguments.dir);
        files.push_back(
            Json{{"name", name == "." ? source.path : name.string()}, {"text", source.text}});
    }
    return send(arguments, "/v1/rules", Json{{"files", files}, {"comment", arguments.comment}},
                true);
}

int activate(const Arguments& arguments) {
    return send(arguments, "/v1/rules/activate", Json{{"version", arguments.version}}, false);
}

// The newest version below the active one.
int rollback(const Arguments& arguments) {
    int exit_code = 0;
    const auto rules = get(arguments.api + "/v1/rules", exit_code);
    if (!rules) {
        return exit_code;
    }
    Arguments to = arguments;
    for (const Json& version : (*rules)["versions"]) {
        if (version["version"] < (*rules)["active"]) {
            to.version = std::max(to.version, version["version"].get<std::uint64_t>());
        }
    }
    if (to.version == 0) {
        std::cerr << "there is no version before " << (*rules)["active"]
                  << "; causeway rules versions lists what is kept\n";
        return 1;
    }
    return activate(to);
}

std::string time_text(std::uint64_t at_ms) {
    const auto seconds = static_cast<std::time_t>(at_ms / 1000);
    std::tm fields{};
    gmtime_r(&seconds, &fields);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &fields);
    return text.data();
}

int versions(const Arguments& arguments) {
    int exit_code = 0;
    const auto rules = get(arguments.api + "/v1/rules", exit_code);
    if (!rules) {
        return exit_code;
    }
    if (arguments.json) {
        std::cout << (*rules)["versions"].dump(2) << "\n";
        return 0;
    }
    for (const Json& version : (*rules)["versions"]) {
        std::cout << (version["version"] == (*rules)["active"] ? "* " : "  ") << version["version"]
                  << "  " << time_text(version["at_ms"].get<std::uint64_t>()) << "  "
                  << version["files"].size() << " file(s)  "
                  << version["comment"].get<std::string>() << "\n";
    }
    if ((*rules)["versions"].empty()) {
        std::cout << "no versions: each node evaluates its own rules_dir\n";
    }
    return 0;
}

void print_counters(const Json& rule) {
    std::cout << rule["id"].get<std::string>() << ": matched " << rule["matched"] << ", passed "
              << rule["passed"] << ", no result " << rule["no_result"] << ", failed "
              << rule["failed"] << ", cut " << rule["cut"] << ", suspended " << rule["suspended"]
              << "\n";
    for (const auto& [list, title] :
         {std::pair("actions", "  action "), std::pair("error_actions", "  error action ")}) {
        for (std::size_t i = 0; i < rule[list].size(); ++i) {
            const Json& action = rule[list][i];
            std::cout << title << i + 1 << " (" << action["kind"].get<std::string>() << "): sent "
                      << action["sent"] << ", failed " << action["failed"] << ", cut "
                      << action["cut"] << "\n";
        }
    }
}

int status(const Arguments& arguments) {
    int exit_code = 0;
    auto rules = get(arguments.api + "/v1/rules", exit_code);
    const auto metrics = rules ? get(arguments.api + "/v1/rules/metrics", exit_code) : rules;
    if (!metrics) {
        return exit_code;
    }
    if (arguments.json) {
        rules->erase("versions");
        (*rules)["rules"] = (*metrics)["rules"];
        std::cout << rules->dump(2) << "\n";
        return 0;
    }
    const Json& set = (*rules)["evaluated"];
    std::cout << "active version: " << (*rules)["active"] << "\n";
    for (const Json& node : (*rules)["nodes"]) {
        std::cout << "node " << node["node"] << ": version " << node["active"] << "\n";
    }
    if (set.is_null()) {
        std::cout << "this node evaluates no rules\n";
        return 0;
    }
    std::cout << "this node: " << set["rules"].size() << " rules, " << set["sinks"]
              << " sinks, set " << set["hash"].get<std::string>() << "\n";
    for (const Json& rule : (*metrics)["rules"]) {
        print_counters(rule);
    }
    return 0;
}

}  // namespace

void add_rules_cluster_commands(CLI::App& rules, int& exit_code) {
    auto arguments = std::make_shared<Arguments>();
    const auto add = [&](const char* name, const char* help, int (*run)(const Arguments&)) {
        CLI::App* command = rules.add_subcommand(name, help);
        command->add_option("--api", arguments->api,
                            "The HTTP API of any node [http://127.0.0.1:8080]");
        command->footer(
            "Exit code: 0 done, 1 refused or not on every node yet, 2 the request failed.");
        command->callback([arguments, run, &exit_code] { exit_code = run(*arguments); });
        return command;
    };
    CLI::App* applying = add(
        "apply", "Put a set of rule files as a new version on every node, and activate it", apply);
    applying->add_option("DIR", arguments->dir, "Directory of rule files")->required();
    applying->add_option("--comment", arguments->comment, "Kept with the version");
    CLI::App* activating = add("activate", "Make a kept version the active one", activate);
    activating->add_option("VERSION", arguments->version, "Its number")->required();
    add("rollback", "Make the version before the active one active again", rollback);
    CLI::App* listing = add("versions", "List the kept versions", versions);
    CLI::App* showing =
        add("status", "What each node evaluates, and what its rules counted", status);
    for (CLI::App* command : {listing, showing}) {
        command->add_flag("--json", arguments->json, "Print JSON");
    }
}

}  // namespace causeway::root
