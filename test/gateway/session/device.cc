#include "test/gateway/session/device.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace causeway::session::test {
namespace {

constexpr std::uint64_t kNonce = 5;
constexpr std::uint64_t kRandom = 0x0123456789ABCDEF;

// All bytes to the client, the large bodies in their places.
std::string joined(const Effects& effects) {
    std::string out;
    std::size_t at = 0;
    for (const Effects::Piece& piece : effects.pieces) {
        CW_CHECK(piece.at >= at && piece.at <= effects.bytes.size());
        out.append(effects.bytes, at, piece.at - at);
        out.append(piece.body.view());
        at = piece.at;
    }
    return out.append(effects.bytes, at);
}

}  // namespace

Device::Device(const Limits& given, session::Peer who)
    : limits(given), session(kNonce, std::move(who), limits, counters, kRandom, now) {}

void Device::bytes(std::string_view bytes) {
    if (end != End::kNone) {
        return;
    }
    kept.append(bytes);
    take_kept();
}

// What gateway/net does with received bytes.
void Device::take_kept() {
    std::size_t taken = 0;
    while (end == End::kNone && !is_unread && session.takes_packets() &&
           taken < kept.size()) {
        const auto result =
            mqtt::decode(std::string_view(kept).substr(taken), session.decode_options());
        if (std::holds_alternative<mqtt::NeedMore>(result)) {
            break;
        }
        if (const auto* error = std::get_if<mqtt::DecodeError>(&result)) {
            session.on_decode_error(*error, effects_);
            settle();
            break;
        }
        const auto& decoded = std::get<mqtt::Decoded>(result);
        if (const auto* connect = std::get_if<mqtt::Connect>(&decoded.packet)) {
            version = connect->version;
        }
        taken += decoded.consumed;
        session.on_packet(decoded.packet, now, core_available, effects_);
        settle();
    }
    kept.erase(0, taken);
}

void Device::packet(const mqtt::Packet& packet) {
    std::string out;
    CW_CHECK(mqtt::encode(packet, version, out));
    bytes(out);
}

void Device::connect(const mqtt::Connect& packet) {
    version = packet.version;
    this->packet(packet);
}

void Device::online(mqtt::Version with, mqtt::ConnectProperties properties, bool clean_start) {
    mqtt::Connect packet;
    packet.version = with;
    packet.client_id = "dev";
    packet.clean_start = clean_start;
    packet.properties = std::move(properties);
    connect(packet);
    const auto open = asked.front().as<Open>();
    answer_open({epoch, open.session_expiry_interval_s, false});
    take<mqtt::Connack>();
}

void Device::publish(std::string_view topic, std::uint8_t qos, std::uint16_t packet_id,
                     std::string_view payload) {
    mqtt::Publish packet;
    packet.topic = topic;
    packet.qos = qos;
    packet.packet_id = packet_id;
    packet.payload = payload;
    this->packet(packet);
}

void Device::answer(ResultCode code, std::string_view detail) {
    CW_CHECK(!asked.empty(), "no command waits for an answer");
    const Asked command = std::move(asked.front());
    asked.pop_front();
    session.on_result(command.token, code, detail, effects_);
    settle();
    take_kept();
}

void Device::answer_open(const OpenAnswer& answer) {
    CW_CHECK(!asked.empty() && asked.front().kind() == CommandKind::kOpen);
    std::string detail;
    encode(answer, detail);
    this->answer(ResultCode::kOk, detail);
}

void Device::deliver(std::string_view topic, std::uint8_t qos, std::uint64_t n,
                     std::string_view payload) {
    Delivery delivery;
    delivery.nonce = kNonce;
    delivery.epoch = epoch;
    delivery.n = n;
    delivery.qos = qos;
    deliver(delivery, message_of(topic, payload));
}

void Device::deliver(const Delivery& delivery, const Message& message) {
    session.on_delivery(delivery, message, Arrival{set_now, now, output_full}, effects_);
    settle();
}

void Device::release(std::uint64_t n) {
    Delivery delivery;
    delivery.nonce = kNonce;
    delivery.epoch = epoch;
    delivery.n = n;
    delivery.qos = 2;
    delivery.release = true;
    session.on_release(delivery, effects_);
    settle();
}

void Device::queue_message(std::string_view queue, GroupId set, const QueueMessage& message) {
    session.on_queue_message(queue, set, message, now, effects_);
    settle();
}

void Device::takeover(std::uint64_t of) {
    session.on_takeover(of, effects_);
    settle();
}

void Device::stream_lost() {
    const auto lost = std::exchange(asked, {});
    session.on_stream_lost(effects_);
    settle();
    for (std::size_t i = 0; i < lost.size(); ++i) {
        session.on_result_lost(commands_sent, effects_);
        settle();
    }
}

void Device::advance(std::uint64_t ms) {
    now += ms;
    set_now += ms;
    session.on_timer(now, effects_);
    settle();
    take_kept();
}

void Device::unread() {
    is_unread = true;
    session.on_unread(now, effects_);
    settle();
}

void Device::read_again() {
    is_unread = false;
    session.on_read_again(now, effects_);
    settle();
    take_kept();
}

void Device::closed() {
    session.on_closed(effects_);
    settle();
}

void Device::shutdown(mqtt::ReasonCode code) {
    session.on_shutdown(code, effects_);
    settle();
}

std::vector<std::uint64_t> Device::take_acknowledged() {
    std::vector<std::uint64_t> numbers;
    for (const Effects::Acknowledged& item : std::exchange(acknowledged, {})) {
        CW_CHECK(item.range.epoch == epoch);
        for (std::uint64_t n = item.range.first; n <= item.range.last; ++n) {
            numbers.push_back(n);
        }
    }
    return numbers;
}

bool Device::balanced() const {
    const auto& in = counters.publishes_received;
    return in[0] + in[1] + in[2] == counters.publishes_ok + counters.publishes_refused +
                                        counters.publishes_unanswered +
                                        counters.publishes_repeated + counters.unlogged_passed;
}

void Device::redecode(Sent& packet) const {
    const auto result =
        mqtt::decode(packet.bytes, {.version = version, .sender = mqtt::Sender::kServer});
    const auto* decoded = std::get_if<mqtt::Decoded>(&result);
    CW_CHECK(decoded != nullptr && decoded->consumed == packet.bytes.size());
    packet.packet = decoded->packet;
}

// What the driver does with the effects, and what must hold whatever the event was.
void Device::settle() {
    const bool was_over = end != End::kNone;
    if (effects_.withdraw) {
        const std::uint64_t token = *std::exchange(effects_.withdraw, std::nullopt);
        const bool never = !commands_sent && std::erase_if(asked, [token](const Asked& command) {
                                                 return command.token == token;
                                             }) != 0;
        session.on_withdrawn(never, effects_);
    }
    std::string out = joined(effects_);
    CW_CHECK(!was_over || (out.empty() && effects_.end == End::kNone), "an effect after the end");
    while (!out.empty()) {
        const auto result =
            mqtt::decode(out, {.version = session.version(), .sender = mqtt::Sender::kServer});
        const auto* decoded = std::get_if<mqtt::Decoded>(&result);
        CW_CHECK(decoded != nullptr, "the client was sent what is no packet");
        Sent packet{out.substr(0, decoded->consumed), mqtt::Pingresp{}};
        version = session.version();
        redecode(packet);
        out.erase(0, decoded->consumed);
        sent.push_back(std::move(packet));
        redecode(sent.back());
    }
    for (const Effects::Submission& submission : effects_.submissions) {
        Asked command;
        command.token = submission.token;
        command.topic = std::string(submission.topic);
        command.bytes = effects_.commands.substr(submission.begin, submission.size);
        ByteReader in(command.bytes);
        CW_CHECK(decode_header(in, command.header));
        CW_CHECK(!was_over || command.kind() == CommandKind::kClose, "a command after the end");
        asked.push_back(std::move(command));
    }
    if (effects_.has_unlogged) {
        CW_CHECK(!was_over);
        unlogged.push_back({std::string(effects_.unlogged.topic),
                            std::string(effects_.unlogged.body), effects_.unlogged.retain});
    }
    CW_CHECK(!was_over || (effects_.acknowledged.empty() && effects_.queue_done.empty()));
    std::move(effects_.queue_done.begin(), effects_.queue_done.end(),
              std::back_inserter(queue_done));
    queue_room_told = queue_room_told || effects_.queue_room;
    acknowledged.insert(acknowledged.end(), effects_.acknowledged.begin(),
                        effects_.acknowledged.end());
    if (effects_.end != End::kNone) {
        end = effects_.end;
        why = std::string(effects_.why);
        CW_CHECK(!why.empty());
        CW_CHECK(balanced(), "the counters of publishes");
        kept.clear();
    }
    effects_.clear();
    CW_CHECK(session.finished() == (end != End::kNone && asked.empty()), "finished()");
    CW_CHECK(end == End::kNone || (session.deadline() == 0 && !session.takes_packets()));
}

Message message_of(std::string_view topic, std::string_view payload, std::string_view properties,
                   SetMs expires_at) {
    return Message{SharedBytes::copy(topic), SharedBytes::take(make_body(properties, payload)),
                   expires_at};
}

}  // namespace causeway::session::test
