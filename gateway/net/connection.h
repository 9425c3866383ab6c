// One client connection: the stream, what lies between it and MQTT (PROXY header, WebSocket), the
// bytes of a packet not complete yet, and the session machine. Owned by its shard; loop thread
// only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/io/tcp_stream.h"
#include "core/io/timer.h"
#include "core/io/websocket.h"
#include "gateway/auth/admit.h"
#include "gateway/session/session.h"

namespace causeway::net {

class Shard;
struct ListenerOptions;

class Connection final : public io::StreamOwner {
public:
    Connection(Shard& shard, std::uint64_t nonce, io::StreamPtr stream,
               const ListenerOptions& listener, std::uint64_t random);

    void on_open(io::TcpStream& stream) override;
    void on_bytes(io::TcpStream& stream, std::string_view bytes) override;
    void on_writable(io::TcpStream& stream) override;
    void on_end(io::TcpStream& stream, io::StreamEnd end, std::string_view why) override;

    // Effect: starts reading; what the listener puts around MQTT comes first. False: no memory.
    bool start();
    // Effect: goes on with bytes that were kept while the core had no room or CONNECT was under
    // way.
    void resume();
    // Effect: writes what the session wants to send.
    void send(session::Effects& effects);
    // Effect: drops the transport.
    void close(session::End end);

    [[nodiscard]] session::Session& session() { return session_; }
    [[nodiscard]] std::uint64_t nonce() const { return nonce_; }
    [[nodiscard]] bool open() const { return stream_ != nullptr; }
    [[nodiscard]] io::TcpStream& stream() { return *stream_; }

private:
    friend class Shard;
    // What few listeners put between the stream and MQTT.
    struct Front {
        bool proxy = false;  // the PROXY header has not come yet
        std::string proxy_bytes;
        std::shared_ptr<ssl_ctx_st> tls;  // begins behind the PROXY header
        std::unique_ptr<io::WebSocket> websocket;
    };

    void take_proxy_header(std::string_view bytes);
    void take_websocket(std::string_view bytes);
    void take(std::string_view bytes);
    // The transport is of no use any more.
    void abandon(session::End end);
    // Takes packets off the front of `bytes` while they may be taken; returns how many bytes.
    std::size_t take_packets(std::string_view bytes);
    void keep(std::string_view bytes);
    [[nodiscard]] bool available(const mqtt::Packet& packet) const;

    Shard& shard_;
    std::uint64_t nonce_;
    io::StreamPtr stream_;
    std::string kept_;        // the start of a packet, or bytes not taken yet
    std::size_t wanted_ = 0;  // kept_ is of no use below this size
    io::TimerWheel::Id timer_;
    auth::ListenerPolicy policy_;
    std::unique_ptr<Front> front_;  // null: MQTT, or TLS and MQTT, and nothing else
    session::Session session_;
    bool paused_ = false;  // in the shard's list
};

}  // namespace causeway::net
