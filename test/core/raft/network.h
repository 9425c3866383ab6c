// Raft machines joined in memory, for the property test and the scripts: disks that forget what was
// not fsynced, a network whose every message the test holds in its hand, and a checker that watches
// all nodes at once. Each node is driven exactly as core/raft/ready.h says.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/raft.h"

namespace causeway::raft::test {

// A log in memory; also what survives a crash.
class MemoryLog : public LogReader {
public:
    Index first_index() const override { return compacted_.next(); }
    Index last_index() const override { return after(compacted_, entries_.size()); }
    Term term_at(Index index) const override;
    void entries(Index from, std::size_t bytes_max, std::vector<Entry>& out) const override;
    std::optional<SnapshotMeta> snapshot() const override { return snapshot_; }

    void append(const std::vector<Entry>& entries);
    void truncate_from(Index index);
    void reset(Index index, Term term);
    void compact(Index index);
    void offer_snapshot(SnapshotMeta meta) { snapshot_ = std::move(meta); }
    const std::vector<Entry>& all() const { return entries_; }
    // Reads answer "not now" while set.
    bool busy = false;

private:
    Index compacted_{};
    Term compacted_term_{};
    std::vector<Entry> entries_;
    std::optional<SnapshotMeta> snapshot_;
};

struct PendingAppend {
    std::uint64_t seq = 0;
    bool must_append = false;
    std::optional<SnapshotMeta> snapshot;
    std::optional<Index> truncate_from;
    std::vector<Entry> entries;
    std::optional<HardState> hard_state;
    std::vector<Message> messages;
};

struct State {
    Index applied{};
    std::uint64_t chain = 0;
    Configuration configuration;
};

struct Node {
    // Survive a crash.
    MemoryLog log;
    HardState hard_state;
    ConfigurationAt base;
    State flushed;
    // Do not.
    std::unique_ptr<Raft> raft;
    std::deque<PendingAppend> appends;
    std::deque<Entry> to_apply;
    State state;
    std::vector<std::string> applied_commands;
    std::uint64_t restarts = 0;
    Index commit_seen{};               // By the checker, since the start.
    Configuration configuration_seen;  // Likewise: in force when it looked last.
};

// What is true of the whole group, by the numbers of core/raft's invariants; the first violation is
// kept. It sees all machines and all disks at once.
class Checker {
public:
    using Nodes = std::map<NodeId, Node>;

    void leads(NodeId node, const Raft& raft);                                   // I1, I4
    void applied(NodeId node, const Entry& entry, const Nodes& nodes);           // I5, I7
    void persisted(NodeId node, const HardState& before, const HardState& now);  // I6
    void sent(const Message& message, const Node& sender);                       // I11
    void logs_match(const Nodes& nodes);                                         // I3
    void matches(const Raft& leader, const Nodes& nodes);                        // I9
    void committed(NodeId id, Nodes& nodes);                                     // I8, I13, I16
    void configured(NodeId node, const Node& of);                                // I14
    // The newest applied entry's facts; the state a snapshot at `index` stands for.
    std::uint64_t chain_at(Index index) const;
    std::uint64_t applied_count() const { return chains_.size(); }
    std::uint64_t leaders() const { return leaders_.size(); }
    void fail(std::string text);
    std::string failure;

private:
    void check_own_term(const Raft& raft, const Node& node);
    std::map<Term, NodeId> leaders_;
    std::map<Index, std::pair<Term, std::uint64_t>> chains_;
    std::map<Index, Term> committed_;
};

class Network {
public:
    explicit Network(Options options) : options_(std::move(options)) {}

    void add_node(NodeId id, const Configuration& bootstrap);
    void start(NodeId id);
    void crash(NodeId id);
    bool alive(NodeId id) const { return nodes_.at(id).raft != nullptr; }
    Raft& raft(NodeId id) { return *nodes_.at(id).raft; }
    Node& node(NodeId id) { return nodes_.at(id); }
    std::map<NodeId, Node>& nodes() { return nodes_; }
    std::vector<Message>& in_flight() { return in_flight_; }

    // Does what ready() says; appends wait for fsync(), entries for apply().
    void drain(NodeId id);
    // Completes the oldest append; false if there is none.
    bool fsync(NodeId id);
    // Applies what waits, at most `count` entries; false if there was none.
    bool apply(NodeId id, std::size_t count = 1000);
    // Hands over the message at this place; to a dead node it is lost.
    void deliver(std::size_t position);
    // Flushes the state at its applied index, offers it as a snapshot and cuts the log there.
    void compact(NodeId id);
    // Fsyncs, applies and delivers until nothing is left; false if that never ends.
    bool settle();
    // The one leader of the highest term among the living, if any.
    std::optional<NodeId> leader() const;
    bool apply_at_once = false;
    Checker checker;

private:
    void send(Message message);
    void persist(NodeId id, PendingAppend& append);
    void watch(NodeId id);

    Options options_;
    std::map<NodeId, Node> nodes_;
    std::vector<Message> in_flight_;
    Ready ready_;
};

}  // namespace causeway::raft::test
