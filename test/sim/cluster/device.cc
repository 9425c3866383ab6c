#include "test/sim/cluster/device.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace causeway::sim {
namespace {

constexpr TimeUs kAnswerMax = 6 * kSecond;
constexpr TimeUs kPingEvery = 2 * kSecond;
constexpr std::uint16_t kKeepAliveS = 10;
constexpr std::size_t kOutgoingMax = 8;
// How far the set's time may be off from what a device measures: clocks run up to a twentieth fast,
// and a new leader's time begins where a majority's clocks are.
constexpr TimeUs kTimeSlack = 4 * kSecond;
constexpr std::uint16_t kSubscribeIds = 1000;  // packet ids of SUBSCRIBE and UNSUBSCRIBE

}  // namespace

SimDevice::SimDevice(World& world, Fleet& fleet, ClusterChecker& checker, DeviceTotals& totals,
                     DeviceOptions options)
    : world_(world),
      fleet_(fleet),
      checker_(checker),
      totals_(totals),
      options_(std::move(options)),
      client_id_(options_.name),
      who_(fleet.history.names.intern(client_id_)) {
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
    return outgoing_.empty() && received_.empty() && abandoned_.empty() &&
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
        const bool away = away_until_ > world_.now() && !fleet_.finishing;
        if (fleet_.finishing && !open_unknown_ && !abandoned_.empty()) {
            end_abandoned();
        } else if (!away && (!fleet_.finishing || !quiet())) {
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
        socket_->read_delay = 0;
        if (!abandoned_.empty() && outgoing_.empty() && received_.empty()) {
            drop(true);  // to end those
            return;
        }
        subscribe_wanted();
        return;
    }
    act_online();
}

void SimDevice::leave() {
    ++totals_.away;
    away_until_ = world_.now() + world_.delay(1 * kSecond, 14 * kSecond);
}

void SimDevice::act_online() {
    Random& random = world_.random;
    if (random.chance(1, options_.reader ? 4 : 60)) {
        ++totals_.drops;
        drop(random.chance(2, 3));
        if (random.chance(1, options_.will_delay_s != 0 ? 2 : 8)) {
            leave();
        }
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
    if (random.chance(1, 100) && !options_.reader) {
        unsubscribe_one();
    }
    subscribe_wanted();
    if (!options_.topics.empty()) {
        for (std::uint64_t count = 1 + random.below(3); count > 0; --count) {
            publish();
        }
    }
}

// False: no gateway lives.
bool SimDevice::open_socket() {
    const Fleet::Gateway to = fleet_.pick_gateway();
    if (to.gateway == nullptr) {
        return false;
    }
    ++connection_;
    socket_ = std::make_shared<Socket>();
    socket_->owner = this;
    socket_->connection = connection_;
    socket_->gateway = to.gateway;
    socket_->host = to.host;
    to.gateway->expect(socket_);
    socket_->read_delay = fleet_.finishing ? 0 : options_.read_delay;
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
    return true;
}

// A CONNECT without an answer may be performed at any later time, e.g. when its gateway is no
// longer stopped; with clean start it ends the session then. A client that wants to know what it
// has takes another name.
void SimDevice::begin_identity() {
    ++totals_.identities;
    abandoned_.push_back(client_id_);
    client_id_ = options_.name + "/" + std::to_string(++identities_);
    who_ = fleet_.history.names.intern(client_id_);
    open_unknown_ = false;
}

// Ends what is left of a session given up before, so that nothing waits in it.
void SimDevice::end_abandoned() {
    if (!open_socket()) {
        return;
    }
    ending_abandoned_ = true;
    mqtt::Connect packet;
    packet.version = mqtt::Version::k5;
    packet.client_id = abandoned_.back();
    packet.clean_start = true;
    send(packet);
    waiting_since_ = world_.now();
}

void SimDevice::connect() {
    if (!open_socket()) {
        return;
    }
    if (open_unknown_) {
        begin_identity();
    }
    Random& random = world_.random;
    const bool v5 = options_.version == mqtt::Version::k5;
    wiping_ = wiping_ || (options_.persistent && v5 && has_session_ && !fleet_.finishing &&
                          random.chance(1, 40));
    clean_ = !options_.persistent || wiping_;
    // Whether a session with an expiry is still there may be unsure; before its time it must be.
    const TimeUs expiry = options_.expiry_s * kSecond;
    may_have_expired_ = options_.persistent && options_.expiry_s != ~0U &&
                        world_.now() - known_at_ + kTimeSlack > expiry * 9 / 10;
    certain_ = clean_ || (!unsure_ && !may_have_expired_);
    expected_ = !clean_ && has_session_;
    mqtt::Connect packet;
    packet.version = options_.version;
    packet.client_id = client_id_;
    packet.clean_start = clean_;
    packet.keep_alive_s = kKeepAliveS;
    packet.properties.receive_maximum = options_.receive_maximum;
    if (v5 && options_.persistent) {
        packet.properties.session_expiry_interval_s = options_.expiry_s;
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
        packet.will->properties.will_delay_interval_s = options_.will_delay_s;
        wills_.back().event = fleet_.history.events.size();
        note(EventKind::kSent, wills_.back().id, 1, will_topic);
    }
    if (clean_) {
        note(EventKind::kEnded, 0, 0, "");
        session_gone();
        open_unknown_ = options_.persistent;
        // The end of a session does not wait for the delay of its will.
        for (WillRecord& will : wills_) {
            will.at_once = true;
        }
    }
    unsure_ = true;
    ++totals_.connects;
    send(packet);
    waiting_since_ = world_.now();
}

// The core answered what it was asked then: the session was attached, its end had not begun.
void SimDevice::heard_of_core(TimeUs asked_at) {
    known_at_ = std::max(known_at_, asked_at);
    if (!wills_.empty()) {
        wills_.back().known_at = std::max(wills_.back().known_at, asked_at);
    }
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
    ending_abandoned_ = false;
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
    if (!socket_ || connection != connection_) {
        return;
    }
    drop(false);
}

void SimDevice::will_delivered(std::uint64_t id) {
    if (options_.will_delay_s == 0) {
        return;
    }
    for (const WillRecord& will : wills_) {
        if (will.id != id) {
            continue;
        }
        ++totals_.wills_delayed;
        if (will.accepted && !will.at_once &&
            world_.now() + kTimeSlack < will.known_at + options_.will_delay_s * kSecond * 9 / 10) {
            world_.fail("the will of " + options_.name + " came before its delay was over");
        }
    }
}

void SimDevice::settle_wills() {
    for (const WillRecord& will : wills_) {
        if (!will.accepted) {
            fleet_.history.events[will.event].who =
                fleet_.history.names.intern(options_.name + ", will " + std::to_string(will.id));
        }
    }
    // A delayed will is cancelled by the next connection: when that was in time is not known here.
    if (options_.will_delay_s != 0) {
        return;
    }
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
    out.qos = qos;
    out.topic = options_.topics[random.below(options_.topics.size())];
    out.retain = !options_.retained.empty() && random.chance(1, 6);
    if (out.retain) {
        // At QoS 1: with 2 the answer may come before the message is in another set.
        ++totals_.retained_written;
        out.topic = options_.retained;
        out.qos = 1;
    }
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
    packet.retain = out.retain;
    if (out.retain) {
        out.operation = fleet_.history.operations.size();
        Operation write;
        write.key = fleet_.history.names.intern(out.topic);
        write.client = who_;
        write.write = true;
        write.value = out.id;
        write.call_us = world_.now();
        fleet_.history.operations.push_back(write);
    }
    out.sent_before = true;
    out.sent_at = world_.now();
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
        subscribed_at_ = options_.reader ? world_.now() : 0;
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

}  // namespace causeway::sim
