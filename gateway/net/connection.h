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
#include "gateway/net/authenticator.h"
#include "gateway/session/session.h"

namespace causeway::net {

class Shard;
struct ListenerOptions;

class Connection final : public io::StreamOwner {
public:
    // What the shard counts connections by.
    enum class Stage : std::uint8_t {
        kHalfOpen,  // before its CONNECT
        kQueued,    // its CONNECT waits for others
        kOpening,   // ... is in the core
        kOnline,
        kEnded,  // a result is still owed to it
    };
    static constexpr std::size_t kStages = 5;

    // `host`: the peer's address without port.
    Connection(Shard& shard, std::uint64_t nonce, io::StreamPtr stream, std::string host,
               const ListenerOptions& listener, std::uint64_t random);

    void on_open(io::TcpStream& stream) override;
    void on_bytes(io::TcpStream& stream, std::string_view bytes) override;
    void on_psk(io::TcpStream& stream, std::string_view identity) override;
    void on_writable(io::TcpStream& stream) override;
    void on_end(io::TcpStream& stream, io::StreamEnd end, std::string_view why) override;

    // Effect: starts reading; what the listener puts around MQTT comes first.
    void start() { stream_->start(*this); }
    // Effect: begins the TLS handshake whose turn has come. False: no memory.
    bool begin_handshake();
    // Effect: answers the CONNECT that waits in the queue: not now.
    void refuse_queued();
    // Effect: reads on and takes the bytes that were kept, if nothing else forbids it: each who
    // stops the reading calls it when its own reason is gone.
    void resume();
    // Effect: writes what the session wants to send.
    void send(session::Effects& effects);
    // Effect: drops the transport.
    void close(session::End end);

    [[nodiscard]] session::Session& session() { return session_; }
    [[nodiscard]] std::uint64_t nonce() const { return nonce_; }
    [[nodiscard]] bool open() const { return stream_ != nullptr; }
    [[nodiscard]] io::TcpStream& stream() { return *stream_; }
    [[nodiscard]] const ListenerOptions& listener() const { return *listener_; }
    // What TLS knows of the peer is good for the listener as it is now.
    [[nodiscard]] bool still_trusted() const;
    // Of its client, verified.
    [[nodiscard]] std::optional<auth::Certificate> certificate() const;

private:
    friend class Shard;
    // What few listeners put between the stream and MQTT.
    struct Front {
        bool proxy = false;       // the PROXY header has not come yet
        bool tls = false;         // TLS waits to begin
        std::string early_bytes;  // of the PROXY header or the first of TLS
        std::unique_ptr<io::WebSocket> websocket;
    };

    void take_proxy_header(std::string_view bytes);
    void take_client_hello(std::string_view bytes);
    void take_websocket(std::string_view bytes);
    void take(std::string_view bytes);
    // The transport is of no use any more.
    void abandon(session::End end);
    // Takes packets off the front of `bytes` while they may be taken; returns how many bytes.
    std::size_t take_packets(std::string_view bytes);
    void keep(std::string_view bytes);
    // Whatever stops the reading but TLS, which has its own ways.
    [[nodiscard]] bool may_go_on() const;
    // Effect: stops reading a client that leaves too much of what it was sent unread. False: it is
    // stopped.
    bool mind_output();
    [[nodiscard]] bool available(const mqtt::Packet& packet) const;
    // What became of the CONNECT at the door.
    enum class Door : std::uint8_t { kOpen, kQueued, kRefused };
    Door knock(const mqtt::Packet& packet, std::size_t bytes);
    // Who is it? kQueued: not known yet.
    Door identify(const mqtt::Connect& connect);
    Door refuse(const mqtt::Connect& connect, const Verdict& verdict);

    Shard& shard_;
    std::uint64_t nonce_;
    io::StreamPtr stream_;
    std::string kept_;        // the start of a packet, or bytes not taken yet
    std::size_t wanted_ = 0;  // kept_ is of no use below this size
    io::TimerWheel::Id timer_;
    const ListenerOptions* listener_;  // of the shard
    // Who is at the other end of TLS, until CONNECT; null: nobody has shown anything.
    struct Shown {
        auth::Certificate certificate;
        std::string psk_identity;
        std::string psk_secret;  // empty: its key is of the file
        bool verified = false;
        bool psk_asked = false;  // and, until psk_identity is set, not proven
    };
    std::unique_ptr<Shown> shown_;
    std::shared_ptr<Attempt> attempt_;        // its CONNECT is looked into
    std::unique_ptr<Membership> membership_;  // what let it in, if it is a device's
    std::unique_ptr<Front> front_;  // null: MQTT, or TLS and MQTT, and nothing else
    session::Session session_;
    bool paused_ = false;       // in the shard's list
    bool unread_ = false;       // it is not read until it takes what it was sent
    bool handshaking_ = false;  // counted by the shard
    bool admitted_ = false;     // its CONNECT was let in
    // A hash of the key that its listener's file had for its handshake; 0: it had none.
    std::uint64_t psk_file_key_ = 0;
    bool identified_ = false;   // and before that, it is known whose it is
    Stage stage_ = Stage::kHalfOpen;
};

}  // namespace causeway::net
