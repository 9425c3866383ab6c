// One subscriber: subscribes, acknowledges what it gets and checks it: how long it took, and by the
// stamps whether anything was lost, came twice or out of order.
#pragma once

#include <cstdint>
#include <string>

#include <absl/container/flat_hash_map.h>

#include "gateway/bench/client.h"
#include "gateway/bench/outcome.h"
#include "gateway/bench/publisher.h"
#include "gateway/bench/sequence.h"

namespace causeway::bench {

class Subscriber {
public:
    // All must outlive the subscriber.
    Subscriber(const Plan& plan, Client& client, Outcome& outcome);

    // Effect: sends SUBSCRIBE.
    void subscribe();
    // False, with the reason in `why`, when the broker refused the filter or the QoS.
    [[nodiscard]] bool accept(const mqtt::Suback& suback, std::string_view& why) const;
    // Effect: counts the message and acknowledges it.
    void on_publish(const mqtt::Publish& publish, std::uint64_t now_ns, const Window& window);
    // Effect: answers PUBREL with PUBCOMP.
    void on_pubrel(const mqtt::Pubrel& pubrel);
    // Effect: adds the gaps in the numbers to the counters; once, at the end.
    void count_gaps();

private:
    void measure(const mqtt::Publish& publish, std::uint64_t now_ns, const Window& window);
    void write_ack(unsigned first_byte, std::uint16_t packet_id);

    const Plan& plan_;
    Client& client_;
    Outcome& outcome_;
    bool shared_ = false;  // Others of the group get what is missing here.
    absl::flat_hash_map<std::uint64_t, SequenceTracker> trackers_;  // By run and publisher.
};

}  // namespace causeway::bench
