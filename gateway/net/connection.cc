#include "gateway/net/connection.h"

#include <utility>

#include "core/io/proxy_header.h"
#include "gateway/net/shard.h"

namespace causeway::net {
namespace {

std::string host_of(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    return colon == std::string::npos ? address : address.substr(0, colon);
}

}  // namespace

Connection::Connection(Shard& shard, std::uint64_t nonce, io::StreamPtr stream,
                       const ListenerOptions& listener, std::uint64_t random)
    : shard_(shard),
      nonce_(nonce),
      stream_(std::move(stream)),
      policy_(listener.policy),
      session_(nonce,
               session::Peer{host_of(stream_->peer_address()),
                             {},
                             auth::may_connect(listener.policy, auth::Presented{})},
               shard.options_.limits, shard.status_.sessions, random, shard.loop_.now_ms()) {
    if (listener.proxy_protocol || listener.websocket || listener.tls != nullptr) {
        front_ = std::make_unique<Front>();
        front_->proxy = listener.proxy_protocol;
        front_->tls = listener.tls;
        if (listener.websocket) {
            front_->websocket = std::make_unique<io::WebSocket>("mqtt");
        }
    }
}

bool Connection::start() {
    std::unique_ptr<io::TlsSession> tls;
    if (front_ && !front_->proxy && front_->tls != nullptr) {
        auto session = io::TlsSession::server(front_->tls.get());
        if (!session) {
            return false;
        }
        tls = std::move(*session);
        front_->tls.reset();
    }
    if (front_ && !front_->proxy && !front_->websocket) {
        front_.reset();
    }
    stream_->start(*this, std::move(tls));
    return true;
}

void Connection::on_open(io::TcpStream& stream) {
    const io::TlsSession* tls = stream.tls();
    const auto peer = tls == nullptr ? std::nullopt : tls->peer();
    auth::Presented presented;
    if (peer) {
        presented.certificate_verified = peer->verified;
        presented.common_name = peer->verified ? peer->common_name : std::string{};
    }
    session_.set_identity(presented.common_name, auth::may_connect(policy_, presented));
}

void Connection::on_bytes(io::TcpStream&, std::string_view bytes) {
    if (front_ && front_->proxy) {
        take_proxy_header(bytes);
        return;
    }
    shard_.status_.bytes_in += bytes.size();
    if (front_) {
        take_websocket(bytes);
    } else {
        take(bytes);
    }
}

// The header comes before everything else, TLS too.
void Connection::take_proxy_header(std::string_view bytes) {
    front_->proxy_bytes.append(bytes);
    const io::ProxyHeader header = io::read_proxy_header(front_->proxy_bytes);
    if (header.status == io::ProxyHeader::Status::kNeedMore) {
        return;
    }
    front_->proxy = false;
    const std::string rest = std::exchange(front_->proxy_bytes, {}).substr(header.size);
    const auto context = std::exchange(front_->tls, nullptr);
    if (!front_->websocket) {
        front_.reset();
    }
    auto tls =
        context == nullptr ? nullptr : io::TlsSession::server(context.get()).value_or(nullptr);
    if (header.status == io::ProxyHeader::Status::kError || (context != nullptr && !tls)) {
        ++shard_.status_.proxy_failed;
        abandon(session::End::kNow);
        return;
    }
    if (!header.host.empty()) {
        const bool v6 = header.host.find(':') != std::string::npos;
        session_.set_host(v6 ? "[" + header.host + "]" : header.host);  // as host_of() has it
    }
    if (tls) {
        stream_->begin_tls(std::move(tls), rest);
    } else if (!rest.empty()) {
        on_bytes(*stream_, rest);
    }
}

void Connection::take_websocket(std::string_view bytes) {
    std::string payload;
    std::string reply;
    const auto status = front_->websocket->take(bytes, payload, reply);
    stream_->write(reply);
    if (!payload.empty()) {
        take(payload);
    }
    if (status == io::WebSocket::Status::kEnded && open()) {
        shard_.status_.websocket_refused += session_.online() ? 0 : 1;
        abandon(session::End::kFlush);
    }
}

void Connection::abandon(session::End end) {
    close(end);
    session_.on_closed(shard_.effects_);
    shard_.perform(*this);
    if (session_.finished()) {
        shard_.release(*this);
    }
}

void Connection::take(std::string_view bytes) {
    if (!kept_.empty()) {
        keep(bytes);
        resume();
        return;
    }
    const std::size_t taken = take_packets(bytes);
    if (open() && taken < bytes.size()) {
        keep(bytes.substr(taken));
    }
    if (session_.finished() && !open()) {
        shard_.release(*this);
    }
}

void Connection::keep(std::string_view bytes) { kept_.append(bytes); }

void Connection::resume() {
    if (kept_.size() < wanted_ || kept_.empty()) {
        return;
    }
    const std::string bytes = std::exchange(kept_, {});
    const std::size_t taken = take_packets(bytes);
    if (open() && taken < bytes.size()) {
        kept_.insert(0, bytes, taken);
    }
    if (session_.finished() && !open()) {
        shard_.release(*this);
    }
}

std::size_t Connection::take_packets(std::string_view bytes) {
    std::size_t taken = 0;
    wanted_ = 0;
    while (open() && taken < bytes.size()) {
        if (paused_ || !shard_.may_read(*this)) {
            shard_.pause(*this);
            return taken;
        }
        const auto result = mqtt::decode(bytes.substr(taken), session_.decode_options());
        if (const auto* more = std::get_if<mqtt::NeedMore>(&result)) {
            wanted_ = more->bytes_min;
            return taken;
        }
        if (const auto* error = std::get_if<mqtt::DecodeError>(&result)) {
            session_.on_decode_error(*error, shard_.effects_);
            shard_.perform(*this);
            return bytes.size();
        }
        const auto& decoded = std::get<mqtt::Decoded>(result);
        taken += decoded.consumed;
        session_.on_packet(decoded.packet, shard_.loop_.now_ms(), available(decoded.packet),
                           shard_.effects_);
        shard_.perform(*this);
    }
    return taken;
}

// Only CONNECT asks, and only it names the client.
bool Connection::available(const mqtt::Packet& packet) const {
    const auto* connect = std::get_if<mqtt::Connect>(&packet);
    return connect == nullptr ||
           shard_.submitter_->available(shard_.submitter_->home(connect->client_id));
}

void Connection::on_writable(io::TcpStream&) {}

void Connection::on_end(io::TcpStream&, io::StreamEnd end, std::string_view) {
    if (end == io::StreamEnd::kTlsFailed) {
        ++shard_.status_.tls_failed;
    }
    session_.on_closed(shard_.effects_);
    shard_.perform(*this);
    if (session_.finished() && !open()) {
        shard_.release(*this);
    }
}

void Connection::send(session::Effects& effects) {
    if (front_ && front_->websocket) {
        std::size_t size = effects.bytes.size();
        for (const session::Effects::Piece& piece : effects.pieces) {
            size += piece.body.size();
        }
        std::string head;
        io::WebSocket::append_head(size, head);
        stream_->write(head);
    }
    const std::string_view bytes = effects.bytes;
    std::size_t at = 0;
    for (session::Effects::Piece& piece : effects.pieces) {
        stream_->write(bytes.substr(at, piece.at - at));
        stream_->write(std::move(piece.body));
        at = piece.at;
    }
    stream_->write(bytes.substr(at));
}

void Connection::close(session::End end) {
    if (!open()) {
        return;
    }
    kept_ = {};
    if (front_ && front_->websocket && end == session::End::kFlush) {
        std::string bye;
        front_->websocket->append_close(bye);
        stream_->write(bye);
    }
    if (end == session::End::kFlush) {
        io::TcpStream::close_after_flush(std::move(stream_));
    }
    stream_.reset();
}

}  // namespace causeway::net
