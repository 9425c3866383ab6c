// What the links to other nodes are doing, as numbers; for metrics, `causeway cluster status` and
// tests. Counts are since the start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/tagged.h"

namespace causeway::link {

struct PeerStatus {
    NodeId id;
    std::string name;
    bool open = false;  // Our way to it.
    bool up = false;    // Its way to us.
    std::size_t queued_bytes = 0;
    std::uint64_t connects = 0;
    std::uint64_t disconnects = 0;           // Of connections that were open.
    std::uint64_t overflows = 0;             // Disconnected because too much was queued.
    std::uint64_t failures = 0;              // No connection was made: refused, reset, no answer.
    std::uint64_t timeouts = 0;              // Connection and handshake took too long.
    std::uint64_t certificates_refused = 0;  // By us or by the peer.
    std::uint64_t handshakes_refused = 0;    // By us or by the peer.
    std::uint64_t bytes_sent = 0;            // Frames, as they were given to us.
    std::uint64_t bytes_received = 0;
    std::uint64_t frames_received = 0;
    std::string last_error;  // Of our way to it: one line; empty: none yet.
};

// Of connections that others make. Until its handshake is accepted nobody knows whose it is.
struct AcceptedStatus {
    std::size_t connections = 0;  // Now, with those still in their handshake.
    std::uint64_t accepted = 0;
    std::uint64_t certificates_refused = 0;
    std::uint64_t handshakes_refused = 0;
    std::uint64_t timeouts = 0;     // The handshake took too long.
    std::uint64_t silent = 0;       // Not a word for silence_ms: closed.
    std::uint64_t malformed = 0;    // Bytes that are no frames, or frames out of place: closed.
    std::uint64_t replaced = 0;     // The peer has a newer connection.
    std::uint64_t overflows = 0;    // The answers of calls were not read: closed.
    std::uint64_t turned_away = 0;  // accepted_max connections are open already.
    std::string last_refusal;
};

struct Status {
    std::vector<PeerStatus> peers;  // In the order of set_peers().
    AcceptedStatus accepted;
};

}  // namespace causeway::link
