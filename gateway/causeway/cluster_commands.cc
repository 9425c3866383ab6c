// `causeway cluster`: what a cluster does and what an operator asks of it, by the HTTP API of any
// of its nodes (docs/cluster.md). Only `join` speaks to the nodes themselves.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <thread>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "certs/context.h"
#include "cluster/node/join.h"
#include "gateway/causeway/commands.h"
#include "gateway/causeway/config.h"
#include "gateway/causeway/http_client.h"
#include "gateway/causeway/link_tls.h"
#include "gateway/causeway/random_number.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

constexpr auto kLookAgain = std::chrono::milliseconds(200);
constexpr std::uint32_t kTransferWaitS = 10;

struct ClusterArguments {
    std::string api = "http://127.0.0.1:8080";
    std::string node;
    std::string config;
    std::uint32_t set = 0;
    std::uint32_t wait_s = 600;
    bool undo = false;
    bool json = false;
};

// The JSON of a good answer; otherwise says why on stderr and gives null.
Json ask(const std::string& url, const Json* body) {
    const auto text =
        good(request(url, body == nullptr ? std::nullopt : std::optional(body->dump())));
    return text ? Json::parse(*text) : Json();
}

Json view_of(const ClusterArguments& arguments) {
    return ask(arguments.api + "/v1/cluster", nullptr);
}

const Json* find_node(const Json& view, const std::string& name) {
    for (const Json& node : view["nodes"]) {
        if (node["name"] == name || std::to_string(node["id"].get<std::uint64_t>()) == name) {
            return &node;
        }
    }
    return nullptr;
}

std::string name_of(const Json& view, const Json& id) {
    const Json* node = find_node(view, std::to_string(id.get<std::uint64_t>()));
    return node == nullptr ? "node " + id.dump() : (*node)["name"].get<std::string>();
}

// --- status ------------------------------------------------------------------------------------

void print_nodes(const Json& view) {
    std::printf("%-4s %-16s %-22s %-13s %-9s %-10s %8s %6s\n", "ID", "NODE", "ADDRESS", "ROLES",
                "STATE", "VERSION", "REPLICAS", "LEADS");
    for (const Json& node : view["nodes"]) {
        std::string roles;
        for (const Json& role : node["roles"]) {
            roles += (roles.empty() ? "" : ",") + role.get<std::string>();
        }
        const bool alive = node["alive"].get<bool>();
        const char* state =
            !alive ? "silent" : (node["draining"].get<bool>() ? "draining" : "alive");
        std::printf("%-4llu %-16s %-22s %-13s %-9s %-10s %8llu %6llu\n",
                    node["id"].get<unsigned long long>(), node["name"].get<std::string>().c_str(),
                    node["address"].get<std::string>().c_str(), roles.c_str(), state,
                    node.value("version", std::string("-")).c_str(),
                    node["replicas"].get<unsigned long long>(),
                    node["leads"].get<unsigned long long>());
    }
}

std::string replica_text(const Json& view, const Json& replica) {
    std::string text = name_of(view, replica["node"]);
    if (replica["role"] == "learner") {
        text += " (learner)";
    }
    if (replica.contains("alive") && !replica["alive"].get<bool>()) {
        return text + " gone";
    }
    const std::uint64_t lag = replica.value("lag", std::uint64_t{0});
    return lag == 0 ? text : text + " -" + std::to_string(lag);
}

void print_sets(const Json& view) {
    std::printf("\n%-8s %-16s %8s %12s  %s\n", "SET", "LEADER", "TERM", "ENTRIES",
                "REPLICAS (entries behind)");
    for (const Json& set : view["sets"]) {
        const bool control = set["set"] == 0;
        std::string replicas;
        for (const Json& replica : set["replicas"]) {
            replicas += (replicas.empty() ? "" : ", ") + replica_text(view, replica);
        }
        std::printf("%-8s %-16s %8llu %12llu  %s\n",
                    control ? "control" : std::to_string(set["set"].get<std::uint64_t>()).c_str(),
                    set["leader"] == 0 ? "-" : name_of(view, set["leader"]).c_str(),
                    set.value("term", 0ULL), set.value("commit_index", 0ULL), replicas.c_str());
    }
}

int status(const ClusterArguments& arguments) {
    const Json view = view_of(arguments);
    if (view.is_null()) {
        return 2;
    }
    const bool healthy = view["healthy"].get<bool>();
    if (arguments.json) {
        std::cout << view.dump(2) << "\n";
        return healthy ? 0 : 1;
    }
    print_nodes(view);
    print_sets(view);
    for (const auto& [key, title] :
         {std::pair{"under_way", "Under way"}, {"problems", "Problems"}}) {
        if (!view[key].empty()) {
            std::printf("\n%s:\n", title);
        }
        for (const Json& line : view[key]) {
            std::printf("  %s\n", line.get<std::string>().c_str());
        }
    }
    return healthy ? 0 : 1;
}

// --- changes -----------------------------------------------------------------------------------

// Asks until `is_done` says yes, or the time is over.
bool wait(const ClusterArguments& arguments, std::uint32_t seconds,
          const std::function<bool(const Json&)>& is_done) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    for (;;) {
        const Json view = view_of(arguments);
        if (!view.is_null() && is_done(view)) {
            return true;
        }
        if (std::chrono::steady_clock::now() >= until) {
            return false;
        }
        std::this_thread::sleep_for(kLookAgain);
    }
}

int transfer(const ClusterArguments& arguments) {
    const Json body{{"set", arguments.set}, {"node", arguments.node}};
    if (ask(arguments.api + "/v1/cluster/transfer", &body).is_null()) {
        return 2;
    }
    const bool done = wait(arguments, kTransferWaitS, [&](const Json& view) {
        const Json* node = find_node(view, arguments.node);
        for (const Json& set : view["sets"]) {
            if (set["set"] == arguments.set && node != nullptr && set["leader"] == (*node)["id"]) {
                return true;
            }
        }
        return false;
    });
    std::cout << "set " << arguments.set
              << (done ? " is led by " : ": the handover did not happen; it is not led by ")
              << arguments.node << "\n";
    return done ? 0 : 1;
}

// Effect: the node is to hold nothing. 0: and holds nothing now.
int empty_node(const ClusterArguments& arguments) {
    const Json body{{"node", arguments.node}, {"draining", true}};
    if (ask(arguments.api + "/v1/cluster/drain", &body).is_null()) {
        return 2;
    }
    std::string told;
    const bool done = wait(arguments, arguments.wait_s, [&](const Json& view) {
        const Json* node = find_node(view, arguments.node);
        if (node == nullptr || (*node)["replicas"] == 0) {
            return true;
        }
        const std::string now = std::to_string((*node)["replicas"].get<std::uint64_t>());
        if (now != std::exchange(told, now)) {
            std::cout << arguments.node << " holds " << now << " replicas" << std::endl;
        }
        return false;
    });
    if (!done) {
        std::cerr << arguments.node << " still holds replicas after " << arguments.wait_s
                  << " s; the cluster goes on; causeway cluster status says what it waits for\n";
    }
    return done ? 0 : 1;
}

int drain(const ClusterArguments& arguments) {
    if (arguments.undo) {
        const Json body{{"node", arguments.node}, {"draining", false}};
        const bool done = !ask(arguments.api + "/v1/cluster/drain", &body).is_null();
        std::cout << (done ? arguments.node + " may hold replicas again\n" : "");
        return done ? 0 : 2;
    }
    const int code = empty_node(arguments);
    if (code == 0) {
        std::cout << arguments.node << " holds nothing now\n";
    }
    return code;
}

int remove(const ClusterArguments& arguments) {
    if (const int code = empty_node(arguments); code != 0) {
        return code;
    }
    const Json body{{"node", arguments.node}};
    if (ask(arguments.api + "/v1/cluster/remove", &body).is_null()) {
        return 2;
    }
    std::cout << arguments.node << " is no member any more; its data directory is of no use\n";
    return 0;
}

int repair(const ClusterArguments& arguments) {
    const Json view = view_of(arguments);
    if (view.is_null()) {
        return 2;
    }
    const Json* node = find_node(view, arguments.node);
    if (node == nullptr) {
        std::cerr << "there is no node " << arguments.node << "\n";
        return 2;
    }
    if ((*node)["alive"].get<bool>()) {
        std::cerr
            << arguments.node
            << " is alive, so there is nothing to give up; to move its replicas away: causeway "
               "cluster drain "
            << arguments.node << "\n";
        return 2;
    }
    if (const int code = remove(arguments); code != 0) {
        return code;
    }
    std::cout << "On the machine of " << arguments.node
              << ", with an empty data directory:\n"
                 "  causeway cluster join --config FILE\n"
                 "  causeway serve --config FILE\n"
                 "It gets another number and its replicas from the others.\n";
    return 0;
}

// --- join --------------------------------------------------------------------------------------

int join(const ClusterArguments& arguments) {
    std::ifstream in(arguments.config, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    if (!in.is_open()) {
        std::cerr << arguments.config << ": cannot be read\n";
        return 2;
    }
    const auto config = parse_config(arguments.config, text);
    if (!config) {
        std::cerr << config.error().message << "\n";
        return 2;
    }
    const ClusterConfig& cluster = config->cluster;
    node::JoinOptions options;
    options.data_dir = config->data_dir;
    options.name = config->node_id;
    options.address = cluster.address.text();
    options.gateway = config->gateway_role;
    options.core = config->core_role;
    options.random = random_number();
    for (const Endpoint& seed : cluster.seeds) {
        options.seeds.emplace_back(seed.host, seed.port);
    }
    for (const ClusterNodeConfig& node : cluster.nodes) {
        if (node.name != config->node_id) {
            options.seeds.emplace_back(node.address.host, node.address.port);
        }
    }
    if (options.seeds.empty() || cluster.address.port == 0) {
        std::cerr << arguments.config
                  << ": cluster.seeds: to join, the address of a member and "
                     "cluster.address are needed\n";
        return 2;
    }
    const auto contexts = certs::make_peer_contexts(peer_tls_config(cluster));
    if (!contexts) {
        std::cerr << contexts.error().message << "\n";
        return 2;
    }
    options.link_server = contexts->server;
    options.link_client = contexts->client;
    const auto id = node::join(options);
    if (!id) {
        std::cerr << "not joined: " << id.error().message << "\n";
        return 1;
    }
    std::cout << config->node_id << " is node " << id->value() << " of cluster " << cluster.name
              << "; start it: causeway serve --config " << arguments.config << "\n";
    return 0;
}

void add_api(CLI::App* command, ClusterArguments& arguments) {
    command->add_option("--api", arguments.api, "The HTTP API of any node [http://127.0.0.1:8080]");
}

void add_node_command(CLI::App* cluster, const std::shared_ptr<ClusterArguments>& arguments,
                      int& exit_code, const char* name, const char* help,
                      int (*run)(const ClusterArguments&)) {
    CLI::App* command = cluster->add_subcommand(name, help);
    add_api(command, *arguments);
    command->add_option("NODE", arguments->node, "Name or number of the node")->required();
    command->add_option("--wait", arguments->wait_s, "Seconds to wait until it is done [600]");
    if (run == drain) {
        command->add_flag("--undo", arguments->undo, "It may hold replicas again");
    }
    command->callback([arguments, &exit_code, run] { exit_code = run(*arguments); });
}

}  // namespace

void add_cluster_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<ClusterArguments>();
    CLI::App* cluster = app.add_subcommand("cluster", "See and change who belongs to a cluster");
    cluster->require_subcommand(1);
    cluster->footer(
        "Examples:\n"
        "  causeway cluster status --api http://10.0.0.1:8080\n"
        "  causeway cluster transfer 2 n3\n"
        "  causeway cluster join --config /etc/causeway.json\n"
        "  causeway cluster drain n1 && causeway cluster remove n1\n"
        "Exit code: 0 done (status: all is well), 1 not done in time or refused (status: something "
        "is not well), 2 the request failed.");
    CLI::App* showing =
        cluster->add_subcommand("status", "Nodes, sets, leaders, what is under way");
    add_api(showing, *arguments);
    showing->add_flag("--json", arguments->json, "Print JSON");
    showing->callback([arguments, &exit_code] { exit_code = status(*arguments); });
    CLI::App* moving = cluster->add_subcommand("transfer", "Hand the leadership of a set over");
    add_api(moving, *arguments);
    moving->add_option("SET", arguments->set, "Number of the set; 0: the control group")
        ->required();
    moving->add_option("NODE", arguments->node, "Name or number of a node with a replica")
        ->required();
    moving->callback([arguments, &exit_code] { exit_code = transfer(*arguments); });
    CLI::App* joining = cluster->add_subcommand("join", "Make this machine's node a member");
    joining->add_option("--config", arguments->config, "The configuration it will serve with")
        ->required();
    joining->callback([arguments, &exit_code] { exit_code = join(*arguments); });
    add_node_command(cluster, arguments, exit_code, "drain",
                     "Move everything a node holds to others", drain);
    add_node_command(cluster, arguments, exit_code, "remove",
                     "Drain a node and take it out of the cluster", remove);
    add_node_command(cluster, arguments, exit_code, "repair",
                     "Give up a dead node's replicas, so that it can join again, empty", repair);
}

}  // namespace causeway::root
