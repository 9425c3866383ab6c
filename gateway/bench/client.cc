// A client connection over core/io and the codec of gateway/mqtt.
#include "gateway/bench/client.h"

#include <charconv>
#include <cstdio>
#include <utility>

#include "core/base/check.h"
#include "core/io/loop.h"
#include "core/io/precise_timer.h"
#include "gateway/mqtt/encode.h"

namespace causeway::bench {
namespace {

constexpr std::uint32_t kDefaultExpiryS = 3600;
// The shortest forms, the same in both versions («MQTT 5.0 §3.12, §3.14»).
constexpr std::string_view kPingreq("\xC0\x00", 2);
constexpr std::string_view kDisconnect("\xE0\x00", 2);
// The largest payload of options.h, with room for its topic.
constexpr std::uint32_t kReceivedPacketBytesMax = kPayloadBytesMax + 128 * 1024;

std::string code_text(std::string_view packet, mqtt::ReasonCode code, mqtt::PacketType type) {
    char number[8];
    std::snprintf(number, sizeof(number), " 0x%02X ", static_cast<unsigned>(code));
    return std::string(packet) + number + std::string(mqtt::name(code, type));
}

std::string_view text_of(io::StreamEnd end) {
    switch (end) {
        case io::StreamEnd::kPeerClosed:
            return "closed by the broker: ";
        case io::StreamEnd::kFailed:
            return "connection failed: ";
        case io::StreamEnd::kTlsFailed:
            return "TLS: ";
        case io::StreamEnd::kConnectFailed:
            return "cannot connect: ";
    }
    return "";
}

std::uint32_t session_expiry_of(const ClientOptions& options) {
    return options.session_expiry_s.value_or(options.clean ? 0 : kDefaultExpiryS);
}

}  // namespace

Client::Client(const ClientSetup& setup, ClientOwner& owner, ClientPlace place)
    : setup_(setup), owner_(owner), place_(place) {}

void Client::connect(io::Loop& loop, const std::string& source) {
    const ClientOptions& options = setup_.plan->client;
    state_ = State::kConnecting;
    partial_.clear();
    pings_pending_ = 0;
    retry_after_s_ = 0;
    io::ConnectOptions target;
    target.host = options.host;
    target.port = options.port;
    target.tls = setup_.tls;
    target.source_address = source;
    stream_ = io::TcpStream::connect(loop, target, *this);
}

std::string Client::connect_packet() const {
    const ClientOptions& options = setup_.plan->client;
    const std::string id = expand(
        place_.role == Role::kSubscriber ? setup_.plan->subscribe.client_id : options.client_id,
        place_.number);
    mqtt::Connect connect;
    connect.version = options.version;
    connect.clean_start = options.clean;
    connect.keep_alive_s = options.keep_alive_s;
    connect.client_id = id;
    if (!options.user_name.empty()) {
        connect.user_name = options.user_name;
    }
    if (!options.password.empty()) {
        connect.password = options.password;
    }
    connect.properties.session_expiry_interval_s = session_expiry_of(options);
    std::string packet;
    // Cannot fail: make_plan has checked the lengths that matter; an empty packet is refused.
    static_cast<void>(mqtt::encode(connect, options.version, packet));
    return packet;
}

void Client::on_open(io::TcpStream& stream) { stream.write(connect_packet()); }

void Client::on_bytes(io::TcpStream&, std::string_view bytes) {
    const std::uint64_t now_ns = io::PreciseTimer::now_ns();
    if (partial_.empty()) {
        partial_.assign(take_packets(bytes, now_ns));
    } else {
        partial_.append(bytes);
        const std::size_t left = take_packets(partial_, now_ns).size();
        partial_.erase(0, partial_.size() - left);
    }
}

std::string_view Client::take_packets(std::string_view bytes, std::uint64_t now_ns) {
    const mqtt::DecodeOptions options{.version = setup_.plan->client.version,
                                      .sender = mqtt::Sender::kServer,
                                      .packet_bytes_max = kReceivedPacketBytesMax};
    while (!bytes.empty() && (state_ == State::kOpen || state_ == State::kConnecting)) {
        const mqtt::DecodeResult result = mqtt::decode(bytes, options);
        if (const auto* decoded = std::get_if<mqtt::Decoded>(&result)) {
            handle(decoded->packet, now_ns);
            bytes.remove_prefix(decoded->consumed);
        } else if (const auto* error = std::get_if<mqtt::DecodeError>(&result)) {
            fail("the broker sent a bad packet: " + std::string(error->statement));
        } else {
            return bytes;
        }
    }
    return {};
}

void Client::handle(const mqtt::Packet& packet, std::uint64_t now_ns) {
    switch (mqtt::type_of(packet)) {
        case mqtt::PacketType::kConnack:
            handle_connack(std::get<mqtt::Connack>(packet), now_ns);
            break;
        case mqtt::PacketType::kPingresp:
            handle_pingresp(now_ns);
            break;
        case mqtt::PacketType::kDisconnect:
            fail(code_text("DISCONNECT", std::get<mqtt::Disconnect>(packet).reason_code,
                           mqtt::PacketType::kDisconnect));
            break;
        default:
            if (state_ == State::kOpen) {
                owner_.on_packet(*this, packet, now_ns);
            } else {
                fail("the broker sent a packet before CONNACK");
            }
    }
}

void Client::handle_connack(const mqtt::Connack& connack, std::uint64_t now_ns) {
    if (state_ != State::kConnecting) {
        fail("the broker sent a second CONNACK");
    } else if (mqtt::is_error(connack.reason_code)) {
        for (const auto& [name, value] : connack.properties.user_properties) {
            if (name == "retry-after") {
                std::from_chars(value.data(), value.data() + value.size(), retry_after_s_);
            }
        }
        fail(code_text("CONNACK", connack.reason_code, mqtt::PacketType::kConnack));
    } else {
        state_ = State::kOpen;
        owner_.on_connack(*this, connack, now_ns);
    }
}

void Client::fail(std::string_view why) {
    if (state_ == State::kConnecting || state_ == State::kOpen) {
        state_ = State::kGone;
        // Dropping the stream from within one of its callbacks is allowed; bytes in hand stay
        // valid.
        stream_.reset();
        owner_.on_gone(*this, why);
    }
}

void Client::disconnect() {
    if (state_ == State::kOpen) {
        stream_->write(kDisconnect);
        io::TcpStream::close_after_flush(std::move(stream_));
    }
    stream_.reset();
    state_ = State::kGone;
}

void Client::ping(std::uint64_t mark) {
    if (state_ == State::kOpen) {
        CW_CHECK(pings_pending_ < kPingsMax);
        ping_marks_[next_ping_++ % kPingsMax] = mark;
        ++pings_pending_;
        stream_->write(kPingreq);
    }
}

void Client::handle_pingresp(std::uint64_t now_ns) {
    if (pings_pending_ == 0) {
        fail("the broker sent PINGRESP unasked");
        return;
    }
    const std::uint64_t mark = ping_marks_[(next_ping_ - pings_pending_) % kPingsMax];
    --pings_pending_;
    owner_.on_pingresp(*this, mark, now_ns);
}

void Client::write(std::string_view bytes) {
    if (state_ == State::kOpen) {
        stream_->write(bytes);
    }
}

void Client::write(const SharedBytes& bytes) {
    if (state_ == State::kOpen) {
        stream_->write(bytes);
    }
}

std::size_t Client::queued_bytes() const {
    return state_ == State::kOpen ? stream_->queued_bytes() : 0;
}

void Client::on_writable(io::TcpStream&) {
    if (state_ == State::kOpen) {
        owner_.on_room(*this);
    }
}

void Client::on_end(io::TcpStream&, io::StreamEnd end, std::string_view why) {
    fail(std::string(text_of(end)) + std::string(why));
}

}  // namespace causeway::bench
