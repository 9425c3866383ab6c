// `causeway queue`: a client of the HTTP API.
#include <iostream>
#include <iterator>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "gateway/causeway/commands.h"
#include "gateway/causeway/http_client.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

struct QueueArguments {
    std::string api = "http://127.0.0.1:8080";
    std::string queue;
    std::string payload;
    std::string key;
    std::uint32_t max = 1;
    std::uint32_t wait_s = 0;
    std::uint32_t visibility_timeout_s = 0;
    std::uint32_t delay_s = 0;
    bool keep = false;
    bool json = false;
};

// The JSON of a good answer; otherwise says why on stderr and gives null.
Json ask(const std::string& url, const Json* body) {
    const auto text =
        good(request(url, body == nullptr ? std::nullopt : std::optional(body->dump())));
    return text ? Json::parse(*text) : Json();
}

std::string queue_url(const QueueArguments& arguments, const char* action) {
    return arguments.api + "/v1/queues/" + arguments.queue + "/" + action;
}

int list(const QueueArguments& arguments) {
    const Json json = ask(arguments.api + "/v1/queues", nullptr);
    if (json.is_null()) {
        return 2;
    }
    if (arguments.json) {
        std::cout << json.dump(2) << "\n";
        return 0;
    }
    std::cout << "QUEUE                           MESSAGES     LEASED       SENT      ACKED\n";
    for (const Json& queue : json["queues"]) {
        char line[160];
        std::snprintf(
            line, sizeof(line), "%-30s %9llu %10llu %10llu %10llu\n",
            queue["name"].get<std::string>().c_str(), queue["messages"].get<unsigned long long>(),
            queue["leased"].get<unsigned long long>(), queue["sent"].get<unsigned long long>(),
            queue["acknowledged"].get<unsigned long long>());
        std::cout << line;
    }
    return 0;
}

int send(const QueueArguments& arguments) {
    std::string payload = arguments.payload;
    if (payload == "-") {
        payload.assign(std::istreambuf_iterator<char>(std::cin), {});
    }
    Json body{{"payload", payload}, {"delay_s", arguments.delay_s}};
    if (!arguments.key.empty()) {
        body["key"] = arguments.key;
    }
    const Json json = ask(queue_url(arguments, "messages"), &body);
    if (json.is_null()) {
        return 2;
    }
    std::cout << (arguments.json ? json.dump() : std::to_string(json["id"].get<std::uint64_t>()))
              << "\n";
    return 0;
}

int receive(const QueueArguments& arguments) {
    Json body{{"max", arguments.max}, {"wait_s", arguments.wait_s}};
    if (arguments.visibility_timeout_s != 0) {
        body["visibility_timeout_s"] = arguments.visibility_timeout_s;
    }
    const Json json = ask(queue_url(arguments, "receive"), &body);
    if (json.is_null()) {
        return 2;
    }
    Json receipts = Json::array();
    for (const Json& message : json["messages"]) {
        receipts.push_back(message["receipt"]);
        std::cout << (arguments.json ? message.dump() : message["payload"].get<std::string>())
                  << "\n";
    }
    std::cout.flush();
    if (receipts.empty()) {
        std::cerr << "no message\n";
        return 1;
    }
    // Printed first, acknowledged after: a crash in between shows a message again, never loses it.
    if (!arguments.keep) {
        const Json acknowledge{{"receipts", receipts}};
        if (ask(queue_url(arguments, "ack"), &acknowledge).is_null()) {
            return 2;
        }
    }
    return 0;
}

void add_common(CLI::App* command, QueueArguments& arguments, bool named) {
    command->add_option("--api", arguments.api, "Where the HTTP API is [http://127.0.0.1:8080]");
    command->add_flag("--json", arguments.json, "Print JSON, a message a line");
    if (named) {
        command->add_option("QUEUE", arguments.queue, "Name of the queue")->required();
    }
}

}  // namespace

void add_queue_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<QueueArguments>();
    CLI::App* queue = app.add_subcommand("queue", "Send to, receive from and list queues");
    queue->require_subcommand(1);
    queue->footer(
        "Examples:\n"
        "  causeway queue list\n"
        "  causeway queue send jobs '{\"n\":1}' --delay 10\n"
        "  causeway queue receive alarms --max 10 --wait 20\n"
        "Exit code: 0 done, 1 no message, 2 the request failed.");
    CLI::App* listing = queue->add_subcommand("list", "Every queue with its numbers");
    add_common(listing, *arguments, false);
    listing->callback([arguments, &exit_code] { exit_code = list(*arguments); });
    CLI::App* sending = queue->add_subcommand("send", "Send one message");
    add_common(sending, *arguments, true);
    sending->add_option("PAYLOAD", arguments->payload, "The message, or - for standard input")
        ->required();
    sending->add_option("--key", arguments->key, "Ordering key");
    sending->add_option("--delay", arguments->delay_s, "Seconds until it can be received");
    sending->callback([arguments, &exit_code] { exit_code = send(*arguments); });
    CLI::App* receiving =
        queue->add_subcommand("receive", "Receive, print and acknowledge messages");
    add_common(receiving, *arguments, true);
    receiving->add_option("--max", arguments->max, "At most so many")->check(CLI::Range(1, 256));
    receiving->add_option("--wait", arguments->wait_s, "Seconds to wait for the first")
        ->check(CLI::Range(0, 30));
    receiving->add_option("--visibility-timeout", arguments->visibility_timeout_s,
                          "Seconds until an unacknowledged message comes back");
    receiving->add_flag("--keep", arguments->keep, "Do not acknowledge: they come back");
    receiving->callback([arguments, &exit_code] { exit_code = receive(*arguments); });
}

}  // namespace causeway::root
