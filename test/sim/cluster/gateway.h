// A simulated gateway loop: session machines over Streams, driven as gateway/net/shard.cc drives
// them, with sockets that are queues of bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/node/streams.h"
#include "gateway/session/session.h"
#include "test/sim/cluster/world.h"

namespace causeway::sim {

class SimGateway;

// What a gateway needs of its node.
class GatewayHost {
public:
    virtual ~GatewayHost() = default;
    virtual void from_loop(node::FromLoop message) = 0;
    virtual void soon(TimeUs delay, Action action) = 0;
    [[nodiscard]] virtual MonoMs now_ms() const = 0;
};

// The device's end of a connection.
class SocketOwner {
public:
    virtual ~SocketOwner() = default;
    virtual void on_bytes(std::uint64_t connection, std::string_view bytes) = 0;
    virtual void on_closed(std::uint64_t connection) = 0;
};

// A TCP connection between a device and a gateway; both hold it. Bytes arrive in order; what is
// under way when one end goes is lost.
struct Socket {
    SocketOwner* owner = nullptr;   // null: the device has let go
    std::uint64_t connection = 0;   // of the device
    SimGateway* gateway = nullptr;  // null: closed there, or the process died
    GatewayHost* host = nullptr;
    std::uint64_t nonce = 0;
    std::size_t queued = 0;  // bytes for the device not taken yet
    TimeUs read_delay = 0;   // of a slow reader
    Lane up;
    Lane down;
};
using SocketPtr = std::shared_ptr<Socket>;

class SimGateway final : public SubmitterEvents {
public:
    SimGateway(World& world, GatewayHost& host, const node::StreamsOptions& options,
               const session::Limits& limits, std::uint64_t random);
    ~SimGateway() override;

    // --- from the node -------------------------------------------------------------------------
    void take(std::vector<node::ToLoop>& messages);
    // The process dies: devices are told at once, or find out themselves.
    void die(bool silent);

    // --- from devices, through their socket ----------------------------------------------------
    // A connection is on its way here; accept() follows if the process lives until then.
    void expect(const SocketPtr& socket) { sockets_.push_back(socket); }
    void accept(const SocketPtr& socket);
    void on_bytes(std::uint64_t nonce, std::string_view bytes);
    void on_end(std::uint64_t nonce);

    // --- from applications, as gateway/api ------------------------------------------------------
    // Effect: `answer` is called with the result, unless it is lost.
    using Answer = absl::AnyInvocable<void(ResultCode code, std::string_view detail)>;
    void ask(GroupId set, std::string_view command, Answer answer);

    [[nodiscard]] const session::Counters& counters() const { return counters_; }
    [[nodiscard]] const node::Streams& streams() const { return streams_; }
    [[nodiscard]] std::size_t connections() const { return connections_; }

    // SubmitterEvents.
    void on_result(const CommandTag& tag, ResultCode code, std::string_view detail) override;
    void on_result_lost(const CommandTag& tag, bool sent) override;
    void on_outputs(const StreamOutputs& outputs) override;
    void on_room() override;
    void on_home_lost(GroupId home) override;

private:
    struct Connection {
        Connection(std::uint64_t of, const session::Limits& limits, session::Counters& counters,
                   std::uint64_t random, MonoMs now)
            : nonce(of), session(of, {"192.0.2.1", true}, limits, counters, random, now) {}
        std::uint64_t nonce;
        session::Session session;
        SocketPtr socket;  // null: closed
        std::string kept;
        bool paused = false;
    };
    struct Slot {
        std::unique_ptr<Connection> connection;
        std::uint32_t generation = 0;
    };

    Connection* find(std::uint64_t nonce);
    void perform(Connection& connection);
    void take_packets(Connection& connection);
    [[nodiscard]] bool may_read(Connection& connection) const;
    void pause(Connection& connection);
    void write(Connection& connection, std::string bytes);
    void close(Connection& connection, bool flush);
    void release_if_done(Connection& connection);
    void tick();
    void flush() { streams_.flush(); }

    World& world_;
    GatewayHost& host_;
    node::Streams streams_;
    session::Limits limits_;
    session::Counters counters_;
    std::uint64_t random_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint64_t> paused_;
    std::vector<std::unique_ptr<Connection>> gone_;
    std::vector<std::weak_ptr<Socket>> sockets_;  // all that point here
    session::Effects effects_;
    std::size_t connections_ = 0;
    std::map<std::uint64_t, Answer> asked_;
    std::uint64_t questions_ = 0;
};

}  // namespace causeway::sim
