// `causeway audit`: what was changed, by whom; and whether the log is whole.
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "gateway/audit/log.h"
#include "gateway/causeway/api_json.h"
#include "gateway/causeway/commands.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

struct AuditArguments {
    std::string api = kDefaultApi;
    std::string directory = "data/audit";
    std::uint64_t from = 0;
    std::uint32_t max = 100;
    bool json = false;
};

int list(const AuditArguments& arguments) {
    const Json answer =
        ask_api("GET", arguments.api + "/v1/audit?max=" + std::to_string(arguments.max) +
                           "&from=" + std::to_string(arguments.from));
    if (answer.is_null()) {
        return 2;
    }
    for (const Json& record : answer["records"]) {
        if (arguments.json) {
            std::cout << record.dump() << "\n";
            continue;
        }
        std::cout << record["seq"] << "  " << record["at_ms"] << "  "
                  << record.value("who", "") << "  " << record.value("from", "") << "  "
                  << record.value("action", "") << "  "
                  << (record.contains("status") ? record["status"].dump() : "asked");
        const Json details = record.value("details", Json::object());
        for (const auto& [name, value] : details.items()) {
            std::cout << "  " << name << "=" << value.get<std::string>();
        }
        std::cout << "\n";
    }
    return 0;
}

int check(const AuditArguments& arguments) {
    const auto found = audit::verify(arguments.directory);
    if (!found) {
        std::cerr << found.error().message << "\n";
        return 2;
    }
    if (arguments.json) {
        std::cout << Json{{"files", found->files},
                          {"records", found->records},
                          {"first", found->first},
                          {"last", found->head.seq},
                          {"hash", found->head.hash},
                          {"problem", found->problem}}
                         .dump()
                  << "\n";
    } else if (found->problem.empty()) {
        std::cout << found->records << " records, " << found->first << " to " << found->head.seq
                  << ", follow each other; the last one's hash is " << found->head.hash << "\n";
    } else {
        std::cerr << found->problem << "\n";
    }
    return found->problem.empty() ? 0 : 1;
}

}  // namespace

void add_audit_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<AuditArguments>();
    CLI::App* audit = app.add_subcommand("audit", "What was changed through the API, and by whom");
    audit->require_subcommand(1);
    audit->footer(
        "Examples:\n"
        "  causeway audit list --max 20\n"
        "  causeway audit verify data/audit\n"
        "Each node has a log of its own. Exit code: 0 done, 1 the log is not whole, 2 it cannot "
        "be read.");
    CLI::App* listing = audit->add_subcommand("list", "The newest records of a node");
    listing->add_option("--api", arguments->api, "Where the HTTP API is [http://127.0.0.1:8080]");
    listing->add_option("--from", arguments->from, "From this record on");
    listing->add_option("--max", arguments->max, "At most so many")->check(CLI::Range(1, 1'000));
    listing->add_flag("--json", arguments->json, "Print JSON, a record a line");
    listing->callback([arguments, &exit_code] { exit_code = list(*arguments); });
    CLI::App* verifying = audit->add_subcommand(
        "verify", "Whether every record follows the one before it, from the files");
    verifying->add_option("DIRECTORY", arguments->directory, "The folder audit of a node's data");
    verifying->add_flag("--json", arguments->json, "Print JSON");
    verifying->callback([arguments, &exit_code] { exit_code = check(*arguments); });
}

}  // namespace causeway::root
