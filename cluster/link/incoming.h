// One accepted connection: a peer's way to us, or a joining node's. Internal to cluster/link; one
// loop. Closed at once, destroyed by the hub at the end of the turn.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cluster/link/links.h"
#include "cluster/wire/frame_reader.h"
#include "core/io/tcp_stream.h"
#include "core/io/timer.h"

namespace causeway::link {

class Hub;

class Incoming final : public io::StreamOwner {
public:
    // Effect: begins the TLS handshake.
    Incoming(Hub& hub, ConnectionId id, io::StreamPtr stream);

    [[nodiscard]] ConnectionId id() const { return id_; }
    // Empty until the handshake is accepted.
    [[nodiscard]] const Remote& remote() const { return remote_; }
    bool reply(const wire::Reply& reply);
    // Effect: closes the stream and leaves the hub; `malformed`: the peer has broken the protocol.
    void close();
    void close_malformed(std::string_view why);

    std::uint64_t bytes_received = 0;
    std::uint64_t frames_received = 0;

private:
    enum class State : std::uint8_t { kShaking, kUp, kClosed };

    void on_open(io::TcpStream& stream) override;
    void on_bytes(io::TcpStream& stream, std::string_view bytes) override;
    void on_writable(io::TcpStream&) override {}
    void on_end(io::TcpStream& stream, io::StreamEnd end, std::string_view why) override;

    void on_timer();
    bool on_frame(std::uint8_t type, SharedBytes body);
    bool on_hello(const SharedBytes& body);
    bool on_call(std::uint8_t type, const SharedBytes& body);
    // Effect: says why to the peer, if it can hear it, and closes.
    void refuse(bool certificate, std::string_view why);
    [[nodiscard]] std::string who() const;

    Hub& hub_;
    ConnectionId id_;
    State state_ = State::kShaking;
    std::string address_;
    std::string certified_name_;
    Remote remote_;
    io::StreamPtr stream_;
    wire::FrameReader reader_;
    unsigned silent_ticks_ = 0;
    io::Timer timer_;  // The end of our patience with the handshake; then a tick of silence.
};

}  // namespace causeway::link
