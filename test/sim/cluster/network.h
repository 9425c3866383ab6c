// The connections between simulated nodes, as cluster/link makes them: each node dials every other
// one and speaks on that connection only. Frames of a connection arrive in order, or it is reset
// and everything under way is lost; then both ends are told, each in its own time. What is cut in
// one direction stays in the kernel's buffers until the cut ends or the link has been silent too
// long.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "core/base/tagged.h"
#include "test/sim/cluster/world.h"

namespace causeway::sim {

// An end of the network: a node.
class NetworkEnd {
public:
    virtual ~NetworkEnd() = default;
    [[nodiscard]] virtual bool alive() const = 0;
    // Effect: the action happens on the node's core loop, unless the process has died until then.
    virtual void later(TimeUs delay, Action action) = 0;
    virtual void on_connected(NodeId peer) = 0;
    virtual void on_disconnected(NodeId peer) = 0;
    virtual void on_peer_up(NodeId peer) = 0;
    virtual void on_peer_down(NodeId peer) = 0;
    virtual void on_bytes(NodeId from, std::string bytes) = 0;
};

struct NetworkOptions {
    TimeUs delay_min = 50;
    TimeUs delay_max = 1 * kMs;
    TimeUs silence = 3 * kSecond;  // LinkOptions::silence_ms
    TimeUs backoff_max = 1 * kSecond;
};

class Network {
public:
    Network(World& world, const NetworkOptions& options) : world_(world), options_(options) {}

    void add(NodeId id, NetworkEnd& end) { ends_[id] = &end; }
    void send(NodeId from, NodeId to, std::string bytes);

    // The process began; it dials.
    void started(NodeId id);
    // It ended. `silent`: the machine did too, so nobody says so to the peers.
    void died(NodeId id, bool silent);
    // It is stopped for a while: the peers lose patience.
    void stopped(NodeId id);
    void resumed(NodeId id);

    // Faults.
    void block(NodeId from, NodeId to, bool blocked);
    void slow(NodeId from, NodeId to, TimeUs extra);
    void reset(NodeId from, NodeId to);
    void heal();
    [[nodiscard]] bool whole() const;  // every way between living nodes is open

private:
    struct Way {
        std::uint64_t connection = 0;  // changes with every reset
        bool up = false;
        bool dialing = false;
        bool down_owed = false;  // the receiver has not been told of the last end yet
        bool blocked = false;
        std::uint64_t blocked_since = 0;  // number of the blockade
        TimeUs extra = 0;
        Lane lane;
        std::deque<std::string> held;
    };
    Way& way(NodeId from, NodeId to) { return ways_[{from, to}]; }
    void dial(NodeId from, NodeId to, TimeUs delay);
    void try_connect(NodeId from, NodeId to);
    void deliver(NodeId from, NodeId to, std::string bytes);
    void close(NodeId from, NodeId to, TimeUs told_from, TimeUs told_to);

    World& world_;
    NetworkOptions options_;
    std::map<NodeId, NetworkEnd*> ends_;
    std::map<std::pair<NodeId, NodeId>, Way> ways_;
    std::map<NodeId, std::uint64_t> stops_;
    std::map<NodeId, bool> stopped_;
    std::uint64_t blockades_ = 0;
};

}  // namespace causeway::sim
