// The insides of Links: the table of peers and connections, and what must wait for the end of the
// turn so that no object is destroyed and no table changed while one of its callbacks runs.
// Internal to cluster/link; one loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/link/links.h"
#include "core/base/random.h"
#include "core/io/loop.h"
#include "core/io/tcp_listener.h"

namespace causeway::link {

class Incoming;
class Outgoing;

class Hub {
public:
    Hub(io::Loop& on, const LinkOptions& with, LinkEvents& to);
    ~Hub();
    Hub(const Hub&) = delete;
    Hub& operator=(const Hub&) = delete;

    Result<> listen();
    [[nodiscard]] std::uint16_t port() const { return listener_->port(); }
    void set_peers(std::vector<PeerAddress> peers);
    void set_contexts(std::shared_ptr<ssl_ctx_st> server, std::shared_ptr<ssl_ctx_st> client,
                      bool again);
    [[nodiscard]] Outgoing* outgoing(NodeId peer);
    [[nodiscard]] Incoming* incoming(ConnectionId connection);
    void reject(NodeId peer, std::string_view why);
    [[nodiscard]] Status status() const;

    // --- for the connections -------------------------------------------------------------------

    // The line of the table that a node may connect by.
    [[nodiscard]] bool knows(NodeId id, std::string_view name) const;
    // Effect: the peer's older connection is closed; events; our way there is tried at once.
    void came_up(Incoming& connection);
    // Effect: forgets a connection whose stream is closed; destroyed at the turn's end.
    void retire(Incoming& connection);
    void refused(std::string_view line) { events.on_refused(line); }
    // Effect: on_disconnected at the turn's end: the caller may be in the owner's call.
    void disconnected_later(NodeId peer);
    void close_later(ConnectionId connection, std::string why);

    io::Loop& loop;
    const LinkOptions options;
    std::shared_ptr<ssl_ctx_st> server;  // For connections from now on.
    std::shared_ptr<ssl_ctx_st> client;
    LinkEvents& events;
    Random random;
    AcceptedStatus accepted;

private:
    struct Peer {
        PeerAddress address;
        std::unique_ptr<Outgoing> outgoing;
        std::optional<ConnectionId> up;
        std::uint64_t bytes_received = 0;  // Of its connections that are gone.
        std::uint64_t frames_received = 0;
    };

    [[nodiscard]] Peer* find(NodeId id);
    [[nodiscard]] const Peer* find(NodeId id) const;
    void accept(io::StreamPtr stream);
    void turn_end();
    void apply_peers();
    void begin_again();
    void drop(std::unique_ptr<Peer> peer);

    std::unique_ptr<io::TcpListener> listener_;
    std::vector<std::unique_ptr<Peer>> peers_;
    std::map<ConnectionId, std::unique_ptr<Incoming>> incoming_;
    ConnectionId next_connection_ = 1;

    std::optional<std::vector<PeerAddress>> next_peers_;
    bool again_ = false;
    std::vector<NodeId> disconnected_;
    std::vector<std::pair<ConnectionId, std::string>> to_close_;
    std::vector<std::unique_ptr<Incoming>> retired_;
    io::TurnHook hook_;
};

}  // namespace causeway::link
