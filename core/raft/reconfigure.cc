// Who belongs to the group («Raft thesis» chapter 4; the rule and its argument: configuration.h).
// Part of Raft; see raft.h.
#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/raft/raft.h"

namespace causeway::raft {

const Configuration& Raft::configuration() const { return configurations_.front().configuration; }

tl::expected<Index, ProposeError> Raft::propose_configuration(const Configuration& to) {
    auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr || leader->leave_at) {
        return tl::unexpected(ProposeError::kNotLeader);
    }
    if (leader->transferee) {
        return tl::unexpected(ProposeError::kTransferring);
    }
    if (log_.commit() < leader->configuration_gate) {
        return tl::unexpected(ProposeError::kConfigurationPending);
    }
    if (!is_single_change(configuration(), to)) {
        return tl::unexpected(ProposeError::kConfigurationRefused);
    }
    const Index index = log_.last().next();
    leader->configuration_gate = index;
    append_own(
        Entry{.term = {}, .index = {}, .kind = EntryKind::kConfiguration, .payload = encode(to)});
    note_configuration(index, to);
    CW_CHECK(configurations_.size() == 2, "I15");
    return index;
}

bool Raft::configuration_settled() const {
    const auto* leader = std::get_if<Leader>(&role_);
    return leader != nullptr && configurations_.size() == 1 &&
           log_.commit() >= leader->configuration_gate &&
           log_.commit() >= leader->term_start && log_.commit() > configuration_index();
}

void Raft::note_configuration(Index index, Configuration configuration) {
    if (configurations_.size() > 1) {
        // Its successor was proposed, so it is committed, whatever we had heard of it.
        commit_to(configurations_.back().index);
    }
    CW_CHECK(configurations_.back().index < index);
    configurations_.push_back({index, std::move(configuration)});
}

void Raft::adopt_committed_configurations() {
    bool changed = false;
    while (configurations_.size() > 1 && configurations_[1].index <= log_.commit()) {
        was_voter_ = configurations_.front().configuration.has_voter(id());
        configurations_.erase(configurations_.begin());
        changed = true;
    }
    auto* leader = std::get_if<Leader>(&role_);
    if (changed && leader != nullptr) {
        configuration_changed(*leader);
        leave_if_removed(*leader);
    }
}

// A leader that is no voter any more stays until an entry behind the change is committed by those
// that remain: its appends told them that the change is committed, so they act on it and need it no
// longer.
void Raft::leave_if_removed(Leader& leader) {
    if (!configuration().has_voter(id()) && !leader.leave_at) {
        append_own(Entry{});
        leader.leave_at = log_.last();
    }
}

bool Raft::has_left(const Leader& leader) const {
    return leader.leave_at && log_.commit() >= leader.leave_at;
}

void Raft::configuration_changed(Leader& leader) {
    const Configuration& now = configuration();
    NodeIds members;
    std::merge(now.voters.begin(), now.voters.end(), now.learners.begin(), now.learners.end(),
               std::back_inserter(members));
    const auto self = std::lower_bound(members.begin(), members.end(), id());
    if (self == members.end() || *self != id()) {
        members.insert(self, id());
    }
    std::vector<Peer> peers;
    peers.reserve(members.size());
    for (const NodeId member : members) {
        if (Peer* known = find_peer(member)) {
            peers.push_back(std::move(*known));
        } else {
            peers.push_back({member, Progress(log_.last().next(), options_.window)});
            peers.back().progress.recently_active = true;  // Until the next check says otherwise.
        }
    }
    leader.peers = std::move(peers);
    if (!now.has_voter(leader.transferee)) {
        leader.transferee = NodeId(0);
    }
    replicate_due_ = true;
}

void Raft::forget_configurations_from(Index index) {
    while (configurations_.size() > 1 && configurations_.back().index >= index) {
        configurations_.pop_back();
    }
}

}  // namespace causeway::raft
