#include "cluster/link/incoming.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "cluster/link/handshake.h"
#include "cluster/link/hub.h"

namespace causeway::link {
namespace {

// Silence is counted in ticks of our own, so that a stop of this process is not taken for silence
// of the peers: after it there is one tick, and then their words are read.
constexpr unsigned kSilentTicksMax = 6;

}  // namespace

using wire::FrameType;

Incoming::Incoming(Hub& hub, ConnectionId id, io::StreamPtr stream)
    : hub_(hub),
      id_(id),
      address_(stream->peer_address()),
      stream_(std::move(stream)),
      reader_(wire::kHelloBytesMax + 1),
      timer_(hub.loop, [this] { on_timer(); }) {
    auto session = io::TlsSession::server(hub_.server.get());
    timer_.start(session ? hub_.options.handshake_ms : 0);
    if (session) {
        stream_->start(*this, std::move(*session));
    }
}

void Incoming::on_timer() {
    if (state_ == State::kShaking) {
        ++hub_.accepted.timeouts;
        hub_.accepted.last_refusal = who() + ": no handshake within the time";
        hub_.refused(hub_.accepted.last_refusal);
        close();
    } else if (++silent_ticks_ >= kSilentTicksMax) {
        ++hub_.accepted.silent;
        close();
    }
}

void Incoming::on_open(io::TcpStream& stream) {
    auto name = certified_name(stream.tls());
    if (!name) {
        return refuse(name.error().certificate, name.error().why);
    }
    certified_name_ = std::move(*name);
}

void Incoming::on_bytes(io::TcpStream&, std::string_view bytes) {
    silent_ticks_ = 0;
    bytes_received += bytes.size();
    const bool good = reader_.feed(bytes, [this](std::uint8_t type, SharedBytes body) {
        return on_frame(type, std::move(body));
    });
    if (good || state_ == State::kClosed) {
        return;
    }
    if (state_ == State::kShaking) {
        refuse(false, "what it sent is no handshake");
    } else {
        close_malformed("it sent bytes that are no frames, or a frame out of place");
    }
}

// False: the connection is closed, or is to be.
bool Incoming::on_frame(std::uint8_t type, SharedBytes body) {
    if (state_ == State::kShaking) {
        return type == static_cast<std::uint8_t>(FrameType::kHello) && on_hello(body);
    }
    ++frames_received;
    if (type == static_cast<std::uint8_t>(FrameType::kCall)) {
        return on_call(type, body);
    }
    if (!wire::is_known(type)) {
        return type != static_cast<std::uint8_t>(FrameType::kHello);
    }
    if (!remote_.id || type == static_cast<std::uint8_t>(FrameType::kReply)) {
        return false;
    }
    hub_.events.on_frame(remote_.id, type, std::move(body));
    return state_ == State::kUp;
}

bool Incoming::on_hello(const SharedBytes& body) {
    auto remote = check_hello(hub_.options, certified_name_, body.view());
    if (!remote) {
        refuse(false, remote.error().why);
        return false;
    }
    if (remote->id && !hub_.knows(remote->id, remote->name)) {
        refuse(false, "it is not a member as node " + std::to_string(remote->id.value()));
        return false;
    }
    remote_ = std::move(*remote);
    state_ = State::kUp;
    reader_.set_limit(wire::kFrameBytesMax);
    const MonoMs silence = remote_.id ? hub_.options.silence_ms : hub_.options.caller_silence_ms;
    const MonoMs tick = std::max<MonoMs>(silence / kSilentTicksMax, 1);
    timer_.start(tick, tick);
    stream_->write(hello_of(hub_.options));
    hub_.came_up(*this);
    return state_ == State::kUp;
}

bool Incoming::on_call(std::uint8_t type, const SharedBytes& body) {
    auto frame = wire::decode(type, body);
    if (!frame) {
        return false;
    }
    hub_.events.on_call(id_, remote_, std::move(*std::get_if<wire::Call>(&*frame)));
    return state_ == State::kUp;
}

bool Incoming::reply(const wire::Reply& reply) {
    if (state_ != State::kUp) {
        return false;
    }
    std::string frame;
    append(reply, frame);
    if (stream_->queued_bytes() + frame.size() > hub_.options.queue_bytes_max) {
        ++hub_.accepted.overflows;
        hub_.close_later(id_, "it does not read its replies");
        return false;
    }
    stream_->write(frame);
    return true;
}

void Incoming::refuse(bool certificate, std::string_view why) {
    ++(certificate ? hub_.accepted.certificates_refused : hub_.accepted.handshakes_refused);
    hub_.accepted.last_refusal = who() + ": " + std::string(why);
    std::string frame;
    append(wire::Reply{0, false, std::string(why)}, frame);
    stream_->write(frame);
    io::TcpStream::close_after_flush(std::move(stream_));
    hub_.refused(hub_.accepted.last_refusal);
    close();
}

void Incoming::on_end(io::TcpStream&, io::StreamEnd end, std::string_view why) {
    if (state_ == State::kShaking) {
        const std::string reason(why);  // The stream owns the text.
        const bool certificate = end == io::StreamEnd::kTlsFailed && is_about_certificate(reason);
        ++(certificate ? hub_.accepted.certificates_refused : hub_.accepted.handshakes_refused);
        hub_.accepted.last_refusal = who() + ": " + reason;
        hub_.refused(hub_.accepted.last_refusal);
    }
    close();
}

void Incoming::close_malformed(std::string_view why) {
    if (state_ != State::kUp) {
        return;
    }
    ++hub_.accepted.malformed;
    hub_.accepted.last_refusal = who() + ": " + std::string(why);
    hub_.refused(hub_.accepted.last_refusal);
    close();
}

void Incoming::close() {
    if (state_ == State::kClosed) {
        return;
    }
    state_ = State::kClosed;
    stream_.reset();
    timer_.stop();
    hub_.retire(*this);
}

std::string Incoming::who() const {
    return "connection from " + address_ +
           (certified_name_.empty() ? "" : " (node " + certified_name_ + ")");
}

}  // namespace causeway::link
