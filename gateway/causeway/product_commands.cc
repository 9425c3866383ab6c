// `causeway product`: a client of the HTTP API.
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include <CLI/CLI.hpp>

#include "gateway/causeway/api_json.h"
#include "gateway/causeway/commands.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

struct ProductArguments {
    std::string api = kDefaultApi;
    std::string name;
    std::string file;
    std::uint32_t grace_s = 86'400;
    bool json = false;

    [[nodiscard]] std::string url() const {
        return api + "/v1/products" + (name.empty() ? "" : "/" + escape_url(name));
    }
};

std::optional<std::string> read_file(const std::string& path) {
    if (path == "-") {
        return std::string(std::istreambuf_iterator<char>(std::cin), {});
    }
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        std::cerr << path << ": cannot be read\n";
        return std::nullopt;
    }
    return std::string(std::istreambuf_iterator<char>(in), {});
}

int add(ProductArguments& arguments) {
    const auto text = read_file(arguments.file);
    const Json product = text ? Json::parse(*text, nullptr, false) : Json();
    if (!product.is_object()) {
        std::cerr << (text ? arguments.file + ": is not a JSON object\n" : std::string());
        return 2;
    }
    if (arguments.name.empty() && product.contains("name") && product["name"].is_string()) {
        arguments.name = product["name"].get<std::string>();
    }
    if (arguments.name.empty()) {
        std::cerr << "the product's name is in the file (\"name\") or --name\n";
        return 2;
    }
    const Json done = ask_api("PUT", arguments.url(), *text);
    if (done.is_null()) {
        return 2;
    }
    std::cout << (arguments.json ? done.dump(2) : "product " + arguments.name + " is stored")
              << "\n";
    return 0;
}

int list(const ProductArguments& arguments) {
    const Json answer = ask_api("GET", arguments.url());
    if (answer.is_null()) {
        return 2;
    }
    if (arguments.json) {
        std::cout << answer.dump(2) << "\n";
        return 0;
    }
    std::cout << "PRODUCT                          ENABLED  REGISTERS  SCHEMES\n";
    for (const Json& product : answer["products"]) {
        std::string schemes;
        for (const Json& scheme : product.value("auth", Json::array())) {
            schemes += (schemes.empty() ? "" : ",") + scheme.get<std::string>();
        }
        const bool registers =
            product.contains("registration") && product["registration"].value("enabled", false);
        char line[200];
        std::snprintf(line, sizeof(line), "%-32s %-8s %-10s %s\n",
                      product["name"].get<std::string>().c_str(),
                      product.value("enabled", true) ? "yes" : "no", registers ? "yes" : "no",
                      product.contains("problem") ? product["problem"].get<std::string>().c_str()
                                                  : schemes.c_str());
        std::cout << line;
    }
    return 0;
}

CLI::App* command(CLI::App* of, const char* name, const char* help, ProductArguments& arguments,
                  bool named) {
    CLI::App* made = of->add_subcommand(name, help);
    add_api(made, arguments.api, arguments.json);
    if (named) {
        made->add_option("NAME", arguments.name, "The product")->required();
    }
    return made;
}

}  // namespace

void add_product_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<ProductArguments>();
    CLI::App* product = app.add_subcommand("product", "What is common to many devices");
    product->require_subcommand(1);
    product->footer(
        "Examples:\n"
        "  causeway product add pump.json\n"
        "  causeway product rotate pump --grace 3600    a new secret for registration\n"
        "The form of a product: docs/devices.md. Exit code: 0 done, 2 the request failed.");
    CLI::App* adding = command(product, "add", "Store a product, or replace it", *arguments, false);
    adding->add_option("FILE", arguments->file, "Its JSON, or - for standard input")->required();
    adding->add_option("--name", arguments->name, "Its name, if the file does not say it");
    adding->callback([arguments, &exit_code] { exit_code = add(*arguments); });
    CLI::App* listing = command(product, "list", "Every product", *arguments, false);
    listing->callback([arguments, &exit_code] { exit_code = list(*arguments); });
    CLI::App* showing =
        command(product, "show", "One product, without its secrets", *arguments, true);
    showing->callback(
        [arguments, &exit_code] { exit_code = print_answer(ask_api("GET", arguments->url())); });
    CLI::App* rotating = command(
        product, "rotate", "A new secret for registration; it is shown once", *arguments, true);
    rotating->add_option("--grace", arguments->grace_s, "Seconds the old one is still taken")
        ->check(CLI::Range(0, 30 * 86'400));
    rotating->callback([arguments, &exit_code] {
        exit_code = print_answer(ask_api("POST", arguments->url() + "/rotate",
                                         Json{{"grace_s", arguments->grace_s}}.dump()));
    });
    CLI::App* deleting =
        command(product, "delete", "Delete a product that has no devices", *arguments, true);
    deleting->callback(
        [arguments, &exit_code] { exit_code = print_answer(ask_api("DELETE", arguments->url())); });
}

}  // namespace causeway::root
