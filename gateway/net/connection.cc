#include "gateway/net/connection.h"

#include <utility>

#include "certs/context.h"
#include "core/base/check.h"
#include "core/io/address.h"
#include "core/io/proxy_header.h"
#include "gateway/net/device_scram.h"
#include "gateway/net/shard.h"

namespace causeway::net {
namespace {

constexpr std::string_view kSubprotocols[] = {"mqtt", "mqttv3.1"};  // the second: MQTT 3.1's

// More than a client may say before it was answered: one record.
constexpr std::size_t kClientHelloMax = std::size_t{17} * 1024;

}  // namespace

Connection::Connection(Shard& shard, std::uint64_t nonce, io::StreamPtr stream, std::string host,
                       const ListenerOptions& listener, std::uint64_t random)
    : shard_(shard),
      nonce_(nonce),
      stream_(std::move(stream)),
      listener_(&listener),
      session_(
          nonce,
          session::Peer{std::move(host), auth::may_connect(listener.policy, false)},
          shard.options_.limits, shard.status_.sessions, random, shard.loop_.now_ms()) {
    if (listener.proxy_protocol || listener.websocket || listener.tls != nullptr) {
        front_ = std::make_unique<Front>();
        front_->proxy = listener.proxy_protocol;
        front_->tls = listener.tls != nullptr;
        if (listener.websocket) {
            front_->websocket = std::make_unique<io::WebSocket>(kSubprotocols);
        }
    }
}

bool Connection::begin_handshake() {
    auto tls = io::TlsSession::server(listener_->tls.get());
    if (!tls) {
        return false;
    }
    front_->tls = false;
    const std::string early = std::exchange(front_->early_bytes, {});
    if (!front_->websocket) {
        front_.reset();
    }
    stream_->resume_reading();
    stream_->begin_tls(std::move(*tls), early);
    return true;
}

void Connection::on_open(io::TcpStream& stream) {
    shard_.end_handshake(*this);
    const io::TlsSession* tls = stream.tls();
    if (tls == nullptr) {
        return;
    }
    shard_.status_.tls_resumed += tls->resumed() ? 1 : 0;
    // The context may be another since the handshake began, and the certificate's time may be over
    // since the session that was resumed.
    if (!still_trusted() || (tls->resumed() && certs::certificate_expired(tls->native()))) {
        shard_.dismiss(*this);
        return;
    }
    const auto peer = tls->peer();
    const bool proven = peer && (peer->verified || !peer->psk_identity.empty());
    if (proven) {
        std::string secret = shown_ == nullptr ? std::string() : std::move(shown_->psk_secret);
        shown_ = std::make_unique<Shown>();
        shown_->verified = peer->verified;
        shown_->psk_identity = peer->psk_identity;
        shown_->psk_secret = std::move(secret);
        shown_->certificate = {peer->common_name, peer->subject, peer->fingerprint, peer->uris};
    } else {
        shown_.reset();
    }
    if (!peer || peer->psk_identity.empty()) {
        psk_file_key_ = 0;  // named, but not used
    }
    session_.set_may_connect(auth::may_connect(listener_->policy, proven));
}

std::optional<auth::Certificate> Connection::certificate() const {
    const io::TlsSession* tls = stream_->tls();
    const auto peer = tls == nullptr ? std::nullopt : tls->peer();
    return peer && peer->verified
               ? std::optional(auth::Certificate{peer->common_name, peer->subject,
                                                 peer->fingerprint, peer->uris})
               : std::nullopt;
}

// The handshake stands still until the key is there, or it is known that there is none.
void Connection::on_psk(io::TcpStream&, std::string_view identity) {
    shown_ = std::make_unique<Shown>();
    shown_->psk_identity = identity;
    shown_->psk_asked = true;
    shard_.find_psk(*this, identity);
}

void Connection::on_bytes(io::TcpStream&, std::string_view bytes) {
    if (front_ && front_->proxy) {
        take_proxy_header(bytes);
        return;
    }
    if (front_ && front_->tls) {
        take_client_hello(bytes);
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
    front_->early_bytes.append(bytes);
    const io::ProxyHeader header = io::read_proxy_header(front_->early_bytes);
    if (header.status == io::ProxyHeader::Status::kNeedMore) {
        return;
    }
    if (header.status == io::ProxyHeader::Status::kError) {
        ++shard_.status_.proxy_failed;
        abandon(session::End::kNow);
        return;
    }
    if (!header.host.empty()) {
        const std::string host = io::normal_address(header.host).value_or(header.host);
        if (!shard_.admit_address(host)) {
            abandon(session::End::kNow);
            return;
        }
        session_.set_host(host);
    }
    front_->proxy = false;
    const std::string rest = std::exchange(front_->early_bytes, {}).substr(header.size);
    if (!front_->tls && !front_->websocket) {
        front_.reset();
    }
    if (!rest.empty()) {
        on_bytes(*stream_, rest);
    }
}

// Who has said nothing yet takes no place among the handshakes.
void Connection::take_client_hello(std::string_view bytes) {
    front_->early_bytes.append(bytes);
    if (front_->early_bytes.size() > kClientHelloMax) {
        ++shard_.status_.tls_failed;
        abandon(session::End::kNow);
    } else if (stream_->reading()) {
        stream_->pause_reading();
        shard_.queue_handshake(*this);
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
    if (open()) {
        mind_output();  // pongs need no packet
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

bool Connection::may_go_on() const {
    const bool queued = stage_ == Stage::kQueued && !admitted_;
    const bool looked_into = attempt_ != nullptr && attempt_->waiting;
    return !paused_ && !unread_ && !queued && !looked_into && !shard_.shutting_down_;
}

void Connection::resume() {
    if (!may_go_on()) {
        stream_->pause_reading();
        return;
    }
    stream_->resume_reading();
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
        if (!mind_output()) {
            return taken;
        }
        if (paused_ || !shard_.may_read(*this)) {
            shard_.pause(*this);
            return taken;
        }
        const auto result = mqtt::decode(bytes.substr(taken), session_.decode_options());
        if (const auto* more = std::get_if<mqtt::NeedMore>(&result)) {
            wanted_ = more->bytes_min;
            session_.on_partial(shard_.loop_.now_ms(), shard_.effects_);
            shard_.perform(*this);
            return taken;
        }
        if (const auto* error = std::get_if<mqtt::DecodeError>(&result)) {
            session_.on_decode_error(*error, shard_.effects_);
            shard_.perform(*this);
            return bytes.size();
        }
        const auto& decoded = std::get<mqtt::Decoded>(result);
        if (!admitted_ && session_.half_open()) {
            const Door door = knock(decoded.packet, bytes.size() - taken);
            if (door != Door::kOpen) {
                return door == Door::kQueued ? taken : bytes.size();
            }
        }
        taken += decoded.consumed;
        session_.on_packet(decoded.packet, shard_.loop_.now_ms(), available(decoded.packet),
                           shard_.effects_);
        shard_.perform(*this);
    }
    return taken;
}

Connection::Door Connection::knock(const mqtt::Packet& packet, std::size_t bytes) {
    const auto* connect = std::get_if<mqtt::Connect>(&packet);
    if (connect == nullptr) {
        return Door::kOpen;
    }
    if (stage_ == Stage::kQueued) {
        return Door::kQueued;
    }
    if (attempt_ != nullptr && attempt_->waiting) {
        return Door::kQueued;
    }
    if (attempt_ == nullptr && !identified_ && !shard_.admit_client(connect->client_id, session_.host())) {
        session_.on_refused(*connect, mqtt::ReasonCode::kConnectionRateExceeded, 1,
                            shard_.effects_);
        shard_.perform(*this);
        return Door::kRefused;
    }
    if (!identified_) {
        if (const Door door = identify(*connect); door != Door::kOpen) {
            return door;
        }
    }
    if (shard_.connect_may_go()) {
        admitted_ = true;
        return Door::kOpen;
    }
    if (shard_.queue_connect(*this, bytes)) {
        return Door::kQueued;
    }
    ++shard_.status_.refused_busy;
    session_.on_refused(*connect, mqtt::ReasonCode::kServerBusy, shard_.retry_after_s(),
                        shard_.effects_);
    shard_.perform(*this);
    return Door::kRefused;
}

Connection::Door Connection::identify(const mqtt::Connect& connect) {
    if (attempt_ == nullptr) {
        attempt_ = std::make_shared<Attempt>();
    }
    auth::Presented presented;
    presented.client_id = connect.client_id;
    presented.user_name = connect.user_name;
    presented.password = connect.password;
    presented.host = session_.host();
    if (shown_ != nullptr) {
        presented.certificate = shown_->verified ? &shown_->certificate : nullptr;
        presented.psk_identity = shown_->psk_identity;
        presented.psk_secret = shown_->psk_secret;
        if (psk_file_key_ != 0) {
            presented.psk_identity = {};  // it is no device of the registry
            presented.known = true;
        }
    }
    presented.method = connect.properties.authentication_method;
    presented.method_data =
        connect.properties.authentication_data.value_or(std::string_view{});
    Verdict verdict = shard_.authenticator_.step(nonce_, attempt_, presented, listener_->policy);
    if (verdict.kind == Verdict::Kind::kWait) {
        attempt_->waiting = true;
        stream_->pause_reading();
        return Door::kQueued;
    }
    attempt_.reset();
    if (verdict.kind == Verdict::Kind::kDeny) {
        return refuse(connect, verdict);
    }
    shown_.reset();
    identified_ = true;
    membership_ = std::move(verdict.membership);
    if (verdict.admission.access != nullptr || verdict.admission.methods != nullptr) {
        session_.admit(std::move(verdict.admission));
    }
    return Door::kOpen;
}

Connection::Door Connection::refuse(const mqtt::Connect& connect, const Verdict& verdict) {
    session_.on_refused(connect, reason_of(verdict.denial), verdict.retry_after_s,
                        shard_.effects_);
    shard_.perform(*this);
    return Door::kRefused;
}

void Connection::refuse_queued() {
    const auto result = mqtt::decode(kept_, session_.decode_options());
    const auto* decoded = std::get_if<mqtt::Decoded>(&result);
    const auto* connect =
        decoded == nullptr ? nullptr : std::get_if<mqtt::Connect>(&decoded->packet);
    CW_CHECK(connect != nullptr, "what waits is a CONNECT");
    ++shard_.status_.refused_busy;
    session_.on_refused(*connect, mqtt::ReasonCode::kServerBusy, shard_.retry_after_s(),
                        shard_.effects_);
}

// Only CONNECT asks, and only it names the client.
bool Connection::available(const mqtt::Packet& packet) const {
    const auto* connect = std::get_if<mqtt::Connect>(&packet);
    return connect == nullptr ||
           shard_.submitter_->available(
               shard_.submitter_->home(session_.client_id_for(connect->client_id)));
}

// What is delivered stops at output_bytes_max: only answers and pongs come to half as much again.
// Below it the client is read on, and not only far below: deliveries may keep it there for ever.
bool Connection::mind_output() {
    const std::size_t limit = shard_.options_.output_bytes_max;
    if (!unread_ && stream_->queued_bytes() > limit + limit / 2) {
        unread_ = true;
        ++shard_.status_.paused_unread;
        stream_->pause_reading();
        session_.on_unread(shard_.loop_.now_ms(), shard_.effects_);
        shard_.perform(*this);
    }
    return !unread_;
}

void Connection::on_writable(io::TcpStream&) {
    if (!unread_ || stream_->queued_bytes() > shard_.options_.output_bytes_max) {
        return;
    }
    unread_ = false;
    session_.on_read_again(shard_.loop_.now_ms(), shard_.effects_);
    shard_.perform(*this);
    resume();
}

void Connection::on_end(io::TcpStream&, io::StreamEnd end, std::string_view) {
    if (end == io::StreamEnd::kTlsFailed) {
        ++shard_.status_.tls_failed;
        if (shown_ != nullptr && shown_->psk_asked) {
            shard_.authenticator_.psk_failed(shown_->psk_identity, session_.host());
        }
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
    shard_.end_handshake(*this);
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
