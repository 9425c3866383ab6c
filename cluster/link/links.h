// The connections between the nodes of a cluster: mutual TLS 1.3, frames of cluster/wire, bounded
// queues, reconnecting. Owned by cluster/node, on its core loop; docs/formats/wire.md has the
// protocol, docs/decisions/0007-one-way-connections.md the reason for its shape.
//
// This node dials every peer and sends on that connection only; what peers say arrives on the
// connections they made. So a network that is cut in one direction shows in that direction only,
// and a lost connection always means: what was queued or under way to that peer is gone.
//
// A node is who its certificate says: the CN is «node:<name>», the CA the cluster's; its handshake
// must give that name and the node id that the table of peers has for it. A node that is not in the
// table may connect with node id 0 and call, nothing else: that is how one joins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/types/span.h>

#include "cluster/link/status.h"
#include "cluster/wire/frames.h"
#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/tagged.h"
#include "core/base/time.h"

struct ssl_ctx_st;

namespace causeway::io {
class Loop;
}

namespace causeway::link {

class Hub;

struct PeerAddress {
    // 0 is not allowed. For a seed a number of the caller's choice that no other peer has.
    NodeId id;
    // Empty: a seed, of which only the address is known; any node of the cluster may answer there,
    // and it cannot connect to us by this line.
    std::string name;
    std::string host;
    std::uint16_t port = 0;

    bool operator==(const PeerAddress&) const = default;
};

struct LinkOptions {
    NodeId self;             // 0: joining.
    std::string name;        // Must be that of our certificate.
    std::string cluster_id;  // Empty: joining, not known; then a peer's is not compared.
    std::uint64_t node_uuid = 0;
    std::uint64_t boot = 0;
    std::string host = "127.0.0.1";      // To listen on.
    std::uint16_t port = 0;              // 0: the system picks one, see port().
    std::shared_ptr<ssl_ctx_st> server;  // certs::make_peer_contexts()
    std::shared_ptr<ssl_ctx_st> client;

    std::size_t queue_bytes_max = std::size_t{64} * 1024 * 1024;  // Per connection, to send.
    std::size_t accepted_max = 256;
    std::uint64_t seed = 1;        // Of the jitter.
    MonoMs backoff_min_ms = 50;    // Before a connection is tried again; doubles up to the max.
    MonoMs backoff_max_ms = 1000;  // Jitter: between half of it and all.
    MonoMs handshake_ms = 2000;    // For connecting, TLS and hello together.
    MonoMs silence_ms = 3000;      // Without a word of a peer, or an acknowledgement of its TCP.
    MonoMs caller_silence_ms = 30'000;  // The same for a joining node.
};

// The other end of a connection, as certificate and handshake say.
struct Remote {
    NodeId id;  // As in the table of peers; 0: joining.
    std::string name;
    std::uint64_t uuid = 0;
    std::uint64_t boot = 0;
    std::uint32_t version = 0;  // The lower of both nodes' versions of the frames.
    std::vector<std::string> features;
};

// An accepted connection; never used twice by one Links.
using ConnectionId = std::uint64_t;

// What Links tells its owner, on the loop's thread, from socket callbacks, timers and its turn-end
// hook. The owner may call everything but the destructor from within.
class LinkEvents {
public:
    virtual ~LinkEvents() = default;
    // Our way to a peer is open. After each on_connected of a peer comes one on_disconnected.
    virtual void on_connected(const Remote& peer) = 0;
    // It was reset: what was queued and what is under way may not have arrived.
    virtual void on_disconnected(NodeId peer) = 0;
    // A peer's way to us is open; never of two connections of one peer at once.
    virtual void on_peer_up(const Remote& peer) = 0;
    virtual void on_peer_down(NodeId peer) = 0;
    // A frame of a type that wire::decode() knows, but for calls and replies; its fields have not
    // been looked at. If they are malformed, say so with reject(). In order, between on_peer_up and
    // on_peer_down.
    virtual void on_frame(NodeId from, std::uint8_t type, SharedBytes body) = 0;
    // Answer with reply(), now or later. from.id 0: a node that is joining.
    virtual void on_call(ConnectionId connection, const Remote& from, wire::Call call) = 0;
    // The answer of a Call sent with send(). None comes when on_disconnected comes first.
    virtual void on_reply(NodeId from, wire::Reply reply) = 0;
    // Someone was refused, by us or us by a peer; one line for the log. At most one per try.
    virtual void on_refused(std::string_view line) = 0;
};

// Life: open() -> set_peers() as often as needed -> destroyed, on the loop's thread, before the
// loop and its events; then no event follows, and connections are closed. Open it before adding
// own turn-end hooks, so that they see its events in the same turn. All calls on that thread.
class Links {
public:
    // Errors: one line, e.g. the address cannot be listened on. Nothing is dialed yet.
    static Result<std::unique_ptr<Links>> open(io::Loop& loop, const LinkOptions& options,
                                               LinkEvents& events);
    ~Links();
    Links(const Links&) = delete;
    Links& operator=(const Links&) = delete;

    // The port listened on.
    [[nodiscard]] std::uint16_t port() const;

    // Effect, at the end of the turn: dials peers that are new; connections to and from peers that
    // are not there any more, or differ in anything, are closed, with their events. A line with our
    // own id or id 0, and all but the first of one id, are ignored.
    void set_peers(std::vector<PeerAddress> peers);

    // Effect: connections from now on use these. With `again` those that are open are closed, with
    // their events, and made anew: whom we trust has changed.
    void set_contexts(std::shared_ptr<ssl_ctx_st> server, std::shared_ptr<ssl_ctx_st> client,
                      bool again);

    // Effect: queues whole frames (wire::append) for the end of the turn. False, with nothing
    // queued: not open. False, too, when that would be more than queue_bytes_max in all: then the
    // connection is reset and on_disconnected follows. Pieces are kept by reference.
    bool send(NodeId peer, std::string_view frames);
    bool send(NodeId peer, absl::Span<const SharedBytes> pieces);
    // Whether our way to the peer is open.
    [[nodiscard]] bool is_open(NodeId peer) const;
    // Bytes that the socket has not taken yet.
    [[nodiscard]] std::size_t queued_bytes(NodeId peer) const;

    // Effect: answers a call on the connection it came on. False: that is gone, or it takes nothing
    // and was closed for it.
    bool reply(ConnectionId connection, const wire::Reply& reply);

    // Effect: a frame of this peer was malformed: its way to us is closed and counted, with
    // on_peer_down. `why` goes to on_refused. It may connect again.
    void reject(NodeId peer, std::string_view why);

    [[nodiscard]] Status status() const;

private:
    explicit Links(std::unique_ptr<Hub> hub);

    std::unique_ptr<Hub> hub_;
};

}  // namespace causeway::link
