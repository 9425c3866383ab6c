// An HTTP/1.1 server on a loop; see the header.
#include "core/io/http_server.h"

#include <utility>
#include <vector>

#include "core/io/clock.h"
#include "core/io/http_connection.h"
#include "core/io/tcp_listener.h"

namespace causeway::io {

HttpResponder::HttpResponder(std::shared_ptr<HttpExchange> exchange)
    : exchange_(std::move(exchange)) {}

HttpResponder::HttpResponder(HttpResponder&&) noexcept = default;

HttpResponder& HttpResponder::operator=(HttpResponder&& other) noexcept {
    // Swapped, so that what was owed here is answered by the other's end.
    std::swap(exchange_, other.exchange_);
    return *this;
}

HttpResponder::~HttpResponder() {
    if (exchange_ != nullptr && exchange_->connection != nullptr) {
        HttpResponse response;
        response.status = 500;
        response.content_type = "text/plain";
        response.body = "no answer\n";
        respond(std::move(response));
    }
}

void HttpResponder::respond(HttpResponse response) {
    if (exchange_ == nullptr) {
        return;
    }
    std::shared_ptr<HttpExchange> exchange = std::exchange(exchange_, nullptr);
    if (exchange->filter) {
        Filter filter = std::move(exchange->filter);
        exchange->filter = nullptr;
        filter(std::move(response), HttpResponder(std::move(exchange)));
        return;
    }
    if (HttpConnection* connection = std::exchange(exchange->connection, nullptr)) {
        connection->answer(std::move(response));
    }
}

void HttpResponder::filter(Filter filter) {
    if (exchange_ != nullptr) {
        exchange_->filter = std::move(filter);
    }
}

bool HttpResponder::gone() const {
    return exchange_ == nullptr || exchange_->connection == nullptr || exchange_->client_gone;
}

void HttpResponder::on_gone(Task callback) {
    if (exchange_ != nullptr) {
        exchange_->on_gone = std::move(callback);
    }
}

struct HttpServer::State final : HttpHost {
    State(Loop& loop, HttpServerOptions wanted, Handler wanted_handler)
        : server_options(std::move(wanted)),
          handler(std::move(wanted_handler)),
          wheel(loop, {}, [this](std::uint64_t slot) { slots[slot]->on_timeout(); }),
          sweep(loop.at_turn_end([this] { retired.clear(); })) {}

    void handle(HttpRequest request, HttpResponder responder, std::string_view peer) override {
        handler(std::move(request), std::move(responder), peer);
    }
    void retire(std::uint32_t slot) override {
        // Called from within the connection: its memory must outlive the call.
        retired.push_back(std::move(slots[slot]));
        free_slots.push_back(slot);
    }
    [[nodiscard]] const HttpServerOptions& options() const override { return server_options; }
    [[nodiscard]] LoopTimers& timers() override { return wheel; }
    bool hold(std::size_t before, std::size_t now) override {
        if (now > before && requests_bytes + (now - before) > server_options.requests_bytes_max) {
            return false;
        }
        requests_bytes = requests_bytes - before + now;
        return true;
    }
    [[nodiscard]] std::int64_t now_s() const override {
        const auto ms = server_options.wall_ms ? server_options.wall_ms() : clock.wall_ms();
        return static_cast<std::int64_t>(ms / 1000);
    }
    void accept(StreamPtr stream);

    HttpServerOptions server_options;
    SystemClock clock;
    std::size_t requests_bytes = 0;  // of all connections
    Handler handler;
    LoopTimers wheel;
    TurnHook sweep;
    std::vector<std::unique_ptr<HttpConnection>> slots;
    std::vector<std::uint32_t> free_slots;
    std::vector<std::unique_ptr<HttpConnection>> retired;
    std::unique_ptr<TcpListener> listener;
};

void HttpServer::State::accept(StreamPtr stream) {
    if (slots.size() - free_slots.size() >= server_options.connections_max) {
        if (server_options.tls == nullptr) {
            HttpResponse busy;
            busy.status = 503;
            stream->write(http_response_head(busy, false));
            TcpStream::close_after_flush(std::move(stream));
        }
        return;
    }
    std::unique_ptr<TlsSession> tls;
    if (server_options.tls != nullptr) {
        auto session = TlsSession::server(server_options.tls.get());
        if (!session) {
            return;
        }
        tls = std::move(*session);
    }
    if (free_slots.empty()) {
        free_slots.push_back(static_cast<std::uint32_t>(slots.size()));
        slots.emplace_back();
    }
    const std::uint32_t slot = free_slots.back();
    free_slots.pop_back();
    slots[slot] = std::make_unique<HttpConnection>(*this, slot, std::move(stream));
    slots[slot]->start(std::move(tls));
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Loop& loop, HttpServerOptions options,
                                                       Handler handler) {
    auto state = std::make_unique<State>(loop, std::move(options), std::move(handler));
    const HttpServerOptions& wanted = state->server_options;
    ListenOptions where;
    where.host = wanted.host;
    where.port = wanted.port;
    where.reuse_port = wanted.reuse_port;
    auto listener = TcpListener::listen(
        loop, where, [to = state.get()](StreamPtr stream) { to->accept(std::move(stream)); });
    if (!listener) {
        return tl::unexpected(listener.error());
    }
    state->listener = std::move(*listener);
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() {
    // Connections cancel their timers as they go, so they go before the wheel.
    state_->listener.reset();
    state_->slots.clear();
    state_->retired.clear();
}

void HttpServer::set_tls(std::shared_ptr<ssl_ctx_st> tls) {
    state_->server_options.tls = std::move(tls);
    for (const auto& connection : state_->slots) {
        if (connection) {
            connection->end();
        }
    }
}

std::uint16_t HttpServer::port() const { return state_->listener->port(); }

std::size_t HttpServer::connections() const {
    return state_->slots.size() - state_->free_slots.size();
}

}  // namespace causeway::io
