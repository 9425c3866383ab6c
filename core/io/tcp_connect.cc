// TcpStream: outgoing connections. A name is resolved on libuv's worker threads; the first address
// is tried.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "core/io/loop.h"
#include "core/io/loop_state.h"
#include "core/io/tcp_stream.h"

namespace causeway::io {

// Outlives an abandoned stream, whose pointer is then null.
struct TcpStream::ConnectRequest {
    uv_getaddrinfo_t resolve{};
    uv_connect_t connect{};
    TcpStream* stream = nullptr;
};

StreamPtr TcpStream::connect(Loop& loop, const ConnectOptions& options, StreamOwner& owner) {
    LoopState& state = loop.state();
    StreamPtr stream(new TcpStream(state));
    stream->owner_ = &owner;
    uv_tcp_nodelay(reinterpret_cast<uv_tcp_t*>(stream->handle()), 1);
    if (options.tls != nullptr) {
        std::string name = options.server_name.empty() ? options.host : options.server_name;
        if (options.any_server_name) {
            name.clear();
        }
        auto session = TlsSession::client(options.tls.get(), name);
        if (!session) {
            stream->fail_later(StreamEnd::kConnectFailed, session.error().message);
            return stream;
        }
        stream->tls_ = std::move(*session);
    }
    if (const int status = stream->bind_source(options.source_address); status != 0) {
        stream->fail_later(
            StreamEnd::kConnectFailed,
            "cannot connect from " + options.source_address + ": " + uv_strerror(status));
        return stream;
    }
    auto request = std::make_unique<ConnectRequest>();
    request->stream = stream.get();
    request->resolve.data = request.get();
    request->connect.data = request.get();
    stream->connecting_ = request.get();
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    const std::string port = std::to_string(options.port);
    sockaddr_storage address{};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    if (uv_ip4_addr(options.host.c_str(), options.port, v4) == 0 ||
        uv_ip6_addr(options.host.c_str(), options.port, v6) == 0) {
        static_cast<void>(request.release());  // Freed in its callback.
        stream->connect_to(&address);
        return stream;
    }
    const int status = uv_getaddrinfo(
        &state.uv, &request->resolve,
        [](uv_getaddrinfo_t* uv, int result, addrinfo* found) {
            std::unique_ptr<ConnectRequest> resolved(static_cast<ConnectRequest*>(uv->data));
            TcpStream* self = resolved->stream;
            if (self != nullptr && result == 0) {
                static_cast<void>(resolved.release());  // Freed in its callback.
                self->connect_to(found->ai_addr);
            } else if (self != nullptr) {
                self->connected(result);
            }
            uv_freeaddrinfo(found);
        },
        options.host.c_str(), port.c_str(), &hints);
    if (status == 0) {
        static_cast<void>(request.release());  // Freed in its callback.
    } else {
        stream->connecting_ = nullptr;
        stream->fail_later(StreamEnd::kConnectFailed, uv_strerror(status));
    }
    return stream;
}

int TcpStream::bind_source(const std::string& address) {
    if (address.empty()) {
        return 0;
    }
    sockaddr_storage source{};
    if (uv_ip4_addr(address.c_str(), 0, reinterpret_cast<sockaddr_in*>(&source)) != 0 &&
        uv_ip6_addr(address.c_str(), 0, reinterpret_cast<sockaddr_in6*>(&source)) != 0) {
        return UV_EINVAL;
    }
    return uv_tcp_bind(reinterpret_cast<uv_tcp_t*>(handle()),
                       reinterpret_cast<const sockaddr*>(&source), 0);
}

void TcpStream::connect_to(const void* address) {
    ConnectRequest* request = connecting_;
    const int status = uv_tcp_connect(
        &request->connect, reinterpret_cast<uv_tcp_t*>(handle()),
        static_cast<const sockaddr*>(address), [](uv_connect_t* uv, int result) {
            const std::unique_ptr<ConnectRequest> done(static_cast<ConnectRequest*>(uv->data));
            if (done->stream != nullptr) {
                done->stream->connected(result);
            }
        });
    if (status != 0) {
        const std::unique_ptr<ConnectRequest> done(std::exchange(connecting_, nullptr));
        fail_later(StreamEnd::kConnectFailed, uv_strerror(status));
    }
}

void TcpStream::connected(int status) {
    connecting_ = nullptr;
    if (status != 0) {
        end(StreamEnd::kConnectFailed, uv_strerror(status));
        return;
    }
    resume_reading();
    if (tls_ != nullptr) {
        on_ciphertext({});
    } else {
        announce_open();
    }
    if (!closing_) {
        mark_dirty();
    }
}

void TcpStream::set_unacknowledged_limit(unsigned limit_ms) {
    uv_os_fd_t socket = -1;
    if (uv_fileno(reinterpret_cast<const uv_handle_t*>(handle_), &socket) == 0) {
        static_cast<void>(
            ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms)));
    }
}

void TcpStream::abandon_connect() {
    if (connecting_ != nullptr) {
        connecting_->stream = nullptr;
        // Has no effect once the resolver runs or has ended; then its callback frees the request.
        uv_cancel(reinterpret_cast<uv_req_t*>(&connecting_->resolve));
        connecting_ = nullptr;
    }
}

}  // namespace causeway::io
