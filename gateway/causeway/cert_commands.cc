#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "certs/issue.h"
#include "gateway/causeway/commands.h"

namespace causeway::root {
namespace {

struct CertArguments {
    std::string dir = "data/certs";
    std::vector<std::string> names;
    std::string device;
    std::string node;
    std::vector<std::string> hosts;
    int days = 0;
    bool force = false;
    bool json = false;
};

int show(const Result<certs::IssuedFiles>& issued, bool json) {
    if (!issued) {
        std::cerr << issued.error().message << "\n";
        return 2;
    }
    if (json) {
        std::cout << nlohmann::json{{"certificate", issued->certificate},
                                    {"private_key", issued->private_key}}
                         .dump()
                  << "\n";
    } else {
        std::cout << issued->certificate << "\n" << issued->private_key << "\n";
    }
    return 0;
}

certs::IssueOptions options_of(const CertArguments& arguments) {
    certs::IssueOptions options;
    options.days = arguments.days != 0 ? arguments.days : options.days;
    options.force = arguments.force;
    return options;
}

void add_common(CLI::App* command, CertArguments& arguments) {
    command->add_option("--dir", arguments.dir, "Folder of the CA and what it signs [data/certs]");
    command->add_option("--days", arguments.days, "Days the certificate is valid")
        ->check(CLI::Range(1, 36500));
    command->add_flag("--force", arguments.force, "Replace what is there");
    command->add_flag("--json", arguments.json, "Print the file names as JSON");
}

}  // namespace

void add_cert_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<CertArguments>();
    CLI::App* cert = app.add_subcommand("cert", "Make development certificates");
    cert->require_subcommand(1);
    cert->footer(
        "Examples:\n"
        "  causeway cert init --dir data/certs\n"
        "  causeway cert issue-server --dir data/certs --name localhost --name 127.0.0.1\n"
        "  causeway cert issue-device --dir data/certs --id plant/dev7\n"
        "  causeway cert issue-node --dir data/certs --name n1 --host 192.0.2.11");

    CLI::App* init = cert->add_subcommand("init", "Make a CA: ca.crt and ca.key");
    add_common(init, *arguments);
    init->callback([arguments, &exit_code] {
        certs::CaOptions options;
        options.days = arguments->days != 0 ? arguments->days : options.days;
        options.force = arguments->force;
        exit_code = show(certs::init_ca(arguments->dir, options), arguments->json);
    });

    CLI::App* server = cert->add_subcommand("issue-server", "Make server.crt and server.key");
    add_common(server, *arguments);
    server->add_option("--name", arguments->names, "DNS name or IP address; may be repeated")
        ->required();
    server->callback([arguments, &exit_code] {
        exit_code =
            show(certs::issue_server(arguments->dir, arguments->names, options_of(*arguments)),
                 arguments->json);
    });

    CLI::App* node = cert->add_subcommand(
        "issue-node", "Make nodes/NAME.crt and nodes/NAME.key, for a node towards other nodes");
    add_common(node, *arguments);
    node->add_option("--name", arguments->node,
                     "The node's name; its certificate's CN is node:NAME")
        ->required();
    node->add_option("--host", arguments->hosts,
                     "DNS name or IP address to put in as well; may be repeated");
    node->footer(
        "Example:\n  causeway cert issue-node --name n1 --host n1.example --host 192.0.2.11");
    node->callback([arguments, &exit_code] {
        exit_code = show(certs::issue_node(arguments->dir, arguments->node, arguments->hosts,
                                           options_of(*arguments)),
                         arguments->json);
    });

    CLI::App* device =
        cert->add_subcommand("issue-device", "Make devices/ID.crt and devices/ID.key");
    add_common(device, *arguments);
    device->add_option("--id", arguments->device, "The device's identity, the certificate's CN")
        ->required();
    device->callback([arguments, &exit_code] {
        exit_code =
            show(certs::issue_device(arguments->dir, arguments->device, options_of(*arguments)),
                 arguments->json);
    });
}

}  // namespace causeway::root
