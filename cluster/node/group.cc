#include "cluster/node/group.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace causeway::node {
namespace {

constexpr MonoMs kHandOverAgainMs = 1'000;
// So long until the other nodes' clocks should be known.
constexpr MonoMs kTimeWaitMs = 1'000;
// So long after a start a set with a time waits for clocks that agree; then it goes on with the
// time it has, late by what it does not know of. Who ran longer has seen the time pass.
constexpr MonoMs kStartMs = 10'000;

}  // namespace

Group::Group(const replica::ReplicaOptions& options, const raft::Start& start,
             const raft::LogReader& reader, NodeView& view, const state::Machine& machine)
    : options_(options),
      view_(view),
      replica_(options, start, reader, *this),
      applied_limits_(machine.limits()) {
    replica_.observe_time(machine.time(), view_.clock.mono_ms());
    had_time_at_ = started_at_ = view_.clock.mono_ms();
}

void Group::check_time() {
    const bool ran = view_.clock.mono_ms() - started_at_ >= kStartMs;
    replica_.know_time(view_.wall_at_boot_ms != 0 || (ran && replica_.set_time() != 0));
}

LeaderIs Group::leader() const {
    if (serving_) {
        return LeaderIs{id(), view_.self, replica_.term()};
    }
    return LeaderIs{id(), NodeId{}, replica_.term()};
}

SetMs Group::now() {
    const MonoMs now = view_.clock.mono_ms();
    return replica_.stamp(now, view_.wall_at_boot_ms == 0 ? 0 : view_.wall_at_boot_ms + now);
}

void Group::tick(MonoMs now_ms) {
    replica_.tick();
    const bool stalls = replica_.log_stalls() && replica_.raft().leads();
    if (!replica_.lacks_time()) {
        had_time_at_ = now_ms;
    }
    const bool waits = now_ms - had_time_at_ >= kTimeWaitMs;
    if ((stalls || waits) && now_ms - handed_over_at_ >= kHandOverAgainMs) {
        handed_over_at_ = now_ms;
        replica_.hand_over();
    }
    propose_selves();
    retry_exchanges(now_ms);
    tick_snapshots(now_ms);
    if (serving_ && step_at_ != 0 && step_at_ <= now()) {
        propose_step();
    }
    if (serving_) {
        propose_limits();  // the rules may ask for other events than before
    }
}

// --- ReplicaPorts ------------------------------------------------------------------------------

void Group::append(GroupId group, std::uint64_t seq, wal::Batch batch) {
    view_.ports.append(group, seq, std::move(batch));
}

void Group::apply(GroupId group, std::vector<raft::Entry> entries) {
    view_.ports.apply(group, replica::ApplyEntries{std::move(entries)});
}

void Group::send(GroupId group, const raft::Message& message) {
    view_.ports.send(message.to, wire::RaftFrame{group, message});
}

void Group::on_role(GroupId group, bool serving) {
    serving_ = serving;
    serving_since_ = view_.clock.mono_ms();
    attached_.clear();
    waiting_.clear();
    exchanges_.clear();
    self_items_.clear();  // who leads next reads them anew
    step_under_way_ = false;
    step_at_ = 0;
    proposed_limits_.reset();
    view_.ports.apply(group, replica::Serve{serving});
    view_.ports.role_changed(group, serving);
    if (serving) {
        replica::SnapshotReceiver::Actions actions;
        receiver_.abandon(actions);  // of a leader before
        perform(actions);
        // Numbers no other leader uses: what it proposed may still come to be applied here.
        next_seq_ = (replica_.term().value() << 32U) + 1;
        propose_layout();
        propose_limits();
        propose_queues();
    }
}

// --- apply -------------------------------------------------------------------------------------

void Group::on_applied(replica::Applied& applied) {
    applied_limits_ = applied.limits;
    replica_.observe_time(applied.time, view_.clock.mono_ms());
    replica_.on_applied(applied.index);
    for (const CommandResult& result : applied.leader) {
        if (auto found = waiting_.extract(result.seq)) {
            found.mapped()(result);
        }
    }
    if (!serving_) {
        return;
    }
    std::move(applied.self_items.begin(), applied.self_items.end(),
              std::back_inserter(self_items_));
    propose_selves();
    if (!applied.ready_queues.empty()) {
        view_.ready_queues.insert(applied.ready_queues.begin(), applied.ready_queues.end());
        view_.ports.queues_ready(std::move(applied.ready_queues));
    }
    if (!applied.ready_sinks.empty()) {
        view_.ports.sinks_ready(id(), std::move(applied.ready_sinks));
    }
    for (replica::PeerRead& read : applied.peer_reads) {
        send_items(read);
    }
    for (const GroupId set : applied.ready_peers) {
        exchanges_[set].more = true;
        pump(set);
    }
    send_unlogged(applied.unlogged_peers);
    note_changed(applied.changed_records);
    step_at_ = applied.next_timer;
    if (applied.has_work) {
        propose_step();
    }
}

void Group::note_changed(std::vector<std::string>& keys) {
    if (keys.empty()) {
        return;
    }
    constexpr std::size_t kNamed = 1'024;
    NodeView::Changed& changed = view_.changed_records[id()];
    changed.index = replica_.applied();
    changed.all = changed.all || changed.keys.size() + keys.size() > kNamed;
    if (changed.all) {
        changed.keys.clear();
        return;
    }
    for (std::string& key : keys) {
        changed.keys.insert(std::move(key));
    }
}

void Group::hold(bool held) {
    const bool released = held_ && !held;
    held_ = held;
    replica_.hold_elections(receiver_.coming() || held_);
    const auto& voters = replica_.raft().configuration().voters;
    if (released && voters.size() == 1 && voters.front() == view_.self) {
        replica_.campaign();  // nobody else could be waited for
    }
}

bool Group::idle() const {
    const raft::Status status = replica_.status();
    return !serving_ || (!replica_.has_waiting() && status.applied == status.last);
}

void Group::beat() {
    if (serving_) {
        view_.ports.apply(id(), replica::Beat{});
    }
}

}  // namespace causeway::node
