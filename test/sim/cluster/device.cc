#include "test/sim/cluster/device.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "gateway/mqtt/decode.h"

namespace causeway::sim {
namespace {

constexpr TimeUs kAnswerMax = 6 * kSecond;
constexpr TimeUs kPingEvery = 2 * kSecond;
constexpr std::uint16_t kKeepAliveS = 10;
constexpr std::size_t kOutgoingMax = 8;
constexpr std::uint16_t kSubscribeIds = 1000;  // packet ids of SUBSCRIBE and UNSUBSCRIBE

}  // namespace

SimDevice::SimDevice(World& world, Fleet& fleet, ClusterChecker& checker, DeviceTotals& totals,
                     DeviceOptions options)
    : world_(world),
      fleet_(fleet),
      checker_(checker),
      totals_(totals),
      options_(std::move(options)),
      who_(fleet.history.names.intern(options_.name)) {
    for (const DeviceOptions::Filter& filter : options_.filters) {
        subscriptions_.push_back(Subscription{filter});
    }
}

SimDevice::~SimDevice() {
    if (socket_) {
        socket_->owner = nullptr;
    }
}

void SimDevice::start() {
    world_.after(world_.random.below(200 * kMs), [this] { act(); });
}

bool SimDevice::quiet() const {
    const bool subscribed =
        std::all_of(subscriptions_.begin(), subscriptions_.end(),
                    [](const Subscription& one) { return one.wish == Wish::kActive; });
    return outgoing_.empty() && received_.empty() &&
           (!options_.persistent || (online_ && subscribed));
}

std::string SimDevice::describe() const {
    return options_.name + (online_ ? " online, " : " offline, ") +
           std::to_string(outgoing_.size()) + " outgoing, " + std::to_string(received_.size()) +
           " received";
}

void SimDevice::note(EventKind kind, std::uint64_t id, std::uint8_t qos, std::string_view topic,
                     bool persistent, bool dup, bool retain) {
    Event event;
    event.kind = kind;
    event.qos = qos;
    event.dup = dup;
    event.retain = retain;
    event.persistent = persistent;
    event.who = who_;
    event.topic = fleet_.history.names.intern(topic);
    event.id = id;
    event.connection = connection_;
    event.at_us = world_.now();
    fleet_.history.events.push_back(event);
    if (world_.traced()) {
        constexpr const char* kNames[] = {"sends",   "has acknowledged", "is refused",   "gets",
                                          "drained", "is subscribed",    "unsubscribes", "ends",
                                          "LOST",    "evicted"};
        world_.note(options_.name + "." + std::to_string(connection_) + " " +
                    kNames[static_cast<int>(kind)] + " " + std::to_string(id) + " qos " +
                    std::to_string(qos) + " " + std::string(topic));
    }
}

// --- acting ------------------------------------------------------------------------------------

void SimDevice::act() {
    world_.after(world_.delay(1 * kMs, options_.act_every * 2), [this] { act(); });
    Random& random = world_.random;
    if (!socket_) {
        // A clean session that has nothing left to say stays away at the end.
        if (!fleet_.finishing || !quiet()) {
            connect();
        }
        return;
    }
    const TimeUs now = world_.now();
    const bool silent = waiting_since_ != 0 && now - waiting_since_ > kAnswerMax;
    if (silent) {
        drop(random.chance(1, 2));
        return;
    }
    if (!online_) {
        return;
    }
    if (now - said_at_ > kPingEvery) {
        send(mqtt::Pingreq{});
    }
    if (fleet_.finishing) {
        subscribe_wanted();
        return;
    }
    act_online();
}

void SimDevice::act_online() {
    Random& random = world_.random;
    if (random.chance(1, 60)) {
        ++totals_.drops;
        drop(random.chance(2, 3));
        return;
    }
    if (random.chance(1, 120)) {
        disconnect();
        return;
    }
    // Over a second connection while the hub still holds the first.
    if (random.chance(1, 80)) {
        ++totals_.takeovers;
        totals_.takeovers_qos2 += std::any_of(outgoing_.begin(), outgoing_.end(),
                                              [](const Outgoing& out) { return out.qos == 2; })
                                      ? 1
                                      : 0;
        drop(false);
        connect();
        return;
    }
    if (random.chance(1, 100)) {
        unsubscribe_one();
    }
    subscribe_wanted();
    if (!options_.topics.empty()) {
        for (std::uint64_t count = 1 + random.below(3); count > 0; --count) {
            publish();
        }
    }
}

void SimDevice::connect() {
    const Fleet::Gateway to = fleet_.pick_gateway();
    if (to.gateway == nullptr) {
        return;
    }
    Random& random = world_.random;
    ++connection_;
    socket_ = std::make_shared<Socket>();
    socket_->owner = this;
    socket_->connection = connection_;
    socket_->gateway = to.gateway;
    socket_->host = to.host;
    to.gateway->expect(socket_);
    socket_->read_delay = options_.read_delay;
    online_ = false;
    bytes_.clear();
    connected_at_ = heard_at_ = world_.now();
    const TimeUs arrival = socket_->up.next(world_.now(), world_.delay(100, 3 * kMs));
    world_.after(arrival, [socket = socket_] {
        socket->host->soon(0, [socket] {
            if (socket->gateway != nullptr) {
                socket->gateway->accept(socket);
            }
        });
    });

    const bool v5 = options_.version == mqtt::Version::k5;
    wiping_ = wiping_ || (options_.persistent && v5 && has_session_ && !fleet_.finishing &&
                          random.chance(1, 40));
    clean_ = !options_.persistent || wiping_;
    certain_ = clean_ || !unsure_;
    expected_ = !clean_ && has_session_;
    mqtt::Connect packet;
    packet.version = options_.version;
    packet.client_id = options_.name;
    packet.clean_start = clean_;
    packet.keep_alive_s = kKeepAliveS;
    packet.properties.receive_maximum = options_.receive_maximum;
    if (v5 && options_.persistent) {
        packet.properties.session_expiry_interval_s = 0xFFFF'FFFF;
    }
    const std::string will_topic = "w/" + options_.name + "/will";
    std::string will_payload;
    if (options_.will) {
        ++totals_.wills;
        wills_.push_back(WillRecord{fleet_.next_id++});
        will_payload = payload_of(wills_.back().id);
        packet.will = mqtt::Will{};
        packet.will->topic = will_topic;
        packet.will->payload = will_payload;
        packet.will->qos = 1;
        note(EventKind::kSent, wills_.back().id, 1, will_topic);
    }
    if (clean_) {
        note(EventKind::kEnded, 0, 0, "");
        session_gone();
    }
    unsure_ = true;
    ++totals_.connects;
    send(packet);
    waiting_since_ = world_.now();
}

// The device's own half: what was not acknowledged is given up.
void SimDevice::session_gone() {
    outgoing_.clear();
    received_.clear();
    has_session_ = false;
    for (Subscription& subscription : subscriptions_) {
        subscription.wish = Wish::kWanted;
    }
}

void SimDevice::drop(bool tell) {
    SocketPtr socket = std::exchange(socket_, nullptr);
    online_ = false;
    waiting_since_ = 0;
    socket->owner = nullptr;
    for (Subscription& subscription : subscriptions_) {
        if (subscription.wish != Wish::kActive) {
            subscription.wish = Wish::kWanted;
        }
    }
    if (tell) {
        world_.after(socket->up.next(world_.now(), world_.delay(100, 3 * kMs)), [socket] {
            socket->host->soon(0, [socket] {
                if (socket->gateway != nullptr) {
                    socket->gateway->on_end(socket->nonce);
                }
            });
        });
    }
}

void SimDevice::disconnect() {
    if (options_.will && !wills_.empty()) {
        wills_.back().normal = true;
    }
    send(mqtt::Disconnect{});
    drop(true);
}

void SimDevice::on_closed(std::uint64_t connection) {
    if (socket_ && connection == connection_) {
        drop(false);
    }
}

void SimDevice::settle_wills() {
    for (const WillRecord& will : wills_) {
        const bool stands = online_ && will.id == wills_.back().id;
        if (will.accepted && !will.normal && !stands) {
            ++totals_.wills_due;
            note(EventKind::kAcknowledged, will.id, 1, "w/" + options_.name + "/will");
        }
    }
}

// --- publishing and subscribing ----------------------------------------------------------------

std::uint16_t SimDevice::free_packet_id() {
    // Few numbers, so that they come again at once.
    auto id = static_cast<std::uint16_t>(1 + world_.random.below(kOutgoingMax));
    while (std::any_of(outgoing_.begin(), outgoing_.end(),
                       [&](const Outgoing& out) { return out.packet_id == id; })) {
        id = id == kOutgoingMax * 2 ? 1 : static_cast<std::uint16_t>(id + 1);
    }
    return id;
}

void SimDevice::publish() {
    Random& random = world_.random;
    const std::uint8_t qos = options_.qos[random.below(options_.qos.size())];
    if (qos == 0) {
        Outgoing out;
        out.id = fleet_.next_id++;
        out.topic = options_.name + "/q0/" + std::to_string(connection_);
        out.qos = 0;
        send_publish(out);
        return;
    }
    if (outgoing_.size() >= kOutgoingMax) {
        return;
    }
    Outgoing out;
    out.id = fleet_.next_id++;
    out.topic = options_.topics[random.below(options_.topics.size())];
    out.qos = qos;
    out.packet_id = free_packet_id();
    outgoing_.push_back(std::move(out));
    send_publish(outgoing_.back());
}

void SimDevice::send_publish(Outgoing& out) {
    const std::string payload = payload_of(out.id);
    mqtt::Publish packet;
    packet.topic = out.topic;
    packet.qos = out.qos;
    packet.packet_id = out.packet_id;
    packet.duplicate = out.sent_before && out.qos != 0;
    packet.payload = payload;
    out.sent_before = true;
    note(EventKind::kSent, out.id, out.qos, out.topic);
    send(packet);
    if (out.qos != 0 && waiting_since_ == 0) {
        waiting_since_ = world_.now();
    }
}

void SimDevice::subscribe_wanted() {
    for (std::size_t i = 0; i < subscriptions_.size(); ++i) {
        Subscription& subscription = subscriptions_[i];
        if (subscription.wish != Wish::kWanted) {
            continue;
        }
        subscription.wish = Wish::kAsked;
        subscription.packet_id = static_cast<std::uint16_t>(kSubscribeIds + i);
        mqtt::Subscribe packet;
        packet.packet_id = subscription.packet_id;
        mqtt::Subscription one;
        one.filter = subscription.filter.filter;
        one.qos = subscription.filter.qos;
        packet.subscriptions.push_back(one);
        send(packet);
    }
}

void SimDevice::unsubscribe_one() {
    for (std::size_t i = 0; i < subscriptions_.size(); ++i) {
        Subscription& subscription = subscriptions_[i];
        if (subscription.wish != Wish::kActive || !world_.random.chance(1, 2)) {
            continue;
        }
        subscription.wish = Wish::kRemoving;
        subscription.packet_id = static_cast<std::uint16_t>(kSubscribeIds + i);
        note(EventKind::kUnsubscribed, 0, 0, subscription.filter.filter);
        mqtt::Unsubscribe packet;
        packet.packet_id = subscription.packet_id;
        packet.filters.push_back(subscription.filter.filter);
        send(packet);
        return;
    }
}

void SimDevice::send(const mqtt::Packet& packet) {
    std::string bytes;
    CW_CHECK(mqtt::encode(packet, options_.version, bytes));
    said_at_ = world_.now();
    const TimeUs delay = socket_->up.next(world_.now(), world_.delay(50, 2 * kMs));
    world_.after(delay, [socket = socket_, bytes = std::move(bytes)]() mutable {
        socket->host->soon(0, [socket, bytes = std::move(bytes)] {
            if (socket->gateway != nullptr) {
                socket->gateway->on_bytes(socket->nonce, bytes);
            }
        });
    });
}

// --- what comes --------------------------------------------------------------------------------

void SimDevice::on_bytes(std::uint64_t connection, std::string_view bytes) {
    if (!socket_ || connection != connection_) {
        return;
    }
    heard_at_ = world_.now();
    bytes_.append(bytes);
    std::size_t taken = 0;
    const std::string all = std::exchange(bytes_, {});
    while (socket_ && connection == connection_ && taken < all.size()) {
        const auto result =
            mqtt::decode(std::string_view(all).substr(taken),
                         {.version = options_.version, .sender = mqtt::Sender::kServer});
        if (std::holds_alternative<mqtt::NeedMore>(result)) {
            bytes_ = all.substr(taken);
            return;
        }
        const auto* decoded = std::get_if<mqtt::Decoded>(&result);
        if (decoded == nullptr) {
            world_.fail("device " + options_.name + " was sent what is no packet");
            return;
        }
        taken += decoded->consumed;
        std::visit([this](const auto& packet) { take(packet); }, decoded->packet);
    }
}

void SimDevice::take(const mqtt::Connack& packet) {
    if (mqtt::is_error(packet.reason_code)) {
        // Refused: nothing of this CONNECT was done.
        drop(false);
        return;
    }
    online_ = true;
    waiting_since_ = 0;
    if (!wills_.empty()) {
        wills_.back().accepted = true;
    }
    if (packet.session_present && clean_) {
        world_.fail("session present after a clean start of " + options_.name);
    } else if (packet.session_present && certain_ && !expected_) {
        world_.fail("session present for " + options_.name + ", which had none");
    } else if (!packet.session_present && expected_ && certain_) {
        note(EventKind::kLost, 0, 0, "");
        world_.fail("the session of " + options_.name + " is gone");
    } else if (!packet.session_present && expected_) {
        note(EventKind::kLost, 0, 0, "");
    }
    if (!packet.session_present) {
        session_gone();
    }
    wiping_ = false;
    unsure_ = false;
    has_session_ = options_.persistent;
    totals_.resumed += packet.session_present ? 1 : 0;
    for (Outgoing& out : outgoing_) {
        if (out.stage == Stage::kRelease) {
            send(mqtt::Pubrel{out.packet_id, mqtt::ReasonCode::kSuccess, {}});
            waiting_since_ = world_.now();
        } else {
            send_publish(out);
        }
    }
    subscribe_wanted();
}

void SimDevice::take(const mqtt::Publish& packet) {
    const std::uint64_t id = id_of(packet.payload);
    if (packet.qos == 2 && !received_.insert(packet.packet_id).second) {
        send(mqtt::Pubrec{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
        return;
    }
    note(EventKind::kDelivered, id, packet.qos, packet.topic, false, packet.duplicate,
         packet.retain);
    if (packet.qos == 1) {
        send(mqtt::Puback{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
    } else if (packet.qos == 2) {
        send(mqtt::Pubrec{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
    }
}

SimDevice::Outgoing* SimDevice::find(std::uint16_t packet_id, std::uint8_t qos) {
    const auto found = std::find_if(outgoing_.begin(), outgoing_.end(), [&](const Outgoing& out) {
        return out.packet_id == packet_id && out.qos == qos;
    });
    return found == outgoing_.end() ? nullptr : &*found;
}

void SimDevice::forget(std::uint16_t packet_id, std::uint8_t qos) {
    std::erase_if(outgoing_, [&](const Outgoing& out) {
        return out.packet_id == packet_id && out.qos == qos;
    });
    waiting_since_ = outgoing_.empty() ? 0 : world_.now();
}

void SimDevice::take(const mqtt::Puback& packet) {
    const Outgoing* out = find(packet.packet_id, 1);
    if (out == nullptr) {
        world_.fail("PUBACK to " + options_.name + " for nothing it sent");
        return;
    }
    if (mqtt::is_error(packet.reason_code)) {
        ++totals_.refused;
        note(EventKind::kRefused, out->id, 1, out->topic);
    } else {
        note(EventKind::kAcknowledged, out->id, 1, out->topic);
        checker_.acknowledged(out->id);
    }
    forget(packet.packet_id, 1);
}

void SimDevice::take(const mqtt::Pubrec& packet) {
    Outgoing* out = find(packet.packet_id, 2);
    if (out == nullptr) {
        world_.fail("PUBREC to " + options_.name + " for nothing it sent");
        return;
    }
    if (mqtt::is_error(packet.reason_code)) {
        ++totals_.refused;
        note(EventKind::kRefused, out->id, 2, out->topic);
        forget(packet.packet_id, 2);
        return;
    }
    if (out->stage == Stage::kPublish) {
        note(EventKind::kAcknowledged, out->id, 2, out->topic);
        checker_.acknowledged(out->id);
        out->stage = Stage::kRelease;
    }
    send(mqtt::Pubrel{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
}

void SimDevice::take(const mqtt::Pubrel& packet) {
    received_.erase(packet.packet_id);
    send(mqtt::Pubcomp{packet.packet_id, mqtt::ReasonCode::kSuccess, {}});
}

void SimDevice::take(const mqtt::Pubcomp& packet) {
    const Outgoing* out = find(packet.packet_id, 2);
    if (out == nullptr || out->stage != Stage::kRelease) {
        world_.fail("PUBCOMP to " + options_.name + " for nothing it released");
        return;
    }
    forget(packet.packet_id, 2);
}

void SimDevice::take(const mqtt::Suback& packet) {
    for (Subscription& subscription : subscriptions_) {
        if (subscription.packet_id != packet.packet_id || subscription.wish != Wish::kAsked) {
            continue;
        }
        const mqtt::ReasonCode code = packet.reason_codes.front();
        if (mqtt::is_error(code)) {
            subscription.wish = Wish::kWanted;
            return;
        }
        subscription.wish = Wish::kActive;
        note(EventKind::kSubscribed, 0, static_cast<std::uint8_t>(code), subscription.filter.filter,
             options_.persistent);
        return;
    }
}

void SimDevice::take(const mqtt::Unsuback& packet) {
    for (Subscription& subscription : subscriptions_) {
        if (subscription.packet_id == packet.packet_id && subscription.wish == Wish::kRemoving) {
            subscription.wish = Wish::kWanted;
        }
    }
}

void SimDevice::take(const mqtt::Disconnect&) { drop(false); }

}  // namespace causeway::sim
