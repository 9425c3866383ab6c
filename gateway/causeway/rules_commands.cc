#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "gateway/causeway/commands.h"
#include "gateway/causeway/rules_directory.h"
#include "rules/engine/check.h"
#include "rules/engine/run_tests.h"

namespace causeway::root {
namespace {

struct RulesArguments {
    std::string dir;
    std::string junit;
    bool json = false;
};

// The set, or null after the reasons were printed.
std::shared_ptr<const rules::RuleSet> load(const RulesArguments& arguments, int& exit_code) {
    auto sources = read_rules(arguments.dir);
    if (!sources) {
        std::cerr << sources.error().message << "\n";
        exit_code = 2;
        return nullptr;
    }
    auto set = rules::RuleSet::compile(*sources);
    if (set) {
        return *set;
    }
    nlohmann::json faults = nlohmann::json::array();
    for (const rules::Diagnostic& diagnostic : set.error()) {
        faults.push_back({{"file", diagnostic.file},
                          {"line", diagnostic.line},
                          {"column", diagnostic.column},
                          {"message", diagnostic.message}});
        if (!arguments.json) {
            std::cerr << rules::to_string(diagnostic) << "\n";
        }
    }
    if (arguments.json) {
        std::cout << nlohmann::json{{"errors", faults}}.dump(2) << "\n";
    }
    exit_code = 1;
    return nullptr;
}

int check(const RulesArguments& arguments) {
    int exit_code = 0;
    const auto set = load(arguments, exit_code);
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
    const auto set = load(arguments, exit_code);
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
    std::cout << (arguments.json ? rules::to_json(report) : rules::to_text(report));
    return report.failed == 0 ? 0 : 1;
}

}  // namespace

void add_rules_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<RulesArguments>();
    CLI::App* command =
        app.add_subcommand("rules", "Check and test rule files, and give them to a cluster");
    command->require_subcommand(1);
    command->footer(
        "Examples:\n"
        "  causeway rules check docs/examples/rules\n"
        "  causeway rules test docs/examples/rules --junit report.xml\n"
        "  causeway rules apply docs/examples/rules --api http://10.0.0.1:8080");
    CLI::App* checking =
        command->add_subcommand("check", "Names, types, loops: what a hub would refuse, and hints");
    checking->add_option("DIR", arguments->dir, "Directory of rule files")->required();
    checking->add_flag("--json", arguments->json, "Print a JSON report");
    checking->footer("Exit code: 0 the set is good, 1 it is refused, 2 it cannot be read.");
    checking->callback([arguments, &exit_code] { exit_code = check(*arguments); });
    CLI::App* testing = command->add_subcommand("test", "Run the tests in the rule files");
    testing->add_option("DIR", arguments->dir, "Directory of rule files")->required();
    testing->add_option("--junit", arguments->junit, "Also write a JUnit report to this file");
    testing->add_flag("--json", arguments->json, "Print a JSON report");
    testing->footer(
        "Exit code: 0 all passed, 1 a test failed or the set is refused, 2 it cannot be read.");
    add_rules_cluster_commands(*command, exit_code);
    testing->callback([arguments, &exit_code] { exit_code = test(*arguments); });
}

}  // namespace causeway::root
