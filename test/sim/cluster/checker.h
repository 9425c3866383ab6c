// The invariants of the replicated log that only somebody who sees all nodes at once can check
// (docs: "G" in the list of invariants), by their numbers. It keeps its own picture of every log:
// what was handed to the disk, what the disk confirmed, what was applied.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "core/raft/raft.h"
#include "core/wal/log.h"
#include "test/sim/cluster/world.h"

namespace causeway::sim {

struct CheckTotals {
    std::uint64_t leaders = 0;
    std::uint64_t truncations = 0;
    std::uint64_t entries = 0;
    std::uint64_t applied = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t snapshots = 0;  // installed
};

class ClusterChecker {
public:
    ClusterChecker(World& world, std::size_t nodes) : world_(world), nodes_(nodes) {}

    // What a node hands to its log, and what its log has confirmed.
    void appending(NodeId node, const wal::Batch& batch);                 // I3, I12
    void durable(NodeId node, const wal::Batch& batch);                   // I6
    void recovered(NodeId node, GroupId group, const wal::Log& log);      // I17
    void leads(NodeId node, GroupId group, Term term);                    // I1, I4
    // It takes commands: only with an entry of its own term applied.
    void serves(NodeId node, GroupId group, Term term, Index applied);
    void status(NodeId node, GroupId group, const raft::Status& status);  // I9, I7
    void applying(NodeId node, GroupId group, const raft::Entry& entry);  // I5, I7
    // A table, by its hash: when it is flushed, read for a snapshot, or found after a crash (I5);
    // and one that was installed.
    void table(NodeId node, GroupId group, Index applied, std::uint64_t hash);
    void snapshot_installed(NodeId node, GroupId group, Index applied, std::uint64_t hash);  // I14
    // A message leaves for another node.
    void sending(NodeId node, GroupId group, const raft::Message& message);  // I11
    // A device holds the acknowledgement of a message.
    void acknowledged(std::uint64_t id);  // I16

    CheckTotals totals;

private:
    struct Fact {
        Term term;
        std::uint64_t hash = 0;
        bool operator==(const Fact&) const = default;
    };
    // Entries by index - 1.
    struct Shadow {
        std::vector<Fact> log;
        std::vector<Fact> durable;
        std::deque<std::uint64_t> cuts;  // truncations handed over and not confirmed, in order
        Term term;
        NodeId vote;
    };
    struct Place {
        GroupId group;
        std::uint64_t index = 0;
        Term term;
    };
    Shadow& shadow(NodeId node, GroupId group) { return shadows_[{group, node}]; }
    [[nodiscard]] Term newest_term(GroupId group) const;
    void replacing(NodeId node, const wal::Batch& batch);
    void fail(const char* rule, NodeId node, GroupId group, const std::string& what);
    void note_ids(GroupId group, std::uint64_t index, Term term, std::string_view payload);

    World& world_;
    std::size_t nodes_;
    std::map<std::pair<GroupId, NodeId>, Shadow> shadows_;
    // Of every entry ever appended anywhere: its hash, and the term before it (I3 by induction).
    std::map<std::pair<GroupId, std::pair<std::uint64_t, Term>>, std::pair<std::uint64_t, Term>>
        entries_;
    std::map<std::pair<GroupId, Term>, NodeId> leaders_;
    std::map<GroupId, std::vector<Fact>> applied_;
    // The newest term any node had written down when an entry was applied first: it was committed
    // in that term or before. Never falls.
    std::map<GroupId, std::vector<Term>> applied_under_;
    std::map<std::pair<GroupId, Index>, std::uint64_t> tables_;
    absl::flat_hash_map<std::uint64_t, std::vector<Place>> places_;
};

// The words a message's payload begins with; ids are found in log entries by them.
inline constexpr std::string_view kIdMark = "#cw:";
std::string payload_of(std::uint64_t id);
std::uint64_t id_of(std::string_view payload);  // 0: none

}  // namespace causeway::sim
