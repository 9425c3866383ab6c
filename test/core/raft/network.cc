#include "test/core/raft/network.h"

#include <algorithm>
#include <iterator>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace causeway::raft::test {

// --- MemoryLog ---------------------------------------------------------------------------------

Term MemoryLog::term_at(Index index) const {
    CW_CHECK(index >= compacted_ && index <= last_index());
    return index == compacted_ ? compacted_term_
                               : entries_[index.value() - compacted_.value() - 1].term;
}

void MemoryLog::entries(Index from, std::size_t bytes_max, std::vector<Entry>& out) const {
    CW_CHECK(from > compacted_ && from <= last_index(), "asked for what is not durable");
    if (busy) {
        return;
    }
    std::size_t bytes = 0;
    for (std::size_t i = from.value() - compacted_.value() - 1; i < entries_.size(); ++i) {
        bytes += bytes_of(entries_[i]);
        if (bytes > bytes_max && bytes > bytes_of(entries_[i])) {
            return;
        }
        out.push_back(entries_[i]);
    }
}

void MemoryLog::append(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
        CW_CHECK(entry.index == last_index().next(), "appends are contiguous");
        entries_.push_back(entry);
    }
}

void MemoryLog::truncate_from(Index index) {
    CW_CHECK(index > compacted_);
    while (last_index() >= index) {
        entries_.pop_back();
    }
}

void MemoryLog::reset(Index index, Term term) {
    entries_.clear();
    compacted_ = index;
    compacted_term_ = term;
    snapshot_.reset();
}

void MemoryLog::compact(Index index) {
    if (index <= compacted_) {
        return;
    }
    const Term term = term_at(index);
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(
                                                            index.value() - compacted_.value()));
    compacted_ = index;
    compacted_term_ = term;
}

// --- Checker -----------------------------------------------------------------------------------

namespace {

// Whether the disk of a node has the entry, or has had it and compacted it.
bool holds(const Node& node, Index index, Term term) {
    return index < node.log.first_index() ||
           (index <= node.log.last_index() && node.log.term_at(index) == term);
}

}  // namespace

void Checker::fail(std::string text) {
    if (failure.empty()) {
        failure = std::move(text);
    }
}

void Checker::leads(NodeId node, const Raft& raft) {
    const auto [known, first] = leaders_.try_emplace(raft.term(), node);
    if (!first) {
        if (known->second != node) {
            fail("I1: two leaders in term " + std::to_string(raft.term().value()));
        }
        return;
    }
    for (const auto& [index, committed] : committed_) {
        const auto term = raft.log().term_at(index);
        if (index > raft.log().last() || (term && *term != committed)) {
            fail("I4: the leader of term " + std::to_string(raft.term().value()) +
                 " lacks committed entry " + std::to_string(index.value()));
        }
    }
}

void Checker::applied(NodeId id, const Entry& entry, const Nodes& nodes) {
    const Node& node = nodes.at(id);
    const auto fact = std::pair(entry.term, node.state.chain);
    const auto [known, first] = chains_.try_emplace(entry.index, fact);
    if (!first && known->second != fact) {
        fail("I5: node " + std::to_string(id.value()) + " applied another entry at " +
             std::to_string(entry.index.value()));
    }
    if (!holds(node, entry.index, entry.term)) {
        fail("I7: node " + std::to_string(id.value()) + " applied before its own disk had " +
             std::to_string(entry.index.value()));
    }
}

void Checker::persisted(NodeId node, const HardState& before, const HardState& now) {
    if (now.term < before.term ||
        (now.term == before.term && before.vote && now.vote != before.vote)) {
        fail("I6: node " + std::to_string(node.value()) + " changed its term or vote");
    }
}

void Checker::sent(const Message& message, const Node& sender) {
    const HardState& disk = sender.hard_state;
    const auto said = [&](const char* what) {
        fail("I11: node " + std::to_string(message.from.value()) + " sent " + what +
             " before its disk had it");
    };
    if (const auto* vote = std::get_if<VoteResponse>(&message.body)) {
        const bool kept =
            disk.term > message.term || (disk.term == message.term && disk.vote == message.to);
        if (vote->granted && !vote->pre && !kept) {
            said("a vote");
        }
    } else if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
        if (!request->pre && disk.term < message.term) {
            said("its candidacy");
        }
    } else if (const auto* response = std::get_if<AppendResponse>(&message.body)) {
        if (!response->rejected && sender.log.last_index() < response->index) {
            said("an acknowledgement");
        }
    }
}

// A peer in a later term may have dropped, by right, what it once acknowledged to this leader.
void Checker::matches(const Raft& leader, const Nodes& nodes) {
    for (const PeerStatus& peer : leader.status().peers) {
        const auto found = nodes.find(peer.id);
        const auto term = leader.log().term_at(peer.match);
        if (found == nodes.end() || found->second.hard_state.term > leader.term() || !term) {
            continue;
        }
        if (!holds(found->second, peer.match, *term)) {
            fail("I9: the leader of term " + std::to_string(leader.term().value()) +
                 " counts node " + std::to_string(peer.id.value()) + " up to " +
                 std::to_string(peer.match.value()) + ", which its disk does not have");
        }
    }
}

// A leader may commit what a majority has on disk; everybody else what a leader has committed.
void Checker::committed(NodeId id, Nodes& nodes) {
    Node& node = nodes.at(id);
    const Raft& raft = *node.raft;
    const auto on_majority = [&](Index index, Term term, const NodeIds& voters) {
        return is_majority(static_cast<std::size_t>(std::count_if(
                               voters.begin(), voters.end(),
                               [&](NodeId voter) { return holds(nodes.at(voter), index, term); })),
                           voters.size());
    };
    for (Index index = std::max(node.commit_seen.next(), raft.log().compacted());
         index <= raft.log().commit(); index = index.next()) {
        const Term term = *raft.log().term_at(index);
        const auto known = committed_.find(index);
        if (known != committed_.end()) {
            if (known->second != term) {
                fail("I4: node " + std::to_string(id.value()) + " commits another entry at " +
                     std::to_string(index.value()));
            }
        } else if (index && raft.leads() &&
                   (on_majority(index, term, raft.configuration().voters) ||
                    on_majority(index, term, node.configuration_seen.voters))) {
            committed_.emplace(index, term);
        } else if (index) {
            fail((raft.leads() ? "I8, I16: leader " : "I13: follower ") +
                 std::to_string(id.value()) + " takes " + std::to_string(index.value()) +
                 " as committed");
        }
    }
    if (raft.leads()) {
        check_own_term(raft, node);
    }
    node.commit_seen = raft.log().commit();
    node.configuration_seen = raft.configuration();
}

// I8: what a leader commits by counting is, at its end, an entry of its own term.
void Checker::check_own_term(const Raft& raft, const Node& node) {
    const Index commit = raft.log().commit();
    if (commit > node.commit_seen && raft.log().term_at(commit) != raft.term()) {
        fail("I8: the leader of term " + std::to_string(raft.term().value()) + " commits entry " +
             std::to_string(commit.value()) + " of an older term");
    }
}

void Checker::configured(NodeId id, const Node& node) {
    const Log& log = node.raft->log();
    if (!log.installing() && node.state.applied == log.commit() &&
        node.raft->configuration() != node.state.configuration) {
        fail("I14: node " + std::to_string(id.value()) + " acts on another configuration than " +
             "that of entry " + std::to_string(log.commit().value()));
    }
}

void Checker::logs_match(const std::map<NodeId, Node>& nodes) {
    for (const auto& [id_a, a] : nodes) {
        for (const auto& [id_b, b] : nodes) {
            if (id_a >= id_b) {
                continue;
            }
            const Index low = std::max(a.log.first_index(), b.log.first_index());
            bool same = false;
            for (Index i = std::min(a.log.last_index(), b.log.last_index()); i >= low;
                 i = Index(i.value() - 1)) {
                const bool equal = a.log.term_at(i) == b.log.term_at(i);
                if (same && !equal) {
                    fail("I3: logs differ below a common entry, at " + std::to_string(i.value()));
                }
                same = same || equal;
            }
        }
    }
}

std::uint64_t Checker::chain_at(Index index) const {
    const auto found = chains_.find(index);
    CW_CHECK(found != chains_.end(), "a snapshot of what nobody applied");
    return found->second.second;
}

// --- Network -----------------------------------------------------------------------------------

void Network::add_node(NodeId id, const Configuration& bootstrap) {
    Node& node = nodes_[id];
    node.base = {Index(0), bootstrap};
    node.flushed.configuration = bootstrap;
    start(id);
}

void Network::start(NodeId id) {
    Node& node = nodes_.at(id);
    Options options = options_;
    options.id = id;
    options.seed = options_.seed * 1000 + id.value() * 10 + node.restarts * 100'000 + 1;
    Start start{
        .hard_state = node.hard_state, .applied = node.flushed.applied, .configurations = {}};
    start.configurations.push_back(node.base);
    for (const Entry& entry : node.log.all()) {
        if (entry.kind == EntryKind::kConfiguration) {
            start.configurations.push_back(
                {entry.index, *decode_configuration(entry.payload.view())});
        }
    }
    node.state = node.flushed;
    node.applied_commands.clear();
    node.commit_seen = Index(0);
    const auto checked = check_start(options, start, node.log);
    CW_CHECK(checked.has_value(), checked ? "" : checked.error().message);
    node.raft = std::make_unique<Raft>(options, start, node.log);
    node.configuration_seen = node.raft->configuration();
    drain(id);
}

void Network::crash(NodeId id) {
    Node& node = nodes_.at(id);
    node.raft.reset();
    node.appends.clear();
    node.to_apply.clear();
    ++node.restarts;
}

void Network::send(Message message) {
    checker.sent(message, nodes_.at(message.from));
    if (message.to == message.from) {
        raft(message.to).step(std::move(message));
    } else {
        in_flight_.push_back(std::move(message));
    }
}

void Network::drain(NodeId id) {
    Node& node = nodes_.at(id);
    while (node.raft && node.raft->has_ready()) {
        watch(id);
        node.raft->ready(ready_);
        Ready ready = std::move(ready_);
        if (node.raft->leads()) {
            checker.leads(id, *node.raft);
        }
        for (Entry& entry : ready.committed_entries) {
            node.to_apply.push_back(std::move(entry));
        }
        if (ready.must_append || !ready.messages_after_append.empty()) {
            node.appends.push_back({.seq = ready.append_seq,
                                    .must_append = ready.must_append,
                                    .snapshot = std::move(ready.snapshot),
                                    .truncate_from = ready.truncate_from,
                                    .entries = std::move(ready.entries_to_append),
                                    .hard_state = ready.hard_state,
                                    .messages = std::move(ready.messages_after_append)});
        }
        for (Message& message : ready.messages) {
            send(std::move(message));
        }
        if (apply_at_once) {
            apply(id);
        }
    }
    if (node.raft) {
        watch(id);
    }
}

// After every input, so before anything the machine says can reach another node.
void Network::watch(NodeId id) {
    const Node& node = nodes_.at(id);
    checker.committed(id, nodes_);
    checker.configured(id, node);
    if (node.raft->leads()) {
        checker.matches(*node.raft, nodes_);
    }
}

void Network::persist(NodeId id, PendingAppend& append) {
    Node& node = nodes_.at(id);
    if (append.snapshot) {
        const SnapshotMeta& meta = *append.snapshot;
        node.to_apply.clear();
        node.state = {meta.index, checker.chain_at(meta.index), meta.configuration};
        node.flushed = node.state;
        node.base = {meta.index, meta.configuration};
        node.log.reset(meta.index, meta.term);
        node.log.offer_snapshot(meta);
    }
    if (append.truncate_from) {
        node.log.truncate_from(*append.truncate_from);
    }
    node.log.append(append.entries);
    if (append.hard_state) {
        checker.persisted(id, node.hard_state, *append.hard_state);
        node.hard_state = *append.hard_state;
    }
}

bool Network::fsync(NodeId id) {
    Node& node = nodes_.at(id);
    if (!node.raft || node.appends.empty()) {
        return false;
    }
    PendingAppend append = std::move(node.appends.front());
    node.appends.pop_front();
    persist(id, append);
    node.raft->on_append_done(append.seq);
    for (Message& message : append.messages) {
        send(std::move(message));
    }
    drain(id);
    return true;
}

bool Network::apply(NodeId id, std::size_t count) {
    Node& node = nodes_.at(id);
    if (!node.raft || node.to_apply.empty()) {
        return false;
    }
    for (; count > 0 && !node.to_apply.empty(); --count) {
        const Entry entry = std::move(node.to_apply.front());
        node.to_apply.pop_front();
        CW_CHECK(entry.index == node.state.applied.next(), "applied in order, each once");
        node.state.applied = entry.index;
        node.state.chain = hash64(entry.payload.view(), node.state.chain ^ entry.term.value());
        if (entry.kind == EntryKind::kConfiguration) {
            node.state.configuration = *decode_configuration(entry.payload.view());
        } else if (entry.kind == EntryKind::kCommand) {
            node.applied_commands.emplace_back(entry.payload.view());
        }
        checker.applied(id, entry, nodes_);
    }
    node.raft->on_apply_done(node.state.applied);
    return true;
}

void Network::deliver(std::size_t position) {
    Message message = std::move(in_flight_[position]);
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(position));
    const NodeId to = message.to;
    const NodeId from = message.from;
    const bool snapshot = std::holds_alternative<InstallSnapshot>(message.body);
    const bool reaches = nodes_.contains(to) && alive(to);
    if (reaches) {
        raft(to).step(std::move(message));
    }
    if (snapshot && nodes_.contains(from) && alive(from)) {
        raft(from).report_snapshot(to, reaches);
        drain(from);
    }
    if (reaches) {
        drain(to);
    }
}

void Network::compact(NodeId id) {
    Node& node = nodes_.at(id);
    const Index upto = node.state.applied;
    if (!node.raft || upto < node.log.first_index() || node.raft->log().installing()) {
        return;
    }
    node.flushed = node.state;
    node.log.offer_snapshot({upto, node.log.term_at(upto), node.state.configuration});
    node.base = {upto, node.state.configuration};
    node.raft->compact(upto);
    node.log.compact(upto);
}

bool Network::settle() {
    for (int round = 0; round < 2000; ++round) {
        bool moved = false;
        for (auto& [id, node] : nodes_) {
            while (fsync(id)) {
                moved = true;
            }
            moved = apply(id) || moved;
            drain(id);
        }
        for (std::size_t count = in_flight_.size(); count > 0; --count) {
            deliver(0);
            moved = true;
        }
        if (!moved) {
            return true;
        }
    }
    return false;
}

std::optional<NodeId> Network::leader() const {
    std::optional<NodeId> found;
    for (const auto& [id, node] : nodes_) {
        if (node.raft && node.raft->leads() &&
            (!found || node.raft->term() > nodes_.at(*found).raft->term())) {
            found = id;
        }
    }
    return found;
}

}  // namespace causeway::raft::test
