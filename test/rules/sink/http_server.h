// An HTTP server for tests, on the loop of the test: answers each request with the raw bytes that a
// script says.
#pragma once

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/loop.h"
#include "core/io/tcp_listener.h"
#include "core/io/tcp_stream.h"
#include "core/io/tls.h"

namespace causeway::rules {

struct SeenRequest {
    std::string head;  // with its empty line
    std::string body;

    // The value of a header; "" when there is none.
    [[nodiscard]] std::string header(std::string_view name) const {
        const std::size_t at = head.find("\r\n" + std::string(name) + ": ");
        if (at == std::string::npos) {
            return {};
        }
        const std::size_t begin = at + 4 + name.size();
        return head.substr(begin, head.find("\r\n", begin) - begin);
    }
    [[nodiscard]] std::string first_line() const { return head.substr(0, head.find("\r\n")); }
};

inline std::string answer(int status, std::string_view body = {}, std::string_view headers = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + std::string(headers) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class HttpServer {
public:
    // What to send for a request; "" leaves it without an answer.
    using Script = std::function<std::string(const SeenRequest&)>;

    HttpServer(io::Loop& loop, Script script, std::shared_ptr<ssl_ctx_st> tls = nullptr)
        : script_(std::move(script)), tls_(std::move(tls)) {
        listener_ = std::move(io::TcpListener::listen(loop, {}, [this](io::StreamPtr stream) {
                                  connections_.push_back(
                                      std::make_unique<Connection>(*this, std::move(stream)));
                              }).value());
    }

    [[nodiscard]] std::string url(std::string_view scheme = "http",
                                  std::string_view host = "127.0.0.1") const {
        return std::string(scheme) + "://" + std::string(host) + ":" +
               std::to_string(listener_->port());
    }
    [[nodiscard]] std::size_t connections() const { return connections_.size(); }
    // Effect: answers what was left without an answer, on every connection.
    void release(const std::string& bytes) {
        for (const auto& connection : connections_) {
            connection->release(bytes);
        }
    }

    std::vector<SeenRequest> seen;

private:
    class Connection final : public io::StreamOwner {
    public:
        Connection(HttpServer& server, io::StreamPtr stream)
            : server_(server), stream_(std::move(stream)) {
            stream_->start(
                *this, server.tls_ ? io::TlsSession::server(server.tls_.get()).value() : nullptr);
        }
        void release(const std::string& bytes) {
            if (stream_ != nullptr && unanswered_) {
                unanswered_ = false;
                stream_->write(bytes);
            }
        }
        void on_open(io::TcpStream&) override {}
        void on_writable(io::TcpStream&) override {}
        void on_end(io::TcpStream&, io::StreamEnd, std::string_view) override { stream_.reset(); }
        void on_bytes(io::TcpStream& stream, std::string_view bytes) override {
            in_.append(bytes);
            for (std::size_t end = in_.find("\r\n\r\n"); end != std::string::npos;
                 end = in_.find("\r\n\r\n")) {
                SeenRequest request;
                request.head = in_.substr(0, end + 4);
                const std::string length = request.header("Content-Length");
                std::size_t size = 0;
                std::from_chars(length.data(), length.data() + length.size(), size);
                if (in_.size() < request.head.size() + size) {
                    return;
                }
                request.body = in_.substr(request.head.size(), size);
                in_.erase(0, request.head.size() + size);
                server_.seen.push_back(request);
                const std::string reply = server_.script_(request);
                unanswered_ = reply.empty();
                stream.write(reply);
            }
        }

    private:
        HttpServer& server_;
        io::StreamPtr stream_;
        std::string in_;
        bool unanswered_ = false;
    };

    Script script_;
    std::shared_ptr<ssl_ctx_st> tls_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::unique_ptr<io::TcpListener> listener_;
};

}  // namespace causeway::rules
