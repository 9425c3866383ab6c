// The command line of the load generator: `bench conn|pub|sub|mem` below the given program.
#pragma once

#include "gateway/bench/bench.h"

namespace CLI {
class App;
}  // namespace CLI

namespace causeway::bench {

// Effect: adds the subcommand `bench` with its own subcommands to `app`. When one of them is parsed
// it runs, from within the parse, and sets `exit_code` (bench.h). Both must outlive the parse.
// `fetch`: how `mem` reads the API of a hub.
void add_bench_commands(CLI::App& app, int& exit_code, Fetch fetch);

}  // namespace causeway::bench
