// One gateway loop: its listeners, its connections, and its way into the core. A connection lives
// here from accept to the last result owed to it. Everything runs on this loop's thread; the shard
// is made and destroyed while the loop does not run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/loop.h"
#include "core/io/tcp_listener.h"
#include "core/io/timer.h"
#include "core/message/submitter.h"
#include "gateway/auth/admit.h"
#include "gateway/net/queue_consumers.h"
#include "gateway/session/session.h"

struct ssl_ctx_st;

namespace causeway::net {

struct ListenerOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::shared_ptr<ssl_ctx_st> tls;  // null: in the clear
    auth::ListenerPolicy policy;
    bool websocket = false;       // MQTT in WebSocket frames (MQTT 5.0 §6)
    bool proxy_protocol = false;  // a load balancer says first who the client is
    bool first = true;            // false: another loop of this gateway has the port already
};

struct ShardOptions {
    session::Limits limits;
    std::uint32_t connections_max = 1'000'000;  // of this loop
    std::uint32_t output_bytes_max = 8U << 20;
    std::uint64_t random = 1;
};

struct ShardStatus {
    session::Counters sessions;
    std::uint64_t connections = 0;
    std::uint64_t online = 0;
    std::uint64_t accepted = 0;
    std::uint64_t refused_full = 0;
    std::uint64_t tls_failed = 0;
    std::uint64_t proxy_failed = 0;       // no PROXY header where one must be
    std::uint64_t websocket_refused = 0;  // ended before CONNACK: no upgrade, or bad frames
    std::uint64_t bytes_in = 0;
    std::uint64_t unavailable = 0;  // 1: some set cannot be reached from this loop
    std::uint64_t paused = 0;       // how often reading stopped because the core did not keep up
};

class Connection;
struct SysMessage;

class Shard final : public SubmitterEvents, QueueConsumers::Host {
public:
    using MakeSubmitter = std::function<std::unique_ptr<Submitter>(io::Loop&, SubmitterEvents&)>;
    explicit Shard(const ShardOptions& options);
    ~Shard() override;
    // Effect: makes this loop's way into the core. Once, before the loop runs; from then on the
    // core sends here, so the shard may be destroyed only after the core has stopped.
    void attach(const MakeSubmitter& make_submitter);
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    [[nodiscard]] io::Loop& loop() { return loop_; }

    // Effect: listens; returns the port bound. Before the loop runs.
    Result<std::uint16_t> listen(const ListenerOptions& options);
    // Effect: stops accepting and reading; each connection is closed with kServerShuttingDown when
    // its publishes are answered; `done` is called when all are gone or after `grace_ms`.
    void shut_down(std::uint64_t grace_ms, io::Task done);
    [[nodiscard]] ShardStatus status() const;
    // Effect: publishes at QoS 0, as nobody's, where the core has room.
    void publish(const std::vector<SysMessage>& messages);
    // Effect: clients that consume these queues look again; none: all do.
    void wake_queues(const std::vector<std::string>& queues) {
        queues_.wake(queues, loop_.now_ms());
    }

    // SubmitterEvents.
    void on_result(const CommandTag& tag, ResultCode code, std::string_view detail) override;
    void on_result_lost(const CommandTag& tag, bool sent) override;
    void on_outputs(const StreamOutputs& outputs) override;
    void on_room() override;
    void on_home_lost(GroupId home) override;

private:
    friend class Connection;
    struct Slot {
        std::unique_ptr<Connection> connection;
        std::uint32_t generation = 0;
    };

    void accept(io::StreamPtr stream, const ListenerOptions& options);
    Connection* find(std::uint64_t nonce);
    void perform(Connection& connection);
    // The set of its session may take more, and a CONNECT is not under way.
    [[nodiscard]] bool may_read(Connection& connection) const;
    [[nodiscard]] GroupId home_of(const Connection& connection) const;
    void release_if_done(Connection& connection);
    // Reads on if the connection waited for its session alone.
    void resume_if_ready(Connection& connection);
    void release(Connection& connection);
    void pause(Connection& connection);
    void on_timer(std::uint64_t nonce);
    void check_shut_down();
    void end_turn();

    // QueueConsumers::Host.
    [[nodiscard]] const std::vector<GroupId>& sets() const override { return submitter_->sets(); }
    [[nodiscard]] bool may_ask(GroupId set) const override;
    void ask(GroupId set, std::string_view command, std::uint64_t token) override;
    [[nodiscard]] std::uint32_t room(std::uint64_t nonce) override;
    void deliver(std::uint64_t nonce, std::string_view queue, GroupId set,
                 const QueueMessage& message) override;

    ShardOptions options_;
    io::Loop loop_;
    std::unique_ptr<Submitter> submitter_;
    io::LoopTimers timers_;
    io::Timer grace_;
    QueueConsumers queues_;
    io::Timer queue_timer_;
    MonoMs queue_timer_at_ = 0;
    io::TurnHook hook_;
    std::vector<std::unique_ptr<io::TcpListener>> listeners_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint64_t> paused_;  // connections that wait for room, by nonce
    session::Effects effects_;
    ShardStatus status_;
    std::uint64_t random_;
    io::Task shut_down_done_;
    bool shutting_down_ = false;
};

}  // namespace causeway::net
