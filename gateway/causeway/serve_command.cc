#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <CLI/CLI.hpp>

#include "gateway/causeway/commands.h"
#include "gateway/causeway/config.h"
#include "gateway/causeway/serve.h"

namespace causeway::root {
namespace {

struct ServeArguments {
    std::string config;
    std::string data_dir;
    std::string rules_dir;
};

int run(const ServeArguments& arguments) {
    Config config = default_config(arguments.data_dir.empty() ? "data" : arguments.data_dir);
    if (!arguments.config.empty()) {
        std::ifstream in(arguments.config, std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(in)), {});
        if (!in.is_open()) {
            std::cerr << arguments.config << ": cannot be read\n";
            return 2;
        }
        auto parsed = parse_config(arguments.config, text);
        if (!parsed) {
            std::cerr << parsed.error().message << "\n";
            return 2;
        }
        config = std::move(*parsed);
        if (!arguments.data_dir.empty()) {
            config.data_dir = arguments.data_dir;
        }
    }
    if (!arguments.rules_dir.empty()) {
        config.rules_dir = arguments.rules_dir;
    }
    return serve(config);
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<ServeArguments>();
    CLI::App* command = app.add_subcommand("serve", "Run the hub");
    command->add_option("--config", arguments->config,
                        "JSON configuration (docs/configuration.md)");
    command->add_option("--data-dir", arguments->data_dir,
                        "Where everything durable is kept [data]");
    command->add_option("--rules", arguments->rules_dir, "Directory of rule files");
    command->footer(
        "Without --config: plaintext on 127.0.0.1:1883, TLS on 127.0.0.1:8883 when\n"
        "DATA/certs holds a server certificate, the HTTP API on 127.0.0.1:8080, open to\n"
        "everyone on this machine. SIGHUP reads the rules again; SIGTERM stops in order.\n"
        "Examples:\n"
        "  causeway serve --rules docs/examples/rules\n"
        "  causeway serve --config /etc/causeway.json --data-dir /var/lib/causeway");
    command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace causeway::root
