#include "test/sim/cluster/gateway.h"

#include <algorithm>

#include "gateway/mqtt/decode.h"

namespace causeway::sim {
namespace {

constexpr TimeUs kTick = 20 * kMs;
constexpr std::uint32_t kApplications = ~0U;  // the slot in the tags of their commands
constexpr std::size_t kOutputBytesMax = 64U << 10;

constexpr std::uint64_t nonce_of(std::uint32_t slot, std::uint32_t generation) {
    return std::uint64_t{slot} << 32 | generation;
}

}  // namespace

SimGateway::SimGateway(World& world, GatewayHost& host, const node::StreamsOptions& options,
                       const session::Limits& limits, std::uint64_t random)
    : world_(world),
      host_(host),
      streams_(
          options, *this, [this](node::FromLoop message) { host_.from_loop(std::move(message)); },
          host.now_ms()),
      limits_(limits),
      random_(random) {
    host_.soon(world_.random.below(kTick), [this] { tick(); });
}

SimGateway::~SimGateway() = default;

void SimGateway::tick() {
    host_.soon(kTick, [this] { tick(); });
    gone_.clear();
    std::erase_if(sockets_, [](const auto& known) { return known.expired(); });
    const MonoMs now = host_.now_ms();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Connection* connection = slots_[i].connection.get();
        if (connection == nullptr) {
            continue;
        }
        const MonoMs due = connection->session.deadline();
        if (due != 0 && due <= now) {
            connection->session.on_timer(now, effects_);
            perform(*connection);
            release_if_done(*connection);
        }
    }
    streams_.on_tick(now);
    flush();
}

void SimGateway::take(std::vector<node::ToLoop>& messages) {
    streams_.take(messages, host_.now_ms());
    flush();
}

void SimGateway::die(bool silent) {
    for (const std::weak_ptr<Socket>& known : sockets_) {
        const SocketPtr socket = known.lock();
        if (!socket || socket->gateway != this) {
            continue;
        }
        socket->gateway = nullptr;
        const TimeUs told = silent ? 3 * kSecond : world_.random.below(20 * kMs);
        world_.after(socket->down.next(world_.now(), told), [socket] {
            if (socket->owner != nullptr) {
                socket->owner->on_closed(socket->connection);
            }
        });
    }
}

// --- sockets -----------------------------------------------------------------------------------

void SimGateway::accept(const SocketPtr& socket) {
    std::uint32_t index = 0;
    if (free_.empty()) {
        index = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        index = free_.back();
        free_.pop_back();
    }
    Slot& slot = slots_[index];
    ++slot.generation;
    ++connections_;
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    slot.connection = std::make_unique<Connection>(nonce_of(index, slot.generation), limits_,
                                                   counters_, random_, host_.now_ms());
    slot.connection->socket = socket;
    socket->nonce = slot.connection->nonce;
}

SimGateway::Connection* SimGateway::find(std::uint64_t nonce) {
    const auto index = static_cast<std::uint32_t>(nonce >> 32);
    if (index >= slots_.size() || slots_[index].generation != static_cast<std::uint32_t>(nonce)) {
        return nullptr;
    }
    return slots_[index].connection.get();
}

void SimGateway::on_bytes(std::uint64_t nonce, std::string_view bytes) {
    if (Connection* connection = find(nonce); connection != nullptr && connection->socket) {
        connection->kept.append(bytes);
        take_packets(*connection);
        release_if_done(*connection);
    }
    flush();
}

void SimGateway::on_end(std::uint64_t nonce) {
    if (Connection* connection = find(nonce); connection != nullptr && connection->socket) {
        connection->socket->gateway = nullptr;
        connection->socket = nullptr;
        connection->session.on_closed(effects_);
        perform(*connection);
        release_if_done(*connection);
    }
    flush();
}

void SimGateway::ask(GroupId set, std::string_view command, Answer answer) {
    asked_.emplace(++questions_, std::move(answer));
    streams_.submit_to(set, command, CommandTag{kApplications, 1, questions_});
    flush();
}

void SimGateway::write(Connection& connection, std::string bytes) {
    SocketPtr socket = connection.socket;
    socket->queued += bytes.size();
    const TimeUs delay =
        socket->down.next(world_.now(), socket->read_delay + world_.delay(20, 2 * kMs));
    world_.after(delay, [socket, bytes = std::move(bytes)] {
        socket->queued -= bytes.size();
        if (socket->owner != nullptr) {
            socket->owner->on_bytes(socket->connection, bytes);
        }
    });
}

// What was written before arrives before the end when `flush`; else some of it may be lost.
void SimGateway::close(Connection& connection, bool flush) {
    SocketPtr socket = std::move(connection.socket);
    connection.socket = nullptr;
    connection.kept.clear();
    socket->gateway = nullptr;
    const TimeUs delay = flush ? socket->down.next(world_.now(), world_.delay(20, 2 * kMs))
                               : world_.delay(20, 2 * kMs);
    world_.after(delay, [socket] {
        if (socket->owner != nullptr) {
            socket->owner->on_closed(socket->connection);
        }
    });
}

// --- as gateway/net ----------------------------------------------------------------------------

bool SimGateway::may_read(Connection& connection) const {
    return connection.session.takes_packets() &&
           streams_.has_room(streams_.home(connection.session.client_id()));
}

void SimGateway::pause(Connection& connection) {
    if (!connection.paused) {
        connection.paused = true;
        paused_.push_back(connection.nonce);
    }
}

void SimGateway::take_packets(Connection& connection) {
    std::string bytes = std::exchange(connection.kept, {});
    std::size_t taken = 0;
    while (connection.socket && taken < bytes.size()) {
        if (connection.paused || !may_read(connection)) {
            pause(connection);
            break;
        }
        const auto result = mqtt::decode(std::string_view(bytes).substr(taken),
                                         connection.session.decode_options());
        if (std::holds_alternative<mqtt::NeedMore>(result)) {
            break;
        }
        if (const auto* error = std::get_if<mqtt::DecodeError>(&result)) {
            world_.fail("the gateway cannot decode a device's packet: " +
                        std::string(error->statement));
            return;
        }
        const auto& decoded = std::get<mqtt::Decoded>(result);
        taken += decoded.consumed;
        const auto* connect = std::get_if<mqtt::Connect>(&decoded.packet);
        const bool available =
            connect == nullptr || streams_.available(streams_.home(connect->client_id));
        connection.session.on_packet(decoded.packet, host_.now_ms(), available, effects_);
        perform(connection);
    }
    if (connection.socket && taken < bytes.size()) {
        connection.kept.insert(0, bytes, taken);
    }
}

void SimGateway::perform(Connection& connection) {
    session::Effects& effects = effects_;
    const auto tag_of = [&connection](std::uint64_t token) {
        return CommandTag{static_cast<std::uint32_t>(connection.nonce >> 32),
                          static_cast<std::uint32_t>(connection.nonce), token};
    };
    if (effects.withdraw) {
        const CommandTag tag = tag_of(*std::exchange(effects.withdraw, std::nullopt));
        connection.session.on_withdrawn(streams_.withdraw(connection.session.client_id(), tag),
                                        effects);
    }
    const std::string_view commands = effects.commands;
    bool full = false;
    for (const auto& submission : effects.submissions) {
        const CommandTag tag = tag_of(submission.token);
        full |= !streams_.submit(
            submission.topic.empty() ? connection.session.client_id() : submission.topic,
            commands.substr(submission.begin, submission.size), tag);
    }
    if (effects.has_unlogged) {
        full |= !streams_.submit_unlogged(effects.unlogged.topic, effects.unlogged);
    }
    for (const auto& acknowledged : effects.acknowledged) {
        streams_.acknowledge(connection.session.client_id(), acknowledged.range,
                             acknowledged.urgent);
    }
    if (connection.socket && !effects.bytes.empty()) {
        std::string bytes;
        std::size_t at = 0;
        for (const session::Effects::Piece& piece : effects.pieces) {
            bytes.append(effects.bytes, at, piece.at - at);
            bytes.append(piece.body.view());
            at = piece.at;
        }
        bytes.append(effects.bytes, at);
        write(connection, std::move(bytes));
    }
    const session::End end = effects.end;
    if (world_.traced() && end != session::End::kNone) {
        world_.note("gateway closes " + connection.session.client_id() + ": " +
                    std::string(effects.why));
    }
    effects.clear();
    if (end != session::End::kNone) {
        if (connection.socket) {
            close(connection, end == session::End::kFlush);
        }
    } else if (full && connection.socket) {
        pause(connection);
    }
}

void SimGateway::release_if_done(Connection& connection) {
    if (!connection.session.finished() || connection.socket) {
        return;
    }
    const auto index = static_cast<std::uint32_t>(connection.nonce >> 32);
    Slot& slot = slots_[index];
    if (slot.connection.get() != &connection) {
        return;
    }
    --connections_;
    gone_.push_back(std::move(slot.connection));
    ++slot.generation;
    free_.push_back(index);
}

// --- SubmitterEvents ---------------------------------------------------------------------------

void SimGateway::on_result(const CommandTag& tag, ResultCode code, std::string_view detail) {
    if (tag.slot == kApplications) {
        asked_.extract(tag.token).mapped()(code, detail);
        return;
    }
    Connection* connection = find(nonce_of(tag.slot, tag.generation));
    if (connection == nullptr) {
        return;
    }
    const bool waited = !connection->session.takes_packets();
    connection->session.on_result(tag.token, code, detail, effects_);
    perform(*connection);
    if (waited && connection->socket && connection->paused && may_read(*connection)) {
        connection->paused = false;
        std::erase(paused_, connection->nonce);
        take_packets(*connection);
    }
    release_if_done(*connection);
}

void SimGateway::on_result_lost(const CommandTag& tag, bool sent) {
    if (tag.slot == kApplications) {
        asked_.erase(tag.token);
        return;
    }
    if (Connection* connection = find(nonce_of(tag.slot, tag.generation))) {
        connection->session.on_result_lost(sent, effects_);
        perform(*connection);
        release_if_done(*connection);
    }
}

void SimGateway::on_outputs(const StreamOutputs& outputs) {
    for (const Takeover& takeover : outputs.takeovers) {
        if (Connection* connection = find(takeover.nonce)) {
            connection->session.on_takeover(takeover.epoch, effects_);
            perform(*connection);
            release_if_done(*connection);
        }
    }
    for (const Delivery& delivery : outputs.deliveries) {
        Connection* connection = find(delivery.nonce);
        if (connection == nullptr || !connection->socket) {
            continue;
        }
        if (delivery.release) {
            connection->session.on_release(delivery, effects_);
        } else {
            const bool full = connection->socket->queued > kOutputBytesMax;
            const session::Arrival arrival{outputs.time, host_.now_ms(), full};
            connection->session.on_delivery(delivery, outputs.messages[delivery.message], arrival,
                                            effects_);
        }
        perform(*connection);
        release_if_done(*connection);
    }
}

void SimGateway::on_room() {
    for (const std::uint64_t nonce : std::exchange(paused_, {})) {
        Connection* connection = find(nonce);
        if (connection == nullptr) {
            continue;
        }
        connection->paused = false;
        if (!connection->socket) {
            continue;
        }
        if (!may_read(*connection)) {
            pause(*connection);
            continue;
        }
        take_packets(*connection);
        release_if_done(*connection);
    }
}

void SimGateway::on_home_lost(GroupId home) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Connection* connection = slots_[i].connection.get();
        if (connection != nullptr && streams_.home(connection->session.client_id()) == home) {
            connection->session.on_stream_lost(effects_);
            perform(*connection);
            release_if_done(*connection);
        }
    }
}

}  // namespace causeway::sim
