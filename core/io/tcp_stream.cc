// TcpStream: life and reading. Writing is in tcp_write.cc, outgoing connections in tcp_connect.cc.
#include "core/io/tcp_stream.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/base/check.h"
#include "core/io/clock.h"
#include "core/io/loop_state.h"

namespace causeway::io {
namespace {

constexpr std::uint64_t kLingerMs = 3000;
constexpr std::uint64_t kLingerCheckMs = 500;
// What a handshake or key updates may make us send while the peer reads nothing.
constexpr std::size_t kCipherBytesMax = std::size_t{512} * 1024;

}  // namespace

struct StreamCallbacks {
    static void alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        auto& state = *static_cast<LoopState*>(handle->loop->data);
        const auto& stream = *static_cast<const TcpStream*>(handle->data);
        const bool later = state.handshakes_left == 0 && stream.handshaking_with_client();
        // Without a buffer libuv reads nothing and reports UV_ENOBUFS.
        *buffer = uv_buf_init(state.read_buffer.get(), later ? 0 : kReadBufferBytes);
    }
    static void read(uv_stream_t* handle, ssize_t size, const uv_buf_t* buffer) {
        auto& stream = *static_cast<TcpStream*>(handle->data);
        if (size > 0) {
            stream.on_read({buffer->base, static_cast<std::size_t>(size)});
        } else if (size == UV_ENOBUFS) {
            stream.defer_handshake();
        } else if (size < 0) {
            stream.on_read_end(static_cast<int>(size));
        }
    }
    static void closed(uv_handle_t* handle) {
        const StreamOf freed(static_cast<TcpStream*>(handle->data));
    }
    static void check_lingering(uv_timer_t* timer) {
        auto& state = *static_cast<LoopState*>(timer->data);
        const MonoMs now = boot_ms();
        for (std::size_t i = state.lingering.size(); i-- > 0;) {
            if (state.lingering[i]->linger_until_ <= now) {
                state.lingering[i]->close();
            }
        }
        if (state.lingering.empty()) {
            uv_timer_stop(timer);
        }
    }

private:
    struct Delete {
        void operator()(TcpStream* stream) const { delete stream; }
    };
    using StreamOf = std::unique_ptr<TcpStream, Delete>;
};

TcpStream::TcpStream(LoopState& state) : state_(&state) {
    static_assert(sizeof(uv_tcp_t) <= sizeof(handle_));
    auto* tcp = new (handle_) uv_tcp_t{};
    CW_CHECK(uv_tcp_init(&state.uv, tcp) == 0);
    tcp->data = this;
}

TcpStream::~TcpStream() = default;

void StreamCloser::operator()(TcpStream* stream) const { stream->close(); }

StreamPtr TcpStream::accept(LoopState& state, uv_stream_s* listener) {
    StreamPtr stream(new TcpStream(state));
    if (uv_accept(listener, stream->handle()) != 0) {
        return nullptr;
    }
    stream->opened_ = true;
    stream->accepted_ = true;
    uv_tcp_nodelay(reinterpret_cast<uv_tcp_t*>(stream->handle()), 1);
    return stream;
}

void TcpStream::start(StreamOwner& owner, std::unique_ptr<TlsSession> tls) {
    CW_CHECK(owner_ == nullptr);
    owner_ = &owner;
    tls_ = std::move(tls);
    opened_ = tls_ == nullptr;
    resume_reading();
}

void TcpStream::begin_tls(std::unique_ptr<TlsSession> tls, std::string_view ciphertext) {
    CW_CHECK(tls_ == nullptr && out_ == nullptr);
    tls_ = std::move(tls);
    opened_ = false;
    on_ciphertext(ciphertext);
}

bool TcpStream::handshaking_with_client() const {
    return accepted_ && tls_ != nullptr && tls_->status() == TlsStatus::kHandshaking;
}

void TcpStream::defer_handshake() {
    pause_reading();
    deferred_ = true;
    state_->deferred.push_back(this);
}

void TcpStream::stop_deferring() {
    if (deferred_) {
        deferred_ = false;
        std::erase(state_->deferred, this);
    }
}

void resume_handshakes(LoopState& state) {
    state.handshakes_left = state.handshakes_per_turn;
    for (unsigned i = 0; i < state.handshakes_per_turn && !state.deferred.empty(); ++i) {
        TcpStream& next = *state.deferred.front();
        next.stop_deferring();
        next.resume_reading();
    }
}

void TcpStream::pause_reading() {
    stop_deferring();
    if (reading_) {
        reading_ = false;
        uv_read_stop(handle());
    }
}

void TcpStream::resume_reading() {
    if (reading_ || deferred_ || closing_ || read_ended_ || connecting_ != nullptr) {
        return;
    }
    const int status = uv_read_start(handle(), StreamCallbacks::alloc, StreamCallbacks::read);
    reading_ = status == 0;
    if (!reading_) {
        fail_later(StreamEnd::kFailed, uv_strerror(status));
    }
}

void TcpStream::on_read(std::string_view bytes) {
    if (owner_ == nullptr) {
        return;  // Lingering: discarded.
    }
    if (tls_ != nullptr) {
        on_ciphertext(bytes);
    } else {
        owner_->on_bytes(*this, bytes);
    }
}

void StreamOwner::on_psk(TcpStream& stream, std::string_view) { stream.give_psk({}); }

bool TcpStream::take_plaintext(std::string_view bytes) {
    announce_open();
    if (owner_ != nullptr) {
        owner_->on_bytes(*this, bytes);
    }
    return owner_ != nullptr;
}

void TcpStream::on_ciphertext(std::string_view bytes) {
    if (handshaking_with_client() && state_->handshakes_left > 0) {
        --state_->handshakes_left;
    }
    const bool waited = !tls_->wanted_psk().empty();
    after_tls(tls_->feed(
        bytes, [this](std::string_view plaintext) { return take_plaintext(plaintext); }, cipher_));
    if (!closing_ && !failed_ && !waited && !tls_->wanted_psk().empty() && owner_ != nullptr) {
        pause_reading();
        owner_->on_psk(*this, tls_->wanted_psk());
    }
}

void TcpStream::give_psk(std::string_view key) {
    if (closing_ || failed_ || tls_ == nullptr || tls_->wanted_psk().empty()) {
        return;
    }
    after_tls(tls_->give_psk(
        key, [this](std::string_view plaintext) { return take_plaintext(plaintext); }, cipher_));
    if (!closing_ && !failed_) {
        resume_reading();
    }
}

void TcpStream::after_tls(TlsStatus status) {
    if (status == TlsStatus::kOpen) {
        announce_open();
    }
    if (closing_) {
        return;
    }
    if (status == TlsStatus::kFailed) {
        if (in_flight_ == nullptr) {
            send_cipher();  // The alert; the owner will drop the stream.
        }
        end(StreamEnd::kTlsFailed, tls_->error());
        return;
    }
    if (cipher_.size() > kCipherBytesMax) {
        end(StreamEnd::kTlsFailed, "the peer keeps sending and does not read");
        return;
    }
    if (!cipher_.empty() || out_ != nullptr) {
        mark_dirty();
    }
    if (status == TlsStatus::kPeerClosed && !read_ended_) {
        announce_open();
        end(StreamEnd::kPeerClosed, "close_notify");
    }
}

void TcpStream::announce_open() {
    if (!opened_ && owner_ != nullptr) {
        opened_ = true;
        owner_->on_open(*this);
    }
}

void TcpStream::on_read_end(int status) {
    if (status == UV_EOF) {
        end(StreamEnd::kPeerClosed, "end of stream");
    } else {
        end(StreamEnd::kFailed, uv_strerror(status));
    }
}

void TcpStream::end(StreamEnd how, std::string_view why) {
    if (closing_ || failed_) {
        return;
    }
    pause_reading();
    read_ended_ = true;
    failed_ = how != StreamEnd::kPeerClosed;
    if (failed_) {
        release_output();
    }
    if (lingering_) {
        if (failed_ || fin_done_) {
            close();
        }
    } else if (owner_ != nullptr) {
        owner_->on_end(*this, how, why);
    }
}

void TcpStream::fail_later(StreamEnd how, std::string why) {
    late_failure_ = std::make_unique<Failure>(Failure{how, std::move(why)});
    mark_dirty();
}

void TcpStream::close_after_flush(StreamPtr stream) {
    const bool can_send = !stream->failed_ && stream->connecting_ == nullptr && stream->opened_ &&
                          stream->late_failure_ == nullptr;
    if (!can_send) {
        return;
    }
    TcpStream* self = stream.release();
    LoopState& state = *self->state_;
    self->owner_ = nullptr;
    self->lingering_ = true;
    self->finishing_ = true;
    self->linger_until_ = boot_ms() + kLingerMs;
    state.lingering.push_back(self);
    if (uv_is_active(reinterpret_cast<uv_handle_t*>(&state.linger_timer)) == 0) {
        uv_timer_start(&state.linger_timer, StreamCallbacks::check_lingering, kLingerCheckMs,
                       kLingerCheckMs);
    }
    self->resume_reading();
    self->mark_dirty();
}

void TcpStream::close() {
    if (closing_) {
        return;
    }
    closing_ = true;
    owner_ = nullptr;
    stop_deferring();
    if (dirty_) {
        (late_ ? state_->late[dirty_index_ - state_->late_first] : state_->dirty[dirty_index_]) =
            nullptr;
        dirty_ = false;
    }
    if (lingering_) {
        std::erase(state_->lingering, this);
    }
    abandon_connect();
    release_output();
    uv_close(reinterpret_cast<uv_handle_t*>(handle_), StreamCallbacks::closed);
}

void close_lingering(LoopState& state) {
    while (!state.lingering.empty()) {
        state.lingering.back()->close();
    }
}

std::string TcpStream::peer_address() const {
    sockaddr_storage address{};
    int size = sizeof(address);
    char text[64] = {};
    if (uv_tcp_getpeername(reinterpret_cast<const uv_tcp_t*>(handle_),
                           reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return {};
    }
    if (address.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
        uv_ip6_name(v6, text, sizeof(text));
        return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
    }
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    uv_ip4_name(v4, text, sizeof(text));
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
}

}  // namespace causeway::io
