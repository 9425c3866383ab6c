#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "gateway/causeway/commands.h"
#include "gateway/causeway/rules_offline.h"
#include "gateway/causeway/terminal.h"
#include "rules/engine/check.h"
#include "rules/engine/run_tests.h"

namespace causeway::root {
namespace {

int check(const RulesArguments& arguments) {
    int exit_code = 0;
    const auto set = load_rules(arguments.dir, arguments.json, exit_code);
    if (!set) {
        return exit_code;
    }
    const rules::CheckReport report = rules::check(*set);
    if (!arguments.json) {
        std::cout << rules::to_text(report);
        return 0;
    }
    nlohmann::json hints = nlohmann::json::array();
    for (const rules::Hint& hint : report.hints) {
        hints.push_back({{"kind", rules::name(hint.kind)},
                         {"file", hint.diagnostic.file},
                         {"line", hint.diagnostic.line},
                         {"column", hint.diagnostic.column},
                         {"message", hint.diagnostic.message}});
    }
    nlohmann::json names = nlohmann::json::array();
    for (const rules::RuleInfo& rule : report.rules) {
        names.push_back({{"id", rule.id},
                         {"enabled", rule.enabled},
                         {"sql", rule.sql},
                         {"sources", rule.sources},
                         {"tests", rule.tests}});
    }
    std::cout << nlohmann::json{{"errors", nlohmann::json::array()},
                                {"rules", names},
                                {"hints", hints}}
                     .dump(2)
              << "\n";
    return 0;
}

int test(const RulesArguments& arguments) {
    int exit_code = 0;
    const auto set = load_rules(arguments.dir, arguments.json, exit_code);
    if (!set) {
        return exit_code;
    }
    const rules::TestReport report = rules::run_tests(*set);
    if (!arguments.junit.empty()) {
        std::ofstream out(arguments.junit);
        out << rules::to_junit(report);
        if (!out) {
            std::cerr << arguments.junit << ": cannot be written\n";
            return 2;
        }
    }
    if (arguments.json) {
        std::cout << rules::to_json(report);
    } else {
        std::cout << Terminal(1).paint(rules::to_text(report),
                                       report.failed == 0 ? Colour::kGreen : Colour::kRed);
    }
    return report.failed == 0 ? 0 : 1;
}

}  // namespace

namespace {

using Shared = std::shared_ptr<RulesArguments>;

constexpr const char* kDirHelp = "Directory of rule files, or one file";

void add_check(CLI::App& command, const Shared& arguments, int& exit_code) {
    CLI::App* checking =
        command.add_subcommand("check", "Names, types, loops: what a hub would refuse, and hints");
    checking->add_option("DIR", arguments->dir, kDirHelp)->required();
    checking->add_flag("--json", arguments->json, "Print a JSON report");
    checking->footer("Exit code: 0 the set is good, 1 it is refused, 2 it cannot be read.");
    checking->callback([arguments, &exit_code] { exit_code = check(*arguments); });
}

void add_test(CLI::App& command, const Shared& arguments, int& exit_code) {
    CLI::App* testing = command.add_subcommand("test", "Run the tests in the rule files");
    testing->add_option("DIR", arguments->dir, kDirHelp)->required();
    testing->add_option("--junit", arguments->junit, "Also write a JUnit report to this file");
    testing->add_flag("--json", arguments->json, "Print a JSON report");
    testing->footer(
        "Exit code: 0 all passed, 1 a test failed or the set is refused, 2 it cannot be read.");
    testing->callback([arguments, &exit_code] { exit_code = test(*arguments); });
}

void add_explain(CLI::App& command, const Shared& arguments, int& exit_code) {
    CLI::App* explaining = command.add_subcommand(
        "explain", "Why rules fire for a message or do not, with the value of each expression");
    explaining->add_option("DIR", arguments->dir, kDirHelp)->required();
    explaining
        ->add_option("--message", arguments->message,
                     "A message as JSON, or a file that holds one (keys: topic, payload, …)")
        ->required();
    explaining->add_flag("--all", arguments->all, "Also rules that the topic does not reach");
    explaining->add_flag("--json", arguments->json, "Print JSON");
    explaining->footer(
        "Exit code: 0 a rule fired, 1 none fired or the set is refused, 2 something cannot be "
        "read.");
    explaining->callback([arguments, &exit_code] { exit_code = explain_rules(*arguments); });
}

void add_replays(CLI::App& command, const Shared& arguments, int& exit_code) {
    CLI::App* running = command.add_subcommand(
        "run", "Give the messages of a capture to the rules and print what they make");
    running->add_option("DIR", arguments->dir, kDirHelp)->required();
    running->add_option("--input", arguments->input, "JSON Lines, one message a line; - for stdin")
        ->required();
    running->footer(
        "Prints one JSON object a line; sums go to standard error.\n"
        "Exit code: 0 done, 1 something failed or the set is refused, 2 something cannot be read.");
    running->callback([arguments, &exit_code] { exit_code = run_rules(*arguments); });
    CLI::App* comparing = command.add_subcommand(
        "diff", "Which messages of a capture two rule sets would route differently");
    comparing->add_option("A", arguments->dir, kDirHelp)->required();
    comparing->add_option("B", arguments->other, kDirHelp)->required();
    comparing
        ->add_option("--input", arguments->input, "JSON Lines, one message a line; - for stdin")
        ->required();
    comparing->add_flag("--json", arguments->json, "Print JSON");
    comparing->footer("Exit code: 0 none, 1 some, 2 something cannot be read or is refused.");
    comparing->callback([arguments, &exit_code] { exit_code = diff_rules(*arguments); });
}

}  // namespace

void add_rules_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<RulesArguments>();
    CLI::App* command = app.add_subcommand(
        "rules", "Check, test, explain and replay rule files; give them to a cluster");
    command->require_subcommand(1);
    command->footer(
        "Examples:\n"
        "  causeway rules check docs/examples/rules\n"
        "  causeway rules test docs/examples/rules --junit report.xml\n"
        "  causeway rules explain docs/examples/rules --message "
        "'{\"topic\": \"plant/7/up\", \"payload\": {\"temp\": 31}}'\n"
        "  causeway rules run docs/examples/rules --input messages.jsonl\n"
        "  causeway rules diff rules-old rules-new --input messages.jsonl\n"
        "  causeway rules apply docs/examples/rules --api http://10.0.0.1:8080");
    add_check(*command, arguments, exit_code);
    add_test(*command, arguments, exit_code);
    add_explain(*command, arguments, exit_code);
    add_replays(*command, arguments, exit_code);
    add_rules_cluster_commands(*command, exit_code);
}

}  // namespace causeway::root
