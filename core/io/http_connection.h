// One connection of an HttpServer: reads requests, hands them out one at a time, writes the
// answers. Internal to core/io; loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/io/http_server.h"
#include "core/io/tcp_stream.h"
#include "core/io/timer.h"

namespace causeway::io {

class HttpConnection;

// What a responder and its connection share; each may go first.
struct HttpExchange {
    HttpConnection* connection = nullptr;  // Null once answered or when the connection is gone.
    bool client_gone = false;
    Task on_gone;
    HttpResponder::Filter filter;
};

// What a connection needs of its server.
class HttpHost {
public:
    virtual ~HttpHost() = default;
    virtual void handle(HttpRequest request, HttpResponder responder, std::string_view peer) = 0;
    // Effect: the connection is destroyed at the turn's end.
    virtual void retire(std::uint32_t slot) = 0;
    [[nodiscard]] virtual const HttpServerOptions& options() const = 0;
    [[nodiscard]] virtual LoopTimers& timers() = 0;
    // Effect: the bytes of requests that a connection holds count for it. False, without effect:
    // they would be too many for the server.
    virtual bool hold(std::size_t before, std::size_t now) = 0;
    // Seconds since 1970.
    [[nodiscard]] virtual std::int64_t now_s() const = 0;
};

class HttpConnection final : public StreamOwner {
public:
    // `slot` names it to its host, and is the cookie of its timer.
    HttpConnection(HttpHost& host, std::uint32_t slot, StreamPtr stream);
    ~HttpConnection() override;

    // Effect: begins to read; with `tls` the handshake comes first.
    void start(std::unique_ptr<TlsSession> tls);
    // Effect: what it waited for did not come in time.
    void on_timeout();
    // Effect: takes no request after the one in progress; closes now if there is none. Not from
    // within a handler.
    void end();
    // Effect: sends the answer to the request in progress, then goes on with the next.
    void answer(HttpResponse response);

    void on_open(TcpStream& stream) override;
    void on_bytes(TcpStream& stream, std::string_view bytes) override;
    void on_writable(TcpStream& stream) override;
    void on_end(TcpStream& stream, StreamEnd end, std::string_view why) override;

private:
    // The next request must wait.
    [[nodiscard]] bool blocked() const;
    void process();
    [[nodiscard]] bool hold(std::size_t bytes);
    void release();
    void dispatch(HttpRequest request);
    void send(HttpResponse response, bool keep_alive, bool with_body);
    void refuse(int status, const std::string& text);
    void refuse_for_now();
    void set_timer();
    void client_gone();
    void done();

    HttpHost& host_;
    StreamPtr stream_;
    std::string input_;
    std::unique_ptr<HttpParser> parser_;      // Only while a request is coming in.
    std::shared_ptr<HttpExchange> exchange_;  // Only while a request is being answered.
    std::size_t held_bytes_ = 0;              // Of the request coming in or being answered.
    TimerWheel::Id timer_;
    std::uint32_t slot_;
    bool keep_alive_ = true;
    bool head_only_ = false;   // The request in progress is a HEAD.
    bool peer_ended_ = false;  // No more requests will come.
    bool processing_ = false;
    bool timing_request_ = false;  // timer_ counts from a request's first byte.
    bool retired_ = false;
    bool ending_ = false;  // No request after the one in progress.
};

}  // namespace causeway::io
