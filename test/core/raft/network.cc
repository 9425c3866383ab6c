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
    for (const auto& [index, fact] : chains_) {
        const auto term = raft.log().term_at(index);
        if (index > raft.log().last() || (term && *term != fact.first)) {
            fail("I4: the leader of term " + std::to_string(raft.term().value()) +
                 " lacks committed entry " + std::to_string(index.value()));
        }
    }
}

void Checker::applied(NodeId node, const Entry& entry, std::uint64_t chain) {
    const auto [known, first] = chains_.try_emplace(entry.index, std::pair(entry.term, chain));
    if (!first && known->second != std::pair(entry.term, chain)) {
        fail("I5: node " + std::to_string(node.value()) + " applied another entry at " +
             std::to_string(entry.index.value()));
    }
}

void Checker::persisted(NodeId node, const HardState& before, const HardState& now) {
    if (now.term < before.term ||
        (now.term == before.term && before.vote && now.vote != before.vote)) {
        fail("I6: node " + std::to_string(node.value()) + " changed its term or vote");
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
    const auto checked = check_start(options, start, node.log);
    CW_CHECK(checked.has_value(), checked ? "" : checked.error().message);
    node.raft = std::make_unique<Raft>(options, start, node.log);
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
    if (message.to == message.from) {
        raft(message.to).step(std::move(message));
    } else {
        in_flight_.push_back(std::move(message));
    }
}

void Network::drain(NodeId id) {
    Node& node = nodes_.at(id);
    while (node.raft && node.raft->has_ready()) {
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
        std::size_t holders = 0;
        for (const auto& [other, peer] : nodes_) {
            holders += peer.log.last_index() >= entry.index &&
                       (peer.log.first_index() > entry.index ||
                        peer.log.term_at(entry.index) == entry.term);
        }
        if (fixed_voters > 0 && !is_majority(holders, fixed_voters)) {
            checker.failure = "I16: applied before a majority had fsynced";
        }
        checker.applied(id, entry, node.state.chain);
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
