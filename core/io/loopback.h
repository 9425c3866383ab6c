// Which hosts are this machine and nobody else. Used by the root for what it may bind to in the
// clear, and by the HTTP API for who asks and by which name. Pure; any thread.
#pragma once

#include <string_view>

namespace causeway::io {

// True for "localhost", in any case, and for whole addresses of loopback: 127.0.0.0/8, ::1, and the
// former as ::ffff:127.x.y.z. Without a port and without brackets. A name that only begins like an
// address is not one: who owns 127.example.org may let it resolve to this machine.
[[nodiscard]] bool is_loopback(std::string_view host);

}  // namespace causeway::io
