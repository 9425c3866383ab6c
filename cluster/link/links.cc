// The public face of the hub.
#include "cluster/link/links.h"

#include <utility>

#include "cluster/link/hub.h"
#include "cluster/link/incoming.h"
#include "cluster/link/outgoing.h"

namespace causeway::link {

Links::Links(std::unique_ptr<Hub> hub) : hub_(std::move(hub)) {}

Links::~Links() = default;

Result<std::unique_ptr<Links>> Links::open(io::Loop& loop, const LinkOptions& options,
                                           LinkEvents& events) {
    auto hub = std::make_unique<Hub>(loop, options, events);
    if (auto listening = hub->listen(); !listening) {
        return tl::unexpected(listening.error());
    }
    return std::unique_ptr<Links>(new Links(std::move(hub)));
}

std::uint16_t Links::port() const { return hub_->port(); }

void Links::set_peers(std::vector<PeerAddress> peers) { hub_->set_peers(std::move(peers)); }

void Links::set_contexts(std::shared_ptr<ssl_ctx_st> server, std::shared_ptr<ssl_ctx_st> client,
                         bool again) {
    hub_->set_contexts(std::move(server), std::move(client), again);
}

bool Links::send(NodeId peer, std::string_view frames) {
    Outgoing* way = hub_->outgoing(peer);
    return way != nullptr && way->send(frames);
}

bool Links::send(NodeId peer, absl::Span<const SharedBytes> pieces) {
    Outgoing* way = hub_->outgoing(peer);
    return way != nullptr && way->send(pieces);
}

bool Links::is_open(NodeId peer) const {
    const Outgoing* way = hub_->outgoing(peer);
    return way != nullptr && way->is_open();
}

std::size_t Links::queued_bytes(NodeId peer) const {
    const Outgoing* way = hub_->outgoing(peer);
    return way != nullptr ? way->queued_bytes() : 0;
}

bool Links::reply(ConnectionId connection, const wire::Reply& reply) {
    Incoming* found = hub_->incoming(connection);
    return found != nullptr && found->reply(reply);
}

void Links::reject(NodeId peer, std::string_view why) { hub_->reject(peer, why); }

Status Links::status() const { return hub_->status(); }

}  // namespace causeway::link
