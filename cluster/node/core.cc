#include "cluster/node/core.h"

#include <algorithm>
#include <utility>

#include <absl/container/inlined_vector.h>

namespace causeway::node {
namespace {

constexpr MonoMs kWatchMs = 1'000;
// Three pings.
constexpr MonoMs kHearsMs = 1'500;

}  // namespace

Core::Core(const CoreOptions& options, Clock& clock, Router& router, Ports& ports)
    : options_(options), view_{clock, router, ports, options.self,  false,
                               0,     {},     {},    options.slots, {}} {
    compare_clocks();
    for (const GroupId set : options_.sets) {
        view_.leaders[set] = LeaderIs{set, NodeId{}, Term{}};
    }
}

Group& Core::add_group(const replica::ReplicaOptions& options, const raft::Start& start,
                       const raft::LogReader& reader, const state::Machine& machine) {
    replica::ReplicaOptions with = options;
    // Followers' outputs reach nobody: a message and two wake-ups less per entry.
    with.raft.announce_commit_at_tick = true;
    auto& group = groups_[options.group];
    group = std::make_unique<Group>(with, start, reader, view_, machine);
    return *group;
}

Group* Core::group(GroupId id) {
    const auto found = groups_.find(id);
    return found == groups_.end() ? nullptr : found->second.get();
}

// --- time --------------------------------------------------------------------------------------

void Core::on_tick() {
    const MonoMs now = view_.clock.mono_ms();
    for (auto& [id, group] : groups_) {
        group->tick(now);
    }
    if (control_ != nullptr) {
        control_->on_tick();
    }
    if (ping_due_ || now - pinged_at_ >= options_.ping_ms) {
        ping();
    }
    tell_ready_queues();
    tell_changed_records();
    if (now - watched_at_ >= kWatchMs) {
        watched_at_ = now;
        watch_gateways();
    }
}

void Core::on_appended(GroupId id, std::uint64_t seq) {
    if (control_ != nullptr && id == control::kControlGroup) {
        control_->on_appended(seq);
    } else if (Group* appended = group(id)) {
        appended->replica().on_append_done(seq);
    }
}

void Core::on_applied(replica::Applied& applied) {
    if (Group* to = group(applied.group)) {
        to->on_applied(applied);
    }
}

void Core::ping() {
    const MonoMs now = view_.clock.mono_ms();
    if (now - pinged_at_ >= options_.ping_ms) {
        for (auto& [id, group] : groups_) {
            group->beat();
        }
    }
    pinged_at_ = now;
    ping_due_ = false;
    compare_clocks();
    wire::Ping ping;
    ping.wall_ms = view_.clock.wall_ms();
    for (const auto& [id, group] : groups_) {
        if (group->serving()) {
            ping.led.push_back(wire::Led{id, group->replica().term(), group->replica().applied()});
        }
    }
    if (control_ != nullptr) {
        control_->add_led(ping);
    }
    for (const auto& [id, peer] : peers_) {
        view_.ports.send(id, ping);
    }
}

// A leader starts the set's time at the clock in the middle of those it knows (the earlier of two),
// and only if a majority agrees about it: one wrong clock moves nothing.
void Core::compare_clocks() {
    constexpr std::uint64_t kApartMs = 10'000;
    constexpr MonoMs kFreshMs = 2'000;
    // What they agreed about goes on with the boot clock, whatever becomes of theirs.
    constexpr MonoMs kTrustMs = 24 * 3'600'000;
    const MonoMs now = view_.clock.mono_ms();
    absl::InlinedVector<std::uint64_t, 8> walls{view_.clock.wall_ms()};
    for (const auto& [id, peer] : peers_) {
        if (peer.wall_ms != 0 && now - peer.pinged_at <= kFreshMs) {
            walls.push_back(peer.wall_ms + (now - peer.pinged_at));
        }
    }
    std::sort(walls.begin(), walls.end());
    const std::uint64_t middle = walls[(walls.size() - 1) / 2];
    const auto agree = std::count_if(walls.begin(), walls.end(), [middle](std::uint64_t wall) {
        return std::max(wall, middle) - std::min(wall, middle) <= kApartMs;
    });
    const bool trusted = static_cast<std::size_t>(agree) * 2 > options_.nodes && middle > now;
    if (trusted) {
        view_.wall_at_boot_ms = middle - now;
        agreed_at_ = now;
    } else if (now - agreed_at_ >= kTrustMs) {
        view_.wall_at_boot_ms = 0;
    }
}

void Core::end_turn() {
    if (control_ != nullptr) {
        control_->end_turn();
    }
    for (auto& [id, group] : groups_) {
        group->drain();
        const LeaderIs leader = group->leader();
        if (leader.node) {
            learn_leader(leader);
        } else if (view_.leaders[id].node == options_.self) {
            view_.leaders[id].node = NodeId{};
            view_.ports.tell_loops(LeaderIs{id, NodeId{}, leader.term});
            view_.leaders[id].term = leader.term;
        }
    }
}

// Consumers may be anywhere. Once a tick, however many messages come.
void Core::tell_ready_queues() {
    constexpr std::size_t kNames = 256;  // of a frame: 32 KiB at most
    while (!view_.ready_queues.empty()) {
        wire::QueuesReady ready;
        while (!view_.ready_queues.empty() && ready.queues.size() < kNames) {
            ready.queues.push_back(
                std::move(view_.ready_queues.extract(view_.ready_queues.begin()).value()));
        }
        for (const auto& [id, peer] : peers_) {
            view_.ports.send(id, ready);
        }
    }
}

void Core::take(NodeId, wire::QueuesReady& ready) {
    if (!ready.queues.empty()) {
        view_.ports.queues_ready(std::move(ready.queues));
    }
}

// Devices may be connected anywhere.
void Core::tell_changed_records() {
    for (auto& [set, changed] : std::exchange(view_.changed_records, {})) {
        wire::RecordsChanged told{set, changed.index, {}};
        told.keys.assign(changed.keys.begin(), changed.keys.end());
        for (const auto& [id, peer] : peers_) {
            view_.ports.send(id, told);
        }
        view_.ports.tell_loops(told);
    }
}

void Core::take(NodeId, wire::RecordsChanged& changed) { view_.ports.tell_loops(changed); }

// --- who leads ---------------------------------------------------------------------------------

LeaderIs Core::leader_of(GroupId set) const {
    const auto found = view_.leaders.find(set);
    return found == view_.leaders.end() ? LeaderIs{set, {}, {}} : found->second;
}

void Core::learn_leader(const LeaderIs& leader) {
    LeaderIs& known = view_.leaders[leader.set];
    if (leader.term < known.term || (leader.term == known.term && leader.node == known.node)) {
        return;
    }
    known = leader;
    ping_due_ = ping_due_ || leader.node == options_.self;
    view_.ports.tell_loops(leader);
    if (leader.node) {
        view_.ports.queues_ready({});  // what its predecessor had to say may be lost
    }
}

void Core::on_new_loop(wire::LoopId loop) {
    for (const auto& [set, leader] : view_.leaders) {
        view_.ports.tell_loop(loop, leader);
    }
}

// --- peers -------------------------------------------------------------------------------------

void Core::on_connected(NodeId peer) {
    peers_.try_emplace(peer);
    for (auto& [set, group] : groups_) {
        group->on_peer_reset(peer);
    }
    if (control_ != nullptr) {
        control_->on_connected(peer);
    }
    view_.ports.tell_loops(PeerReset{peer});
    ping_due_ = true;
}

void Core::on_disconnected(NodeId peer) {
    peers_.try_emplace(peer);
    if (control_ != nullptr) {
        control_->on_disconnected(peer);
    }
    view_.ports.tell_loops(PeerReset{peer});
}

void Core::on_peer_up(NodeId id, std::uint64_t uuid, std::uint64_t boot) {
    Peer& peer = peers_[id];
    peer.uuid = uuid;
    peer.boot = boot;
    peer.up = true;
    peer.heard_at = view_.clock.mono_ms();
}

void Core::on_peer_down(NodeId id) {
    Peer& peer = peers_[id];
    peer.up = false;
    peer.down_at = view_.clock.mono_ms();
    for (auto& [set, group] : groups_) {
        group->replica().report_disconnected(id);
    }
    if (control_ != nullptr) {
        control_->on_peer_down(id);
    }
    view_.ports.tell_loops(PeerReset{id});
}

std::uint64_t Core::uuid_of(NodeId peer) const { return speaker(peer).uuid; }

bool Core::hears(NodeId peer) const {
    const auto found = peers_.find(peer);
    return peer == options_.self || (found != peers_.end() && found->second.up &&
                                     view_.clock.mono_ms() - found->second.heard_at <= kHearsMs);
}

Speaker Core::speaker(NodeId node) const {
    if (node == options_.self) {
        return Speaker{node, options_.uuid, options_.boot};
    }
    const auto found = peers_.find(node);
    return found == peers_.end() ? Speaker{node, 0, 0}
                                 : Speaker{node, found->second.uuid, found->second.boot};
}

// --- frames ------------------------------------------------------------------------------------

void Core::on_frame(NodeId from, wire::Frame& frame) {
    peers_[from].heard_at = view_.clock.mono_ms();
    std::visit([this, from](auto& what) { take(from, what); }, frame);
}

void Core::on_loop(FromLoop& message) {
    if (message.to == options_.self) {
        std::visit([this](auto& what) { take(options_.self, what); }, message.frame);
    } else {
        view_.ports.send(message.to, message.frame);
    }
}

void Core::take(NodeId from, wire::RaftFrame& frame) {
    if (frame.message.from != from) {
        return;
    }
    Group* to = group(frame.group);
    if (to != nullptr) {
        to->step(std::move(frame.message));
    } else if (control_ != nullptr) {
        control_->step(frame.group, std::move(frame.message));
    }
}

void Core::take(NodeId from, wire::SnapshotChunk& chunk) {
    if (control_ != nullptr && chunk.group == control::kControlGroup) {
        control_->take(from, chunk);
    } else if (Group* to = group(chunk.group)) {
        to->take(speaker(from), chunk);
    }
}
void Core::take(NodeId from, wire::SnapshotAck& ack) {
    if (control_ != nullptr && ack.group == control::kControlGroup) {
        control_->take(from, ack);
    } else if (Group* to = group(ack.group)) {
        to->take(speaker(from), ack);
    }
}

void Core::on_snapshot_opened(GroupId id, Index applied) { group(id)->on_snapshot_opened(applied); }
void Core::on_snapshot_piece(GroupId id, NodeId to, replica::TransferId transfer,
                             const replica::SnapshotPiece& piece) {
    group(id)->on_snapshot_piece(to, transfer, piece);
}
void Core::on_snapshot_added(GroupId id, replica::TransferId transfer, std::uint64_t number,
                             bool added) {
    group(id)->on_snapshot_added(transfer, number, added);
}
void Core::on_snapshot_installed(GroupId id) { group(id)->on_snapshot_installed(); }

template <typename Message>
void Core::to_group(NodeId from, Message& message) {
    const Speaker who = speaker(from);
    if (Group* to = group(message.set); to != nullptr && who.uuid != 0) {
        to->take(who, message);
    }
}
void Core::take(NodeId from, wire::OpenStream& open) { to_group(from, open); }
void Core::take(NodeId from, wire::AttachStream& attach) { to_group(from, attach); }
void Core::take(NodeId from, wire::Commands& commands) { to_group(from, commands); }

void Core::take(NodeId from, wire::ReadRecords& read) { to_group(from, read); }
void Core::take(NodeId, wire::RecordsRead& read) {
    const wire::LoopId loop = read.loop;
    view_.ports.tell_loop(loop, std::move(read));
}

void Core::take(NodeId from, wire::PeerItems& items) {
    // Before its ping, perhaps: what its predecessor sent is late from now on.
    const auto known = view_.leaders.find(items.from);
    if (known != view_.leaders.end() && items.term > known->second.term) {
        learn_leader(LeaderIs{items.from, from, items.term});
    }
    if (Group* to = group(items.to)) {
        to->take(speaker(from), items);
    }
}
void Core::take(NodeId, wire::PeerItemsAck& ack) {
    if (Group* to = group(ack.from)) {
        to->take(ack);
    }
}

void Core::take(NodeId, wire::StreamOpened& opened) { view_.ports.tell_loop(opened.loop, opened); }
void Core::take(NodeId, wire::Welcome& welcome) { view_.ports.tell_loop(welcome.loop, welcome); }
void Core::take(NodeId, wire::StreamRefused& refused) {
    view_.ports.tell_loop(refused.loop, refused);
}
void Core::take(NodeId, wire::StreamNews& news) {
    const wire::LoopId loop = news.loop;
    view_.ports.tell_loop(loop, std::move(news));
}

void Core::take(NodeId from, wire::Ping& ping) {
    Peer& peer = peers_[from];
    peer.wall_ms = ping.wall_ms;
    peer.pinged_at = view_.clock.mono_ms();
    compare_clocks();
    if (control_ != nullptr) {
        control_->on_ping(from, ping);
    }
    for (auto& [id, leader] : view_.leaders) {
        const GroupId set = id;
        const auto led = std::find_if(ping.led.begin(), ping.led.end(),
                                      [set](const wire::Led& one) { return one.group == set; });
        if (led != ping.led.end()) {
            learn_leader(LeaderIs{set, from, led->term});
        } else if (leader.node == from) {
            leader.node = NodeId{};  // it says itself that it does not lead any more
            view_.ports.tell_loops(leader);
        }
    }
}

// --- gateways ----------------------------------------------------------------------------------

void Core::watch_gateways() {
    for (auto& [id, group] : groups_) {
        if (group->serving()) {
            view_.ports.list_streams(id);
        }
    }
}

// Rule 9: 8 s of silence since its last word or since this node leads, or 2 s after its connection
// was closed. Older boots of a node die with the HELLO of the newer one, or by silence here.
void Core::on_streams(GroupId id, const std::vector<state::LiveStream>& streams) {
    Group* led = group(id);
    if (led == nullptr || !led->serving()) {
        return;
    }
    const MonoMs now = view_.clock.mono_ms();
    for (const state::LiveStream& stream : streams) {
        if (stream.node == options_.uuid && stream.boot == options_.boot) {
            continue;
        }
        MonoMs heard = led->serving_since();
        MonoMs gone_at = 0;
        for (const auto& [node, peer] : peers_) {
            if (peer.uuid != stream.node || peer.boot != stream.boot) {
                continue;
            }
            heard = std::max(heard, peer.heard_at);
            gone_at = peer.up ? 0 : std::max(peer.down_at, led->serving_since());
        }
        const bool silent = now - heard >= options_.gateway_silence_ms;
        const bool gone = gone_at != 0 && now - gone_at >= options_.gateway_gone_ms;
        if (silent || gone) {
            led->declare_dead(stream.stream);
        }
    }
}

}  // namespace causeway::node
