// One MQTT client connection of the generator: connects, decodes, keeps alive. What the packets
// mean to the measurement is its owner's affair. Belongs to one loop.
//
// Life: connect -> on_connack -> on_packet* -> on_gone; or connect -> on_gone. At most one on_gone,
// and none after disconnect(). After on_gone it may connect again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/io/tcp_stream.h"
#include "core/io/timer_wheel.h"
#include "gateway/bench/plan.h"
#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/packet.h"

namespace causeway::bench {

class Client;

// All calls on the loop's thread, with CLOCK_MONOTONIC as of the read that caused them. The owner
// must not destroy the client from within.
class ClientOwner {
public:
    virtual ~ClientOwner() = default;
    // The broker accepted the connection.
    virtual void on_connack(Client& client, const mqtt::Connack& connack, std::uint64_t now_ns) = 0;
    // The broker has read everything before the ping() with this mark.
    virtual void on_pingresp(Client& client, std::uint64_t mark, std::uint64_t now_ns) = 0;
    // Any other packet but DISCONNECT. Valid until it returns.
    virtual void on_packet(Client& client, const mqtt::Packet& packet, std::uint64_t now_ns) = 0;
    // The socket took output that it had not taken at once.
    virtual void on_room(Client& client) = 0;
    // The connection failed or ended; `why` has no part that differs from client to client.
    virtual void on_gone(Client& client, std::string_view why) = 0;
};

// The same for all clients of a process.
struct ClientSetup {
    const Plan* plan = nullptr;
    std::shared_ptr<ssl_ctx_st> tls;  // Null: in the clear.
};

class Client final : public io::StreamOwner {
public:
    enum class State : std::uint8_t { kNew, kConnecting, kOpen, kGone };

    // Both must outlive the client.
    Client(const ClientSetup& setup, ClientOwner& owner, ClientPlace place);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Effect: begins to connect, from `source` if that is not empty.
    void connect(io::Loop& loop, const std::string& source);
    // Effect: gives up or ends the connection as if the peer had: on_gone(why).
    void fail(std::string_view why);
    // Effect: says DISCONNECT and closes; no more calls to the owner.
    void disconnect();
    static constexpr std::uint32_t kPingsMax = 4;
    // Effect: sends PINGREQ; on_pingresp(mark) follows, in the order of the pings. Precondition:
    // pings_pending() < kPingsMax. No effect unless open.
    void ping(std::uint64_t mark);
    [[nodiscard]] std::uint32_t pings_pending() const { return pings_pending_; }

    // Effect: queues bytes of packets; sent at the end of the turn. No effect unless open.
    void write(std::string_view bytes);
    void write(const SharedBytes& bytes);
    [[nodiscard]] std::size_t queued_bytes() const;

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] const ClientPlace& place() const { return place_; }
    // What a CONNACK with an error said of when to try again; 0: nothing.
    [[nodiscard]] std::uint32_t retry_after_s() const { return retry_after_s_; }

    // What the owner notes about this client; not used here.
    struct Notes {
        std::uint32_t client = 0;   // Its place among the clients of this process,
        std::uint32_t of_role = 0;  // and among those of its role.
        bool ready = false;         // Connected and, if a subscriber, subscribed.
        std::uint32_t tries = 0;
        std::uint64_t first_connect_ns = 0;
        io::TimerWheel::Id timer;
    };
    Notes notes{};

private:
    void on_open(io::TcpStream& stream) override;
    void on_bytes(io::TcpStream& stream, std::string_view bytes) override;
    void on_writable(io::TcpStream& stream) override;
    void on_end(io::TcpStream& stream, io::StreamEnd end, std::string_view why) override;
    std::string_view take_packets(std::string_view bytes, std::uint64_t now_ns);
    void handle(const mqtt::Packet& packet, std::uint64_t now_ns);
    void handle_pingresp(std::uint64_t now_ns);
    void handle_connack(const mqtt::Connack& connack, std::uint64_t now_ns);
    [[nodiscard]] std::string connect_packet() const;

    const ClientSetup& setup_;
    ClientOwner& owner_;
    ClientPlace place_;
    State state_ = State::kNew;
    std::uint32_t pings_pending_ = 0;
    std::uint32_t next_ping_ = 0;
    std::array<std::uint64_t, kPingsMax>
        ping_marks_{};  // A ring; the oldest is pending_ behind next_.
    std::uint32_t retry_after_s_ = 0;
    io::StreamPtr stream_;
    std::string partial_;  // The begin of a packet whose rest has not arrived.
};

}  // namespace causeway::bench
