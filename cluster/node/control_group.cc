#include "cluster/node/control_group.h"

#include <algorithm>
#include <utility>

#include "core/replica/snapshot_install.h"

namespace causeway::node {
namespace {

// The state is saved, and the log compacted behind it, after so many entries or so long.
constexpr std::uint64_t kSaveEntries = 256;
constexpr MonoMs kSaveMs = 60'000;
// Entries kept for replicas that were away.
constexpr std::uint64_t kKeptEntries = 1'000;
constexpr MonoMs kOfferIdleMs = 3'000;
constexpr std::size_t kPieceBytes = 256U << 10;
constexpr std::size_t kProposalsMax = 1'024;

}  // namespace

ControlGroup::ControlGroup(NodeId self, Clock& clock, Ports& ports, ControlPorts& control)
    : self_(self),
      clock_(clock),
      ports_(ports),
      control_(control),
      newest_(std::make_shared<const control::Machine>()) {}

void ControlGroup::hold(const replica::ReplicaOptions& options, const raft::Start& start,
                        const raft::LogReader& reader, control::Machine machine) {
    machine_ = std::move(machine);
    saved_ = machine_.model().applied;
    replica_ = std::make_unique<replica::Replica>(options, start, reader, *this);
    publish(machine_);
}

void ControlGroup::adopt(control::Machine machine) {
    if (machine.model().applied <= model().applied) {
        return;
    }
    publish(std::move(machine));
    // A replica's own state is what its log goes on behind: no copy may take its place.
    if (!replica_ && !saving_) {
        saving_ = true;
        control_.save_control(ControlImage{false, model().applied, "", newest_->snapshot()});
    }
}

void ControlGroup::publish(control::Machine machine) {
    if (machine.model().applied > model().applied) {
        newest_ = std::make_shared<const control::Machine>(std::move(machine));
        control_.control_changed(SharedModel(newest_, &newest_->model()));
    }
}

void ControlGroup::propose(const control::Command& command, Done done) {
    auto index = waiting_.size() < kProposalsMax
                     ? replica_->propose(SharedBytes::take(control::encode(command)))
                     : tl::unexpected(raft::ProposeError::kWindowFull);
    if (!index) {
        done(std::nullopt);
        return;
    }
    waiting_.push_back(Waiting{*index, replica_->term(), std::move(done)});
}

// --- the turn ----------------------------------------------------------------------------------

void ControlGroup::tick() {
    if (!replica_) {
        return;
    }
    replica_->tick();
    tick_snapshots();
    const Index applied = machine_.model().applied;
    // At once that there is a cluster: a node that starts again need not wait to hear of it.
    const bool first = saved_.value() == 0 && !machine_.model().cluster_id.empty();
    const bool many = applied.value() >= saved_.value() + kSaveEntries;
    const bool old = changed_at_ != 0 && clock_.mono_ms() - changed_at_ >= kSaveMs;
    if (applied > saved_ && !saving_ && !to_install_ && (first || many || old)) {
        save("");
    }
}

void ControlGroup::drain() {
    if (!replica_) {
        return;
    }
    do {
        replica_->drain();
    } while (apply_committed());
    if (to_install_ && !saving_) {
        install_received();
    }
    if (stepped_) {
        if (!replica_->installing()) {  // raft did not want it
            replica::SnapshotReceiver::Actions actions;
            receiver_.abandon(actions);
            perform(actions);
        }
        stepped_.reset();
    }
}

bool ControlGroup::apply_committed() {
    if (committed_.empty()) {
        return false;
    }
    for (const raft::Entry& entry : std::exchange(committed_, {})) {
        if (entry.kind == raft::EntryKind::kCommand) {
            answer(entry, machine_.apply(entry.index, entry.payload.view()));
        } else {
            machine_.advance(entry.index);
        }
    }
    replica_->on_applied(machine_.model().applied);
    changed_at_ = changed_at_ == 0 ? clock_.mono_ms() : changed_at_;
    publish(machine_);
    return true;
}

void ControlGroup::answer(const raft::Entry& entry, const control::Outcome& outcome) {
    while (!waiting_.empty() && waiting_.front().index <= entry.index) {
        Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        const bool own = waiting.index == entry.index && waiting.term == entry.term;
        waiting.done(own ? std::optional(outcome) : std::nullopt);
    }
}

// --- ReplicaPorts ------------------------------------------------------------------------------

void ControlGroup::append(GroupId group, std::uint64_t seq, wal::Batch batch) {
    ports_.append(group, seq, std::move(batch));
}

void ControlGroup::on_appended(std::uint64_t seq) {
    if (replica_) {
        replica_->on_append_done(seq);
    }
}

void ControlGroup::apply(GroupId, std::vector<raft::Entry> entries) {
    std::move(entries.begin(), entries.end(), std::back_inserter(committed_));
}

void ControlGroup::send(GroupId group, const raft::Message& message) {
    ports_.send(message.to, wire::RaftFrame{group, message});
}

void ControlGroup::on_role(GroupId, bool serving) {
    serving_ = serving;
    if (!serving) {
        for (Waiting& waiting : std::exchange(waiting_, {})) {
            waiting.done(std::nullopt);
        }
    }
}

// --- on the disk -------------------------------------------------------------------------------

void ControlGroup::save(std::string origin) {
    saving_ = true;
    changed_at_ = 0;
    control_.save_control(
        ControlImage{true, machine_.model().applied, std::move(origin), machine_.snapshot()});
}

void ControlGroup::on_saved(Index applied, bool replica) {
    saving_ = false;
    if (!replica) {
        return;
    }
    saved_ = applied;
    if (to_install_ && to_install_->index == applied) {
        to_install_.reset();
        receiver_.installed();
        replica_->hold_elections(receiver_.coming());
        replica_->on_installed();
        replica_->on_applied(applied);
        return;
    }
    if (!to_install_) {
        compact();
    }
}

void ControlGroup::compact() {
    std::uint64_t upto = saved_.value() - std::min(saved_.value(), kKeptEntries);
    if (offer_.reader) {
        upto = std::min(upto, offer_.reader->applied().value());
    }
    if (auto batch = replica_->compact(Index(upto))) {
        ports_.append(control::kControlGroup, 0, std::move(*batch));
    }
}

// --- snapshots, sending ------------------------------------------------------------------------

void ControlGroup::send_snapshot(GroupId, raft::Message message) {
    const NodeId to = message.to;
    const auto transfer = replica::transfer_id(message.term, ++transfers_);
    senders_.erase(to);
    senders_.emplace(to, replica::SnapshotSender(replica::SnapshotSenderOptions{}, transfer,
                                                 std::move(message)));
}

void ControlGroup::tick_snapshots() {
    replica::SnapshotReceiver::Actions actions;
    receiver_.tick(actions);
    perform(actions);
    if (!replica_->raft().leads()) {
        senders_.clear();
        offer_ = {};
        replica_->offer_snapshot(std::nullopt);
        return;
    }
    if (replica_->take_snapshot_wish() && !offer_.reader) {
        offer_snapshot();
    }
    for (auto at = senders_.begin(); at != senders_.end();) {
        replica::SnapshotSender& sender = at->second;
        sender.tick();
        offer_.used_at = clock_.mono_ms();
        if (sender.state() == replica::TransferState::kSending) {
            send_pieces(sender);
            ++at;
            continue;
        }
        const bool delivered = sender.state() == replica::TransferState::kDelivered;
        if (delivered) {
            ports_.send(at->first, wire::RaftFrame{control::kControlGroup, sender.install()});
        }
        replica_->report_snapshot(at->first, delivered);
        at = senders_.erase(at);
    }
    if (offer_.reader && senders_.empty() && clock_.mono_ms() - offer_.used_at >= kOfferIdleMs) {
        offer_ = {};
        replica_->offer_snapshot(std::nullopt);
    }
}

void ControlGroup::offer_snapshot() {
    const raft::Raft& raft = replica_->raft();
    const Index applied = machine_.model().applied;
    const auto term = raft.log().term_at(applied);
    if (!term || raft.configuration_index() > applied) {
        return;  // raft asks again
    }
    offer_.reader = std::make_unique<StateReader>(applied, machine_.snapshot());
    offer_.used_at = clock_.mono_ms();
    replica_->offer_snapshot(raft::SnapshotMeta{applied, *term, raft.configuration()});
}

void ControlGroup::send_pieces(replica::SnapshotSender& sender) {
    while (const auto at = sender.next_read()) {
        if (auto chunk = sender.on_piece(replica::read_piece(*offer_.reader, *at, kPieceBytes))) {
            ports_.send(sender.to(),
                        wire::SnapshotChunk{control::kControlGroup, chunk->meta, chunk->transfer,
                                            chunk->number, chunk->last, chunk->bytes});
        }
    }
}

void ControlGroup::take(NodeId from, const wire::SnapshotAck& ack) {
    if (const auto found = senders_.find(from); found != senders_.end()) {
        found->second.on_ack(replica::SnapshotAck{ack.transfer, ack.next, ack.refused});
        send_pieces(found->second);
    }
}

void ControlGroup::on_peer_reset(NodeId peer) {
    if (const auto found = senders_.find(peer); found != senders_.end()) {
        found->second.on_reset();
    }
}

void ControlGroup::on_peer_down(NodeId peer) {
    if (replica_) {
        replica_->report_disconnected(peer);
    }
}

// --- snapshots, receiving ----------------------------------------------------------------------

void ControlGroup::take(NodeId from, wire::SnapshotChunk& chunk) {
    if (!replica_) {
        return;
    }
    receiving_from_ = from;
    replica::SnapshotReceiver::Actions actions;
    receiver_.on_chunk(replica::SnapshotChunk{std::move(chunk.meta), chunk.transfer, chunk.number,
                                              chunk.last, std::move(chunk.bytes)},
                       actions);
    perform(actions);
}

void ControlGroup::perform(replica::SnapshotReceiver::Actions& actions) {
    using Receiver = replica::SnapshotReceiver;
    // Adding a chunk may give more to do.
    for (std::size_t at = 0; at < actions.size(); ++at) {
        const Receiver::Action action = std::move(actions[at]);
        if (std::holds_alternative<Receiver::Begin>(action)) {
            taking_.emplace();
        } else if (std::holds_alternative<Receiver::Abandon>(action)) {
            taking_.reset();
        } else if (const auto* add = std::get_if<Receiver::Add>(&action)) {
            const bool added = taking_ && taking_->add(add->bytes.view());
            receiver_.on_added(add->transfer, add->number, added, actions);
        } else {
            const auto& ack = std::get<replica::SnapshotAck>(action);
            ports_.send(receiving_from_, wire::SnapshotAck{control::kControlGroup, ack.transfer,
                                                           ack.next, ack.refused});
        }
    }
    replica_->hold_elections(receiver_.coming());
}

void ControlGroup::step(raft::Message message) {
    if (!replica_) {
        return;
    }
    if (const auto* install = std::get_if<raft::InstallSnapshot>(&message.body)) {
        const bool holds = receiver_.holds(install->meta);
        if (!holds && install->meta.index > replica_->raft().status().commit) {
            return;
        }
        if (holds) {
            stepped_ = install->meta;
        }
    }
    replica_->step(std::move(message));
}

void ControlGroup::install(GroupId, const raft::SnapshotMeta& meta) { to_install_ = meta; }

// What was received becomes the state, and is durable before the log speaks of it.
void ControlGroup::install_received() {
    control::Machine machine;
    // The chunks had their checksums; what does not decode is of a version this one cannot read,
    // and the replica stays where it is.
    if (!taking_ || !machine.restore(taking_->take()) ||
        machine.model().applied != to_install_->index) {
        taking_.reset();
        return;
    }
    taking_.reset();
    machine_ = std::move(machine);
    save(replica::encode(*to_install_));
    publish(machine_);
}

}  // namespace causeway::node
