// Several sets side by side, each a Rig, with the streams between them in the hands of the test:
// batches and acknowledgements wait in a "network" that may delay, repeat, reorder and lose them;
// a leader change forgets what was sent. One gateway loop with a stream to every set.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/message/peer.h"
#include "core/message/slots.h"
#include "test/core/state/rig.h"

namespace causeway::state {

class Sets {
public:
    // Sets 1 … count, evenly spread slots; every set has its layout.
    Sets(std::uint32_t count, Rig::Mode mode);

    [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(sets_.size()); }
    Rig& rig(std::uint32_t set) { return *sets_.at(set)->rig; }
    [[nodiscard]] StreamId stream(std::uint32_t set) const { return sets_.at(set)->stream; }
    [[nodiscard]] std::uint32_t home(std::string_view topic_or_client) const {
        return slots_.set_of(topic_or_client).value();
    }
    // A device key that belongs to the set: "p/d<number>", another one for each `which`.
    [[nodiscard]] std::string key_in(std::uint32_t set, int which = 0) const;

    // Called after every entry with what it gave.
    std::function<void(std::uint32_t set, const Outputs& out)> on_outputs;

    // A command of the gateway (or, on stream 0, of the leader) as an entry of its own.
    template <typename Command>
    CommandResult run(std::uint32_t set, const Command& command) {
        return run_on(set, stream(set), command);
    }
    template <typename Command>
    CommandResult lead(std::uint32_t set, const Command& command) {
        return run_on(set, 0, command);
    }
    // A session with an inbox at its home; its epoch.
    std::uint64_t open(std::string_view client, std::uint64_t nonce, std::uint32_t expiry_s = 3600);
    CommandResult subscribe(std::string_view client, std::uint64_t epoch,
                            const std::vector<SubscriptionRequest>& requests);
    CommandResult subscribe(std::string_view client, std::uint64_t epoch, std::string_view filter,
                            std::uint8_t qos = 1);
    CommandResult unsubscribe(std::string_view client, std::uint64_t epoch,
                              std::string_view filter);
    // A publish as the gateway sends it: QoS 2 to the client's home, else to the topic's set.
    CommandResult publish(std::string_view client, std::uint64_t epoch, Publish command,
                          std::string_view payload);
    CommandResult publish(std::string_view client, std::uint64_t epoch, std::string_view topic,
                          std::string_view payload, std::uint8_t qos = 1, bool retain = false);
    void limits(const StateLimits& limits);
    void step(std::uint32_t set);
    void pass_ms(SetMs ms);
    // Time passes and every leader lets it.
    void pass_s(SetMs s);

    // New items of every stream go into the network.
    void send();
    // One thing out of the network, any one; perhaps it stays there too, perhaps it is lost.
    void deliver_any(Random& random);
    // The next leader of the set knows only what is in the state: all of it is sent again.
    void change_leader(std::uint32_t set);
    // Until no stream and no set has anything to do.
    void pump();
    // What `to` wants and has from the streams of `from`, as one text a line; empty: they agree
    // with the subscriptions of `to`.
    std::string interests_differ();
    [[nodiscard]] std::size_t network() const { return network_.size(); }
    std::uint64_t batch_bytes = 120;  // a few items

private:
    struct Set {
        std::unique_ptr<Rig> rig;
        StreamId stream = 0;
        std::map<std::uint32_t, std::uint64_t> sent;  // by the other set
    };
    struct Packet {
        std::uint32_t from = 0;
        std::uint32_t to = 0;
        PeerBatch batch;
        bool is_ack = false;
        std::uint64_t accepted = 0;
    };
    template <typename Command>
    CommandResult run_on(std::uint32_t set, StreamId stream, const Command& command) {
        note(set);
        const CommandResult result = rig(set).run(stream, command);
        applied(set);
        return result;
    }
    void note(std::uint32_t set);
    void applied(std::uint32_t set);
    void take(const Packet& packet);

    SlotMap slots_;
    std::map<std::uint32_t, std::unique_ptr<Set>> sets_;
    std::vector<Packet> network_;
    std::map<std::uint32_t, std::uint64_t> made_;  // before the entry, by the other set
};

}  // namespace causeway::state
