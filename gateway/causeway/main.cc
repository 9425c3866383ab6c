// The program: one binary, a subcommand for each thing it does. See commands.h.
#include <CLI/CLI.hpp>

#include "core/io/heap.h"
#include "gateway/bench/cli.h"
#include "gateway/causeway/commands.h"
#include "gateway/causeway/http_client.h"

int main(int argc, char** argv) {
    causeway::io::count_tls_heap();
    CLI::App app{"Causeway: an MQTT device-access hub whose PUBACK means durable.", "causeway"};
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string("causeway ") + CAUSEWAY_VERSION);
    app.footer(
        "Examples:\n"
        "  causeway serve                         a complete hub on this machine, data in ./data\n"
        "  causeway serve --config causeway.json  as the file says (docs/configuration.md)\n"
        "  causeway rules test docs/examples/rules\n"
        "  causeway queue receive alarms\n"
        "  causeway bench pub --port 1883 --connections 64 --qos 1 --duration 10\n"
        "Each subcommand has its own --help.");
    app.fallthrough();  // what says who asks may stand behind any subcommand
    causeway::root::add_access_options(app);
    int exit_code = 0;
    causeway::root::add_serve_command(app, exit_code);
    causeway::root::add_cert_commands(app, exit_code);
    causeway::root::add_rules_commands(app, exit_code);
    causeway::root::add_product_commands(app, exit_code);
    causeway::root::add_device_commands(app, exit_code);
    causeway::root::add_token_commands(app, exit_code);
    causeway::root::add_audit_commands(app, exit_code);
    causeway::root::add_queue_commands(app, exit_code);
    causeway::root::add_cluster_commands(app, exit_code);
    causeway::bench::add_bench_commands(app, exit_code, causeway::root::fetch);
    causeway::root::add_completion_command(app, exit_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return exit_code;
}
