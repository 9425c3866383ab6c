// `bench` alone, for broker_test.py; the program users have is gateway/causeway.
#include <CLI/CLI.hpp>

#include "gateway/bench/bench.h"
#include "gateway/bench/cli.h"

int main(int argc, char** argv) {
    CLI::App app("Causeway's load generator");
    app.require_subcommand(1);
    int exit_code = 0;
    causeway::bench::add_bench_commands(
        app, exit_code, [](const std::string& url) -> causeway::Result<std::string> {
            return causeway::fail(url + ": this program knows no HTTP");
        });
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : causeway::bench::kExitUsage;
    }
    return exit_code;
}
