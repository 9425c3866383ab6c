// A listening TCP socket on a loop. With reuse_port every loop has a listener of its own on one
// port and the kernel spreads the connections over them. At most kAcceptsPerTurn connections are
// taken in a turn of the loop, so that a crowd that comes at once does not hold up the others.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <absl/functional/any_invocable.h>

#include "core/base/result.h"
#include "core/io/loop.h"
#include "core/io/tcp_stream.h"

namespace causeway::io {

struct ListenOptions {
    std::string host = "127.0.0.1";  // Address or name; «::» takes IPv4 as well.
    std::uint16_t port = 0;          // 0: the system picks one, see port().
    bool reuse_port = false;
    int backlog =
        1024;  // Connections the kernel holds until they are accepted; it has a limit too.
    bool first = false;  // With reuse_port: refused while any socket listens on the port already.
};

// Made and destroyed on the loop's thread (or while it does not run), before the loop.
class TcpListener {
public:
    static constexpr unsigned kAcceptsPerTurn = 64;

    // Gets each connection; TCP_NODELAY is set. It calls start() or drops it, and may destroy the
    // listener.
    using Accept = absl::AnyInvocable<void(StreamPtr)>;

    // Errors: one line that names address and reason, e.g. «cannot listen on 127.0.0.1:1883:
    // address already in use».
    static Result<std::unique_ptr<TcpListener>> listen(Loop& loop, const ListenOptions& options,
                                                       Accept accept);
    ~TcpListener();
    TcpListener(const TcpListener&) = delete;
    TcpListener& operator=(const TcpListener&) = delete;

    // Effect: takes no more connections until resume(); they wait in the kernel's backlog. Also
    // from within Accept.
    void pause();
    void resume();

    // The port bound.
    [[nodiscard]] std::uint16_t port() const { return port_; }

private:
    struct Handle;
    TcpListener(Handle* handle, std::uint16_t port) : handle_(handle), port_(port) {}

    Handle* handle_;  // Freed in its close callback.
    std::uint16_t port_;
};

}  // namespace causeway::io
