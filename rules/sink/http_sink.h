// A sink that sends each delivery as one HTTP request (libcurl: connections are kept and reused,
// HTTP/2 where the server offers it over TLS). Made by rules/runner for each sink of the active
// rule set. Source: docs/rules.md, "Guarantees" 6.
//
// Each request has the header `Causeway-Delivery: <Delivery::id>`, so that a receiver can tell a
// repeated delivery. Redirects are not followed, proxies of the environment are not used, TLS
// is 1.2 at least and verified, and of an answer only status and Retry-After count: 64 KiB of its
// body are read and thrown away, and a connection on which more comes is closed.
//
// With a batch, deliveries to one place go as a JSON array in one request, whose header names all
// their ids. What the answer says counts for each; if it says "never", each is sent once more
// alone, so that one that the receiver cannot take does not drag the others along.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/loop.h"
#include "rules/sink/batcher.h"
#include "rules/sink/http_body.h"
#include "rules/sink/http_response.h"
#include "rules/sink/secret.h"
#include "rules/sink/sink.h"

namespace causeway::rules {

inline constexpr std::size_t kResponseBytesMax = 64U << 10;

struct HttpSinkOptions {
    struct Header {
        std::string name;
        SecretSource value;
    };
    SecretSource url;  // http:// or https://; a path of a request goes before its query
    std::string method = "POST";
    std::vector<Header> headers;  // a request's own headers take precedence
    std::string ca_file;          // PEM; empty: the system's CAs
    std::string cert_file;        // PEM of our certificate for servers that ask; empty: none
    std::string key_file;         // its key
    bool verify_tls = true;
    bool gzip = false;  // compress the body
    struct Signature {
        std::string header;  // empty: none
        SignatureDigest digest = SignatureDigest::kSha256;
        SecretSource key;
    };
    Signature signature;
    BatchLimits batch;
    std::uint32_t timeout_ms = 10'000;  // of a whole attempt
    std::size_t connections_max = 32;
    RetryClasses retry;
    std::string user_agent = "causeway";
};

class HttpSink final : public Sink {
public:
    // Effect: resolves the secrets. Errors, one line without any secret: as of resolve(), an URL or
    // a header that cannot be used, a CA file that cannot be read.
    static Result<std::unique_ptr<HttpSink>> make(io::Loop& loop, const HttpSinkOptions& options);
    // Destroyed on the loop's thread (or while the loop does not run), before the loop.
    ~HttpSink() override;
    HttpSink(const HttpSink&) = delete;
    HttpSink& operator=(const HttpSink&) = delete;

    void deliver(Delivery delivery, Completion completion) override;
    [[nodiscard]] std::size_t in_flight() const override;
    void close() override;

private:
    struct Impl;
    explicit HttpSink(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::rules
