// An HTTP/1.1 server on a loop: keep-alive, pipelined requests one at a time, limits and timeouts,
// answers at once or later (long poll), with or without TLS. For the HTTP API, metrics and the
// console; not for the hot path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <absl/functional/any_invocable.h>

#include "core/base/result.h"
#include "core/io/http_message.h"
#include "core/io/http_parser.h"
#include "core/io/loop.h"

struct ssl_ctx_st;

namespace causeway::io {

struct HttpExchange;

// The one answer owed to a request. Move it to wherever the answer is made, on the same loop; it
// may outlive the client and the server. Destroyed unused it answers 500.
class HttpResponder {
public:
    explicit HttpResponder(std::shared_ptr<HttpExchange> exchange);
    HttpResponder(HttpResponder&&) noexcept;
    HttpResponder& operator=(HttpResponder&&) noexcept;
    ~HttpResponder();

    // Effect: answers, once; no effect the second time or when the client is gone.
    void respond(HttpResponse response);
    // Effect: respond() hands the answer to `filter` instead, once, with a responder that sends it;
    // `filter` may do so later.
    using Filter = absl::AnyInvocable<void(HttpResponse response, HttpResponder responder)>;
    void filter(Filter filter);
    // True when the client closed its side, so that nobody may be reading the answer, and after
    // respond().
    [[nodiscard]] bool gone() const;
    // Effect: `callback` runs once if the client goes before the answer. It may respond or destroy
    // the responder.
    void on_gone(Task callback);

private:
    std::shared_ptr<HttpExchange> exchange_;
};

struct HttpServerOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    bool reuse_port = false;
    std::shared_ptr<ssl_ctx_st> tls;
    HttpLimits limits;
    std::size_t connections_max = 1024;         // One more is answered 503 and closed.
    std::uint32_t request_timeout_ms = 30'000;  // From its first byte to its last: 408.
    std::uint32_t idle_timeout_ms = 75'000;     // Between requests, and for a stalled response.
    // Of all requests, from their first byte until they are answered: who brings more gets 503.
    std::size_t requests_bytes_max = std::size_t{64} << 20;
    std::function<std::uint64_t()> wall_ms{};  // Since 1970; none: the system's clock.
};

// Made, used and destroyed on the loop's thread (or while it does not run), before the loop.
class HttpServer {
public:
    // `peer` is the client's address. The handler may answer at once or keep the responder; it must
    // not destroy the server.
    using Handler = absl::AnyInvocable<void(HttpRequest request, HttpResponder responder,
                                            std::string_view peer)>;

    // Errors: as TcpListener::listen.
    static Result<std::unique_ptr<HttpServer>> listen(Loop& loop, HttpServerOptions options,
                                                      Handler handler);
    // Effect: closes every connection; responders still held answer nobody.
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Effect: connections that come from now on get this context; those that are there end with
    // their request under way, or now: whom we trust may have changed. Only for a server that has a
    // context.
    void set_tls(std::shared_ptr<ssl_ctx_st> tls);
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] std::size_t connections() const;

private:
    struct State;
    explicit HttpServer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace causeway::io
