#include "gateway/causeway/api_json.h"

#include <iostream>

#include <CLI/CLI.hpp>

namespace causeway::root {

int print_answer(const nlohmann::json& answer) {
    if (answer.is_null()) {
        return 2;
    }
    std::cout << answer.dump(2) << "\n";
    return 0;
}

void add_api(CLI::App* command, std::string& api, bool& json) {
    command->add_option("--api", api, "Where the HTTP API is [http://127.0.0.1:8080]");
    command->add_flag("--json", json, "Print JSON");
}

}  // namespace causeway::root
