// The MQTT side of a node: one shard a loop, each on its own thread, all listening on the same
// ports. Called from the root's thread unless a function says otherwise.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "gateway/net/shard.h"
#include "gateway/net/sys_topics.h"

namespace causeway::net {

struct GatewayOptions {
    std::uint32_t loops = 1;
    // connections_max, half_open_max and accept_rate_max are of the whole gateway.
    ShardOptions shard;
    std::vector<ListenerOptions> listeners;
};


class Gateway {
public:
    // Effect: binds every listener. Errors: one line naming the address.
    static Result<std::unique_ptr<Gateway>> open(const GatewayOptions& options,
                                                 const Shard::MakeSubmitter& make_submitter);
    ~Gateway();
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    // The port of each listener, in the order of the options.
    [[nodiscard]] const std::vector<std::uint16_t>& ports() const { return ports_; }
    void start();
    // Effect: stops accepting, answers what is in flight for at most `grace_ms`, closes every
    // connection. The loops keep running until stop(), so that the core's last results arrive.
    void shut_down(std::uint64_t grace_ms);
    // Effect: ends the loops and their threads. Call after the core has stopped.
    void stop();
    // Effect: Shard::set_tls() on every loop. Any thread.
    void set_tls(std::size_t listener, const ListenerTls& tls, bool recheck);
    // Effect: publishes at QoS 0, as nobody's, from one of the loops. Any thread.
    void publish(std::vector<SysMessage> messages);
    // Effect: clients that consume these queues look again; none: all do. Any thread.
    void wake_queues(const std::vector<std::string>& queues);
    // How many clients consume queues: with none, there is nobody to wake.
    [[nodiscard]] std::shared_ptr<const std::atomic<std::size_t>> queue_consumers() const {
        return queue_consumers_;
    }
    // Effect: tokens are checked with other keys from now on. Any thread.
    void set_auth_settings(const std::shared_ptr<const auth::Settings>& settings);
    // Effect: `take` is called on `loop` with the sum over all loops. Any thread.
    void status(io::Loop& loop, absl::AnyInvocable<void(ShardStatus)> take);

private:
    Gateway() = default;
    ProductCounts counts_;
    PskChoices choices_;
    std::shared_ptr<std::atomic<std::size_t>> queue_consumers_ =
        std::make_shared<std::atomic<std::size_t>>(0);
    std::vector<std::unique_ptr<Shard>> shards_;
    std::unique_ptr<SlowWorkers> workers_;  // posts to the shards' loops: ends before they do
    std::vector<std::thread> threads_;
    std::vector<std::uint16_t> ports_;
};

}  // namespace causeway::net
