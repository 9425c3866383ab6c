// A client of the HTTP API for the subcommands. Waits; one thread a client.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"

namespace CLI {
class App;
}  // namespace CLI

namespace causeway::root {

struct HttpAnswer {
    long status = 0;
    std::string body;
    std::string error;  // of the transport; empty: there was an answer
};

// Effect: every subcommand takes --token, --api-ca, --api-cert and --api-key, which every request
// of this process then uses. Before the command line is read.
void add_access_options(CLI::App& app);

// Keeps its connection between requests.
class HttpClient {
public:
    HttpClient();
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // Effect: sends the request; with a body, as JSON. At most 60 s.
    HttpAnswer request(const std::string& method, const std::string& url,
                       const std::optional<std::string>& body = std::nullopt);

private:
    struct Handle;
    std::unique_ptr<Handle> handle_;
};

// Effect: sends `body` as JSON by POST or PUT, or without one GETs. At most 60 s.
HttpAnswer request(const std::string& url, const std::optional<std::string>& body,
                   bool put = false);
HttpAnswer send_request(const std::string& method, const std::string& url,
                   const std::optional<std::string>& body = std::nullopt);

// Effect: GETs; the body of a good answer, or one line that says why there is none.
Result<std::string> fetch(const std::string& url);

// The body of a good answer that is JSON; otherwise says why on stderr: nullopt.
std::optional<std::string> good(const HttpAnswer& answer);

}  // namespace causeway::root
