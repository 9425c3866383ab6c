// Our way to one peer: waits, connects, shakes hands, is open, and begins again. Internal to
// cluster/link; one loop. Destroyed at the end of a turn only, never from its own callbacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <absl/types/span.h>

#include "cluster/link/links.h"
#include "cluster/wire/frame_reader.h"
#include "core/io/tcp_stream.h"
#include "core/io/timer.h"

namespace causeway::link {

class Hub;

class Outgoing final : public io::StreamOwner {
public:
    // Effect: dials.
    Outgoing(Hub& hub, const PeerAddress& address);

    bool send(std::string_view frames);
    bool send(absl::Span<const SharedBytes> pieces);
    [[nodiscard]] bool is_open() const { return state_ == State::kOpen; }
    [[nodiscard]] std::size_t queued_bytes() const;
    // Effect: the peer is alive: a wait for the next try ends.
    void hurry();
    // Effect: what is open or on its way is closed and dialed anew.
    void begin_again();
    // Effect: fills in what this side knows.
    void fill(PeerStatus& status) const;

private:
    enum class State : std::uint8_t { kWaiting, kConnecting, kOpen };

    void on_open(io::TcpStream& stream) override;
    void on_bytes(io::TcpStream& stream, std::string_view bytes) override;
    void on_writable(io::TcpStream&) override {}
    void on_end(io::TcpStream& stream, io::StreamEnd end, std::string_view why) override;

    void dial();
    void on_timer();
    bool on_frame(std::uint8_t type, const SharedBytes& body);
    bool on_hello(const SharedBytes& body);
    bool on_refusal(std::string_view why);
    bool has_room(std::size_t bytes);
    void refuse(bool certificate, std::string_view why);
    // Effect: the stream is gone and the next try is set.
    void close(std::string_view why);
    void close_and_tell(std::string_view why);
    void wait();

    Hub& hub_;
    PeerAddress address_;
    State state_ = State::kWaiting;
    io::StreamPtr stream_;
    wire::FrameReader reader_;
    std::string certified_name_;
    MonoMs backoff_ms_;
    MonoMs opened_ms_ = 0;
    PeerStatus counters_;  // Of it: the counts and last_error.
    io::Timer timer_;      // The next try, or the end of our patience with this one.
};

}  // namespace causeway::link
