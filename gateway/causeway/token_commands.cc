// `causeway token` and `causeway ban`: clients of the HTTP API.
#include <chrono>
#include <iostream>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>

#include "gateway/causeway/api_json.h"
#include "gateway/causeway/commands.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

struct TokenArguments {
    std::string api = kDefaultApi;
    std::string role;
    std::string description;
    std::string id;
    std::vector<std::string> queues;
    std::vector<std::string> topics;
    std::uint64_t expires_in_s = 0;
    bool json = false;
};

struct BanArguments {
    std::string api = kDefaultApi;
    std::string kind;
    std::string value;
    std::string reason;
    std::uint64_t for_s = 0;
    bool json = false;
};

int create(const TokenArguments& arguments) {
    Json body{{"role", arguments.role}};
    if (!arguments.description.empty()) {
        body["description"] = arguments.description;
    }
    if (arguments.expires_in_s != 0) {
        body["expires_in_s"] = arguments.expires_in_s;
    }
    if (!arguments.queues.empty()) {
        body["queues"] = arguments.queues;
    }
    if (!arguments.topics.empty()) {
        body["topics"] = arguments.topics;
    }
    const Json made = ask_api("POST", arguments.api + "/v1/tokens", body.dump());
    if (made.is_null()) {
        return 2;
    }
    std::cout << (arguments.json ? made.dump(2) : made["token"].get<std::string>()) << "\n";
    return 0;
}

int list_tokens(const TokenArguments& arguments) {
    const Json answer = ask_api("GET", arguments.api + "/v1/tokens");
    if (answer.is_null()) {
        return 2;
    }
    if (arguments.json) {
        std::cout << answer.dump(2) << "\n";
        return 0;
    }
    std::cout << "ID            ROLE       EXPIRES (s since 1970)  DESCRIPTION\n";
    for (const Json& token : answer["tokens"]) {
        const bool expires = token.contains("expires_s");
        const std::string until = !expires
                                      ? "never"
                                      : std::to_string(token["expires_s"].get<std::uint64_t>()) +
                                            (token.value("expired", false) ? " (over)" : "");
        char line[512];
        std::snprintf(line, sizeof(line), "%-13s %-10s %-23s %s\n",
                      token["id"].get<std::string>().c_str(),
                      token["role"].get<std::string>().c_str(), until.c_str(),
                      token.value("description", "").c_str());
        std::cout << line;
    }
    return 0;
}

int change_ban(const BanArguments& arguments, const std::string& method) {
    Json body{{"kind", arguments.kind}, {"value", arguments.value}};
    if (arguments.for_s != 0) {
        const auto now = std::chrono::duration_cast<std::chrono::seconds>(
            std::chrono::system_clock::now().time_since_epoch());
        body["until_s"] = static_cast<std::uint64_t>(now.count()) + arguments.for_s;
    }
    if (!arguments.reason.empty()) {
        body["reason"] = arguments.reason;
    }
    return print_answer(ask_api(method, arguments.api + "/v1/bans", body.dump()));
}

void add_bans(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<BanArguments>();
    CLI::App* ban = app.add_subcommand("ban", "Who is not let in, whatever they show");
    ban->require_subcommand(1);
    ban->footer(
        "Examples:\n"
        "  causeway ban add address 192.0.2.7 --for 3600 --reason scanning\n"
        "  causeway ban remove device pump/p7\n"
        "Exit code: 0 done, 2 the request failed.");
    CLI::App* listing = ban->add_subcommand("list", "Every ban");
    add_api(listing, arguments->api, arguments->json);
    listing->callback([arguments, &exit_code] {
        exit_code = print_answer(ask_api("GET", arguments->api + "/v1/bans"));
    });
    for (const auto& [name, method, help] : {std::tuple("add", "POST", "Ban, or change a ban"),
                                             std::tuple("remove", "DELETE", "Let in again")}) {
        CLI::App* changing = ban->add_subcommand(name, help);
        add_api(changing, arguments->api, arguments->json);
        changing->add_option("KIND", arguments->kind, "address, device, product or client_id")
            ->required()
            ->check(CLI::IsMember({"address", "device", "product", "client_id"}));
        changing->add_option("VALUE", arguments->value, "Which")->required();
        changing->add_option("--for", arguments->for_s, "Seconds [until it is removed]");
        changing->add_option("--reason", arguments->reason, "For whoever reads the list");
        changing->callback([arguments, &exit_code, method = std::string(method)] {
            exit_code = change_ban(*arguments, method);
        });
    }
}

}  // namespace

void add_token_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<TokenArguments>();
    CLI::App* token = app.add_subcommand("token", "Who may use the HTTP API");
    token->require_subcommand(1);
    token->footer(
        "Examples:\n"
        "  causeway token create operator --description \"night shift\" --expires-in 86400\n"
        "  causeway token create app --queue alarms --topic 'plant/+/cmd'\n"
        "  causeway token revoke 0a1b2c3d4e5f\n"
        "A token is shown once, when it is made. Exit code: 0 done, 2 the request failed.");
    CLI::App* creating = token->add_subcommand("create", "Make a token; it is shown once");
    add_api(creating, arguments->api, arguments->json);
    creating->add_option("ROLE", arguments->role, "read-only, app, operator or admin")
        ->required()
        ->check(CLI::IsMember({"read-only", "app", "operator", "admin"}));
    creating->add_option("--description", arguments->description, "Whose, what for");
    creating->add_option("--expires-in", arguments->expires_in_s, "Seconds [never]");
    creating->add_option("--queue", arguments->queues,
                         "Of an app: a queue's name, or the beginning of one and *");
    creating->add_option("--topic", arguments->topics,
                         "Of an app: a topic filter it may publish to");
    creating->callback([arguments, &exit_code] { exit_code = create(*arguments); });
    CLI::App* listing = token->add_subcommand("list", "Every token, without what it is");
    add_api(listing, arguments->api, arguments->json);
    listing->callback([arguments, &exit_code] { exit_code = list_tokens(*arguments); });
    CLI::App* revoking = token->add_subcommand("revoke", "Take a token back, now");
    add_api(revoking, arguments->api, arguments->json);
    revoking->add_option("ID", arguments->id, "As list shows it")->required();
    revoking->callback([arguments, &exit_code] {
        exit_code = print_answer(
            ask_api("DELETE", arguments->api + "/v1/tokens/" + escape_url(arguments->id)));
    });
    add_bans(app, exit_code);
}

}  // namespace causeway::root
