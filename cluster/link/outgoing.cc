#include "cluster/link/outgoing.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "cluster/link/handshake.h"
#include "cluster/link/hub.h"

namespace causeway::link {

using wire::FrameType;

Outgoing::Outgoing(Hub& hub, const PeerAddress& address)
    : hub_(hub),
      address_(address),
      backoff_ms_(hub.options.backoff_min_ms),
      timer_(hub.loop, [this] { on_timer(); }) {
    dial();
}

void Outgoing::dial() {
    state_ = State::kConnecting;
    // Until it is open the peer sends its hello, or a refusal in words.
    reader_ = wire::FrameReader(wire::kHelloBytesMax + 1);
    io::ConnectOptions options;
    options.host = address_.host;
    options.port = address_.port;
    options.tls = hub_.client;
    options.any_server_name = true;  // Who it is: certified_name().
    stream_ = io::TcpStream::connect(hub_.loop, options, *this);
    timer_.start(hub_.options.handshake_ms);
}

void Outgoing::on_timer() {
    if (state_ == State::kWaiting) {
        dial();
    } else if (state_ == State::kConnecting) {
        ++counters_.timeouts;
        close("no answer within " + std::to_string(hub_.options.handshake_ms) + " ms");
    }
}

void Outgoing::hurry() {
    if (state_ == State::kWaiting) {
        backoff_ms_ = hub_.options.backoff_min_ms;
        dial();
    }
}

void Outgoing::on_open(io::TcpStream& stream) {
    auto name = certified_name(stream.tls());
    if (!name) {
        return refuse(name.error().certificate, name.error().why);
    }
    if (!address_.name.empty() && *name != address_.name) {
        return refuse(true, "its certificate is " + *name + "'s");
    }
    certified_name_ = std::move(*name);
    stream.set_unacknowledged_limit(static_cast<unsigned>(hub_.options.silence_ms));
    stream.write(hello_of(hub_.options));
}

void Outgoing::on_bytes(io::TcpStream&, std::string_view bytes) {
    const bool good = reader_.feed(
        bytes, [this](std::uint8_t type, const SharedBytes& body) { return on_frame(type, body); });
    if (good || stream_ == nullptr) {
        return;
    }
    constexpr std::string_view kWhy = "it sent bytes that are no handshake and no reply";
    if (is_open()) {
        close_and_tell(kWhy);
    } else {
        refuse(false, kWhy);
    }
}

// False: the connection is closed, or is to be.
bool Outgoing::on_frame(std::uint8_t type, const SharedBytes& body) {
    if (type == static_cast<std::uint8_t>(FrameType::kHello)) {
        return state_ == State::kConnecting && on_hello(body);
    }
    auto frame = type == static_cast<std::uint8_t>(FrameType::kReply) ? wire::decode(type, body)
                                                                      : std::nullopt;
    if (!frame) {
        return !wire::is_known(type) && state_ == State::kOpen;
    }
    auto& reply = *std::get_if<wire::Reply>(&*frame);
    if (state_ == State::kConnecting) {
        return on_refusal(reply.body);
    }
    hub_.events.on_reply(address_.id, std::move(reply));
    return stream_ != nullptr;
}

bool Outgoing::on_hello(const SharedBytes& body) {
    auto remote = check_hello(hub_.options, certified_name_, body.view());
    if (!remote) {
        refuse(false, remote.error().why);
        return false;
    }
    if (!address_.name.empty() && remote->id != address_.id) {
        refuse(false, "it says it is node " + std::to_string(remote->id.value()));
        return false;
    }
    remote->id = address_.id;
    state_ = State::kOpen;
    opened_ms_ = hub_.loop.now_ms();
    timer_.stop();
    reader_.set_limit(wire::kFrameBytesMax);
    ++counters_.connects;
    hub_.events.on_connected(*remote);
    return stream_ != nullptr;
}

bool Outgoing::on_refusal(std::string_view why) {
    ++counters_.handshakes_refused;
    const std::string line = "it refused us: " + std::string(why.substr(0, 200));
    close(line);
    hub_.refused(counters_.last_error);
    return false;
}

void Outgoing::refuse(bool certificate, std::string_view why) {
    ++(certificate ? counters_.certificates_refused : counters_.handshakes_refused);
    close_and_tell(why);
    hub_.refused(counters_.last_error);
}

void Outgoing::on_end(io::TcpStream&, io::StreamEnd end, std::string_view why) {
    const std::string reason(why);  // The stream owns the text.
    if (end == io::StreamEnd::kTlsFailed && state_ == State::kConnecting) {
        return refuse(is_about_certificate(reason), "TLS: " + reason);
    }
    counters_.failures += state_ == State::kConnecting ? 1 : 0;
    close_and_tell(reason);
}

bool Outgoing::has_room(std::size_t bytes) {
    if (state_ != State::kOpen) {
        return false;
    }
    if (stream_->queued_bytes() + bytes <= hub_.options.queue_bytes_max) {
        counters_.bytes_sent += bytes;
        return true;
    }
    ++counters_.overflows;
    close("more than " + std::to_string(hub_.options.queue_bytes_max) + " bytes were queued");
    hub_.disconnected_later(address_.id);
    return false;
}

bool Outgoing::send(std::string_view frames) {
    const bool room = has_room(frames.size());
    if (room) {
        stream_->write(frames);
    }
    return room;
}

bool Outgoing::send(absl::Span<const SharedBytes> pieces) {
    std::size_t bytes = 0;
    for (const SharedBytes& piece : pieces) {
        bytes += piece.size();
    }
    const bool room = has_room(bytes);
    for (std::size_t i = 0; room && i < pieces.size(); ++i) {
        stream_->write(pieces[i]);
    }
    return room;
}

std::size_t Outgoing::queued_bytes() const {
    return stream_ != nullptr ? stream_->queued_bytes() : 0;
}

void Outgoing::close_and_tell(std::string_view why) {
    const bool was_open = is_open();
    close(why);
    if (was_open) {
        hub_.events.on_disconnected(address_.id);
    }
}

void Outgoing::begin_again() {
    if (state_ != State::kWaiting) {
        close_and_tell("this node reads its certificates again");
    }
    hurry();
}

void Outgoing::close(std::string_view why) {
    counters_.last_error = "node " +
                           (address_.name.empty() ? std::string("(seed)") : address_.name) +
                           " at " + address_.host + ":" + std::to_string(address_.port) + ": ";
    counters_.last_error += why;
    stream_.reset();
    if (state_ == State::kOpen) {
        ++counters_.disconnects;
        // A connection that never lasts must not be tried ever so fast.
        if (hub_.loop.now_ms() - opened_ms_ >= hub_.options.backoff_max_ms) {
            backoff_ms_ = hub_.options.backoff_min_ms;
        }
    }
    wait();
}

void Outgoing::wait() {
    state_ = State::kWaiting;
    timer_.start(backoff_ms_ - hub_.random.below(backoff_ms_ / 2 + 1));
    backoff_ms_ = std::min(backoff_ms_ * 2, hub_.options.backoff_max_ms);
}

void Outgoing::fill(PeerStatus& status) const {
    status = counters_;
    status.id = address_.id;
    status.name = address_.name;
    status.open = is_open();
    status.queued_bytes = queued_bytes();
}

}  // namespace causeway::link
