// One gateway loop: its listeners, its connections, and its way into the core. A connection lives
// here from accept to the last result owed to it. Everything runs on this loop's thread; the shard
// is made and destroyed while the loop does not run.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_set.h>

#include "certs/psk_file.h"
#include "core/io/loop.h"
#include "core/io/tcp_listener.h"
#include "core/io/timer.h"
#include "core/message/submitter.h"
#include "gateway/auth/admit.h"
#include "gateway/net/authenticator.h"
#include "gateway/net/queue_consumers.h"
#include "gateway/net/rate_table.h"
#include "gateway/session/session.h"

struct ssl_ctx_st;

namespace causeway::net {

// What a listener shows and whom it trusts; replaced while it runs.
struct ListenerTls {
    // Null: in the clear. With keys, io::accept_psk() was called.
    std::shared_ptr<ssl_ctx_st> context;
    std::shared_ptr<const certs::PskTable> psks;  // asked before the registry; null: none
};

struct ListenerOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::shared_ptr<ssl_ctx_st> tls;              // as ListenerTls
    std::shared_ptr<const certs::PskTable> psks;  // as ListenerTls
    auth::ListenerPolicy policy;
    bool websocket = false;       // MQTT in WebSocket frames (MQTT 5.0 §6)
    bool proxy_protocol = false;  // a load balancer says first who the client is
    bool first = true;            // false: another loop of this gateway has the port already
    int backlog = 4096;           // connections the kernel holds until they are accepted
};

// Who gets in when many come at once; of one loop. docs/configuration.md, "Limits of the gateway".
struct AdmissionOptions {
    std::uint32_t accept_rate_max = 0;           // connections a second; 0: any
    std::uint32_t half_open_max = 2048;          // without CONNECT
    std::uint32_t tls_handshakes_max = 64;       // under way
    std::uint32_t connects_in_flight_max = 256;  // in the core without an answer
    std::uint32_t connect_queue_max = 16'384;    // CONNECTs that wait for these
    std::uint32_t address_rate_max = 0;          // connections a second from one address; 0: any
    std::uint32_t client_rate_max = 0;           // CONNECTs a second of one client id; 0: any
};

struct ShardOptions {
    session::Limits limits;
    std::uint32_t connections_max = 1'000'000;  // of this loop
    std::uint32_t output_bytes_max = 8U << 20;  // half as much again for answers
    std::uint32_t tls_handshakes_per_turn = 4;  // that go on in one turn of the loop
    AdmissionOptions admission;
    AuthOptions auth;
    std::uint64_t random = 1;
};

struct ShardStatus {
    session::Counters sessions;
    std::uint64_t connections = 0;
    std::uint64_t online = 0;
    std::uint64_t accepted = 0;
    std::uint64_t refused_full = 0;
    std::uint64_t refused_address = 0;  // above address_rate_max
    std::uint64_t refused_client = 0;   // above client_rate_max
    std::uint64_t refused_busy = 0;     // CONNECT: the queue was full, or it waited too long
    std::uint64_t connects_queued = 0;  // how often a CONNECT had to wait
    std::uint64_t accept_pauses = 0;    // how often the listeners were stopped for a while
    std::uint64_t handshakes = 0;       // TLS handshakes begun
    // Now.
    std::uint64_t half_open = 0;
    std::uint64_t connect_queue = 0;
    std::uint64_t connects_in_flight = 0;
    std::uint64_t handshakes_under_way = 0;
    std::uint64_t handshake_queue = 0;
    std::uint64_t connection_bytes = 0;  // in memory, without TLS and what is on the way
    std::uint64_t table_bytes = 0;       // of slots and timers
    std::uint64_t tls_failed = 0;
    std::uint64_t tls_resumed = 0;    // handshakes that went on from a session before
    std::uint64_t tls_psk = 0;        // ... that asked for a pre-shared key
    std::uint64_t tls_dismissed = 0;  // closed: not trusted any more, or of a date that is over
    std::uint64_t proxy_failed = 0;       // no PROXY header where one must be
    std::uint64_t websocket_refused = 0;  // ended before CONNACK: no upgrade, or bad frames
    std::uint64_t bytes_in = 0;
    std::uint64_t unavailable = 0;  // 1: some set cannot be reached from this loop
    std::uint64_t paused = 0;       // how often reading stopped because the core did not keep up
    std::uint64_t paused_unread = 0;  // ... because the client left what it was sent unread
    AuthStatus auth;
};

class Connection;
struct SysMessage;

class Shard final : public SubmitterEvents, QueueConsumers::Host, Authenticator::Host {
public:
    using MakeSubmitter = std::function<std::unique_ptr<Submitter>(io::Loop&, SubmitterEvents&)>;
    // All but the options are the gateway's and outlive it.
    Shard(const ShardOptions& options, SlowWorkers& workers, ProductCounts& counts,
          PskChoices& choices, std::atomic<std::size_t>& queue_consumers);
    ~Shard() override;
    // Effect: makes this loop's way into the core. Once, before the loop runs; from then on the
    // core sends here, so the shard may be destroyed only after the core has stopped.
    void attach(const MakeSubmitter& make_submitter);
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    [[nodiscard]] io::Loop& loop() { return loop_; }

    // Effect: listens; returns the port bound. Before the loop runs.
    Result<std::uint16_t> listen(const ListenerOptions& options);
    // Effect: connections of this listener (its place in the order of listen()) that begin TLS from
    // now on use these. With `recheck` every open connection is looked at again, some a turn, and
    // closed (0x87) if its certificate or key is not good for its listener any more.
    void set_tls(std::size_t listener, const ListenerTls& tls, bool recheck);
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

    // Effect: tokens are checked with other keys from now on. Loop thread.
    void set_auth_settings(std::shared_ptr<const auth::Settings> settings) {
        authenticator_.set_settings(std::move(settings));
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

    static constexpr std::size_t kStages = 5;  // of a connection

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
    void serve_queues();

    // QueueConsumers::Host.
    [[nodiscard]] const std::vector<GroupId>& sets() const override { return submitter_->sets(); }
    [[nodiscard]] bool may_ask(GroupId set) const override;
    void ask(GroupId set, std::string_view command, std::uint64_t token) override;
    [[nodiscard]] std::uint32_t room(std::uint64_t nonce) override;
    void deliver(std::uint64_t nonce, std::string_view queue, GroupId set,
                 const QueueMessage& message) override;

    // listener_tls.cc
    void recheck_sessions();
    void dismiss(Connection& connection);
    void find_psk(Connection& connection, std::string_view identity);

    // Authenticator::Host; recheck.cc
    void on_attempt(std::uint64_t nonce) override;
    void on_recheck(const std::vector<std::string>& devices, bool all_devices,
                    bool catalogue) override;
    void recheck_some();
    void recheck(Connection& connection);
    void recheck_nobody(Connection& connection);
    void on_rechecked(std::uint64_t nonce, const std::string& device_key,
                      const auth::DeviceLookup& lookup);
    void apply_rights(Connection& connection, std::shared_ptr<const auth::Device> device);

    // What changed, and how far the walk over the connections has come.
    struct Changes {
        absl::flat_hash_set<std::string> devices;
        bool all_devices = false;
        bool catalogue = false;

        [[nodiscard]] bool any() const { return all_devices || catalogue || !devices.empty(); }
    };

    // admission.cc: who gets in, and when
    void turn_end();
    void note_stage(Connection& connection);
    [[nodiscard]] bool admit_address(std::string_view host);
    [[nodiscard]] bool admit_client(std::string_view client_id, std::string_view host);
    void queue_handshake(Connection& connection);
    void begin_handshakes();
    void free_handshakes();
    void end_handshake(Connection& connection);
    [[nodiscard]] bool connect_may_go() const;
    // False: the queue is full.
    [[nodiscard]] bool queue_connect(Connection& connection, std::size_t bytes);
    void serve_connects();
    void count_connected();
    // What a client that is refused now should wait.
    [[nodiscard]] std::uint32_t retry_after_s();
    void pace_accepts();
    void trim_after_storm();

    ShardOptions options_;
    io::Loop loop_;
    std::unique_ptr<Submitter> submitter_;
    io::LoopTimers timers_;
    io::Timer grace_;
    Authenticator authenticator_;
    Changes changes_;   // since the walk began
    Changes rechecks_;  // of the walk
    std::size_t recheck_at_ = 0;  // the slot it has come to
    std::uint32_t lookups_ = 0;   // of it, under way
    io::Timer recheck_timer_;
    QueueConsumers queues_;
    io::Timer queue_timer_;
    MonoMs queue_timer_at_ = 0;
    io::TurnHook hook_;
    std::vector<std::unique_ptr<io::TcpListener>> listeners_;
    std::vector<std::unique_ptr<ListenerOptions>> listening_;  // stay while connections refer to them
    std::size_t recheck_left_ = 0;  // slots below this are still to be looked at
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint64_t> paused_;            // connections that wait for room, by nonce
    std::array<std::uint32_t, kStages> stages_{};  // connections by stage
    std::deque<std::uint64_t> handshake_queue_;    // by nonce; about half_open_max
    // Under way, oldest first, with when they began; those that ended go with the next.
    std::deque<std::pair<std::uint64_t, MonoMs>> handshakes_begun_;
    io::Timer handshake_timer_;
    std::uint32_t handshakes_ = 0;  // that are counted
    // By nonce, with the bytes that wait; some may have gone meanwhile.
    std::deque<std::pair<std::uint64_t, std::size_t>> connect_queue_;
    std::uint64_t connect_queue_bytes_ = 0;
    RateTable address_rates_;
    RateTable client_rates_;
    RateTable accept_rate_;
    io::Timer accept_timer_;
    bool accepting_ = true;
    std::uint64_t connected_ = 0;  // CONNECTs answered in the second since `second_`
    std::uint64_t connected_per_s_ = 0;
    MonoMs second_ = 0;
    std::uint64_t churn_ = 0;       // handshakes and ends since the heap was trimmed
    std::uint64_t churn_seen_ = 0;  // when trim_timer_ was started
    io::Timer trim_timer_;
    session::Effects effects_;
    ShardStatus status_;
    std::uint64_t random_;
    io::Task shut_down_done_;
    bool shutting_down_ = false;
};

}  // namespace causeway::net
