#include "gateway/net/connection.h"

#include <utility>

#include "gateway/net/shard.h"

namespace causeway::net {
namespace {

std::string host_of(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    return colon == std::string::npos ? address : address.substr(0, colon);
}

}  // namespace

Connection::Connection(Shard& shard, std::uint64_t nonce, io::StreamPtr stream,
                       const auth::ListenerPolicy& policy, std::uint64_t random)
    : shard_(shard),
      nonce_(nonce),
      stream_(std::move(stream)),
      policy_(policy),
      session_(
          nonce,
          session::Peer{
              host_of(stream_->peer_address()), {}, auth::may_connect(policy, auth::Presented{})},
          shard.options_.limits, shard.status_.sessions, random, shard.loop_.now_ms()) {}

bool Connection::start(ssl_ctx_st* tls) {
    if (tls == nullptr) {
        stream_->start(*this);
        return true;
    }
    auto session = io::TlsSession::server(tls);
    if (!session) {
        return false;
    }
    stream_->start(*this, std::move(*session));
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
    shard_.status_.bytes_in += bytes.size();
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

void Connection::close(session::End end) {
    if (!open()) {
        return;
    }
    kept_ = {};
    if (end == session::End::kFlush) {
        io::TcpStream::close_after_flush(std::move(stream_));
    }
    stream_.reset();
}

}  // namespace causeway::net
