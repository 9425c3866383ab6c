// A client of the HTTP API for the subcommands. Waits; main thread.
#pragma once

#include <optional>
#include <string>

#include "core/base/result.h"

namespace causeway::root {

struct HttpAnswer {
    long status = 0;
    std::string body;
    std::string error;  // of the transport; empty: there was an answer
};

// Effect: sends `body` as JSON by POST or PUT, or without one GETs. At most 60 s.
HttpAnswer request(const std::string& url, const std::optional<std::string>& body,
                   bool put = false);

// Effect: GETs; the body of a good answer, or one line that says why there is none.
Result<std::string> fetch(const std::string& url);

// The body of a good answer that is JSON; otherwise says why on stderr: nullopt.
std::optional<std::string> good(const HttpAnswer& answer);

}  // namespace causeway::root
