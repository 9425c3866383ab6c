// Who gets in when many come at once (docs/configuration.md, "When many come at once"). From the
// outside in: the kernel's backlog, the pace of accepting, TLS handshakes, CONNECTs in the core.
// Each step holds a bounded number and the next one pulls from it at the end of a loop's turn, so
// that established connections wait for one turn's share of newcomers at most.
#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/io/address.h"
#include "core/io/heap.h"
#include "gateway/net/connection.h"
#include "gateway/net/shard.h"

namespace causeway::net {
namespace {

constexpr std::uint32_t kRetryAfterMaxS = 60;
// So many handshakes and ends leave a heap worth trimming, once they have been over for a while.
constexpr std::uint64_t kChurnMin = 1024;
constexpr std::uint64_t kCalmMs = 1000;
constexpr std::uint64_t kCalmMax = 64;  // of them while it is calm
// A handshake that takes longer waits for its client, not for us: others may begin.
constexpr MonoMs kHandshakeMs = 2'000;
// CONNECTs that wait may hold as much; a loop's part of docs/configuration.md's queue by number.
constexpr std::uint64_t kConnectQueueBytesMax = 64U << 20;

std::size_t index_of(Connection::Stage stage) { return static_cast<std::size_t>(stage); }

}  // namespace

void Shard::turn_end() {
    static_assert(kStages == Connection::kStages);
    count_connected();
    begin_handshakes();
    recheck_sessions();
    recheck_some();
    serve_connects();
    if (!accepting_) {
        pace_accepts();
    }
    serve_queues();
    submitter_->flush();
    if (churn_ >= kChurnMin && !trim_timer_.active()) {
        churn_seen_ = churn_;
        trim_timer_.start(kCalmMs);
    }
}

// After every step of the session.
void Shard::note_stage(Connection& connection) {
    using Stage = Connection::Stage;
    const session::Session& session = connection.session();
    Stage stage = Stage::kEnded;
    if (session.half_open()) {
        stage = connection.stage_ == Stage::kQueued ? Stage::kQueued : Stage::kHalfOpen;
    } else if (session.opening() ||
               (connection.stage_ == Stage::kOpening && !session.online() && !session.finished())) {
        // Also when its client has gone: the core still has work with it.
        stage = Stage::kOpening;
    } else if (session.online()) {
        stage = Stage::kOnline;
    }
    if (stage == connection.stage_) {
        return;
    }
    connected_ += connection.stage_ == Stage::kOpening ? 1 : 0;
    --stages_[index_of(connection.stage_)];
    ++stages_[index_of(stage)];
    connection.stage_ = stage;
}

bool Shard::admit_address(std::string_view host) {
    const bool admitted = address_rates_.admit(
        hash64(io::responsible_for(host), options_.random), loop_.now_ms());
    status_.refused_address += admitted ? 0 : 1;
    return admitted;
}

// Of one address: nothing is proven yet, and a stranger must not use up a device's share.
bool Shard::admit_client(std::string_view client_id, std::string_view host) {
    const std::uint64_t from = hash64(io::responsible_for(host), options_.random);
    const bool admitted =
        client_id.empty() || client_rates_.admit(hash64(client_id, from), loop_.now_ms());
    status_.refused_client += admitted ? 0 : 1;
    return admitted;
}

void Shard::queue_handshake(Connection& connection) {
    handshake_queue_.push_back(connection.nonce());
}

// Who says nothing in the middle of its handshake keeps its place only for a while.
void Shard::free_handshakes() {
    const MonoMs now = loop_.now_ms();
    while (!handshakes_begun_.empty()) {
        const auto [nonce, at] = handshakes_begun_.front();
        Connection* connection = find(nonce);
        if (connection != nullptr && connection->handshaking_) {
            if (at + kHandshakeMs > now) {
                if (handshakes_ >= options_.admission.tls_handshakes_max) {
                    handshake_timer_.start(at + kHandshakeMs - now);
                }
                return;
            }
            end_handshake(*connection);
        }
        handshakes_begun_.pop_front();
    }
}

void Shard::begin_handshakes() {
    if (handshake_queue_.empty()) {
        return;
    }
    free_handshakes();
    std::uint32_t left = options_.tls_handshakes_per_turn;
    while (handshakes_ < options_.admission.tls_handshakes_max && !handshake_queue_.empty()) {
        if (left == 0) {
            loop_.again();
            return;
        }
        Connection* connection = find(handshake_queue_.front());
        handshake_queue_.pop_front();
        if (connection == nullptr || !connection->open()) {
            continue;
        }
        --left;
        connection->handshaking_ = true;
        handshakes_begun_.emplace_back(connection->nonce(), loop_.now_ms());
        ++handshakes_;
        ++status_.handshakes;
        ++churn_;
        if (!connection->begin_handshake()) {
            connection->close(session::End::kNow);
            connection->session().on_closed(effects_);
            perform(*connection);
            release_if_done(*connection);
        }
    }
}

void Shard::end_handshake(Connection& connection) {
    if (std::exchange(connection.handshaking_, false)) {
        --handshakes_;
    }
}

bool Shard::connect_may_go() const {
    return connect_queue_.empty() && stages_[index_of(Connection::Stage::kOpening)] <
                                         options_.admission.connects_in_flight_max;
}

bool Shard::queue_connect(Connection& connection, std::size_t bytes) {
    if (stages_[index_of(Connection::Stage::kQueued)] >= options_.admission.connect_queue_max ||
        connect_queue_bytes_ + bytes > kConnectQueueBytesMax) {
        return false;
    }
    ++status_.connects_queued;
    connect_queue_.emplace_back(connection.nonce(), bytes);
    connect_queue_bytes_ += bytes;
    connection.stream().pause_reading();
    --stages_[index_of(connection.stage_)];
    connection.stage_ = Connection::Stage::kQueued;
    ++stages_[index_of(connection.stage_)];
    return true;
}

void Shard::serve_connects() {
    while (!connect_queue_.empty()) {
        const auto [nonce, bytes] = connect_queue_.front();
        Connection* connection = find(nonce);
        const bool waits = connection != nullptr && connection->open();
        if (waits && stages_[index_of(Connection::Stage::kOpening)] >=
                         options_.admission.connects_in_flight_max) {
            return;
        }
        connect_queue_.pop_front();
        connect_queue_bytes_ -= bytes;
        if (!waits) {
            continue;
        }
        connection->admitted_ = true;
        connection->resume();
        connection = find(nonce);
        if (connection != nullptr && connection->paused_) {
            return;  // the core has no room
        }
    }
}

void Shard::count_connected() {
    const MonoMs now = loop_.now_ms();
    if (now - second_ >= 1000) {
        connected_per_s_ = connected_ * 1000 / (now - second_);
        connected_ = 0;
        second_ = now;
    }
}

// The time the queue will take, spread over as much again so that they do not all come at once.
std::uint32_t Shard::retry_after_s() {
    const std::uint64_t all =
        1 + connect_queue_.size() / std::max<std::uint64_t>(connected_per_s_, 1);
    const std::uint64_t wait = std::min<std::uint64_t>(all, kRetryAfterMaxS / 2);
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint32_t>(wait + (random_ >> 33) % (wait + 1));
}

// Stops the listeners at the limit, and lets them go on when a quarter of it is free again.
void Shard::pace_accepts() {
    const std::uint32_t half_open = stages_[index_of(Connection::Stage::kHalfOpen)];
    const std::uint32_t limit = options_.admission.half_open_max;
    const bool crowded = half_open >= (accepting_ ? limit : limit - limit / 4);
    const std::uint64_t wait_ms = accept_rate_.wait_ms(0, loop_.now_ms());
    if (wait_ms != 0) {
        accept_timer_.start(wait_ms);
    }
    const bool accepting = !crowded && wait_ms == 0;
    if (accepting == accepting_) {
        return;
    }
    accepting_ = accepting;
    status_.accept_pauses += accepting ? 0 : 1;
    for (const auto& listener : listeners_) {
        if (accepting) {
            listener->resume();
        } else {
            listener->pause();
        }
    }
}

void Shard::trim_after_storm() {
    if (!handshake_queue_.empty() || !connect_queue_.empty() || churn_ > churn_seen_ + kCalmMax) {
        churn_seen_ = churn_;
        trim_timer_.start(kCalmMs);
        return;
    }
    churn_ = 0;
    io::trim_heap();
}

}  // namespace causeway::net
