// One client connection: the stream, the bytes of a packet not complete yet, and the session
// machine. Owned by its shard; loop thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/io/tcp_stream.h"
#include "core/io/timer.h"
#include "gateway/auth/admit.h"
#include "gateway/session/session.h"

namespace causeway::net {

class Shard;

class Connection final : public io::StreamOwner {
public:
    Connection(Shard& shard, std::uint64_t nonce, io::StreamPtr stream,
               const auth::ListenerPolicy& policy, std::uint64_t random);

    void on_open(io::TcpStream& stream) override;
    void on_bytes(io::TcpStream& stream, std::string_view bytes) override;
    void on_writable(io::TcpStream& stream) override;
    void on_end(io::TcpStream& stream, io::StreamEnd end, std::string_view why) override;

    // Effect: starts reading; with a context, the TLS handshake first. False: no memory for it.
    bool start(ssl_ctx_st* tls);
    // Effect: goes on with bytes that were kept while the core had no room or CONNECT was under
    // way.
    void resume();
    // Effect: drops the transport.
    void close(session::End end);

    [[nodiscard]] session::Session& session() { return session_; }
    [[nodiscard]] std::uint64_t nonce() const { return nonce_; }
    [[nodiscard]] bool open() const { return stream_ != nullptr; }
    [[nodiscard]] io::TcpStream& stream() { return *stream_; }

private:
    friend class Shard;
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
    session::Session session_;
    bool paused_ = false;  // in the shard's list
};

}  // namespace causeway::net
