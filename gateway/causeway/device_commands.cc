// `causeway device`: a client of the HTTP API.
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>

#include "gateway/api/secrets.h"
#include "gateway/auth/password.h"
#include "gateway/causeway/api_json.h"
#include "gateway/causeway/commands.h"
#include "gateway/causeway/device_import.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

struct DeviceArguments {
    std::string api = kDefaultApi;
    std::string key;  // PRODUCT/DEVICE
    std::string product;
    std::string after;
    std::string secret;
    std::string fingerprint;
    std::string subject;
    std::string password_file;
    std::string client_id;
    std::vector<std::string> tags;
    std::uint32_t max = 100;
    std::uint32_t grace_s = 86'400;
    bool disabled = false;
    bool generate = false;
    bool json = false;
    bool all = false;
    ImportArguments import;

    [[nodiscard]] std::string url(const char* action = "") const {
        return api + "/v1/devices/" + key + action;
    }
};

// The hash is made here: the hub never sees the password.
std::optional<std::string> hash_of_password(const std::string& path) {
    constexpr std::size_t kSaltBytes = 16;
    std::string password;
    if (path == "-") {
        std::getline(std::cin, password);
    } else {
        std::ifstream in(path);
        std::getline(in, password);
    }
    if (password.empty()) {
        std::cerr << path << ": the password is the first line, and there is none\n";
        return std::nullopt;
    }
    return auth::hash_password(password, api::random_bytes(kSaltBytes));
}

std::optional<Json> device_of(const DeviceArguments& arguments) {
    const std::size_t slash = arguments.key.find('/');
    if (slash == std::string::npos) {
        std::cerr << "a device is named PRODUCT/DEVICE\n";
        return std::nullopt;
    }
    Json device{{"product", arguments.key.substr(0, slash)},
                {"name", arguments.key.substr(slash + 1)}};
    const auto credential = [](const std::string& value) {
        return Json::array({Json{{"value", value}}});
    };
    if (!arguments.secret.empty()) {
        device["secrets"] = credential(arguments.secret);
    }
    if (!arguments.fingerprint.empty()) {
        device["certificates"] = credential(arguments.fingerprint);
    }
    if (!arguments.password_file.empty()) {
        const auto hash = hash_of_password(arguments.password_file);
        if (!hash) {
            return std::nullopt;
        }
        device["passwords"] = credential(*hash);
    }
    if (!arguments.subject.empty()) {
        device["subject"] = arguments.subject;
    }
    if (!arguments.client_id.empty()) {
        device["client_id"] = arguments.client_id;
    }
    if (arguments.disabled) {
        device["enabled"] = false;
    }
    for (const std::string& tag : arguments.tags) {
        const std::size_t equals = tag.find('=');
        device["tags"][tag.substr(0, equals)] =
            equals == std::string::npos ? "" : tag.substr(equals + 1);
    }
    return device;
}

int add(const DeviceArguments& arguments) {
    const auto device = device_of(arguments);
    if (!device) {
        return 2;
    }
    const Json answer = ask_api(
        "POST",
        arguments.api + "/v1/devices/import?mode=create" + (arguments.generate ? "&generate" : ""),
        device->dump() + "\n");
    if (answer.is_null()) {
        return 2;
    }
    if (answer.value("failed", 1) != 0) {
        std::cerr << answer["failures"][0].value("error", "refused") << "\n";
        return 1;
    }
    for (const Json& secret : answer.value("secrets", Json::array())) {
        std::cout << secret.dump() << "\n";
    }
    if (!arguments.json && !arguments.generate) {
        std::cout << arguments.key << " is there\n";
    }
    return 0;
}

void print_line(const Json& device) {
    std::string proofs;
    for (const char* kind : {"secrets", "passwords", "certificates"}) {
        if (device.contains(kind)) {
            proofs += (proofs.empty() ? "" : ",") + std::string(kind);
        }
    }
    std::string tags;
    const Json all = device.value("tags", Json::object());
    for (const auto& [name, value] : all.items()) {
        tags += (tags.empty() ? "" : ",") + name + "=" + value.get<std::string>();
    }
    char line[512];
    std::snprintf(
        line, sizeof(line), "%-48s %-9s %-24s %s\n", device["key"].get<std::string>().c_str(),
        device.value("enabled", true) ? "enabled" : "disabled", proofs.c_str(), tags.c_str());
    std::cout << line;
}

int list(const DeviceArguments& arguments) {
    std::string after = arguments.after;
    if (!arguments.json) {
        std::cout << "DEVICE                                           STATE     HAS             "
                     "         TAGS\n";
    }
    for (;;) {
        const Json answer = ask_api(
            "GET", arguments.api + "/v1/devices?max=" + std::to_string(arguments.max) +
                       "&product=" + escape_url(arguments.product) + "&after=" + escape_url(after));
        if (answer.is_null()) {
            return 2;
        }
        for (const Json& device : answer["devices"]) {
            if (arguments.json) {
                std::cout << device.dump() << "\n";
            } else {
                print_line(device);
            }
        }
        if (!answer.contains("next")) {
            return 0;
        }
        after = answer["next"].get<std::string>();
        if (!arguments.all) {
            std::cerr << "There are more: --all, or --after " << after << "\n";
            return 0;
        }
    }
}

CLI::App* command(CLI::App* of, const char* name, const char* help, DeviceArguments& arguments,
                  bool named) {
    CLI::App* made = of->add_subcommand(name, help);
    add_api(made, arguments.api, arguments.json);
    if (named) {
        made->add_option("DEVICE", arguments.key, "PRODUCT/DEVICE")->required();
    }
    return made;
}

void add_adding(CLI::App* device, const std::shared_ptr<DeviceArguments>& arguments,
                int& exit_code) {
    CLI::App* adding = command(device, "add", "Add one device", *arguments, true);
    adding->add_flag("--generate", arguments->generate, "Make its secret; it is shown once");
    adding->add_option("--secret", arguments->secret, "Its secret (16 to 256 characters)");
    adding->add_option("--password-file", arguments->password_file,
                       "File with its password in the first line, or -; only a hash is sent");
    adding->add_option("--fingerprint", arguments->fingerprint,
                       "SHA-256 of its certificate, in hexadecimal digits");
    adding->add_option("--subject", arguments->subject, "Subject of its certificate (RFC 2253)");
    adding->add_option("--client-id", arguments->client_id, "A client id it may use");
    adding->add_option("--tag", arguments->tags, "NAME=VALUE; may be repeated");
    adding->add_flag("--disabled", arguments->disabled, "Do not let it in yet");
    adding->callback([arguments, &exit_code] { exit_code = add(*arguments); });
}

void add_importing(CLI::App* device, const std::shared_ptr<DeviceArguments>& arguments,
                   int& exit_code) {
    CLI::App* importing =
        command(device, "import", "Add many: a device in JSON a line", *arguments, false);
    ImportArguments& import = arguments->import;
    importing->add_option("FILE", import.file, "The lines, or - for standard input")->required();
    importing->add_option("--from-line", import.from_line, "Go on behind those before it")
        ->check(CLI::PositiveNumber);
    importing->add_option("--batch", import.batch, "Lines of a request")
        ->check(CLI::Range(1, 2'000));
    importing->add_option("--parallel", import.parallel, "Requests at once")
        ->check(CLI::Range(1, 16));
    importing->add_flag("--replace", import.replace, "Replace devices that are there");
    importing->add_flag("--generate", import.generate,
                        "Make secrets for devices without; each is printed once, a line of JSON");
    importing->add_flag("--quiet", import.quiet, "No progress");
    importing->callback([arguments, &exit_code] {
        arguments->import.api = arguments->api;
        arguments->import.json = arguments->json;
        exit_code = import_devices(arguments->import);
    });
}

}  // namespace

void add_device_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<DeviceArguments>();
    CLI::App* device = app.add_subcommand("device", "Who may connect, and with what proof");
    device->require_subcommand(1);
    device->footer(
        "Examples:\n"
        "  causeway device add pump/p7 --generate\n"
        "  causeway device import devices.jsonl\n"
        "  causeway device disable pump/p7\n"
        "  causeway device rotate pump/p7 --grace 3600\n"
        "The form of a device: docs/devices.md.\n"
        "Exit code: 0 done, 1 some devices were refused, 2 the request failed.");
    add_adding(device, arguments, exit_code);
    add_importing(device, arguments, exit_code);
    CLI::App* listing =
        command(device, "list", "Devices in order of their names", *arguments, false);
    listing->add_option("--product", arguments->product, "Of this product only");
    listing->add_option("--max", arguments->max, "So many a request")->check(CLI::Range(1, 1'000));
    listing->add_option("--after", arguments->after, "Behind this PRODUCT/DEVICE");
    listing->add_flag("--all", arguments->all, "All of them");
    listing->callback([arguments, &exit_code] { exit_code = list(*arguments); });
    CLI::App* showing = command(device, "show", "One device, without secrets", *arguments, true);
    showing->callback(
        [arguments, &exit_code] { exit_code = print_answer(ask_api("GET", arguments->url())); });
    for (const auto& [name, help] :
         {std::pair("enable", "Let it in again"), std::pair("disable", "Let it in no more")}) {
        CLI::App* switching = command(device, name, help, *arguments, true);
        switching->callback([arguments, &exit_code, action = "/" + std::string(name)] {
            exit_code = print_answer(ask_api("POST", arguments->url(action.c_str()), "{}"));
        });
    }
    CLI::App* rotating =
        command(device, "rotate", "A new secret; it is shown once", *arguments, true);
    rotating->add_option("--grace", arguments->grace_s, "Seconds the old one is still taken")
        ->check(CLI::Range(0, 30 * 86'400));
    rotating->callback([arguments, &exit_code] {
        exit_code = print_answer(ask_api("POST", arguments->url("/rotate"),
                                         Json{{"grace_s", arguments->grace_s}}.dump()));
    });
    CLI::App* deleting = command(device, "delete", "Forget it", *arguments, true);
    deleting->callback(
        [arguments, &exit_code] { exit_code = print_answer(ask_api("DELETE", arguments->url())); });
}

}  // namespace causeway::root
