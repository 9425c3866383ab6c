#include "test/sim/cluster/network.h"

namespace causeway::sim {

void Network::send(NodeId from, NodeId to, std::string bytes) {
    Way& way = this->way(from, to);
    if (!way.up) {
        return;
    }
    if (way.blocked) {
        way.held.push_back(std::move(bytes));
        return;
    }
    deliver(from, to, std::move(bytes));
}

void Network::deliver(NodeId from, NodeId to, std::string bytes) {
    Way& way = this->way(from, to);
    const TimeUs delay = way.lane.next(
        world_.now(), way.extra + world_.delay(options_.delay_min, options_.delay_max));
    world_.after(delay, [this, from, to, connection = way.connection,
                         bytes = std::move(bytes)]() mutable {
        if (this->way(from, to).connection == connection) {
            ends_.at(to)->later(0, [end = ends_.at(to), from, bytes = std::move(bytes)]() mutable {
                end->on_bytes(from, std::move(bytes));
            });
        }
    });
}

void Network::dial(NodeId from, NodeId to, TimeUs delay) {
    Way& way = this->way(from, to);
    if (way.up || way.dialing) {
        return;
    }
    way.dialing = true;
    world_.after(delay, [this, from, to] {
        this->way(from, to).dialing = false;
        try_connect(from, to);
    });
}

void Network::try_connect(NodeId from, NodeId to) {
    Way& way = this->way(from, to);
    if (way.up || !ends_.at(from)->alive()) {
        return;
    }
    const bool reachable = ends_.at(to)->alive() && !stopped_[to] && !way.blocked &&
                           !this->way(to, from).blocked && !stopped_[from];
    if (!reachable) {
        dial(from, to, world_.delay(50 * kMs, options_.backoff_max));
        return;
    }
    way.up = true;
    ++way.connection;
    way.held.clear();
    NetworkEnd* receiver = ends_.at(to);
    if (way.down_owed) {
        way.down_owed = false;
        receiver->later(0, [receiver, from] { receiver->on_peer_down(from); });
    }
    receiver->later(0, [receiver, from] { receiver->on_peer_up(from); });
    NetworkEnd* sender = ends_.at(from);
    sender->later(world_.delay(options_.delay_min, options_.delay_max),
                  [this, sender, from, to, connection = way.connection] {
                      if (this->way(from, to).connection == connection) {
                          sender->on_connected(to);
                      }
                  });
}

void Network::close(NodeId from, NodeId to, TimeUs told_from, TimeUs told_to) {
    Way& way = this->way(from, to);
    if (!way.up) {
        return;
    }
    way.up = false;
    const std::uint64_t closed = ++way.connection;
    way.held.clear();
    way.down_owed = true;
    NetworkEnd* sender = ends_.at(from);
    sender->later(told_from, [this, sender, from, to] {
        sender->on_disconnected(to);
        dial(from, to, world_.delay(25 * kMs, options_.backoff_max / 4));
    });
    NetworkEnd* receiver = ends_.at(to);
    receiver->later(told_to, [this, receiver, from, to, closed] {
        Way& then = this->way(from, to);
        if (then.down_owed && then.connection == closed) {
            then.down_owed = false;
            receiver->on_peer_down(from);
        }
    });
}

void Network::started(NodeId id) {
    stopped_[id] = false;
    ++stops_[id];
    for (const auto& [peer, end] : ends_) {
        if (peer != id) {
            way(id, peer).dialing = false;
            way(peer, id).down_owed = false;  // whoever was told is dead
            dial(id, peer, world_.delay(1 * kMs, 100 * kMs));
        }
    }
}

void Network::died(NodeId id, bool silent) {
    for (const auto& [peer, end] : ends_) {
        if (peer == id) {
            continue;
        }
        const TimeUs told = silent ? options_.silence : world_.delay(1 * kMs, 20 * kMs);
        close(id, peer, 0, told);
        close(peer, id, told, 0);
    }
}

void Network::stopped(NodeId id) {
    stopped_[id] = true;
    const std::uint64_t stop = ++stops_[id];
    world_.after(options_.silence, [this, id, stop] {
        if (stops_[id] == stop && stopped_[id]) {
            died(id, false);
        }
    });
}

void Network::resumed(NodeId id) {
    stopped_[id] = false;
    ++stops_[id];
}

void Network::block(NodeId from, NodeId to, bool blocked) {
    Way& way = this->way(from, to);
    if (way.blocked == blocked) {
        return;
    }
    way.blocked = blocked;
    if (!blocked) {
        std::deque<std::string> held;
        held.swap(way.held);
        for (std::string& bytes : held) {
            deliver(from, to, std::move(bytes));
        }
        return;
    }
    way.blocked_since = ++blockades_;
    world_.after(options_.silence, [this, from, to, since = way.blocked_since] {
        const Way& then = this->way(from, to);
        if (then.blocked && then.blocked_since == since) {
            reset(from, to);
            reset(to, from);
        }
    });
}

void Network::slow(NodeId from, NodeId to, TimeUs extra) { way(from, to).extra = extra; }

void Network::reset(NodeId from, NodeId to) {
    close(from, to, world_.delay(0, 50 * kMs), world_.delay(0, 50 * kMs));
}

void Network::heal() {
    for (const auto& [from, end] : ends_) {
        for (const auto& [to, other] : ends_) {
            if (from != to) {
                block(from, to, false);
                slow(from, to, 0);
            }
        }
    }
    options_.backoff_max = 200 * kMs;
}

bool Network::whole() const {
    for (const auto& [from, end] : ends_) {
        for (const auto& [to, other] : ends_) {
            const auto way = ways_.find({from, to});
            if (from != to && end->alive() && other->alive() &&
                (way == ways_.end() || !way->second.up)) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace causeway::sim
