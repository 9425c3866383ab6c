#include "test/gateway/session/events.h"

#include <algorithm>
#include <iterator>

namespace causeway::session::test {

using mqtt::PacketType;
using mqtt::ReasonCode;
using mqtt::Version;

namespace {

constexpr std::uint64_t kPacketIds = 6;  // few, so that they meet

bool succeeded(ReasonCode code) { return !mqtt::is_error(code); }

}  // namespace

Events::Events(Choose choose, Exhausted exhausted)
    : choose_(std::move(choose)), exhausted_(std::move(exhausted)) {}

void Events::begin() {
    Limits limits;
    limits.packet_bytes_max = 4'096;
    limits.topic_levels_max = 4;
    limits.receive_maximum = static_cast<std::uint16_t>(1 + choose_(6));
    limits.inflight_max = static_cast<std::uint16_t>(1 + choose_(6));
    limits.topic_alias_maximum = static_cast<std::uint16_t>(choose_(4));
    limits.keep_alive_max_s = one_in(3) ? 5 : 0;
    limits.waiting_bytes_max = 2'000;
    device_ = std::make_unique<Device>(limits);
    device_->version = static_cast<Version>(3 + choose_(3));
    connected_ = false;
    attached_ = inbox_ = false;
    // Often close to where packet ids wrap around.
    tail_ = one_in(2) ? 65'530 + choose_(10) : choose_(10);
    in_flight_.clear();
    noted_.clear();
    incoming_.clear();
    unfinished_.clear();
    received_.clear();
}

std::size_t Events::play(std::size_t events_max) {
    begin();
    std::size_t count = 0;
    while (device_->end == End::kNone && count < events_max && !exhausted_()) {
        event();
        ++count;
    }
    device_->closed();
    check();
    while (!device_->asked.empty()) {
        answer();
        check();
        device_->deliver("late", 1, ++tail_);
        ++count;
    }
    CW_CHECK(device_->session.finished() && device_->balanced());
    return count;
}

void Events::event() {
    acks_.clear();
    pubrels_.clear();
    done_.clear();
    delivered_ = 0;
    dropped_before_ = device_->counters.deliveries_dropped_too_large;
    const std::uint64_t what = choose_(64);
    if (what < 24) {
        client_event();
    } else if (what < 44) {
        if (!device_->asked.empty()) {
            answer();
        }
    } else if (what < 58) {
        deliver();
    } else if (what < 62) {
        device_->advance(choose_(3'000));
    } else if (one_in(4)) {
        rare_event();
    }
    check();
}

void Events::client_event() {
    if (!connected_) {
        send_connect();
        return;
    }
    const std::uint64_t what = choose_(32);
    if (what < 10) {
        send_publish();
    } else if (what < 20) {
        send_right_ack();
    } else if (what < 24) {
        send_pubrel();
    } else if (what < 27) {
        send_subscribe();
    } else if (what < 29) {
        device_->packet(mqtt::Pingreq{});
    } else if (one_in(8)) {
        send_any_ack();
    }
}

void Events::rare_event() {
    switch (choose_(9)) {
        case 0:
            device_->closed();
            break;
        case 1:
            device_->shutdown(ReasonCode::kServerShuttingDown);
            break;
        case 2:
            device_->takeover(device_->epoch + choose_(2));
            break;
        case 3:
            device_->stream_lost();
            break;
        case 4:
            device_->advance(60'000);
            break;
        case 5:
            device_->output_full = !device_->output_full;
            break;
        case 6:
            device_->core_available = !device_->core_available;
            break;
        case 7:
            send_bytes();
            break;
        default: {
            mqtt::Disconnect packet;
            if (one_in(2)) {
                packet.reason_code = ReasonCode::kDisconnectWithWill;
                packet.properties.session_expiry_interval_s = choose_(2);
            }
            device_->packet(packet);
        }
    }
}

void Events::send_connect() {
    mqtt::Connect packet;
    packet.version = device_->version;
    packet.clean_start = one_in(2);
    packet.client_id = one_in(8) ? "" : "dev";
    packet.keep_alive_s = static_cast<std::uint16_t>(choose_(20));
    if (one_in(4)) {
        mqtt::Will will;
        will.topic = one_in(8) ? "$w" : "w";
        packet.will = will;
    }
    receive_maximum_ = 65'535;
    packet_bytes_max_ = 0;
    if (packet.version == Version::k5) {
        auto& properties = packet.properties;
        properties.session_expiry_interval_s = static_cast<std::uint32_t>(60 * choose_(2));
        properties.receive_maximum = receive_maximum_ = static_cast<std::uint16_t>(1 + choose_(6));
        if (one_in(3)) {
            packet_bytes_max_ = static_cast<std::uint32_t>(1 + choose_(80));
            properties.maximum_packet_size = packet_bytes_max_;
        }
        if (one_in(16)) {
            properties.authentication_method = "x";
        }
    }
    connected_ = true;
    if (one_in(32)) {
        device_->packet(mqtt::Pingreq{});  // not the first packet there may be
    }
    if (device_->end == End::kNone) {
        device_->packet(packet);
    }
}

void Events::send_publish() {
    mqtt::Publish packet;
    constexpr std::string_view kTopics[] = {"a", "a/b", "a/b/c", "$SYS/a", "a/b/c/d/e"};
    packet.topic = kTopics[choose_(one_in(8) ? 5 : 3)];
    packet.qos = static_cast<std::uint8_t>(choose_(3));
    packet.packet_id = packet.qos == 0 ? 0 : static_cast<std::uint16_t>(1 + choose_(kPacketIds));
    packet.retain = one_in(4);
    const std::string payload(choose_(30), 'p');
    packet.payload = payload;
    if (device_->version == Version::k5 && one_in(4)) {
        packet.properties.topic_alias = static_cast<std::uint16_t>(1 + choose_(4));
        packet.topic = one_in(2) ? "" : packet.topic;
    }
    if (packet.qos == 2 && received_.contains(packet.packet_id)) {
        acks_.emplace(PacketType::kPubrec, packet.packet_id);
    }
    device_->packet(packet);
}

void Events::send_pubrel() {
    std::uint16_t packet_id = static_cast<std::uint16_t>(1 + choose_(kPacketIds));
    if (!received_.empty() && !one_in(8)) {
        packet_id = *received_.begin();
    }
    received_.erase(packet_id);
    device_->packet(mqtt::Pubrel{packet_id, {}, {}});
}

// The next step of a message the client has.
void Events::send_right_ack() {
    if (unfinished_.empty()) {
        return;
    }
    const auto at =
        std::next(unfinished_.begin(), static_cast<std::ptrdiff_t>(choose_(unfinished_.size())));
    const std::uint16_t packet_id = at->first;
    Unfinished& item = at->second;
    const bool refuse = device_->version == Version::k5 && one_in(8);
    const ReasonCode code = refuse ? ReasonCode::kQuotaExceeded : ReasonCode::kSuccess;
    const bool ends = item.qos == 1 || item.stage == Held::kPubrel || refuse;
    if (item.stage == Held::kPubrec && !refuse) {
        device_->packet(mqtt::Pubrec{packet_id, {}, {}});  // again; PUBREL was not sent yet
        return;
    }
    const Unfinished was = item;
    if (ends) {
        if (was.n != 0) {
            done_.insert(was.n);
        }
        unfinished_.erase(at);
    } else {
        item.stage = Held::kPubrec;
        if (was.n == 0) {
            pubrels_.insert(packet_id);
        }
    }
    if (was.qos == 1) {
        device_->packet(mqtt::Puback{packet_id, code, {}});
    } else if (was.stage == Held::kPubrel) {
        device_->packet(mqtt::Pubcomp{packet_id, {}, {}});
    } else {
        device_->packet(mqtt::Pubrec{packet_id, code, {}});
    }
}

// Whatever comes of it, only an end or nothing may.
void Events::send_any_ack() {
    const auto packet_id = static_cast<std::uint16_t>(1 + choose_(65'535));
    const auto known = unfinished_.find(packet_id);
    if (known != unfinished_.end() || !device_->session.online()) {
        return;
    }
    pubrels_.insert(packet_id);
    switch (choose_(3)) {
        case 0:
            device_->packet(mqtt::Puback{packet_id, {}, {}});
            break;
        case 1:
            device_->packet(mqtt::Pubrec{packet_id, {}, {}});
            break;
        default:
            device_->packet(mqtt::Pubcomp{packet_id, {}, {}});
    }
}

void Events::send_subscribe() {
    constexpr std::string_view kFilters[] = {"a", "+/b", "#", "$share/g/a", "a/b/c/d/e"};
    const auto packet_id = static_cast<std::uint16_t>(1 + choose_(kPacketIds));
    const std::uint64_t count = 1 + choose_(3);
    if (one_in(3)) {
        mqtt::Unsubscribe packet;
        packet.packet_id = packet_id;
        for (std::uint64_t i = 0; i < count; ++i) {
            packet.filters.push_back(kFilters[choose_(5)]);
        }
        device_->packet(packet);
        return;
    }
    mqtt::Subscribe packet;
    packet.packet_id = packet_id;
    for (std::uint64_t i = 0; i < count; ++i) {
        packet.subscriptions.emplace_back().filter = kFilters[choose_(5)];
    }
    device_->packet(packet);
}

// Anything: it is refused, or waits for more bytes. No packet of these can be answered well.
void Events::send_bytes() {
    std::string bytes;
    const std::uint64_t size = 1 + choose_(8);
    for (std::uint64_t i = 0; i < size; ++i) {
        const auto byte = static_cast<char>(choose_(256));
        // Chance makes a whole acknowledgement once in a million lives: those are send_any_ack()'s.
        const bool ack = byte == '\x40' || byte == '\x50' || byte == '\x62' || byte == '\x70';
        bytes.push_back(ack ? '\xFF' : byte);
    }
    device_->bytes(bytes);
    // What follows would be read as the rest of it.
    device_->closed();
}

void Events::answer() {
    const Asked& asked = device_->asked.front();
    const bool online = device_->session.online();
    switch (asked.kind()) {
        case CommandKind::kOpen:
            answer_open();
            return;
        case CommandKind::kPublish: {
            const auto publish = asked.as<Publish>();
            const auto packet_id = static_cast<std::uint16_t>(what_of(asked.token));
            const std::uint8_t qos = publish.qos;
            const ResultCode code = answer_publish(publish);
            const bool ok = code == ResultCode::kOk || code == ResultCode::kNoSubscribers;
            if (ok && online) {
                acks_.emplace(qos == 1 ? PacketType::kPuback : PacketType::kPubrec, packet_id);
            }
            device_->answer(code);
            CW_CHECK(!ok || !online || !device_->sent.empty() || packet_bytes_max_ != 0);
            return;
        }
        case CommandKind::kRelease: {
            const std::uint16_t packet_id = asked.as<Release>().packet_id;
            if (one_in(64)) {
                device_->answer(ResultCode::kQuotaExceeded);
                return;
            }
            const bool known = incoming_.erase(packet_id) != 0;
            received_.erase(packet_id);
            if (online && known) {
                acks_.emplace(PacketType::kPubcomp, packet_id);
            }
            device_->answer(known ? ResultCode::kOk : ResultCode::kNotFound);
            return;
        }
        case CommandKind::kSubscribe:
        case CommandKind::kUnsubscribe: {
            const bool subscribe = asked.kind() == CommandKind::kSubscribe;
            const std::size_t filters = subscribe ? asked.as<Subscribe>().filters.size()
                                                  : asked.as<Unsubscribe>().filters.size();
            const bool refuse = one_in(8);
            if (online) {
                acks_.emplace(subscribe ? PacketType::kSuback : PacketType::kUnsuback,
                              static_cast<std::uint16_t>(what_of(asked.token)));
            }
            device_->answer(refuse ? ResultCode::kQuotaExceeded : ResultCode::kOk,
                            refuse ? std::string{} : std::string(filters, '\0'));
            return;
        }
        case CommandKind::kReceived: {
            const std::uint64_t n = asked.as<Received>().n;
            const bool known = in_flight_.contains(n);
            const bool refuse = one_in(64);
            if (known && !refuse) {
                noted_.insert(n);
            }
            pubrels_.insert(packet_id_of(n));
            device_->answer(refuse  ? ResultCode::kQuotaExceeded
                            : known ? ResultCode::kOk
                                    : ResultCode::kNotFound);
            return;
        }
        default:
            CW_CHECK(asked.kind() == CommandKind::kClose);
            attached_ = false;
            device_->answer();
    }
}

ResultCode Events::answer_publish(const Publish& publish) {
    if (one_in(64)) {
        return ResultCode::kStale;
    }
    if (publish.qos == 2 && incoming_.contains(publish.packet_id)) {
        return ResultCode::kOk;
    }
    if (one_in(16)) {
        return ResultCode::kQuotaExceeded;
    }
    if (publish.qos == 2) {
        incoming_.insert(publish.packet_id);
    }
    return one_in(4) ? ResultCode::kNoSubscribers : ResultCode::kOk;
}

void Events::answer_open() {
    if (one_in(8)) {
        device_->answer(one_in(2) ? ResultCode::kQuotaExceeded : ResultCode::kInvalid);
        return;
    }
    const auto open = device_->asked.front().as<Open>();
    const std::uint32_t expiry_s = std::min(open.session_expiry_interval_s, 600U);
    inbox_ = expiry_s != 0;
    attached_ = true;
    CW_CHECK(open.receive_maximum == window());
    // A repeated PUBLISH may stand behind CONNECT only in another connection's life.
    device_->answer_open({device_->epoch, expiry_s, one_in(2)});
    if (device_->session.online()) {
        resume();
    }
}

// What an earlier connection left behind.
void Events::resume() {
    for (std::uint64_t i = choose_(3); i > 0 && inbox_ && in_flight_.size() < window(); --i) {
        const std::uint64_t n = ++tail_;
        in_flight_[n] = 2;
        noted_.insert(n);
        pubrels_.insert(packet_id_of(n));
        unfinished_[packet_id_of(n)] = Unfinished{n, 2, Held::kPubrec};
        device_->release(n);
    }
}

void Events::deliver() {
    if (!attached_) {
        return;
    }
    Delivery delivery;
    delivery.epoch = device_->epoch;
    delivery.qos = static_cast<std::uint8_t>(choose_(3));
    const std::string payload(choose_(80), 'p');
    const SetMs expires_at = one_in(3) ? device_->set_now + choose_(4'000) : 0;
    if (delivery.qos != 0 && inbox_) {
        if (in_flight_.size() >= window()) {
            return;  // the core keeps to the window itself
        }
        delivery.n = ++tail_;
        delivery.dup = one_in(4);
        in_flight_[tail_] = delivery.qos;
        delivered_ = tail_;
    }
    device_->deliver(delivery, message_of("t", payload, {}, expires_at));
}

std::size_t Events::window() const {
    return std::min(receive_maximum_, device_->limits.inflight_max);
}

void Events::check() {
    while (!device_->sent.empty()) {
        const Sent packet = std::move(device_->sent.front());
        device_->sent.pop_front();
        const auto result = mqtt::decode(
            packet.bytes, {.version = device_->version, .sender = mqtt::Sender::kServer});
        check_sent(std::get<mqtt::Decoded>(result).packet, packet.bytes.size());
    }
    CW_CHECK(unfinished_.size() <= window(), "Receive Maximum");
    const bool dropped = device_->counters.deliveries_dropped_too_large != dropped_before_;
    for (const std::uint64_t n : device_->take_acknowledged()) {
        CW_CHECK(done_.erase(n) == 1 || (dropped && n == delivered_), "acknowledged too early");
        CW_CHECK(in_flight_.erase(n) == 1, "acknowledged twice");
    }
    CW_CHECK(done_.empty() || device_->end != End::kNone, "the core was not told");
}

void Events::check_sent(const mqtt::Packet& packet, std::size_t bytes) {
    CW_CHECK(packet_bytes_max_ == 0 || bytes <= packet_bytes_max_ ||
                 std::holds_alternative<mqtt::Connack>(packet),
             "Maximum Packet Size");
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
        check_publish(*publish);
    } else if (const auto* pubrel = std::get_if<mqtt::Pubrel>(&packet)) {
        check_pubrel(*pubrel);
    } else if (const auto* puback = std::get_if<mqtt::Puback>(&packet)) {
        check_ack(PacketType::kPuback, puback->packet_id, succeeded(puback->reason_code));
    } else if (const auto* pubrec = std::get_if<mqtt::Pubrec>(&packet)) {
        check_ack(PacketType::kPubrec, pubrec->packet_id, succeeded(pubrec->reason_code));
    } else if (const auto* pubcomp = std::get_if<mqtt::Pubcomp>(&packet)) {
        // 3.1.1 cannot say that the id was unknown.
        check_ack(PacketType::kPubcomp, pubcomp->packet_id,
                  device_->version == Version::k5 && succeeded(pubcomp->reason_code));
    } else if (const auto* suback = std::get_if<mqtt::Suback>(&packet)) {
        const auto& codes = suback->reason_codes;
        check_ack(PacketType::kSuback, suback->packet_id,
                  std::any_of(codes.begin(), codes.end(), succeeded));
    } else if (const auto* unsuback = std::get_if<mqtt::Unsuback>(&packet)) {
        check_ack(PacketType::kUnsuback, unsuback->packet_id, true);
    }
}

void Events::check_ack(PacketType type, std::uint16_t packet_id, bool success) {
    const auto allowed = acks_.find(Ack{type, packet_id});
    CW_CHECK(!success || allowed != acks_.end(), "success without a result");
    if (allowed != acks_.end()) {
        acks_.erase(allowed);
    }
    if (type == PacketType::kPubrec && success) {
        received_.insert(packet_id);
    }
}

void Events::check_publish(const mqtt::Publish& packet) {
    if (packet.qos == 0) {
        return;
    }
    CW_CHECK(delivered_ == 0 || packet_id_of(delivered_) == packet.packet_id);
    const bool is_new =
        unfinished_.emplace(packet.packet_id, Unfinished{delivered_, packet.qos, Held::kPublish})
            .second;
    CW_CHECK(is_new, "a packet id in use");
}

void Events::check_pubrel(const mqtt::Pubrel& packet) {
    CW_CHECK(pubrels_.contains(packet.packet_id), "PUBREL without a result");
    const auto at = unfinished_.find(packet.packet_id);
    if (at != unfinished_.end()) {
        CW_CHECK(at->second.stage != Held::kPublish && at->second.qos == 2);
        CW_CHECK(at->second.n == 0 || noted_.contains(at->second.n) ||
                     mqtt::is_error(packet.reason_code),
                 "PUBREL before the core noted PUBREC");
        at->second.stage = Held::kPubrel;
    }
}

}  // namespace causeway::session::test
