// The subcommands of the program. Each adds itself to the CLI11 application; when parsed it runs
// and sets the exit code: 0 done, 1 the answer is no (a failed test, a refused rule set, an empty
// queue), 2 wrong usage or configuration.
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace causeway::root {

void add_serve_command(CLI::App& app, int& exit_code);
void add_cert_commands(CLI::App& app, int& exit_code);
void add_rules_commands(CLI::App& app, int& exit_code);
// To those that need no server, under `causeway rules`.
void add_rules_cluster_commands(CLI::App& rules, int& exit_code);
void add_product_commands(CLI::App& app, int& exit_code);
void add_device_commands(CLI::App& app, int& exit_code);
// Tokens and bans.
void add_token_commands(CLI::App& app, int& exit_code);
void add_audit_commands(CLI::App& app, int& exit_code);
void add_queue_commands(CLI::App& app, int& exit_code);
void add_cluster_commands(CLI::App& app, int& exit_code);
// Last: it knows what was added before it is asked, but `app` must outlive it.
void add_completion_command(CLI::App& app, int& exit_code);

}  // namespace causeway::root
