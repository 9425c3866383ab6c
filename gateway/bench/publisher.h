// One publisher: builds its PUBLISH packets, keeps its window of unacknowledged ones and drives QoS
// 1 and 2 to their end. QoS 0 in closed loop has a window, too: a PINGREQ behind each batch, whose
// PINGRESP says that the broker has read the batch; what the socket took says little, for the
// kernel holds megabytes per connection. When to send is decided by the Schedule and the worker.
// Sending a message neither allocates nor encodes: the packet is made once, and its packet id and
// stamp are overwritten.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "gateway/bench/client.h"
#include "gateway/bench/outcome.h"
#include "gateway/bench/plan.h"

namespace causeway::bench {

// The measurement: messages due within [begin, end) are measured. CLOCK_MONOTONIC.
struct Window {
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
    [[nodiscard]] bool has(std::uint64_t at_ns) const {
        return at_ns >= begin_ns && at_ns < end_ns;
    }
};

class Publisher {
public:
    // `filler` is what follows the stamp in every payload. All must outlive the publisher.
    Publisher(const Plan& plan, Client& client, const SharedBytes& filler, Outcome& outcome);

    // Effect: heeds what the broker can take. False, with the reason in `why`, when it cannot take
    // messages of the plan's QoS at all.
    [[nodiscard]] bool accept(const mqtt::Connack& connack, std::string_view& why);
    // Whether a message may be sent now: the window, or at QoS 0 in open loop the output queue, has
    // room.
    [[nodiscard]] bool has_room() const;
    // Effect: sends the next message, stamped as due at `due_ns`. Precondition: has_room().
    void send(std::uint64_t due_ns, std::uint64_t now_ns, const Window& window);
    // Effect: takes a PUBACK, PUBREC or PUBCOMP further. False for one that answers nothing sent.
    [[nodiscard]] bool on_ack(const mqtt::Packet& packet, std::uint64_t now_ns,
                              const Window& window);
    // Effect: the first `mark` messages count as acknowledged. QoS 0 in closed loop.
    void on_pingresp(std::uint64_t mark, std::uint64_t now_ns, const Window& window);
    // Effect: no more messages will come; asks for the answer to the last of them.
    void end();
    // Effect: what is in flight will not be answered: it counts as unanswered, with the time it has
    // waited, so that a stall at the end is not left out of the latencies.
    void give_up(std::uint64_t now_ns, const Window& window);

    [[nodiscard]] Client& client() { return client_; }
    // Messages sent so far.
    [[nodiscard]] std::uint64_t sent() const { return sequence_; }

private:
    enum class Phase : std::uint8_t { kFree, kAck, kComplete };
    struct Slot {
        std::uint64_t due_ns = 0;
        Phase phase = Phase::kFree;
    };
    Slot* slot_of(std::uint16_t packet_id, Phase phase);
    void finish(std::uint16_t packet_id, Slot& slot, mqtt::ReasonCode code, std::uint64_t now_ns,
                const Window& window);

    const Plan& plan_;
    Client& client_;
    const SharedBytes& filler_;
    Outcome& outcome_;
    std::string head_;  // A whole packet up to the filler.
    std::size_t packet_id_at_ = 0;
    std::size_t stamp_at_ = 0;  // 0: not stamped.
    std::uint64_t sequence_ = 0;
    bool batched_ = false;              // QoS 0 in closed loop,
    std::uint64_t batch_messages_ = 1;  // with this many messages between two PINGREQs,
    std::uint64_t asked_ = 0;           // of which the last went behind this message.
    std::uint64_t confirmed_ = 0;
    bool ended_ = false;
    std::uint32_t deliveries_ = 0;
    std::vector<Slot> slots_;          // Slot i is packet id i + 1.
    std::vector<std::uint16_t> free_;  // Packet ids.
};

}  // namespace causeway::bench
