// The state of a set on its way to a replica that lags behind the compacted log, in the order
// core/replica/snapshot_install.h gives: what is computed is there, what waits for the store is
// done through Ports.
#include <utility>

#include "cluster/node/group.h"

namespace causeway::node {
namespace {

// An offer nobody takes is closed: it keeps the log from being compacted.
constexpr MonoMs kOfferIdleMs = 3'000;

}  // namespace

// --- the leader --------------------------------------------------------------------------------

void Group::send_snapshot(GroupId, raft::Message message) {
    const replica::TransferId transfer = replica::transfer_id(message.term, ++transfers_);
    const NodeId to = message.to;
    senders_.erase(to);
    senders_.emplace(to, replica::SnapshotSender(replica::SnapshotSenderOptions{}, transfer,
                                                 std::move(message)));
    offer_.used_at = view_.clock.mono_ms();
}

void Group::tick_snapshots(MonoMs now) {
    replica::SnapshotReceiver::Actions actions;
    receiver_.tick(actions);
    perform(actions);
    if (!replica_.raft().leads()) {
        if (offer_.state != Offer::State::kNone) {
            close_offer();
        }
        return;
    }
    settle_offer(now);
    for (auto at = senders_.begin(); at != senders_.end();) {
        replica::SnapshotSender& sender = at->second;
        sender.tick();
        if (sender.state() == replica::TransferState::kSending) {
            read_next(at->first, sender);
            ++at;
            continue;
        }
        const bool delivered = sender.state() == replica::TransferState::kDelivered;
        if (delivered) {
            view_.ports.send(at->first, wire::RaftFrame{id(), sender.install()});
        }
        replica_.report_snapshot(at->first, delivered);
        at = senders_.erase(at);
        offer_.used_at = now;
    }
}

void Group::settle_offer(MonoMs now) {
    const raft::Raft& raft = replica_.raft();
    switch (offer_.state) {
        case Offer::State::kNone:
            if (replica_.take_snapshot_wish()) {
                offer_.state = Offer::State::kOpening;
                view_.ports.open_snapshot(id());
            }
            break;
        case Offer::State::kOpening:
            break;
        case Offer::State::kOpen:
            if (raft.configuration_index() > offer_.applied) {
                close_offer();  // the configuration there is not known any more: read it again
            } else if (const auto term = raft.log().term_at(offer_.applied);
                       term && replica_.applied() >= offer_.applied) {
                offer_.state = Offer::State::kOffered;
                offer_.used_at = now;
                replica_.offer_snapshot(
                    raft::SnapshotMeta{offer_.applied, *term, raft.configuration()});
            }
            break;
        case Offer::State::kOffered:
            if (senders_.empty() && now - offer_.used_at >= kOfferIdleMs) {
                close_offer();
            }
            break;
    }
}

void Group::close_offer() {
    replica_.offer_snapshot(std::nullopt);
    senders_.clear();
    offer_ = Offer{};
    view_.ports.close_snapshot(id());
}

void Group::on_snapshot_opened(Index applied) {
    if (offer_.state == Offer::State::kOpening) {
        offer_.state = Offer::State::kOpen;
        offer_.applied = applied;
    }
}

Index Group::compaction_limit() const {
    switch (offer_.state) {
        case Offer::State::kNone:
            return replica_.applied();
        case Offer::State::kOpening:
            return Index{};
        default:
            return offer_.applied;
    }
}

void Group::read_next(NodeId to, replica::SnapshotSender& sender) {
    if (const auto at = sender.next_read()) {
        view_.ports.read_snapshot(id(), to, sender.transfer(), *at);
    }
}

void Group::on_snapshot_piece(NodeId to, replica::TransferId transfer,
                              const replica::SnapshotPiece& piece) {
    const auto found = senders_.find(to);
    if (found == senders_.end() || found->second.transfer() != transfer) {
        return;
    }
    if (auto chunk = found->second.on_piece(piece)) {
        view_.ports.send(to, wire::SnapshotChunk{id(), chunk->meta, chunk->transfer, chunk->number,
                                                 chunk->last, chunk->bytes});
    }
    read_next(to, found->second);
}

void Group::take(const Speaker& from, const wire::SnapshotAck& ack) {
    const auto found = senders_.find(from.node);
    if (found != senders_.end()) {
        found->second.on_ack(replica::SnapshotAck{ack.transfer, ack.next, ack.refused});
        read_next(from.node, found->second);
    }
}

void Group::on_peer_reset(NodeId peer) {
    if (const auto found = senders_.find(peer); found != senders_.end()) {
        found->second.on_reset();
    }
}

// --- the follower ------------------------------------------------------------------------------

void Group::take(const Speaker& from, wire::SnapshotChunk& chunk) {
    receiving_from_ = from.node;
    replica::SnapshotReceiver::Actions actions;
    receiver_.on_chunk(replica::SnapshotChunk{std::move(chunk.meta), chunk.transfer, chunk.number,
                                              chunk.last, std::move(chunk.bytes)},
                       actions);
    perform(actions);
}

void Group::on_snapshot_added(replica::TransferId transfer, std::uint64_t number, bool added) {
    replica::SnapshotReceiver::Actions actions;
    receiver_.on_added(transfer, number, added, actions);
    perform(actions);
}

void Group::perform(replica::SnapshotReceiver::Actions& actions) {
    using Receiver = replica::SnapshotReceiver;
    for (const Receiver::Action& action : actions) {
        if (std::holds_alternative<Receiver::Begin>(action)) {
            view_.ports.take_snapshot(id(), true);
        } else if (std::holds_alternative<Receiver::Abandon>(action)) {
            view_.ports.take_snapshot(id(), false);
        } else if (const auto* add = std::get_if<Receiver::Add>(&action)) {
            view_.ports.add_snapshot(id(), add->transfer, add->number, add->bytes);
        } else {
            const auto& ack = std::get<replica::SnapshotAck>(action);
            view_.ports.send(receiving_from_,
                             wire::SnapshotAck{id(), ack.transfer, ack.next, ack.refused});
        }
    }
    replica_.hold_elections(receiver_.coming() || held_);
}

void Group::step(raft::Message message) {
    if (const auto* install = std::get_if<raft::InstallSnapshot>(&message.body)) {
        const bool holds = receiver_.holds(install->meta);
        if (!holds && install->meta.index > replica_.raft().status().commit) {
            return;
        }
        if (holds) {
            stepped_snapshot_ = install->meta;
        }
    }
    replica_.step(std::move(message));
}

void Group::drain() {
    check_time();
    replica_.drain();
    if (stepped_snapshot_) {
        if (!replica_.installing()) {  // raft did not want it
            replica::SnapshotReceiver::Actions actions;
            receiver_.abandon(actions);
            perform(actions);
        }
        stepped_snapshot_.reset();
    }
}

void Group::install(GroupId group, const raft::SnapshotMeta& meta) {
    view_.ports.install_snapshot(group, meta);
}

void Group::on_snapshot_installed() {
    receiver_.installed();
    replica_.hold_elections(receiver_.coming() || held_);
    replica_.on_installed();
}

}  // namespace causeway::node
