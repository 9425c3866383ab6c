// The leader's log on its way to the followers, and what a follower makes of it («Raft thesis §3.5,
// §3.6.2, §10.2»; snapshots: chapter 5). Part of Raft; see raft.h.
#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/base/seeded_bug.h"
#include "core/raft/raft.h"

namespace causeway::raft {
namespace {

constexpr std::uint64_t kIndexMax = std::uint64_t{1} << 62;

bool is_sound(const Entry& entry) {
    switch (entry.kind) {
        case EntryKind::kEmpty:
        case EntryKind::kCommand:
            return true;
        case EntryKind::kConfiguration:
            return decode_configuration(entry.payload.view()).has_value();
    }
    return false;
}

}  // namespace

Raft::Peer* Raft::find_peer(NodeId id) {
    auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr) {
        return nullptr;
    }
    const auto found = std::find_if(leader->peers.begin(), leader->peers.end(),
                                    [&](const Peer& peer) { return peer.id == id; });
    return found == leader->peers.end() ? nullptr : &*found;
}

void Raft::append_own(Entry entry) {
    entry.term = term_;
    entry.index = log_.last().next();
    log_.append(std::move(entry));
    replicate_due_ = true;
}

// --- leader ------------------------------------------------------------------------------------

void Raft::replicate(Leader& leader) {
    for (Peer& peer : leader.peers) {
        if (peer.id != id()) {
            while (send_append(peer)) {
            }
        }
    }
}

bool Raft::send_append(Peer& peer) {
    Progress& progress = peer.progress;
    if (!progress.may_send()) {
        return false;
    }
    const Index prev = before(progress.next());
    const auto prev_term = log_.term_at(prev);
    if (!prev_term) {
        return send_snapshot(peer);
    }
    scratch_.clear();
    if (progress.next() <= log_.last() && !progress.window_full()) {
        log_.read(progress.next(), std::min(options_.message_bytes_max, progress.window_left()),
                  progress.window_count() == 0, scratch_);
    }
    const bool announces = announce_due_ || !options_.announce_commit_at_tick;
    const Index to_announce = announces ? log_.commit() : Index{};
    if (scratch_.empty() && !progress.wants_empty(to_announce)) {
        return false;
    }
    std::size_t bytes = 0;
    for (const Entry& entry : scratch_) {
        bytes += bytes_of(entry);
    }
    AppendRequest request{
        .prev_index = prev, .prev_term = *prev_term, .commit = log_.commit(), .entries = {}};
    request.entries.assign(std::make_move_iterator(scratch_.begin()),
                           std::make_move_iterator(scratch_.end()));
    progress.on_sent(request.entries.size(), bytes, log_.commit());
    send(peer.id, std::move(request));
    return true;
}

bool Raft::send_snapshot(Peer& peer) {
    auto meta = log_.snapshot();
    // Waiting for a sign of life keeps a dead peer from costing a stream.
    if (!meta || !peer.progress.recently_active) {
        return false;
    }
    CW_CHECK(meta->index >= log_.compacted() && meta->index <= log_.applied(), "I14");
    peer.progress.on_snapshot_sent(meta->index);
    ++counters_.snapshots_sent;
    send(peer.id, InstallSnapshot{std::move(*meta)});
    return false;
}

void Raft::maybe_commit(Leader& leader) {
    for (;;) {
        Matches matches;
        for (const Peer& peer : leader.peers) {
            if (configuration().has_voter(peer.id)) {
                matches.push_back(peer.progress.match());
            }
        }
        const Index index = quorum_index(std::move(matches));
        // An entry of an older term is committed only by one of ours above it («thesis §3.6.2»;
        // I8).
        const bool ours = log_.holds(index, term_) || CAUSEWAY_BUG(kCommitOldTermByCounting);
        if (index <= log_.commit() || !ours) {
            return;
        }
        commit_to(index);  // May change who is counted: look again.
        unannounced_ = true;
        replicate_due_ = true;
    }
}

void Raft::maybe_finish_transfer(const Leader& leader, const Peer& peer) {
    if (leader.transferee && peer.id == leader.transferee && peer.progress.match() == log_.last()) {
        send(peer.id, TimeoutNow{});
    }
}

bool Raft::transfer_leadership(NodeId to) {
    auto* leader = std::get_if<Leader>(&role_);
    Peer* peer = find_peer(to);
    if (leader == nullptr || peer == nullptr || to == id() || !configuration().has_voter(to)) {
        return false;
    }
    leader->transferee = to;
    leader->transfer_elapsed = 0;
    replicate_due_ = true;
    maybe_finish_transfer(*leader, *peer);
    return true;
}

void Raft::on(const Message& message, const AppendResponse& response) {
    auto* leader = std::get_if<Leader>(&role_);
    Peer* peer = find_peer(message.from);
    if (peer == nullptr) {
        ++counters_.unexpected;
        return;
    }
    Progress& progress = peer->progress;
    progress.recently_active = true;
    replicate_due_ = true;
    if (response.rejected) {
        // Skip at once what cannot match: our last place that is not of a higher term than its own.
        const Index reached = std::min(response.hint_index, log_.last());
        progress.on_rejected(response.index,
                             reached < log_.compacted()
                                 ? reached
                                 : log_.last_at_or_below(reached, response.hint_term));
        return;
    }
    if (response.index > log_.last()) {
        ++counters_.malformed;
        return;
    }
    CW_CHECK(message.from != id() || response.index <= log_.durable(), "I11");
    if (progress.on_accepted(response.index)) {
        maybe_finish_transfer(*leader, *peer);
        maybe_commit(*leader);  // Last: it may replace the peers.
    }
}

void Raft::on(const Message& message, const HeartbeatResponse& response) {
    Peer* peer = find_peer(message.from);
    if (peer == nullptr) {
        ++counters_.unexpected;
        return;
    }
    peer->progress.on_heartbeat_response(response.commit, log_.last());
    replicate_due_ = true;
}

void Raft::report_snapshot(NodeId to, bool delivered) {
    if (Peer* peer = find_peer(to)) {
        peer->progress.on_snapshot_reported(delivered);
    }
}

// --- follower ----------------------------------------------------------------------------------

bool Raft::follow(const Message& message) {
    const NodeId known = leader();
    if (leads() || (known && known != message.from)) {
        ++counters_.malformed;  // Two leaders in one term (I1): one of them breaks the protocol.
        return false;
    }
    become_follower(term_, message.from);
    return true;
}

bool Raft::is_well_formed(const Message& message, const AppendRequest& request) {
    if (request.prev_index.value() >= kIndexMax || request.prev_term > message.term) {
        return false;
    }
    Index index = request.prev_index;
    Term term = request.prev_term;
    for (const Entry& entry : request.entries) {
        index = index.next();
        if (entry.index != index || entry.term < term || entry.term > message.term ||
            !is_sound(entry)) {
            return false;
        }
        term = entry.term;
    }
    return true;
}

void Raft::on(const Message& message, AppendRequest& request) {
    if (!is_well_formed(message, request)) {
        ++counters_.malformed;
        return;
    }
    if (!follow(message)) {
        return;
    }
    // Our committed entries are the leader's too (I4), so from there on nothing has to be compared.
    const bool meets =
        request.prev_index < log_.commit() || log_.holds(request.prev_index, request.prev_term);
    if (!meets) {
        const Index hint =
            log_.last_at_or_below(std::min(request.prev_index, log_.last()), request.prev_term);
        send_after_append(message.from, term_,
                          AppendResponse{.index = request.prev_index,
                                         .rejected = true,
                                         .hint_index = hint,
                                         .hint_term = *log_.term_at(hint)});
        return;
    }
    if (!request.entries.empty() && log_.unapplied_bytes() > 2 * options_.unapplied_bytes_max) {
        ++counters_
              .entries_refused;  // As if none had come; the leader's next heartbeat sees to it.
        request.entries.clear();
    }
    for (const Entry& entry : request.entries) {
        const auto ours = log_.term_at(entry.index);
        if (entry.index <= log_.commit() && ours && *ours != entry.term) {
            ++counters_.malformed;  // It contradicts what is committed.
            return;
        }
    }
    // Never "our last index": the tail behind these entries may not be the leader's (decision
    // 0002).
    const Index verified = after(request.prev_index, request.entries.size());
    take_entries(request);
    commit_to(std::min(request.commit,
                       CAUSEWAY_BUG(kCommitBeyondVerified) ? log_.last() : verified));  // I13
    const AppendResponse accepted{.index = CAUSEWAY_BUG(kEchoLastIndex) ? log_.last() : verified};
    if (CAUSEWAY_BUG(kAcknowledgeBeforeFsync)) {
        send(message.from, accepted);
        return;
    }
    send_after_append(message.from, term_, accepted);
}

void Raft::take_entries(AppendRequest& request) {
    for (Entry& entry : request.entries) {
        const bool known =
            log_.holds(entry.index, entry.term) && !CAUSEWAY_BUG(kTruncateOnDuplicate);
        if (entry.index <= log_.commit() || known) {
            continue;  // A duplicate or a late append cuts nothing (I12).
        }
        if (entry.index <= log_.last()) {
            ++counters_.truncations;
            log_.truncate_from(entry.index);
            forget_configurations_from(entry.index);
        }
        if (entry.kind == EntryKind::kConfiguration) {
            note_configuration(entry.index, *decode_configuration(entry.payload.view()));
        }
        log_.append(std::move(entry));
    }
}

void Raft::on(const Message& message, const Heartbeat&) {
    if (follow(message)) {
        send(message.from, HeartbeatResponse{.commit = log_.commit()});
    }
}

void Raft::on(const Message& message, const InstallSnapshot& snapshot) {
    const SnapshotMeta& meta = snapshot.meta;
    if (meta.index.value() >= kIndexMax || meta.term > message.term ||
        !well_formed(meta.configuration)) {
        ++counters_.malformed;
        return;
    }
    if (!follow(message)) {
        return;
    }
    if (log_.holds(meta.index, meta.term)) {
        commit_to(meta.index);  // The log has it already; a snapshot holds only what is committed.
    } else if (meta.index > log_.commit()) {
        was_voter_ = false;
        configurations_.assign(1,
                               ConfigurationAt{meta.index, CAUSEWAY_BUG(kSnapshotKeepsConfiguration)
                                                               ? Configuration(configuration())
                                                               : meta.configuration});
        log_.install(meta);
        snapshot_ = meta;
    }
    send_after_append(message.from, term_, AppendResponse{.index = meta.index});
}

}  // namespace causeway::raft
