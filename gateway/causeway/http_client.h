// A client of the HTTP API for the subcommands. Waits; main thread.
#pragma once

#include <optional>
#include <string>

namespace causeway::root {

struct HttpAnswer {
    long status = 0;
    std::string body;
    std::string error;  // of the transport; empty: there was an answer
};

// Effect: sends `body` as JSON by POST or PUT, or without one GETs. At most 60 s.
HttpAnswer request(const std::string& url, const std::optional<std::string>& body,
                   bool put = false);

// The body of a good answer that is JSON; otherwise says why on stderr: nullopt.
std::optional<std::string> good(const HttpAnswer& answer);

}  // namespace causeway::root
