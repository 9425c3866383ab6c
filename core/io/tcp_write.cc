// TcpStream: corked output. At the turn's end as much as the socket takes is sent with writev, in
// the clear or encrypted in full records; the rest goes to one uv_write, whose request owns the
// bytes, and nothing more is sent or encrypted until that completes.
#include <algorithm>
#include <array>
#include <utility>

#include "core/io/loop_state.h"
#include "core/io/tcp_stream.h"

namespace causeway::io {
namespace {

constexpr std::size_t kViewsMax = 64;
constexpr std::size_t kRecordBytes = std::size_t{16} * 1024;
// Ciphertext made ahead of the socket.
constexpr std::size_t kCipherAheadBytes = std::size_t{64} * 1024;
constexpr std::size_t kKeptScratchBytesMax = std::size_t{128} * 1024;

uv_buf_t to_buf(std::string_view bytes) {
    return uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
}

}  // namespace

struct TcpStream::WriteRequest {
    uv_write_t uv{};
    TcpStream* stream = nullptr;
    std::unique_ptr<OutputQueue> plain;
    std::string cipher;
    std::size_t cipher_sent = 0;
};

OutputQueue& TcpStream::output() {
    if (out_ == nullptr) {
        out_ = state_->take_queue();
    }
    return *out_;
}

void TcpStream::release_output() {
    if (out_ != nullptr) {
        state_->give_queue(std::move(out_));
    }
}

void TcpStream::write(std::string_view bytes) {
    if (!failed_ && !finishing_ && !bytes.empty()) {
        output().append(bytes);
        mark_dirty();
    }
}

void TcpStream::write(SharedBytes body) {
    if (!failed_ && !finishing_ && !body.empty()) {
        output().append(std::move(body));
        mark_dirty();
    }
}

std::size_t TcpStream::queued_bytes() const {
    return (out_ != nullptr ? out_->size() : 0) + cipher_.size() +
           uv_stream_get_write_queue_size(reinterpret_cast<const uv_stream_t*>(handle_));
}

void TcpStream::finish() {
    finishing_ = true;
    mark_dirty();
}

void TcpStream::mark_dirty() {
    if (dirty_ || closing_) {
        return;
    }
    dirty_ = true;
    dirty_index_ = static_cast<std::uint32_t>(state_->dirty.size());
    state_->dirty.push_back(this);
}

void flush_streams(LoopState& state) {
    state.flushing.swap(state.dirty);
    std::erase(state.flushing, nullptr);
    for (std::size_t i = kFlushesPerTurn; i < state.flushing.size(); ++i) {
        TcpStream& stream = *state.flushing[i];
        stream.late_ = true;
        stream.dirty_index_ = state.late_first + static_cast<std::uint32_t>(state.late.size());
        state.late.push_back(&stream);
    }
    state.flushing.resize(std::min(state.flushing.size(), kFlushesPerTurn));
    for (std::size_t i = 0; i < kFlushesPerTurn && !state.late.empty(); ++i) {
        if (state.late.front() != nullptr) {
            state.flushing.push_back(state.late.front());
        }
        state.late.pop_front();
        ++state.late_first;
    }
    for (TcpStream* stream : state.flushing) {
        stream->dirty_ = false;
        stream->late_ = false;
    }
    for (TcpStream* stream : state.flushing) {
        stream->flush_at_turn_end();  // Closed meanwhile: still there, closes after the turn.
    }
    state.flushing.clear();
    if (!state.dirty.empty() || !state.late.empty()) {
        stay_awake(state);
    }
}

void TcpStream::flush_at_turn_end() {
    if (closing_) {
        return;
    }
    const bool was_failed = failed_;
    const bool much = queued_bytes() > kWritableMarkBytes;
    if (late_failure_ != nullptr) {
        const std::unique_ptr<Failure> failure = std::move(late_failure_);
        end(failure->end, failure->why);
    } else {
        flush();
    }
    const bool taken = much && !failed_ && owner_ != nullptr && queued_bytes() == 0;
    if (taken) {
        owner_->on_writable(*this);
    }
    if (taken || (failed_ && !was_failed)) {
        stay_awake(*state_);  // The owner may have work for the hooks now.
    }
}

void TcpStream::flush() {
    if (closing_ || failed_ || in_flight_ != nullptr || connecting_ != nullptr) {
        return;
    }
    const bool all_sent = tls_ != nullptr ? flush_tls() : flush_plain();
    if (all_sent && finishing_ && !fin_sent_) {
        send_fin();
    }
}

bool TcpStream::flush_plain() {
    while (out_ != nullptr && !out_->empty()) {
        std::array<std::string_view, kViewsMax> views;
        std::array<uv_buf_t, kViewsMax> bufs;
        const std::size_t count = out_->gather(views);
        std::size_t offered = 0;
        for (std::size_t i = 0; i < count; ++i) {
            bufs[i] = to_buf(views[i]);
            offered += views[i].size();
        }
        const int taken = uv_try_write(handle(), bufs.data(), static_cast<unsigned>(count));
        if (taken < 0 && taken != UV_EAGAIN) {
            write_failed(taken);
            return false;
        }
        out_->consume(static_cast<std::size_t>(std::max(taken, 0)));
        if (taken < 0 || static_cast<std::size_t>(taken) < offered) {
            park_output();
            return false;
        }
    }
    release_output();
    return true;
}

bool TcpStream::flush_tls() {
    while (true) {
        if (!send_cipher()) {
            return false;
        }
        if (out_ == nullptr || out_->empty()) {
            release_output();
            if (!finishing_ || !tls_->can_write()) {
                return true;
            }
            tls_->shutdown(cipher_);
            continue;
        }
        if (!tls_->can_write()) {
            return false;  // Waits for the handshake.
        }
        cipher_.swap(state_->cipher_scratch);
        char scratch[kRecordBytes];
        while (!out_->empty() && cipher_.size() < kCipherAheadBytes) {
            const std::string_view record = out_->front(scratch, kRecordBytes);
            if (!tls_->write(record, cipher_)) {
                end(StreamEnd::kTlsFailed, tls_->error());
                return false;
            }
            out_->consume(record.size());
        }
    }
}

bool TcpStream::send_cipher() {
    if (cipher_.empty()) {
        return true;
    }
    const uv_buf_t buf = to_buf(cipher_);
    const int taken = uv_try_write(handle(), &buf, 1);
    if (taken < 0 && taken != UV_EAGAIN) {
        write_failed(taken);
        return false;
    }
    const auto sent = static_cast<std::size_t>(std::max(taken, 0));
    if (sent < cipher_.size()) {
        park_cipher(sent);
        return false;
    }
    // The loop keeps one buffer for all sessions' ciphertext; this one keeps none.
    cipher_.clear();
    if (cipher_.capacity() <= kKeptScratchBytesMax &&
        cipher_.capacity() > state_->cipher_scratch.capacity()) {
        state_->cipher_scratch.swap(cipher_);
    }
    std::string().swap(cipher_);
    return true;
}

void TcpStream::write_failed(int status) { end(StreamEnd::kFailed, uv_strerror(status)); }

void TcpStream::park_output() {
    auto request = std::make_unique<WriteRequest>();
    request->plain = std::move(out_);
    submit(std::move(request));
}

void TcpStream::park_cipher(std::size_t sent) {
    auto request = std::make_unique<WriteRequest>();
    request->cipher = std::exchange(cipher_, {});
    request->cipher_sent = sent;
    submit(std::move(request));
}

void TcpStream::submit(std::unique_ptr<WriteRequest> request) {
    request->stream = this;
    std::vector<std::string_view> views;
    if (request->plain != nullptr) {
        views.resize(request->plain->piece_count());
        request->plain->gather(views);
    } else {
        views.push_back(std::string_view(request->cipher).substr(request->cipher_sent));
    }
    std::vector<uv_buf_t> bufs(views.size());
    std::transform(views.begin(), views.end(), bufs.begin(), to_buf);
    const int status = uv_write(&request->uv, handle(), bufs.data(),
                                static_cast<unsigned>(bufs.size()), [](uv_write_t* uv, int result) {
                                    auto* done = static_cast<WriteRequest*>(uv->data);
                                    done->stream->written(done, result);
                                });
    if (status != 0) {
        write_failed(status);
        return;
    }
    in_flight_ = request.release();
    in_flight_->uv.data = in_flight_;
}

void TcpStream::written(WriteRequest* request, int status) {
    std::unique_ptr<WriteRequest> done(request);
    in_flight_ = nullptr;
    if (closing_) {
        return;
    }
    if (done->plain != nullptr) {
        state_->give_queue(std::move(done->plain));
    }
    done.reset();
    if (status < 0) {
        write_failed(status);
        return;
    }
    flush();
    if (owner_ != nullptr && !failed_) {
        owner_->on_writable(*this);
    }
}

void TcpStream::send_fin() {
    fin_sent_ = true;
    auto request = std::make_unique<uv_shutdown_t>();
    const int status = uv_shutdown(request.get(), handle(), [](uv_shutdown_t* uv, int) {
        const std::unique_ptr<uv_shutdown_t> freed(uv);
        static_cast<TcpStream*>(uv->handle->data)->fin_done();
    });
    if (status == 0) {
        static_cast<void>(request.release());  // Freed in its callback.
    } else {
        fin_done();
    }
}

void TcpStream::fin_done() {
    fin_done_ = true;
    if (lingering_ && read_ended_) {
        close();
    }
}

}  // namespace causeway::io
