// Asks an HTTP service of the operator's whether a client may come in: the scheme "http"
// (docs/devices.md, "The HTTP callback"). libcurl on the gateway loop: nothing waits, and who does
// not get a clear answer in time is not let in. Loop thread; destroyed before its loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/io/loop.h"
#include "gateway/auth/callout.h"

namespace causeway::callout {

struct HttpCalloutOptions {
    std::string url;
    std::uint32_t timeout_ms = 3'000;
    std::uint32_t cache_s = 10;        // an answer is good for the same question; 0: not kept
    std::uint32_t requests_max = 64;   // under way; one more is answered kUnavailable
    std::size_t cached_max = 16'384;   // answers kept
};

std::unique_ptr<auth::Callout> make_http_callout(io::Loop& loop, HttpCalloutOptions options);

}  // namespace causeway::callout
