// A listening TCP socket on a loop. The socket is made by hand: libuv 1.44 cannot set SO_REUSEPORT.
#include "core/io/tcp_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/io/loop_state.h"

namespace causeway::io {
namespace {

bool set_option(int socket, int level, int name, int value) {
    return ::setsockopt(socket, level, name, &value, sizeof(value)) == 0;
}

// Returns the bound socket or -errno.
int bind_socket(const addrinfo& address, bool reuse_port) {
    const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    const bool ready =
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
        (!reuse_port || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
        (address.ai_family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)) &&
        ::bind(fd, address.ai_addr, address.ai_addrlen) == 0;
    if (!ready) {
        const int error = errno;
        ::close(fd);
        return -error;
    }
    return fd;
}

std::uint16_t bound_port(const uv_tcp_t& handle) {
    sockaddr_storage address{};
    int size = sizeof(address);
    if (uv_tcp_getsockname(&handle, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6
                     ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

struct TcpListener::Handle {
    uv_tcp_t uv{};
    LoopState* state = nullptr;
    Accept accept;
    TurnHook turn_end;
    unsigned accepts_left = kAcceptsPerTurn;
    bool paused = false;
    bool held = false;  // A connection waits in libuv, which takes no other one meanwhile.

    static void on_connection(uv_stream_t* listener, int status) {
        auto& self = *static_cast<Handle*>(listener->data);
        if (status != 0) {
            return;  // Out of file descriptors or reset before accept: the next one may do.
        }
        if (self.paused || self.accepts_left == 0) {
            self.held = true;
        } else {
            self.take();
        }
    }
    void take() {
        held = false;
        --accepts_left;
        if (StreamPtr stream = TcpStream::accept(*state, reinterpret_cast<uv_stream_t*>(&uv))) {
            accept(std::move(stream));
        }
    }
    void on_turn_end() {
        accepts_left = kAcceptsPerTurn;
        if (held && !paused) {
            take();
        }
    }
    static void closed(uv_handle_t* handle) {
        const std::unique_ptr<Handle> freed(static_cast<Handle*>(handle->data));
    }
};

Result<std::unique_ptr<TcpListener>> TcpListener::listen(Loop& loop, const ListenOptions& options,
                                                         Accept accept) {
    const std::string port = std::to_string(options.port);
    const std::string where = "cannot listen on " + options.host + ":" + port + ": ";
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    uv_getaddrinfo_t resolved{};
    // Without a callback libuv resolves at once; only start-up and tests come here.
    int status = uv_getaddrinfo(&loop.state().uv, &resolved, nullptr, options.host.c_str(),
                                port.c_str(), &hints);
    if (status != 0) {
        return fail(where + uv_strerror(status));
    }
    int fd = bind_socket(*resolved.addrinfo, options.reuse_port && !options.first);
    if (fd >= 0 && options.reuse_port && options.first) {
        ::close(fd);  // nobody else has the port: take it in the way the next ones can share
        fd = bind_socket(*resolved.addrinfo, true);
    }
    uv_freeaddrinfo(resolved.addrinfo);
    if (fd < 0) {
        return fail(where + uv_strerror(fd));
    }
    auto handle = std::make_unique<Handle>();
    handle->state = &loop.state();
    handle->accept = std::move(accept);
    handle->turn_end = loop.at_turn_end([made = handle.get()] { made->on_turn_end(); });
    uv_tcp_init(&loop.state().uv, &handle->uv);
    handle->uv.data = handle.get();
    status = uv_tcp_open(&handle->uv, fd);
    if (status != 0) {
        ::close(fd);
    } else {
        status = uv_listen(reinterpret_cast<uv_stream_t*>(&handle->uv), options.backlog,
                           Handle::on_connection);
    }
    const std::uint16_t bound = bound_port(handle->uv);
    // From here the listener's end closes the handle.
    std::unique_ptr<TcpListener> listener(new TcpListener(handle.release(), bound));
    if (status != 0) {
        return fail(where + uv_strerror(status));
    }
    return listener;
}

void TcpListener::pause() { handle_->paused = true; }

void TcpListener::resume() {
    handle_->paused = false;
    if (handle_->held) {
        stay_awake(*handle_->state);  // Its turn end takes it.
    }
}

TcpListener::~TcpListener() {
    handle_->turn_end = {};
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->uv), Handle::closed);
}

}  // namespace causeway::io
