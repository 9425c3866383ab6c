// One connection of an HttpServer.
#include "core/io/http_connection.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <utility>

#include "core/base/check.h"

namespace causeway::io {
namespace {

// Pipelined bytes kept while a request is being answered; then the client is pushed back.
constexpr std::size_t kPipelinedBytesMax = std::size_t{64} * 1024;
// Answers a client has not read; then its next request waits.
constexpr std::size_t kUnsentBytesMax = std::size_t{256} * 1024;

// The peer has shown a certificate that has ended by then.
bool peer_ended(const TlsSession& tls, std::int64_t now_s) {
    const X509* certificate = SSL_get0_peer_certificate(tls.native());
    std::time_t now = now_s;
    // 0: its end cannot be read.
    return certificate != nullptr && X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0;
}

}  // namespace

HttpConnection::HttpConnection(HttpHost& host, std::uint32_t slot, StreamPtr stream)
    : host_(host), stream_(std::move(stream)), slot_(slot) {}

HttpConnection::~HttpConnection() {
    release();
    host_.timers().cancel(timer_);
    if (exchange_ != nullptr) {
        exchange_->connection = nullptr;
        // The callback may hold the responder and so the exchange that holds the callback.
        const Task dropped = std::move(exchange_->on_gone);
        exchange_->on_gone = nullptr;
    }
}

bool HttpConnection::blocked() const {
    return exchange_ != nullptr || stream_->queued_bytes() > kUnsentBytesMax;
}

void HttpConnection::start(std::unique_ptr<TlsSession> tls) {
    stream_->start(*this, std::move(tls));
    set_timer();
}

void HttpConnection::on_open(TcpStream&) {}

void HttpConnection::on_bytes(TcpStream&, std::string_view bytes) {
    input_.append(bytes);
    process();
    if (stream_ != nullptr && blocked() && input_.size() > kPipelinedBytesMax) {
        stream_->pause_reading();
    }
}

void HttpConnection::process() {
    if (processing_) {
        return;  // An answer from within the handler: the loop below goes on.
    }
    processing_ = true;
    while (stream_ != nullptr && !blocked() && (parser_ != nullptr || !input_.empty())) {
        if (parser_ == nullptr) {
            parser_ = std::make_unique<HttpParser>(host_.options().limits);
        }
        const std::size_t before = input_.size();
        const HttpParser::Status status = parser_->parse(input_);
        if (!hold(held_bytes_ + before - input_.size())) {
            refuse_for_now();
        } else if (status == HttpParser::Status::kError) {
            refuse(parser_->error_status(), parser_->error_text());
        } else if (status == HttpParser::Status::kDone) {
            HttpRequest request = parser_->take();
            parser_.reset();
            dispatch(std::move(request));
        } else {
            if (parser_->take_expects_continue()) {
                HttpResponse go_on;
                go_on.status = 100;
                stream_->write(http_response_head(go_on, true));
            }
            break;
        }
    }
    processing_ = false;
    if (stream_ == nullptr) {
        return;
    }
    if (peer_ended_ && !blocked()) {
        done();  // All that could be answered is.
        return;
    }
    if (!blocked() || input_.size() <= kPipelinedBytesMax) {
        stream_->resume_reading();
    }
    set_timer();
}

bool HttpConnection::hold(std::size_t bytes) {
    const bool held = host_.hold(held_bytes_, bytes);
    held_bytes_ = held ? bytes : held_bytes_;
    return held;
}

void HttpConnection::release() {
    const bool released = hold(0);
    CW_CHECK(released);
}

void HttpConnection::dispatch(HttpRequest request) {
    keep_alive_ = request.keep_alive;
    head_only_ = request.method == "HEAD";
    timing_request_ = false;
    if (stream_->tls() != nullptr) {
        // A connection may live for long, and be of a session before: nobody looked since then.
        if (peer_ended(*stream_->tls(), host_.now_s())) {
            refuse(403, "the certificate has ended");
            return;
        }
        const auto peer = stream_->tls()->peer();
        request.client_name = peer && peer->verified ? peer->common_name : "";
    }
    exchange_ = std::make_shared<HttpExchange>();
    exchange_->connection = this;
    exchange_->client_gone = peer_ended_;
    host_.handle(std::move(request), HttpResponder(exchange_), stream_->peer_address());
}

void HttpConnection::answer(HttpResponse response) {
    exchange_.reset();
    release();
    const bool keep_alive = keep_alive_ && !response.close && !ending_;
    send(std::move(response), keep_alive, !head_only_);
    if (!keep_alive) {
        done();
        return;
    }
    process();
}

void HttpConnection::end() {
    ending_ = true;
    if (exchange_ == nullptr && stream_ != nullptr) {
        done();
    }
}

void HttpConnection::send(HttpResponse response, bool keep_alive, bool with_body) {
    stream_->write(http_response_head(response, keep_alive));
    if (with_body && response.status >= 200 && response.status != 204 && response.status != 304) {
        stream_->write(SharedBytes::take(std::move(response.body)));
    }
}

void HttpConnection::refuse(int status, const std::string& text) {
    HttpResponse response;
    response.status = status;
    response.content_type = "text/plain";
    response.body = text + "\n";
    send(std::move(response), false, true);
    done();
}

void HttpConnection::refuse_for_now() {
    HttpResponse response;
    response.status = 503;
    response.content_type = "text/plain";
    response.body = "too many requests are under way\n";
    response.headers.emplace_back("Retry-After", "1");
    send(std::move(response), false, true);
    done();
}

void HttpConnection::set_timer() {
    const bool request_coming = parser_ != nullptr;
    // A request has its time from its first byte on; more bytes do not prolong it.
    if (timer_ && request_coming && timing_request_) {
        return;
    }
    host_.timers().cancel(timer_);
    timer_ = {};
    timing_request_ = request_coming;
    if (exchange_ != nullptr) {
        return;  // A long poll takes as long as its handler wants.
    }
    timer_ = host_.timers().arm_after(
        request_coming ? host_.options().request_timeout_ms : host_.options().idle_timeout_ms,
        slot_);
}

void HttpConnection::on_timeout() {
    timer_ = {};
    if (stream_ == nullptr) {
        return;
    }
    if (timing_request_ && (stream_->tls() == nullptr || stream_->tls()->can_write())) {
        refuse(408, "the request took too long");
    } else {
        stream_.reset();
        done();
    }
}

void HttpConnection::on_writable(TcpStream&) { process(); }

void HttpConnection::on_end(TcpStream&, StreamEnd end, std::string_view) {
    peer_ended_ = true;
    if (end != StreamEnd::kPeerClosed) {
        stream_.reset();
        client_gone();
        done();
        return;
    }
    // A client that has closed its side may still read: it gets what it has asked for.
    client_gone();
    process();
}

void HttpConnection::client_gone() {
    if (exchange_ == nullptr) {
        return;
    }
    const std::shared_ptr<HttpExchange> exchange = exchange_;
    exchange->client_gone = true;
    if (stream_ == nullptr) {
        exchange->connection = nullptr;
        exchange_.reset();
    }
    if (Task callback = std::exchange(exchange->on_gone, nullptr)) {
        callback();
    }
}

void HttpConnection::done() {
    if (stream_ != nullptr) {
        TcpStream::close_after_flush(std::move(stream_));
    }
    host_.timers().cancel(timer_);
    timer_ = {};
    release();
    if (!std::exchange(retired_, true)) {
        host_.retire(slot_);
    }
}

}  // namespace causeway::io
