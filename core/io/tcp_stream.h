// A TCP connection on a loop, in the clear or under TLS. The owner gets plaintext and writes
// plaintext; output is corked: it is collected during the turn and sent at its end (or, behind many
// others, that of a later one) with one writev (or as full TLS records). An idle connection holds
// no buffers: reading goes through the loop's one buffer, and the output queue is borrowed from the
// loop while there is output.
//
// Life: accepted or connect()ed -> start -> on_open? -> on_bytes* -> on_end -> the owner drops its
// StreamPtr. The owner may drop it at any time, also from within a callback: no callback follows,
// and the memory is freed when libuv has closed the handle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/io/output_queue.h"
#include "core/io/tls.h"

struct uv_stream_s;

namespace causeway::io {

class Loop;
class TcpStream;
struct LoopState;

inline constexpr std::size_t kWritableMarkBytes = std::size_t{64} * 1024;
// Streams with new output that are flushed at a turn's end, and as many of those that wait from
// earlier ones: a message to ten thousand streams leaves room for others between them.
inline constexpr std::size_t kFlushesPerTurn = 256;

enum class StreamEnd : std::uint8_t {
    kPeerClosed,     // The peer will send no more (FIN or close_notify); writing is still possible.
    kFailed,         // The socket failed, e.g. connection reset.
    kTlsFailed,      // The handshake or a record; the alert has been sent.
    kConnectFailed,  // An outgoing connection could not be made.
};

// A connection as its user sees it. All calls on the loop's thread, never from within a call to the
// stream. Must outlive its stream's start() .. StreamPtr drop.
class StreamOwner {
public:
    virtual ~StreamOwner() = default;
    // Once, before any bytes: the outgoing connection is made, the TLS handshake is done. Not
    // called for an accepted stream without TLS.
    virtual void on_open(TcpStream& stream) = 0;
    // `bytes` (<= 64 KiB, plaintext) are valid until the call returns.
    virtual void on_bytes(TcpStream& stream, std::string_view bytes) = 0;
    // The TLS handshake with a client stops until stream.give_psk(), now or later: the key of this
    // identity, which may be anything a stranger says. Reading is paused meanwhile.
    virtual void on_psk(TcpStream& stream, std::string_view identity);
    // Output that the socket did not take at once, or that was more than kWritableMarkBytes at a
    // turn's end, has been taken. So an owner that stops at a queued_bytes() limit above that mark
    // is called.
    virtual void on_writable(TcpStream& stream) = 0;
    // No more bytes will come. `why` is one line for the log. After any end but kPeerClosed nothing
    // can be written either; kPeerClosed may be followed by a kFailed of the writing side.
    virtual void on_end(TcpStream& stream, StreamEnd end, std::string_view why) = 0;
};

struct StreamCloser {
    // Effect: no more callbacks; unsent output is discarded; the socket is closed.
    void operator()(TcpStream* stream) const;
};
using StreamPtr = std::unique_ptr<TcpStream, StreamCloser>;

struct ConnectOptions {
    std::string host;  // A name, or an IPv4 or IPv6 address.
    std::uint16_t port = 0;
    std::shared_ptr<ssl_ctx_st> tls;  // Client context; null: in the clear.
    std::string server_name;          // What the server's certificate must name; empty: `host`.
    std::string source_address{};     // IPv4 or IPv6 address to connect from; empty: any.
    bool any_server_name = false;     // The owner looks at the certificate itself, in on_open.
};

class TcpStream {  // [MQTT-4.2-1]
public:
    TcpStream(const TcpStream&) = delete;
    TcpStream& operator=(const TcpStream&) = delete;

    // Effect: begins to connect; on_open or on_end(kConnectFailed) follows in a later turn, even if
    // the failure is known at once. What is written before on_open is sent after it. No time limit
    // of its own beyond the kernel's: drop the stream to give up.
    static StreamPtr connect(Loop& loop, const ConnectOptions& options, StreamOwner& owner);
    // Effect: an accepted stream gets its owner and begins to read; with `tls` (a server session)
    // the handshake comes first. Called once.
    void start(StreamOwner& owner, std::unique_ptr<TlsSession> tls = nullptr);
    // Effect: a stream started in the clear goes on under TLS; `ciphertext` is what has come of it.
    // Only as the last thing of on_bytes(), which it may call again, and before any write.
    void begin_tls(std::unique_ptr<TlsSession> tls, std::string_view ciphertext);
    // Effect: answers on_psk(). Empty: there is no such identity. It may call the owner back.
    void give_psk(std::string_view key);
    // Effect: hands the callbacks to another owner.
    void set_owner(StreamOwner& owner) { owner_ = &owner; }

    // Effect: queues output for the end of this turn. Small bytes are copied; a body is kept by
    // reference. No effect after a failure or finish(). The queue has no limit of its own: the
    // owner keeps queued_bytes() within its limit.
    void write(std::string_view bytes);
    void write(SharedBytes body);
    // Bytes accepted and not yet taken by the socket.
    [[nodiscard]] std::size_t queued_bytes() const;
    // Effect: after what is queued, says to the peer that no more will come (close_notify, FIN).
    void finish();
    // Effect: the same, and takes the stream over: what the peer still sends is discarded, and the
    // socket is closed when the peer has closed too, or 3 s later. This is how a last packet or
    // response reaches a peer that is still sending; a plain close() would reset the connection.
    static void close_after_flush(StreamPtr stream);

    // Effect: stops reading: the peer is pushed back. At most the rest of the read in progress
    // still comes (TLS: up to 64 KiB more).
    void pause_reading();
    void resume_reading();
    [[nodiscard]] bool reading() const { return reading_; }

    // Effect: the connection fails when what was sent stays unacknowledged, or the peer takes
    // nothing of it, for so long; without this the kernel tries for many minutes («RFC 5482», and
    // tcp(7), TCP_USER_TIMEOUT). Once connected; where the system has no such thing, no effect.
    void set_unacknowledged_limit(unsigned limit_ms);

    // «192.0.2.1:50123» or «[2001:db8::1]:50123»; empty when the peer is gone.
    [[nodiscard]] std::string peer_address() const;
    // Null for a stream in the clear.
    [[nodiscard]] const TlsSession* tls() const { return tls_.get(); }

private:
    friend struct StreamCloser;
    friend struct StreamCallbacks;
    friend class TcpListener;
    friend void flush_streams(LoopState& state);
    friend void resume_handshakes(LoopState& state);
    friend void close_lingering(LoopState& state);
    struct WriteRequest;
    struct ConnectRequest;

    explicit TcpStream(LoopState& state);
    ~TcpStream();
    static StreamPtr accept(LoopState& state, uv_stream_s* listener);

    [[nodiscard]] uv_stream_s* handle() { return reinterpret_cast<uv_stream_s*>(handle_); }
    // tcp_stream.cc: life, reading
    void close();
    void on_read(std::string_view bytes);
    void on_read_end(int status);
    void on_ciphertext(std::string_view bytes);
    bool take_plaintext(std::string_view bytes);
    void after_tls(TlsStatus status);
    [[nodiscard]] bool handshaking_with_client() const;
    void defer_handshake();
    void stop_deferring();
    void announce_open();
    void end(StreamEnd how, std::string_view why);
    void fail_later(StreamEnd how, std::string why);
    // tcp_connect.cc
    int bind_source(const std::string& address);
    void connect_to(const void* address);
    void connected(int status);
    void abandon_connect();
    // tcp_write.cc
    OutputQueue& output();
    void release_output();
    void mark_dirty();
    void flush_at_turn_end();
    void flush();
    bool flush_plain();
    bool flush_tls();
    bool send_cipher();
    void write_failed(int status);
    void park_output();
    void park_cipher(std::size_t sent);
    void submit(std::unique_ptr<WriteRequest> request);
    void written(WriteRequest* request, int status);
    void send_fin();
    void fin_done();

    struct Failure {
        StreamEnd end;
        std::string why;
    };

    // The uv_tcp_t: uv.h stays out of headers, and one allocation holds all.
    alignas(8) std::byte handle_[248];
    LoopState* state_;
    StreamOwner* owner_ = nullptr;
    std::unique_ptr<TlsSession> tls_;
    std::string cipher_;  // TLS: ciphertext not yet taken by the socket; empty when idle.
    std::unique_ptr<OutputQueue> out_;
    WriteRequest* in_flight_ = nullptr;      // At most one; freed in its callback.
    ConnectRequest* connecting_ = nullptr;   // Freed in its callback.
    std::unique_ptr<Failure> late_failure_;  // Told at the turn's end.
    std::uint64_t linger_until_ = 0;
    std::uint32_t dirty_index_ = 0;
    bool dirty_ : 1 = false;
    bool late_ : 1 = false;  // dirty_index_ counts in LoopState::late.
    bool reading_ : 1 = false;
    bool opened_ : 1 = false;      // on_open was called or is not due.
    bool closing_ : 1 = false;     // uv_close was called.
    bool failed_ : 1 = false;      // Nothing can be sent any more.
    bool read_ended_ : 1 = false;  // Nothing will be received any more.
    bool finishing_ : 1 = false;   // finish() was called.
    bool fin_sent_ : 1 = false;    // uv_shutdown was called.
    bool fin_done_ : 1 = false;    // ... and has completed.
    bool lingering_ : 1 = false;   // Ownerless, see close_after_flush.
    bool accepted_ : 1 = false;
    bool deferred_ : 1 = false;  // Wants to read, and waits for a turn that has handshakes left.
};

}  // namespace causeway::io
