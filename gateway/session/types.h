// What goes into a session machine and what comes out of it. Plain values; the driver (gateway/net)
// owns an Effects per loop, clears it before each step and performs it after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/message/command.h"
#include "gateway/mqtt/reason_code.h"

namespace causeway::session {

class AuthMethods;

// The limits and offers of a listener; shared by its sessions.
struct Limits {
    std::uint32_t packet_bytes_max = 1U << 20;
    std::uint32_t topic_levels_max = 128;
    std::uint32_t topic_bytes_max = 65'535;
    std::uint32_t session_expiry_max_s = 7 * 86'400;
    std::uint16_t receive_maximum = 1'024;   // what we take from a client unanswered
    std::uint16_t inflight_max = 1'024;      // what we send to it unanswered, at most
    std::uint16_t topic_alias_maximum = 16;  // ours to a client at most, too
    std::uint16_t keep_alive_max_s = 0;  // 0: the client's own; else it may not be longer, nor off
    std::uint32_t connect_timeout_s = 10;
    std::uint32_t packet_timeout_s = 300;  // from a packet's first byte to its last; 0: any
    std::uint32_t waiting_bytes_max = 8U
                                      << 20;  // held for a client whose Receive Maximum is reached
    std::uint32_t unread_timeout_s = 60;  // a client is not read because it does not read
    // Of one client, a second, 0: any. Beyond it the client is not read for a while.
    std::uint32_t publish_rate_max = 0;
    std::uint32_t publish_bytes_rate_max = 0;     // topic and payload
    // A 3.1.1 client that publishes at QoS 1 or 2 where it may not is closed; else it is acknowledged
    // and nothing is done («MQTT 3.1.1» §3.3.5).
    bool close_denied = true;
    const AuthMethods* authentication = nullptr;  // null: no method is known
};

// Where a result belongs; carried through the core as CommandTag::token.
enum class Ticket : std::uint8_t {
    kOpen = 1,
    kClose,
    kPublish,
    kRelease,
    kSubscribe,
    kUnsubscribe,
    kReceived
};

constexpr std::uint64_t make_token(Ticket ticket, std::uint64_t what) {
    return static_cast<std::uint64_t>(ticket) << 56 | what;
}
constexpr Ticket ticket_of(std::uint64_t token) { return static_cast<Ticket>(token >> 56); }
constexpr std::uint64_t what_of(std::uint64_t token) {
    return token & ((std::uint64_t{1} << 56) - 1);
}

// When and into what a delivery comes.
struct Arrival {
    SetMs set_now = 0;         // the set time of the output
    MonoMs now = 0;            // this machine's
    bool output_full = false;  // the client does not read what it was sent
};

// How the connection is to be closed.
enum class End : std::uint8_t {
    kNone,
    kFlush,  // after what is queued has been sent
    kNow,
};

// A queue the client consumes (`$queue/NAME`).
struct QueueSubscription {
    std::string queue;
    std::uint32_t identifier = 0;
    std::uint8_t qos = 1;  // 0: what is sent counts as acknowledged
};

// A message of a queue that is leased for the client.
struct QueueDelivery {
    std::uint64_t local_n = 0;  // as which it is outstanding at the client
    GroupId set;
    std::string queue;
    QueueReceipt receipt;
};

struct Effects {
    // Bytes for the client. A large body is kept by reference and goes in front of bytes[at].
    struct Piece {
        std::size_t at = 0;
        SharedBytes body;
    };
    std::string bytes;
    std::vector<Piece> pieces;
    // Commands for the core, in `commands` one behind the other. The key is the topic of a publish,
    // else the client id (no topic): so is that of a QoS 2 publish, whose packet id is noted with
    // the session.
    struct Submission {
        std::uint64_t token = 0;
        std::size_t begin = 0;
        std::size_t size = 0;
        std::string_view topic;  // a view that lives until the next event
    };
    std::string commands;
    std::vector<Submission> submissions;
    struct Acknowledged {
        AckRange range;
        bool urgent = false;
    };
    std::vector<Acknowledged> acknowledged;
    // A QoS 0 publish; its views point into the packet and `body`.
    bool has_unlogged = false;
    Publish unlogged;
    std::string body;
    // The token of an OPEN that is not wanted any more: Submitter::withdraw(), then on_withdrawn().
    std::optional<std::uint64_t> withdraw;
    End end = End::kNone;
    std::string_view why;  // for the log, when `end` is set; static
    bool deadline_changed = false;
    // For clients that consume queues.
    bool queues_changed = false;             // Session::queues()
    bool queue_room = false;                 // Session::queue_room() may have grown
    std::vector<QueueDelivery> queue_done;   // acknowledged

    void clear() {
        bytes.clear();
        pieces.clear();
        commands.clear();
        submissions.clear();
        acknowledged.clear();
        has_unlogged = false;
        body.clear();
        withdraw.reset();
        end = End::kNone;
        why = {};
        deadline_changed = false;
        queues_changed = false;
        queue_room = false;
        queue_done.clear();
    }
};

// Counted by each loop for its sessions. At the end of every connection
//   received = ok + refused + unanswered + repeated + unlogged passed.
struct Counters {
    std::uint64_t publishes_received[3] = {0, 0, 0};  // by QoS
    std::uint64_t publishes_ok = 0;
    std::uint64_t publishes_refused = 0;
    std::uint64_t publishes_unanswered = 0;  // the connection closed first
    std::uint64_t publishes_repeated = 0;    // QoS 2, the same packet id again
    std::uint64_t unlogged_passed = 0;
    std::uint64_t deliveries_sent[3] = {0, 0, 0};
    std::uint64_t deliveries_dropped_full = 0;       // QoS 0, the client was too slow
    std::uint64_t deliveries_dropped_too_large = 0;  // above the client's Maximum Packet Size
    std::uint64_t deliveries_expired = 0;            // while the client's window was full
    std::uint64_t connects_ok = 0;
    std::uint64_t connects_refused = 0;
    std::uint64_t protocol_errors = 0;
    std::uint64_t malformed = 0;
    std::uint64_t keep_alive_timeouts = 0;
    std::uint64_t packet_timeouts = 0;
    std::uint64_t takeovers = 0;
    std::uint64_t slow_closed = 0;
    // How often a limit was reached.
    std::uint64_t limit_packet_bytes = 0;
    std::uint64_t limit_topic = 0;  // its levels or bytes
    std::uint64_t limit_receive_maximum = 0;
    std::uint64_t limit_publish_rate = 0;
    // Not permitted.
    std::uint64_t publishes_denied = 0;  // among publishes_refused
    std::uint64_t filters_denied = 0;    // of SUBSCRIBE
    std::uint64_t deliveries_denied = 0;
    std::uint64_t credentials_expired = 0;  // connections that ended with them
};

}  // namespace causeway::session
