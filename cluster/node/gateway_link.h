// A gateway loop's Submitter on threads: the Streams machine with a mailbox to be told through and
// a timer to tick it. Gateway loop only, but for deliver().
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "cluster/node/streams.h"
#include "core/io/mailbox.h"
#include "core/io/timer.h"

namespace causeway::node {

class GatewayLink final : public Streams {
public:
    GatewayLink(io::Loop& loop, const StreamsOptions& options, SubmitterEvents& events, Send send);

    void flush() override;

    // Effect: the loop takes the message in its turn. Any thread; messages of one stay in order.
    void deliver(ToLoop message) { mailbox_.push(std::move(message)); }
    // The same for news, from the apply thread: waits while more than kUndelivered deliveries are
    // not taken yet, so that a fan-out cannot run away from the loop that has to send it. The loop
    // never waits for the apply thread. `stopping` ends the wait.
    void deliver_news(LocalNews news, const std::atomic<bool>& stopping);

    static constexpr std::uint64_t kUndelivered = 100'000;

private:
    void receive(std::vector<ToLoop>& messages);

    io::Loop& loop_;
    io::Mailbox<ToLoop> mailbox_;
    io::Timer timer_;
    std::atomic<std::uint64_t> undelivered_{0};
};

}  // namespace causeway::node
