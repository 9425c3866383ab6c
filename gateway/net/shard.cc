#include "gateway/net/shard.h"

#include <algorithm>
#include <utility>

#include "core/io/address.h"
#include "core/message/body.h"
#include "gateway/net/connection.h"
#include "gateway/net/sys_topics.h"

namespace causeway::net {
namespace {

constexpr io::TimerWheel::Options kTimers{250, 1024};
constexpr std::uint32_t kQueues = ~0U;  // the slot in the tags of QueueConsumers

// Of each table of rates.
constexpr std::size_t kRateKeysMax = 16'384;

constexpr std::uint64_t nonce_of(std::uint32_t slot, std::uint32_t generation) {
    return std::uint64_t{slot} << 32 | generation;
}

// "host:port", "[host]:port".
std::string host_of(const std::string& address) {
    const std::string host = address.substr(0, address.rfind(':'));
    return io::normal_address(host).value_or(host);
}

}  // namespace

Shard::Shard(const ShardOptions& options, SlowWorkers& workers, ProductCounts& counts,
             PskChoices& choices, std::atomic<std::size_t>& queue_consumers)
    : options_(options),
      timers_(loop_, kTimers, [this](std::uint64_t nonce) { on_timer(nonce); }),
      grace_(loop_,
             [this] {
                 if (shut_down_done_) {
                     std::exchange(shut_down_done_, nullptr)();
                 }
             }),
      authenticator_(loop_, options.auth, workers, counts, choices, options.random, *this),
      recheck_timer_(loop_, [this] { recheck_some(); }),
      queues_(*this, queue_consumers),
      queue_timer_(loop_,
                   [this] {
                       queue_timer_at_ = 0;
                       queues_.on_timer(loop_.now_ms());
                   }),
      handshake_timer_(loop_, [] {}),  // the turn's end does the work
      address_rates_(options.admission.address_rate_max, kRateKeysMax),
      client_rates_(options.admission.client_rate_max, kRateKeysMax),
      accept_rate_(options.admission.accept_rate_max, 1),
      accept_timer_(loop_, [this] { pace_accepts(); }),
      trim_timer_(loop_, [this] { trim_after_storm(); }),
      random_(options.random) {
    loop_.set_handshakes_per_turn(options.tls_handshakes_per_turn);
}

void Shard::attach(const MakeSubmitter& make_submitter) {
    submitter_ = make_submitter(loop_, *this);
    authenticator_.attach(*submitter_);
    hook_ = loop_.at_turn_end([this] { turn_end(); });
}

void Shard::serve_queues() {
    queues_.flush();
    if (const MonoMs due = queues_.deadline(); due != 0 && due != queue_timer_at_) {
        const MonoMs now = loop_.now_ms();
        queue_timer_at_ = due;
        queue_timer_.start(due > now ? due - now : 0);
    }
}

Shard::~Shard() { authenticator_.detach(); }

Result<std::uint16_t> Shard::listen(const ListenerOptions& options) {
    io::ListenOptions listen;
    listen.host = options.host;
    listen.port = options.port;
    listen.reuse_port = true;
    listen.first = options.first;
    listen.backlog = options.backlog;
    auto own = std::make_unique<ListenerOptions>(options);
    auto listener =
        io::TcpListener::listen(loop_, listen, [this, at = own.get()](io::StreamPtr stream) {
            accept(std::move(stream), *at);
        });
    if (!listener) {
        return tl::unexpected(listener.error());
    }
    listening_.push_back(std::move(own));
    const std::uint16_t port = (*listener)->port();
    listeners_.push_back(std::move(*listener));
    return port;
}

void Shard::accept(io::StreamPtr stream, const ListenerOptions& options) {
    ++status_.accepted;
    if (status_.connections >= options_.connections_max || shutting_down_) {
        ++status_.refused_full;
        return;
    }
    std::string host = host_of(stream->peer_address());
    if (!options.proxy_protocol && !admit_address(host)) {
        return;
    }
    std::uint32_t index = 0;
    if (free_.empty()) {
        index = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        index = free_.back();
        free_.pop_back();
    }
    Slot& slot = slots_[index];
    slot.generation = slot.generation == ~0U ? 1 : slot.generation + 1;
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t nonce = nonce_of(index, slot.generation);
    slot.connection = std::make_unique<Connection>(*this, nonce, std::move(stream), std::move(host),
                                                   options, random_ ^ nonce);
    ++status_.connections;
    ++stages_[static_cast<std::size_t>(Connection::Stage::kHalfOpen)];
    Connection& connection = *slot.connection;
    const MonoMs now = loop_.now_ms();
    connection.timer_ = timers_.arm_after(connection.session().deadline() - now, nonce);
    connection.start();
    accept_rate_.admit(0, now);
    pace_accepts();
}

Connection* Shard::find(std::uint64_t nonce) {
    const auto index = static_cast<std::uint32_t>(nonce >> 32);
    if (index >= slots_.size() || slots_[index].generation != static_cast<std::uint32_t>(nonce)) {
        return nullptr;
    }
    return slots_[index].connection.get();
}

// Does what the session asked for, and leaves the effects empty for the next step.
void Shard::perform(Connection& connection) {
    session::Effects& effects = effects_;
    session::Session& session = connection.session();
    note_stage(connection);
    const CommandTag tag{static_cast<std::uint32_t>(connection.nonce() >> 32),
                         static_cast<std::uint32_t>(connection.nonce()), 0};
    if (effects.withdraw) {
        CommandTag own = tag;
        own.token = *std::exchange(effects.withdraw, std::nullopt);
        session.on_withdrawn(submitter_->withdraw(session.client_id(), own), effects);
    }
    const std::string_view commands = effects.commands;
    bool full = false;  // some set this connection needs
    for (const auto& submission : effects.submissions) {
        CommandTag own = tag;
        own.token = submission.token;
        full |=
            !submitter_->submit(submission.topic.empty() ? session.client_id() : submission.topic,
                                commands.substr(submission.begin, submission.size), own);
    }
    if (effects.has_unlogged) {
        full |= !submitter_->submit_unlogged(effects.unlogged.topic, effects.unlogged);
    }
    for (const auto& acknowledged : effects.acknowledged) {
        submitter_->acknowledge(session.client_id(), acknowledged.range, acknowledged.urgent);
    }
    if (connection.open() && !effects.bytes.empty()) {
        connection.send(effects);
    }
    if (effects.deadline_changed) {
        timers_.cancel(connection.timer_);
        connection.timer_ = {};
        if (const MonoMs due = session.deadline(); due != 0) {
            const MonoMs now = loop_.now_ms();
            connection.timer_ = timers_.arm_after(due > now ? due - now : 0, connection.nonce());
        }
    }
    for (session::QueueDelivery& done : effects.queue_done) {
        queues_.acknowledge(std::move(done));
    }
    const bool queues_changed = effects.queues_changed;
    const bool queue_room = effects.queue_room;
    const session::End end = effects.end;
    effects.clear();
    if (queues_changed) {
        queues_.set_queues(connection.nonce(), session.queues(), loop_.now_ms());
    } else if (queue_room) {
        queues_.on_room(connection.nonce(), loop_.now_ms());
    }
    if (end != session::End::kNone) {
        connection.close(end);
    } else if (full && connection.open()) {
        pause(connection);
    }
}

void Shard::release(Connection& connection) {
    const auto index = static_cast<std::uint32_t>(connection.nonce() >> 32);
    timers_.cancel(connection.timer_);
    if (queues_.size() != 0) {
        queues_.set_queues(connection.nonce(), {}, loop_.now_ms());
    }
    --status_.connections;
    --stages_[static_cast<std::size_t>(connection.stage_)];
    end_handshake(connection);
    ++churn_;
    // Its stream's callback may still be on the stack: the memory goes at the end of the turn.
    loop_.post([gone = std::move(slots_[index].connection)] {});
    slots_[index].generation = slots_[index].generation == ~0U ? 1 : slots_[index].generation + 1;
    free_.push_back(index);
    check_shut_down();
}

void Shard::pause(Connection& connection) {
    if (connection.paused_) {
        return;
    }
    connection.paused_ = true;
    connection.stream().pause_reading();
    ++status_.paused;
    paused_.push_back(connection.nonce());
}

GroupId Shard::home_of(const Connection& connection) const {
    return submitter_->home(connection.session_.client_id());
}

bool Shard::may_read(Connection& connection) const {
    return connection.session().takes_packets() && submitter_->has_room(home_of(connection));
}

void Shard::release_if_done(Connection& connection) {
    if (connection.session().finished() && !connection.open()) {
        release(connection);
    }
}

void Shard::on_room() {
    for (const std::uint64_t nonce : std::exchange(paused_, {})) {
        Connection* connection = find(nonce);
        if (connection == nullptr) {
            continue;
        }
        connection->paused_ = false;
        if (!connection->open()) {
            continue;
        }
        if (!may_read(*connection)) {
            pause(*connection);
            continue;
        }
        connection->resume();
    }
    queues_.on_core_room(loop_.now_ms());
}

void Shard::on_result(const CommandTag& tag, ResultCode code, std::string_view detail) {
    if (tag.slot == kQueues) {
        queues_.on_result(tag.token, code, detail, loop_.now_ms());
        return;
    }
    Connection* connection = find(nonce_of(tag.slot, tag.generation));
    if (connection == nullptr) {
        return;
    }
    const bool waited = !connection->session().takes_packets();
    connection->session().on_result(tag.token, code, detail, effects_);
    perform(*connection);
    if (connection->session().finished() && !connection->open()) {
        release(*connection);
        return;
    }
    if (waited) {
        resume_if_ready(*connection);
    }
    check_shut_down();
}

void Shard::resume_if_ready(Connection& connection) {
    if (connection.open() && connection.paused_ && may_read(connection)) {
        connection.paused_ = false;
        std::erase(paused_, connection.nonce());
        connection.resume();
    }
}

void Shard::on_result_lost(const CommandTag& tag, bool sent) {
    if (tag.slot == kQueues) {
        queues_.on_result_lost(tag.token, loop_.now_ms());
        return;
    }
    if (Connection* connection = find(nonce_of(tag.slot, tag.generation))) {
        connection->session().on_result_lost(sent, effects_);
        perform(*connection);
        release_if_done(*connection);
    }
}

void Shard::on_outputs(const StreamOutputs& outputs) {
    for (const Takeover& takeover : outputs.takeovers) {
        if (Connection* connection = find(takeover.nonce)) {
            connection->session().on_takeover(takeover.epoch, effects_);
            perform(*connection);
            release_if_done(*connection);
        }
    }
    for (const Delivery& delivery : outputs.deliveries) {
        Connection* connection = find(delivery.nonce);
        if (connection == nullptr || !connection->open()) {
            continue;
        }
        session::Session& session = connection->session();
        if (delivery.release) {
            session.on_release(delivery, effects_);
        } else {
            const bool full = connection->stream().queued_bytes() > options_.output_bytes_max;
            const session::Arrival arrival{outputs.time, loop_.now_ms(), full};
            session.on_delivery(delivery, outputs.messages[delivery.message], arrival, effects_);
        }
        perform(*connection);
        release_if_done(*connection);
    }
}

void Shard::on_home_lost(GroupId home) {
    for (Slot& slot : slots_) {
        if (slot.connection && home_of(*slot.connection) == home) {
            slot.connection->session().on_stream_lost(effects_);
            perform(*slot.connection);
            release_if_done(*slot.connection);
        }
    }
}

void Shard::on_timer(std::uint64_t nonce) {
    Connection* connection = find(nonce);
    if (connection == nullptr) {
        return;
    }
    connection->timer_ = {};
    session::Session& session = connection->session();
    const MonoMs time = loop_.now_ms();
    if (connection->paused_) {
        session.extend_partial(time);
    }
    if (connection->stage_ == Connection::Stage::kQueued && session.deadline() <= time) {
        connection->refuse_queued();
    } else {
        session.on_timer(time, effects_);
    }
    const bool rearmed = effects_.deadline_changed;
    perform(*connection);
    if (session.finished() && !connection->open()) {
        release(*connection);
        return;
    }
    if (rearmed) {
        resume_if_ready(*connection);
        return;
    }
    if (const MonoMs due = session.deadline(); due != 0) {
        const MonoMs now = loop_.now_ms();
        connection->timer_ = timers_.arm_after(due > now ? due - now : 0, nonce);
    }
}

void Shard::shut_down(std::uint64_t grace_ms, io::Task done) {
    shut_down_done_ = std::move(done);
    shutting_down_ = true;
    listeners_.clear();
    grace_.start(grace_ms);
    for (Slot& slot : slots_) {
        if (slot.connection && slot.connection->open()) {
            slot.connection->stream().pause_reading();
        }
    }
    check_shut_down();
}

// While shutting down: connections whose publishes are answered are closed; when all are gone,
// done.
void Shard::check_shut_down() {
    if (!shutting_down_ || !shut_down_done_) {
        return;
    }
    shutting_down_ = false;  // release() comes back here
    for (Slot& slot : slots_) {
        if (slot.connection && slot.connection->open() && slot.connection->session().answered()) {
            slot.connection->session().on_shutdown(mqtt::ReasonCode::kServerShuttingDown, effects_);
            perform(*slot.connection);
            if (slot.connection->session().finished() && !slot.connection->open()) {
                release(*slot.connection);
            }
        }
    }
    shutting_down_ = true;
    if (status_.connections == 0) {
        grace_.start(0);
    }
}

void Shard::publish(const std::vector<SysMessage>& messages) {
    for (const SysMessage& message : messages) {
        const std::string body = make_body({}, message.payload);
        Publish publish;
        publish.topic = message.topic;
        publish.body = body;
        publish.qos = 0;
        if (submitter_->has_room(submitter_->home(message.topic))) {
            submitter_->submit_unlogged(message.topic, publish);
        }
    }
}

// --- consumers of queues -----------------------------------------------------------------------

bool Shard::may_ask(GroupId set) const {
    return !shutting_down_ && submitter_->available(set) && submitter_->has_room(set);
}

void Shard::ask(GroupId set, std::string_view command, std::uint64_t token) {
    submitter_->submit_to(set, command, CommandTag{kQueues, token == 0 ? 0U : 1U, token});
}

std::uint32_t Shard::room(std::uint64_t nonce) {
    Connection* connection = find(nonce);
    return connection == nullptr || !connection->open() ||
                   connection->stream().queued_bytes() > options_.output_bytes_max
               ? 0
               : connection->session().queue_room();
}

void Shard::deliver(std::uint64_t nonce, std::string_view queue, GroupId set,
                    const QueueMessage& message) {
    Connection* connection = find(nonce);
    if (connection == nullptr || !connection->open()) {
        return;
    }
    connection->session().on_queue_message(queue, set, message, loop_.now_ms(), effects_);
    perform(*connection);
    release_if_done(*connection);
}

ShardStatus Shard::status() const {
    ShardStatus status = status_;
    status.unavailable = submitter_->all_available() ? 0 : 1;
    const auto count = [this](Connection::Stage stage) {
        return stages_[static_cast<std::size_t>(stage)];
    };
    status.auth = authenticator_.status();
    status.online = count(Connection::Stage::kOnline);
    status.half_open = count(Connection::Stage::kHalfOpen);
    status.connect_queue = count(Connection::Stage::kQueued);
    status.connects_in_flight = count(Connection::Stage::kOpening);
    status.handshakes_under_way = handshakes_;
    status.handshake_queue = handshake_queue_.size();
    status.connection_bytes = status.connections * (sizeof(Connection) + sizeof(io::TcpStream));
    status.table_bytes = slots_.capacity() * sizeof(Slot) +
                         free_.capacity() * sizeof(std::uint32_t) + timers_.memory_bytes();
    return status;
}

}  // namespace causeway::net
