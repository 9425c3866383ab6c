// `causeway rules apply|activate`: the rules of a running hub or cluster, by its HTTP API.
#include <filesystem>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "gateway/causeway/commands.h"
#include "gateway/causeway/http_client.h"
#include "gateway/causeway/rules_directory.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

struct Arguments {
    std::string api = "http://127.0.0.1:8080";
    std::string dir;
    std::string comment;
    std::uint64_t version = 0;
};

int post(const std::string& url, const Json& body) {
    const auto answer = request(url, body.dump());
    const auto text = good(answer);
    if (!text) {
        return answer.status == 409 || answer.status == 422 ? 1 : 2;
    }
    std::cout << "rules version " << Json::parse(*text)["active"] << " is active\n";
    return 0;
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
        files.push_back(Json{{"name", name.string()}, {"text", source.text}});
    }
    return post(arguments.api + "/v1/rules",
                Json{{"files", files}, {"comment", arguments.comment}});
}

int activate(const Arguments& arguments) {
    return post(arguments.api + "/v1/rules/activate", Json{{"version", arguments.version}});
}

}  // namespace

void add_rules_cluster_commands(CLI::App& rules, int& exit_code) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* applying = rules.add_subcommand(
        "apply", "Put a set of rule files as a new version on every node, and activate it");
    applying->add_option("DIR", arguments->dir, "Directory of rule files")->required();
    applying->add_option("--comment", arguments->comment, "Kept with the version");
    CLI::App* activating =
        rules.add_subcommand("activate", "Make an earlier version the active one again");
    activating->add_option("VERSION", arguments->version, "Its number")->required();
    for (CLI::App* command : {applying, activating}) {
        command->add_option("--api", arguments->api,
                            "The HTTP API of any node [http://127.0.0.1:8080]");
        command->footer("Exit code: 0 active, 1 refused, 2 the request failed.");
    }
    applying->callback([arguments, &exit_code] { exit_code = apply(*arguments); });
    activating->callback([arguments, &exit_code] { exit_code = activate(*arguments); });
}

}  // namespace causeway::root
