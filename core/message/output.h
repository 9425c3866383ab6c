// What applying an entry gives back: results for the commands of each stream, deliveries to the
// connections behind it, and what the leader has to do next. Values only; they cross to the gateway
// loops in one mailbox push per batch and stream.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "core/base/bytes.h"
#include "core/message/command.h"

namespace causeway {

struct CommandResult {
    std::uint64_t seq = 0;
    ResultCode code = ResultCode::kOk;
    std::string detail;  // by command kind; empty for most
};

// A message as it goes to subscribers. Topic and body are slices of shared immutable bytes.
struct Message {
    SharedBytes topic;
    SharedBytes body;      // body.h
    SetMs expires_at = 0;  // 0: never
};

// One message, or one PUBREL, for one connection.
struct Delivery {
    std::uint64_t nonce = 0;  // the connection, as named in its Open
    std::uint64_t epoch = 0;
    std::uint64_t n =
        0;  // inbox number; 0: no inbox (QoS 0, or a session that ends with its connection)
    std::uint32_t message = 0;  // index into StreamOutputs::messages; not for a release
    std::uint8_t qos = 0;
    bool retain = false;
    bool dup = false;
    bool release = false;  // send PUBREL for n: the PUBREC was applied in an earlier connection
    absl::InlinedVector<std::uint32_t, 2> subscription_ids;
};

// Another connection took the session over: DISCONNECT 0x8E and close («MQTT 5.0 §3.1.4» 3).
struct Takeover {
    std::uint64_t nonce = 0;
    std::uint64_t epoch = 0;
};

// The answer to a SUBSCRIBE whose result was kLater, for the connection that asked.
struct Settled {
    std::uint64_t nonce = 0;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;  // of the kSubscribe command
    std::string detail;     // one byte a filter
};

struct StreamOutputs {
    StreamId stream = 0;
    SetMs time =
        0;  // set time of the last entry: what is left of a message's expiry is computed from it
    std::vector<CommandResult> results;
    std::vector<Message> messages;
    std::vector<Delivery> deliveries;
    std::vector<Takeover> takeovers;
    std::vector<Settled> settled;
    std::uint64_t unlogged_bytes_done = 0;  // QoS 0 bytes handled: credit for the sender
    bool dead = false;  // the stream was declared dead: close its connections, say HELLO again

    [[nodiscard]] bool empty() const {
        return results.empty() && deliveries.empty() && takeovers.empty() && settled.empty() &&
               unlogged_bytes_done == 0 && !dead;
    }
};

// packet id = 1 + (n - 1) mod 65535: the same on every gateway without logging an assignment.
constexpr std::uint16_t packet_id_of(std::uint64_t n) {
    // [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]
    return static_cast<std::uint16_t>(1 + (n - 1) % 65535);
}

// One message received from a queue, as kQueueReceive answers it.
struct QueueMessage {
    std::uint64_t n = 0;
    std::uint64_t lease = 0;
    SetMs sent_at = 0;
    SetMs first_received_at = 0;
    SetMs visible_at = 0;
    std::uint32_t receive_count = 0;
    std::string_view key;
    std::string_view topic;  // of the message a rule took it from; empty: sent through the API
    std::string_view client_id;
    std::string_view reason;  // why it was dead-lettered; empty otherwise
    std::string_view tags;    // { string }, as the rule gave them
    std::string_view body;    // body.h
};

// The answer to kQueueReceive: messages behind a varint, in how many ms the next leased or delayed
// one is due (0: none).
void append_queue_message(const QueueMessage& message, std::string& out);
bool next_queue_message(ByteReader& in, QueueMessage& out);

struct QueueStatus {
    std::string name;
    std::uint64_t messages = 0;  // ready, leased and delayed
    std::uint64_t leased = 0;    // leased or delayed
    std::uint64_t bytes = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t expired = 0;
    std::uint64_t dead_lettered = 0;
};

}  // namespace causeway
