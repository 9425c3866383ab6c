// `causeway rules …` and `causeway completion …` alone, so that their test needs no whole hub.
#include <CLI/CLI.hpp>

#include "gateway/causeway/commands.h"

int main(int argc, char** argv) {
    CLI::App app{"causeway", "causeway"};
    app.require_subcommand(1);
    int exit_code = 0;
    causeway::root::add_rules_commands(app, exit_code);
    causeway::root::add_completion_command(app, exit_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return exit_code;
}
