// Who leads: timeouts, pre-vote, votes, check-quorum, and what a message's term means
// («Raft thesis §3.4, §3.6.1, §3.10, §4.2.3, §6.2, §9.6»). Part of Raft; see raft.h.
#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/base/seeded_bug.h"
#include "core/raft/raft.h"

namespace causeway::raft {

NodeId Raft::leader() const {
    if (const auto* follower = std::get_if<Follower>(&role_)) {
        return follower->leader;
    }
    return leads() ? id() : NodeId(0);
}

bool Raft::leader_is_alive() const {
    return leads() || (leader() && election_elapsed_ < options_.election_ticks_min);
}

// A removed voter may be needed once more: if it alone knows that its removal is committed, and its
// log is longer than those of the others, they cannot win without its vote («thesis §4.2.2»). So may
// one that became a learner, which after a restart is all it knows of itself. Who is no voter and
// wins leaves the lead as soon as its first entry is committed.
bool Raft::may_stand() const {
    return !leads() && !held_ && !log_.installing() &&
           (configuration().has_voter(id()) || was_voter_ || configuration().has_learner(id()));
}

void Raft::arm_election_timer(unsigned ticks_min, unsigned ticks_max) {
    election_elapsed_ = 0;
    election_timeout_ = static_cast<unsigned>(random_.between(ticks_min, ticks_max));
}

void Raft::become_follower(Term term, NodeId leader) {
    CW_CHECK(term >= term_, "I6");
    if (term > term_) {
        term_ = term;
        vote_ = NodeId(0);  // Only a new term frees the vote (I6); stepping down does not.
    }
    const bool waited = std::holds_alternative<Follower>(role_);
    if (CAUSEWAY_BUG(kClearVoteAtStepDown) && !waited) {
        vote_ = NodeId(0);
    }
    role_ = Follower{leader};
    // A higher term alone is no reason to wait longer: its sender may be unfit to lead.
    if (!waited || leader) {
        arm_election_timer(options_.election_ticks_min, options_.election_ticks_max);
    }
}

void Raft::campaign() {
    if (may_stand()) {
        stand(true, false);
    }
}

void Raft::stand(bool pre, bool transfer) {
    CW_CHECK(!leads());
    role_ = Candidate{.pre = pre, .transfer = transfer, .votes = {}};
    arm_election_timer(options_.election_ticks_min, options_.election_ticks_max);
    if (!pre) {
        term_ = term_.next();
        vote_ = id();
    }
    const VoteRequest request{
        .last_index = log_.last(), .last_term = log_.last_term(), .pre = pre, .transfer = transfer};
    for (const NodeId voter : configuration().voters) {
        if (voter == id()) {
            continue;
        }
        if (pre) {
            messages_.push_back({.from = id(), .to = voter, .term = term_.next(), .body = request});
        } else {
            send_after_append(voter, term_, request);
        }
    }
    if (pre) {
        count_vote(id(), true);
    } else {
        send_after_append(id(), term_, VoteResponse{.pre = false, .granted = true});
    }
}

void Raft::count_vote(NodeId voter, bool granted) {
    auto& candidate = std::get<Candidate>(role_);
    const auto known = std::find_if(candidate.votes.begin(), candidate.votes.end(),
                                    [&](const auto& vote) { return vote.first == voter; });
    if (known != candidate.votes.end() || !configuration().has_voter(voter)) {
        return;
    }
    candidate.votes.emplace_back(voter, granted);
    const auto yes =
        static_cast<std::size_t>(std::count_if(candidate.votes.begin(), candidate.votes.end(),
                                               [](const auto& vote) { return vote.second; }));
    const std::size_t no = candidate.votes.size() - yes;
    switch (count_votes(configuration().voters.size(), yes, no)) {
        case VoteResult::kPending:
            return;
        case VoteResult::kLost:
            become_follower(term_, NodeId(0));
            return;
        case VoteResult::kWon:
            if (candidate.pre) {
                stand(false, false);
            } else {
                become_leader();
            }
            return;
    }
}

void Raft::become_leader() {
    CW_CHECK(vote_ == id());
    const Index last = log_.last();
    Leader leader;
    leader.term_start = last.next();
    // Entries of earlier terms may hold a change whose fate is open: wait for an entry of our own.
    leader.configuration_gate =
        CAUSEWAY_BUG(kChangeBeforeOwnTerm) ? log_.commit() : leader.term_start;
    role_ = std::move(leader);
    configuration_changed(std::get<Leader>(role_));
    append_own(Entry{});
    if (!configuration().has_voter(id())) {
        std::get<Leader>(role_).leave_at = log_.last();
    }
}

void Raft::tick_waiting() {
    const unsigned patience = configuration().has_voter(id()) ? 1 : 2;
    if (++election_elapsed_ >= election_timeout_ * patience && may_stand()) {
        stand(true, false);
    }
}

bool Raft::hears_quorum(Leader& leader) const {
    std::size_t active = 0;
    for (Peer& peer : leader.peers) {
        const bool heard = std::exchange(peer.progress.recently_active, false);
        if (configuration().has_voter(peer.id) && (heard || peer.id == id())) {
            ++active;
        }
    }
    return is_majority(active, configuration().voters.size());
}

void Raft::tick_leader(Leader& leader) {
    announce_due_ = std::exchange(unannounced_, false);
    replicate_due_ = replicate_due_ || announce_due_;
    if (leader.transferee && ++leader.transfer_elapsed >= options_.election_ticks_min) {
        leader.transferee = NodeId(0);
    }
    if (++leader.quorum_elapsed >= options_.election_ticks_min) {
        leader.quorum_elapsed = 0;
        if (!hears_quorum(leader)) {
            become_follower(term_, NodeId(0));
            return;
        }
    }
    if (++leader.heartbeat_elapsed >= options_.heartbeat_ticks) {
        leader.heartbeat_elapsed = 0;
        for (const Peer& peer : leader.peers) {
            if (peer.id != id()) {
                send(peer.id, Heartbeat{});
            }
        }
        replicate_due_ = true;  // A read that was "not now" is asked again.
    }
}

bool Raft::meet_higher_term(const Message& message) {
    if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
        if (CAUSEWAY_BUG(kPreVoteResetsTimer) && request->pre) {
            arm_election_timer(options_.election_ticks_min, options_.election_ticks_max);
        }
        if (leader_is_alive() && !request->transfer) {
            ++counters_.lease_refusals;
            return false;
        }
        if (request->pre) {
            return true;  // A question about that term, not a move to it.
        }
    }
    if (const auto* response = std::get_if<VoteResponse>(&message.body)) {
        if (response->pre && response->granted) {
            return true;
        }
    }
    const bool from_leader = std::holds_alternative<AppendRequest>(message.body) ||
                             std::holds_alternative<Heartbeat>(message.body) ||
                             std::holds_alternative<InstallSnapshot>(message.body);
    become_follower(message.term, from_leader ? message.from : NodeId(0));
    return true;
}

void Raft::meet_lower_term(const Message& message) {
    ++counters_.stale;
    const auto* request = std::get_if<VoteRequest>(&message.body);
    if (request != nullptr) {
        send_after_append(message.from, term_, VoteResponse{.pre = request->pre, .granted = false});
    } else if (std::holds_alternative<AppendRequest>(message.body) ||
               std::holds_alternative<Heartbeat>(message.body) ||
               std::holds_alternative<InstallSnapshot>(message.body)) {
        // Tells a deposed leader; and one that cannot depose us while we are stuck in a higher term
        // learns of it, so that an election brings both together.
        send_after_append(message.from, term_, AppendResponse{.index = {}, .rejected = true});
    }
}

void Raft::on(const Message& message, const VoteRequest& request) {
    const bool ahead = message.term > term_;  // Only a pre-vote gets here so.
    const bool free = vote_ == message.from || (!vote_ && !leader()) || ahead;
    const bool granted = free && log_.is_covered_by(request.last_index, request.last_term);
    if (request.pre) {
        messages_.push_back({.from = id(),
                             .to = message.from,
                             .term = granted ? message.term : term_,
                             .body = VoteResponse{.pre = true, .granted = granted}});
        return;
    }
    if (granted) {
        vote_ = message.from;
        arm_election_timer(options_.election_ticks_min, options_.election_ticks_max);
    }
    const VoteResponse vote{.pre = false, .granted = granted};
    if (CAUSEWAY_BUG(kVoteBeforeDurable)) {
        send(message.from, vote);
        return;
    }
    send_after_append(message.from, term_, vote);
}

void Raft::on(const Message& message, const VoteResponse& response) {
    const auto* candidate = std::get_if<Candidate>(&role_);
    const bool asked =
        response.pre && response.granted ? message.term == term_.next() : message.term == term_;
    if (candidate == nullptr || candidate->pre != response.pre || !asked) {
        ++counters_.unexpected;
        return;
    }
    count_vote(message.from, response.granted);
}

void Raft::on(const Message& message, const TimeoutNow&) {
    if (!may_stand() || leader() != message.from) {
        ++counters_.unexpected;
        return;
    }
    stand(false, true);
}

void Raft::report_disconnected(NodeId peer) {
    if (auto* follower = std::get_if<Follower>(&role_); follower && follower->leader == peer) {
        follower->leader = NodeId(0);
        arm_election_timer(options_.hurried_ticks_min, options_.hurried_ticks_max);
    } else if (Peer* known = find_peer(peer)) {
        known->progress.become_probe();
        replicate_due_ = true;
    }
}

}  // namespace causeway::raft
