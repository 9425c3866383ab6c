#include "cluster/link/hub.h"

#include <algorithm>
#include <utility>

#include "cluster/link/incoming.h"
#include "cluster/link/outgoing.h"
#include "core/base/check.h"

namespace causeway::link {

Hub::Hub(io::Loop& on, const LinkOptions& with, LinkEvents& to)
    : loop(on),
      options(with),
      server(with.server),
      client(with.client),
      events(to),
      random(with.seed),
      hook_(on.at_turn_end([this] { turn_end(); })) {
    CW_CHECK(server != nullptr && client != nullptr && options.backoff_min_ms > 0);
}

Hub::~Hub() = default;

Result<> Hub::listen() {
    io::ListenOptions listening;
    listening.host = options.host;
    listening.port = options.port;
    auto listener = io::TcpListener::listen(
        loop, listening, [this](io::StreamPtr stream) { accept(std::move(stream)); });
    if (!listener) {
        return tl::unexpected(listener.error());
    }
    listener_ = std::move(*listener);
    return {};
}

void Hub::accept(io::StreamPtr stream) {
    if (incoming_.size() >= options.accepted_max) {
        ++accepted.turned_away;
        return;
    }
    ++accepted.accepted;
    const ConnectionId id = next_connection_++;
    incoming_.emplace(id, std::make_unique<Incoming>(*this, id, std::move(stream)));
}

void Hub::set_peers(std::vector<PeerAddress> peers) {
    next_peers_ = std::move(peers);
    loop.again();
}

void Hub::set_contexts(std::shared_ptr<ssl_ctx_st> for_server,
                       std::shared_ptr<ssl_ctx_st> for_client, bool again) {
    server = std::move(for_server);
    client = std::move(for_client);
    again_ = again_ || again;
    loop.again();
}

void Hub::disconnected_later(NodeId peer) {
    disconnected_.push_back(peer);
    loop.again();
}

void Hub::close_later(ConnectionId connection, std::string why) {
    to_close_.emplace_back(connection, std::move(why));
    loop.again();
}

void Hub::reject(NodeId peer, std::string_view why) {
    const Peer* found = find(peer);
    if (found != nullptr && found->up) {
        close_later(*found->up, std::string(why));
    }
}

// Events may ask for more of all this; that is for the next turn's end.
void Hub::turn_end() {
    for (const NodeId peer : std::exchange(disconnected_, {})) {
        events.on_disconnected(peer);
    }
    for (const auto& [id, why] : std::exchange(to_close_, {})) {
        if (Incoming* connection = incoming(id); connection != nullptr) {
            connection->close_malformed(why);
        }
    }
    if (next_peers_) {
        apply_peers();
    }
    if (std::exchange(again_, false)) {
        begin_again();
    }
    retired_.clear();
}

void Hub::apply_peers() {
    const std::vector<PeerAddress> wanted = *std::exchange(next_peers_, std::nullopt);
    auto before = std::exchange(peers_, {});
    for (const PeerAddress& address : wanted) {
        if (!address.id || address.id == options.self || find(address.id) != nullptr) {
            continue;
        }
        const auto same = std::find_if(before.begin(), before.end(), [&](const auto& peer) {
            return peer != nullptr && peer->address == address;
        });
        if (same != before.end()) {
            peers_.push_back(std::move(*same));
        } else {
            peers_.push_back(std::make_unique<Peer>());
            peers_.back()->address = address;
            peers_.back()->outgoing = std::make_unique<Outgoing>(*this, address);
        }
    }
    for (auto& peer : before) {
        if (peer != nullptr) {
            drop(std::move(peer));
        }
    }
}

void Hub::begin_again() {
    for (const auto& peer : peers_) {
        peer->outgoing->begin_again();
    }
    std::vector<ConnectionId> open;  // The table changes while they are closed.
    for (const auto& [id, connection] : incoming_) {
        open.push_back(id);
    }
    for (const ConnectionId id : open) {
        if (Incoming* connection = incoming(id);
            connection != nullptr) {  // The owner is told each time.
            connection->close();
        }
    }
}

void Hub::drop(std::unique_ptr<Peer> peer) {
    const bool was_open = peer->outgoing->is_open();
    peer->outgoing.reset();
    if (was_open) {
        events.on_disconnected(peer->address.id);
    }
    if (peer->up) {
        incoming(*peer->up)->close();
        events.on_peer_down(peer->address.id);
    }
}

Hub::Peer* Hub::find(NodeId id) {
    const auto found = std::find_if(peers_.begin(), peers_.end(),
                                    [id](const auto& peer) { return peer->address.id == id; });
    return found != peers_.end() ? found->get() : nullptr;
}

const Hub::Peer* Hub::find(NodeId id) const { return const_cast<Hub*>(this)->find(id); }

Outgoing* Hub::outgoing(NodeId peer) {
    Peer* found = find(peer);
    return found != nullptr ? found->outgoing.get() : nullptr;
}

Incoming* Hub::incoming(ConnectionId connection) {
    const auto found = incoming_.find(connection);
    return found != incoming_.end() ? found->second.get() : nullptr;
}

bool Hub::knows(NodeId id, std::string_view name) const {
    const Peer* found = find(id);
    return found != nullptr && !found->address.name.empty() && found->address.name == name;
}

void Hub::came_up(Incoming& connection) {
    Peer* peer = find(connection.remote().id);
    if (peer == nullptr) {
        return;  // A joining node.
    }
    if (peer->up) {
        ++accepted.replaced;
        incoming(*peer->up)->close();
    }
    peer->up = connection.id();
    events.on_peer_up(connection.remote());
    peer->outgoing->hurry();
}

void Hub::retire(Incoming& connection) {
    const auto found = incoming_.find(connection.id());
    retired_.push_back(std::move(found->second));
    incoming_.erase(found);
    loop.again();
    Peer* peer = find(connection.remote().id);
    if (peer == nullptr || peer->up != connection.id()) {
        return;
    }
    peer->up.reset();
    peer->bytes_received += connection.bytes_received;
    peer->frames_received += connection.frames_received;
    events.on_peer_down(peer->address.id);
}

Status Hub::status() const {
    Status status;
    status.accepted = accepted;
    status.accepted.connections = incoming_.size();
    for (const auto& peer : peers_) {
        PeerStatus& one = status.peers.emplace_back();
        peer->outgoing->fill(one);
        one.up = peer->up.has_value();
        one.bytes_received = peer->bytes_received;
        one.frames_received = peer->frames_received;
        if (peer->up) {
            const Incoming& connection = *incoming_.at(*peer->up);
            one.bytes_received += connection.bytes_received;
            one.frames_received += connection.frames_received;
        }
    }
    return status;
}

}  // namespace causeway::link
