#include "gateway/net/gateway.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

namespace causeway::net {
namespace {

void add(ShardStatus& sum, const ShardStatus& one) {
    for (int qos = 0; qos < 3; ++qos) {
        sum.sessions.publishes_received[qos] += one.sessions.publishes_received[qos];
        sum.sessions.deliveries_sent[qos] += one.sessions.deliveries_sent[qos];
    }
    using Counters = session::Counters;
    for (const auto counter : {&Counters::publishes_ok,
                               &Counters::publishes_refused,
                               &Counters::publishes_unanswered,
                               &Counters::publishes_repeated,
                               &Counters::unlogged_passed,
                               &Counters::deliveries_dropped_full,
                               &Counters::deliveries_dropped_too_large,
                               &Counters::deliveries_expired,
                               &Counters::connects_ok,
                               &Counters::connects_refused,
                               &Counters::protocol_errors,
                               &Counters::malformed,
                               &Counters::keep_alive_timeouts,
                               &Counters::packet_timeouts,
                               &Counters::takeovers,
                               &Counters::slow_closed,
                               &Counters::limit_packet_bytes,
                               &Counters::limit_topic,
                               &Counters::limit_receive_maximum,
                               &Counters::limit_publish_rate,
                               &Counters::publishes_denied,
                               &Counters::filters_denied,
                               &Counters::deliveries_denied,
                               &Counters::credentials_expired}) {
        sum.sessions.*counter += one.sessions.*counter;
    }
    for (const auto counter : {&ShardStatus::connections,
                               &ShardStatus::online,
                               &ShardStatus::accepted,
                               &ShardStatus::refused_full,
                               &ShardStatus::refused_address,
                               &ShardStatus::refused_client,
                               &ShardStatus::refused_busy,
                               &ShardStatus::connects_queued,
                               &ShardStatus::accept_pauses,
                               &ShardStatus::handshakes,
                               &ShardStatus::half_open,
                               &ShardStatus::connect_queue,
                               &ShardStatus::connects_in_flight,
                               &ShardStatus::handshakes_under_way,
                               &ShardStatus::handshake_queue,
                               &ShardStatus::connection_bytes,
                               &ShardStatus::table_bytes,
                               &ShardStatus::tls_failed,
                               &ShardStatus::tls_resumed,
                               &ShardStatus::tls_psk,
                               &ShardStatus::tls_dismissed,
                               &ShardStatus::proxy_failed,
                               &ShardStatus::websocket_refused,
                               &ShardStatus::bytes_in,
                               &ShardStatus::unavailable,
                               &ShardStatus::paused,
                               &ShardStatus::paused_unread}) {
        sum.*counter += one.*counter;
    }
    for (std::size_t i = 0; i < auth::kDenials; ++i) {
        sum.auth.denied[i] += one.auth.denied[i];
    }
    for (std::size_t i = 0; i < auth::kSchemes; ++i) {
        sum.auth.granted[i] += one.auth.granted[i];
    }
    sum.auth.rechecked += one.auth.rechecked;
    sum.auth.closed += one.auth.closed;
}

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::open(const GatewayOptions& options,
                                               const Shard::MakeSubmitter& make_submitter) {
    std::unique_ptr<Gateway> gateway(new Gateway);
    gateway->workers_ = std::make_unique<SlowWorkers>(options.shard.auth.slow_threads,
                                                      options.shard.auth.slow_queue_max);
    ShardOptions shard_options = options.shard;
    shard_options.connections_max = std::max(1U, options.shard.connections_max / options.loops);
    AdmissionOptions& admission = shard_options.admission;
    admission.half_open_max = std::max(1U, admission.half_open_max / options.loops);
    if (admission.accept_rate_max != 0) {
        admission.accept_rate_max = std::max(1U, admission.accept_rate_max / options.loops);
    }
    for (std::uint32_t i = 0; i < options.loops; ++i) {
        shard_options.random = options.shard.random + i;
        auto shard = std::make_unique<Shard>(shard_options, *gateway->workers_, gateway->counts_,
                                             gateway->choices_, *gateway->queue_consumers_);
        for (std::size_t at = 0; at < options.listeners.size(); ++at) {
            ListenerOptions listener = options.listeners[at];
            if (i != 0) {
                listener.port = gateway->ports_[at];
                listener.first = false;
            }
            const auto port = shard->listen(listener);
            if (!port) {
                return tl::unexpected(port.error());
            }
            if (i == 0) {
                gateway->ports_.push_back(*port);
            }
        }
        gateway->shards_.push_back(std::move(shard));
    }
    for (auto& shard : gateway->shards_) {
        shard->attach(make_submitter);
    }
    return gateway;
}

Gateway::~Gateway() { stop(); }

void Gateway::start() {
    for (auto& shard : shards_) {
        threads_.emplace_back([&shard] { shard->loop().run(); });
    }
}

void Gateway::shut_down(std::uint64_t grace_ms) {
    std::vector<std::future<void>> ended;
    for (auto& shard : shards_) {
        auto done = std::make_shared<std::promise<void>>();
        ended.push_back(done->get_future());
        shard->loop().post([&shard, grace_ms, done] {
            shard->shut_down(grace_ms, [done] { done->set_value(); });
        });
    }
    for (auto& one : ended) {
        one.wait();
    }
}

void Gateway::stop() {
    for (auto& shard : shards_) {
        shard->loop().stop();
    }
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

void Gateway::set_tls(std::size_t listener, const ListenerTls& tls, bool recheck) {
    for (auto& shard : shards_) {
        shard->loop().post(
            [&shard, listener, tls, recheck] { shard->set_tls(listener, tls, recheck); });
    }
}

void Gateway::publish(std::vector<SysMessage> messages) {
    Shard& first = *shards_.front();
    first.loop().post([&first, messages = std::move(messages)] { first.publish(messages); });
}

void Gateway::wake_queues(const std::vector<std::string>& queues) {
    for (auto& shard : shards_) {
        shard->loop().post([&shard, queues] { shard->wake_queues(queues); });
    }
}

void Gateway::set_auth_settings(const std::shared_ptr<const auth::Settings>& settings) {
    for (auto& shard : shards_) {
        shard->loop().post([&shard, settings] { shard->set_auth_settings(settings); });
    }
}

void Gateway::status(io::Loop& loop, absl::AnyInvocable<void(ShardStatus)> take) {
    struct Gathering {
        ShardStatus sum;
        std::size_t missing = 0;
        absl::AnyInvocable<void(ShardStatus)> take;
    };
    auto gathering = std::make_shared<Gathering>();
    gathering->missing = shards_.size();
    gathering->take = std::move(take);
    for (auto& shard : shards_) {
        shard->loop().post([&shard, &loop, gathering] {
            loop.post([gathering, one = shard->status()] {
                add(gathering->sum, one);
                if (--gathering->missing == 0) {
                    gathering->take(gathering->sum);
                }
            });
        });
    }
}

}  // namespace causeway::net
