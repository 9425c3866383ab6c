#include "test/sim/cluster/checker.h"

#include <algorithm>
#include <charconv>

#include "core/base/hash.h"
#include "core/replica/replica.h"

namespace causeway::sim {
namespace {

constexpr std::size_t kIdDigits = 10;
constexpr std::size_t kReadBytes = 1U << 20;

std::uint64_t hash_of(std::string_view payload, std::uint8_t kind) { return hash64(payload, kind); }

}  // namespace

std::string payload_of(std::uint64_t id) {
    std::string digits = std::to_string(id);
    digits.insert(0, kIdDigits - digits.size(), '0');
    return std::string(kIdMark) + digits;
}

std::uint64_t id_of(std::string_view payload) {
    if (!payload.starts_with(kIdMark) || payload.size() < kIdMark.size() + kIdDigits) {
        return 0;
    }
    std::uint64_t id = 0;
    const char* digits = payload.data() + kIdMark.size();
    std::from_chars(digits, digits + kIdDigits, id);
    return id;
}

void ClusterChecker::fail(const char* rule, NodeId node, GroupId group, const std::string& what) {
    world_.fail(std::string(rule) + ": node " + std::to_string(node.value()) + " set " +
                std::to_string(group.value()) + ": " + what);
}

void ClusterChecker::note_ids(GroupId group, std::uint64_t index, Term term,
                              std::string_view payload) {
    for (std::size_t at = payload.find(kIdMark); at != std::string_view::npos;
         at = payload.find(kIdMark, at + 1)) {
        if (const std::uint64_t id = id_of(payload.substr(at)); id != 0) {
            places_[id].push_back(Place{group, index, term});
        }
    }
}

void ClusterChecker::appending(NodeId node, const wal::Batch& batch) {
    Shadow& shadow = this->shadow(node, batch.group);
    if (batch.truncate_from) {
        const std::uint64_t from = batch.truncate_from->value();
        const auto& applied = applied_[batch.group];
        shadow.cuts.push_back(from);
        if (from <= shadow.log.size()) {
            ++totals.truncations;
            if (from <= applied.size() && shadow.log[from - 1] == applied[from - 1]) {
                fail("I12", node, batch.group, "truncates committed entry " + std::to_string(from));
            }
            shadow.log.resize(from - 1);
        }
    }
    if (batch.replaces_log) {
        replacing(node, batch);
    }
    for (const wal::Entry& entry : batch.entries) {
        const std::uint64_t index = entry.index.value();
        if (index != shadow.log.size() + 1) {
            fail("I18", node, batch.group,
                 "appends " + std::to_string(index) + " behind " +
                     std::to_string(shadow.log.size()));
            return;
        }
        const Fact fact{entry.term, hash_of(entry.payload.view(), entry.flags)};
        const Term before = shadow.log.empty() ? Term{} : shadow.log.back().term;
        const auto [known, first] =
            entries_.try_emplace({batch.group, {index, entry.term}}, std::pair(fact.hash, before));
        if (first) {
            ++totals.entries;
            note_ids(batch.group, index, entry.term, entry.payload.view());
        } else if (known->second != std::pair(fact.hash, before)) {
            fail("I3", node, batch.group,
                 "another entry at " + std::to_string(index) + " of term " +
                     std::to_string(entry.term.value()));
        }
        shadow.log.push_back(fact);
    }
}

// A snapshot takes the place of the log: what it stands for is committed, and what the log held
// instead is not.
void ClusterChecker::replacing(NodeId node, const wal::Batch& batch) {
    Shadow& shadow = this->shadow(node, batch.group);
    const auto& applied = applied_[batch.group];
    const std::uint64_t index = batch.compaction->index.value();
    if (index > applied.size() || applied[index - 1].term != batch.compaction->term) {
        fail("I14", node, batch.group,
             "installs a snapshot at " + std::to_string(index) + ", which nobody has applied");
        return;
    }
    std::uint64_t common = 0;
    while (common < std::min<std::uint64_t>(shadow.log.size(), index) &&
           shadow.log[common] == applied[common]) {
        ++common;
    }
    if (common == index && shadow.durable.size() >= index) {
        fail("I12", node, batch.group,
             "replaces a log that holds the snapshot at " + std::to_string(index));
    }
    shadow.cuts.push_back(common + 1);
    shadow.log.assign(applied.begin(), applied.begin() + static_cast<std::ptrdiff_t>(index));
}

void ClusterChecker::durable(NodeId node, const wal::Batch& batch) {
    Shadow& shadow = this->shadow(node, batch.group);
    if (batch.truncate_from && batch.truncate_from->value() <= shadow.durable.size()) {
        shadow.durable.resize(batch.truncate_from->value() - 1);
    }
    if (batch.replaces_log) {
        const auto& applied = applied_[batch.group];
        shadow.durable.assign(
            applied.begin(),
            applied.begin() + static_cast<std::ptrdiff_t>(batch.compaction->index.value()));
    }
    for (int cut = (batch.truncate_from ? 1 : 0) + (batch.replaces_log ? 1 : 0); cut > 0; --cut) {
        shadow.cuts.pop_front();
    }
    for (const wal::Entry& entry : batch.entries) {
        shadow.durable.push_back(Fact{entry.term, hash_of(entry.payload.view(), entry.flags)});
    }
    raft::HardState state;
    if (batch.hard_state && replica::decode_hard_state(batch.hard_state->view(), state)) {
        if (state.term < shadow.term ||
            (state.term == shadow.term && shadow.vote && state.vote != shadow.vote)) {
            fail("I6", node, batch.group, "its term fell or its vote changed");
        }
        shadow.term = state.term;
        shadow.vote = state.vote;
    }
}

// What was confirmed is there; what was handed over and not confirmed may be.
void ClusterChecker::recovered(NodeId node, GroupId group, const wal::Log& log) {
    Shadow& shadow = this->shadow(node, group);
    for (const wal::GroupSummary& summary : log.groups()) {
        if (summary.group != group) {
            continue;
        }
        // What is compacted was applied, here or where the snapshot came from.
        const auto& applied = applied_[group];
        const std::uint64_t compacted = summary.compaction.index.value();
        if (compacted > applied.size()) {
            fail("I7", node, group, "has compacted what nobody has applied");
            return;
        }
        std::vector<Fact> found(applied.begin(),
                                applied.begin() + static_cast<std::ptrdiff_t>(compacted));
        for (Index at = summary.compaction.index.next(); at <= summary.last;) {
            const auto read = log.read(group, at, kReadBytes);
            if (!read || read->empty()) {
                fail("I17", node, group, "cannot read its own log");
                return;
            }
            for (const wal::Entry& entry : *read) {
                found.push_back(Fact{entry.term, hash_of(entry.payload.view(), entry.flags)});
            }
            at = read->back().index.next();
        }
        const auto cut = std::min_element(shadow.cuts.begin(), shadow.cuts.end());
        for (std::size_t i = 0; i < shadow.durable.size(); ++i) {
            const bool kept = i < found.size() && found[i] == shadow.durable[i];
            if (!kept && (cut == shadow.cuts.end() || i + 1 < *cut)) {
                fail("I17", node, group,
                     "lost entry " + std::to_string(i + 1) + " of " +
                         std::to_string(shadow.durable.size()));
                return;
            }
        }
        raft::HardState state;
        if (!summary.hard_state.empty() && replica::decode_hard_state(summary.hard_state, state)) {
            if (state.term < shadow.term ||
                (state.term == shadow.term && shadow.vote && state.vote != shadow.vote)) {
                fail("I6", node, group, "forgot its term or vote");
            }
            shadow.term = state.term;
            shadow.vote = state.vote;
        }
        shadow.durable = found;
        shadow.log = std::move(found);
        shadow.cuts.clear();
    }
}

void ClusterChecker::leads(NodeId node, GroupId group, Term term) {
    const auto [known, first] = leaders_.try_emplace({group, term}, node);
    if (!first) {
        if (known->second != node) {
            fail("I1", node, group, "a second leader of term " + std::to_string(term.value()));
        }
        return;
    }
    ++totals.leaders;
    const Shadow& shadow = this->shadow(node, group);
    const auto& applied = applied_[group];
    const auto& under = applied_under_[group];
    for (std::size_t i = 0; i < applied.size(); ++i) {
        // Frozen as soon as it was elected and seen only now: what was committed in a later term,
        // this one need not have.
        if (under[i] > term) {
            return;
        }
        if (i >= shadow.log.size() || shadow.log[i] != applied[i]) {
            fail("I4", node, group,
                 "leads term " + std::to_string(term.value()) + " without committed entry " +
                     std::to_string(i + 1));
            return;
        }
    }
}

void ClusterChecker::serves(NodeId node, GroupId group, Term term, Index applied) {
    const auto& log = shadow(node, group).log;
    const std::uint64_t index = applied.value();
    if (index == 0 || index > log.size() || log[index - 1].term != term) {
        fail("own term", node, group,
             "takes commands with no entry of term " + std::to_string(term.value()) + " applied");
    }
}

void ClusterChecker::status(NodeId node, GroupId group, const raft::Status& status) {
    if (status.applied > status.commit || status.applied > status.durable) {
        fail("I7", node, group, "applied beyond commit or its own disk");
    }
    const Shadow& own = shadow(node, group);
    for (const raft::PeerStatus& peer : status.peers) {
        const std::uint64_t match = peer.match.value();
        const Shadow& theirs = shadow(peer.id, group);
        if (match == 0) {
            continue;
        }
        if (match > theirs.durable.size() || match > own.log.size() ||
            theirs.durable[match - 1] != own.log[match - 1]) {
            fail("I9", node, group,
                 "believes node " + std::to_string(peer.id.value()) + " has " +
                     std::to_string(match));
        }
    }
}

Term ClusterChecker::newest_term(GroupId group) const {
    Term newest;
    for (auto at = shadows_.lower_bound({group, NodeId{}});
         at != shadows_.end() && at->first.first == group; ++at) {
        newest = std::max(newest, at->second.term);
    }
    return newest;
}

void ClusterChecker::applying(NodeId node, GroupId group, const raft::Entry& entry) {
    auto& applied = applied_[group];
    const std::size_t place = entry.index.value() - 1;
    const Fact fact{entry.term,
                    hash_of(entry.payload.view(), static_cast<std::uint8_t>(entry.kind))};
    const Shadow& own = shadow(node, group);
    if (place >= own.durable.size() || own.durable[place] != fact) {
        fail("I7", node, group, "applies " + std::to_string(place + 1) + " before its disk has it");
    }
    if (place < applied.size()) {
        if (applied[place] != fact) {
            fail("I5", node, group, "applies another entry at " + std::to_string(place + 1));
        }
        return;
    }
    if (place > applied.size()) {
        fail("I5", node, group, "leaves out entries before " + std::to_string(place + 1));
        return;
    }
    ++totals.applied;
    applied.push_back(fact);
    applied_under_[group].push_back(newest_term(group));
}

void ClusterChecker::table(NodeId node, GroupId group, Index applied, std::uint64_t hash) {
    const auto [known, first] = tables_.try_emplace({group, applied}, hash);
    if (!first && known->second != hash) {
        fail("I5", node, group,
             "has another table at " + std::to_string(applied.value()) + " than was seen there");
    }
}

void ClusterChecker::snapshot_installed(NodeId node, GroupId group, Index applied,
                                        std::uint64_t hash) {
    ++totals.snapshots;
    const auto known = tables_.find({group, applied});
    if (known == tables_.end() || known->second != hash) {
        fail("I14", node, group,
             "has another table than the sender had at " + std::to_string(applied.value()));
    }
}

void ClusterChecker::sending(NodeId node, GroupId group, const raft::Message& message) {
    const Shadow& own = shadow(node, group);
    if (const auto* vote = std::get_if<raft::VoteResponse>(&message.body)) {
        const bool kept =
            own.term > message.term || (own.term == message.term && own.vote == message.to);
        if (vote->granted && !vote->pre && !kept) {
            fail("I11", node, group, "sends a vote before its disk has it");
        }
    } else if (const auto* response = std::get_if<raft::AppendResponse>(&message.body)) {
        if (!response->rejected && response->index.value() > own.durable.size()) {
            fail("I11", node, group, "acknowledges what its disk does not have");
        }
    }
}

void ClusterChecker::acknowledged(std::uint64_t id) {
    ++totals.acknowledged;
    for (const Place& place : places_[id]) {
        std::size_t holders = 0;
        for (std::uint64_t node = 1; node <= nodes_; ++node) {
            const Shadow& shadow = this->shadow(NodeId(node), place.group);
            holders += place.index <= shadow.durable.size() &&
                               shadow.durable[place.index - 1].term == place.term
                           ? 1
                           : 0;
        }
        if (holders * 2 > nodes_) {
            return;
        }
    }
    world_.fail("I16: message " + std::to_string(id) +
                " was acknowledged and is not on a majority of disks");
}

}  // namespace causeway::sim
