// One replica of one group's log: the Raft protocol as a pure machine («Raft thesis», Ongaro 2014).
// core/replica drives it from the one loop that owns the group; it has no I/O, clock, thread or
// randomness of its own, so the same inputs give the same outputs. Inputs change it and return at
// once; what is to be done about them is collected by ready() (ready.h says in which order).
//
// Pre-vote and check-quorum are always on. A leader's own vote for an entry is a message to itself
// that leaves after its fsync, so a group of one voter takes the same path as any other. Nothing is
// applied that is not both committed and durable here. Reads that must be fresh go through a
// command.
//
// election.cc who leads · replication.cc the leader's log to its followers · reconfigure.cc who
// belongs · raft.cc inputs and outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <absl/container/inlined_vector.h>
#include <absl/types/span.h>
#include <tl/expected.hpp>

#include "core/base/random.h"
#include "core/raft/log.h"
#include "core/raft/options.h"
#include "core/raft/progress.h"
#include "core/raft/quorum.h"
#include "core/raft/ready.h"

namespace causeway::raft {

enum class ProposeError : std::uint8_t {
    kNotLeader,
    kTermNotApplied,  // Leader, but the empty entry of its term is not applied yet: ask again soon.
    kTransferring,    // Leadership is being handed over.
    kTooLarge,        // A payload above entry_bytes_max. Asking again is of no use.
    kWindowFull,      // unapplied_bytes_max is reached: ask again when something was applied.
    kConfigurationPending,  // An earlier change, or the leader's term, is not committed yet.
    kConfigurationRefused,  // Not a change of one server, or not well formed.
};

// What was dropped, and why. Nothing a peer sends reaches an assertion.
struct Counters {
    std::uint64_t malformed = 0;        // Breaks the protocol or its own lengths.
    std::uint64_t stale = 0;            // Of an older term.
    std::uint64_t unexpected = 0;       // From a node, or to a role, that has no use for it.
    std::uint64_t lease_refusals = 0;   // Asked for a vote while the leader is alive.
    std::uint64_t entries_refused = 0;  // Appends not taken because too much is unapplied.
    std::uint64_t truncations = 0;
    std::uint64_t snapshots_sent = 0;
};

struct PeerStatus {
    NodeId id;
    ProgressState state = ProgressState::kProbe;
    Index match;
    Index next;
};

struct Status {
    SoftState soft_state;
    Term term;
    NodeId vote;
    Index compacted;
    Index applied;
    Index commit;
    Index durable;
    Index last;
    Configuration configuration;    // In force.
    std::vector<PeerStatus> peers;  // On the leader, ascending by id, with itself.
};

// Every method is called on the owning loop. None calls back except into LogReader.
class Raft {
public:
    // `reader` must outlive the machine. Precondition: check_start() accepted the arguments.
    Raft(const Options& options, const Start& start, const LogReader& reader);

    // --- inputs --------------------------------------------------------------------------------

    // One tick of time has passed. After a stall of the process call it once, not once per tick.
    void tick();

    // A message arrived. Anything that is wrong with it is counted, and it is dropped.
    void step(Message message);

    // Effect: stands for election now, by way of the pre-vote, unless this node leads, is no voter
    // or is held. A node that is its group's only voter calls it at start and need not wait.
    void campaign();

    // Effect: appends one command per payload and returns the index of the first; the payloads are
    // moved from. All or none: on an error nothing changes. The answer to a command is given when
    // its entry (same index AND same term) is applied. Precondition: payloads is not empty.
    tl::expected<Index, ProposeError> propose(absl::Span<SharedBytes> payloads);
    tl::expected<Index, ProposeError> propose(SharedBytes payload);

    // Effect: appends a change of the configuration; it acts once committed. See
    // is_single_change().
    tl::expected<Index, ProposeError> propose_configuration(const Configuration& to);

    // Effect: asks voter `to` to take over as soon as it holds the whole log; until then, or for
    // one election timeout, proposals are refused. False if this node does not lead or `to` cannot.
    bool transfer_leadership(NodeId to);

    // The append of this sequence number, and so of all below, is fsynced.
    void on_append_done(std::uint64_t append_seq);

    // Everything up to `index` is applied. Precondition: it was in committed_entries.
    void on_apply_done(Index index);

    // The snapshot an InstallSnapshot message to `to` named was delivered, or will not be.
    void report_snapshot(NodeId to, bool delivered);

    // The connection to a node was closed: what was in flight is lost, and if it led here, its
    // lease has ended and this node stands for election soon (pre-vote makes that harmless).
    void report_disconnected(NodeId peer);

    // While held this node votes but does not stand: its disk stalls, or a snapshot is half here.
    void hold_elections(bool held) { held_ = held; }

    // Entries <= upto will not be read again; call it BEFORE the WAL forgets them.
    // Precondition: upto is applied, and durably so in the state machine.
    void compact(Index upto);

    // --- output --------------------------------------------------------------------------------

    // Whether ready() has anything to say.
    [[nodiscard]] bool has_ready() const;
    // Effect: clears `out` and fills it with what is to be done; see ready.h.
    void ready(Ready& out);

    [[nodiscard]] NodeId id() const { return options_.id; }
    [[nodiscard]] Term term() const { return term_; }
    [[nodiscard]] SoftState soft_state() const;
    [[nodiscard]] bool leads() const { return std::holds_alternative<Leader>(role_); }
    // Whether propose() would not answer kNotLeader, kTermNotApplied or kTransferring.
    [[nodiscard]] bool takes_commands() const;
    [[nodiscard]] const Log& log() const { return log_; }
    [[nodiscard]] const Configuration& configuration() const;
    // The index of the entry, or snapshot, the configuration in force came with.
    [[nodiscard]] Index configuration_index() const { return configurations_.front().index; }
    // On a leader: the configuration in force is the last there is, and entries behind it and of
    // this term are committed, so that a majority of its voters holds all that is.
    [[nodiscard]] bool configuration_settled() const;
    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] Status status() const;

private:
    struct Peer {
        NodeId id;
        Progress progress;
    };
    struct Follower {
        NodeId leader;
    };
    struct Candidate {
        bool pre = false;
        bool transfer = false;
        absl::InlinedVector<std::pair<NodeId, bool>, 8> votes;
    };
    struct Leader {
        std::vector<Peer> peers;   // Every member and this node, ascending.
        Index term_start;          // The empty entry of this term.
        Index configuration_gate;  // A change may be proposed once this is committed.
        NodeId transferee;
        unsigned heartbeat_elapsed = 0;
        unsigned quorum_elapsed = 0;
        unsigned transfer_elapsed = 0;
        Index leave_at;  // Not 0: no longer a voter, steps down once this is committed.
    };

    // raft.cc
    [[nodiscard]] bool has_hard_state() const;
    void fill_append(Ready& out);
    void send(NodeId to, decltype(Message::body) body);
    void send_after_append(NodeId to, Term term, decltype(Message::body) body);
    void commit_to(Index index);

    // election.cc
    [[nodiscard]] NodeId leader() const;
    [[nodiscard]] bool leader_is_alive() const;
    [[nodiscard]] bool may_stand() const;
    void arm_election_timer(unsigned ticks_min, unsigned ticks_max);
    void become_follower(Term term, NodeId leader);
    void become_leader();
    void stand(bool pre, bool transfer);
    void count_vote(NodeId voter, bool granted);
    void tick_waiting();
    void tick_leader(Leader& leader);
    [[nodiscard]] bool hears_quorum(Leader& leader) const;
    // False: the message ends here.
    bool meet_higher_term(const Message& message);
    void meet_lower_term(const Message& message);
    void on(const Message& message, const VoteRequest& request);
    void on(const Message& message, const VoteResponse& response);
    void on(const Message& message, const TimeoutNow&);

    // replication.cc
    [[nodiscard]] Peer* find_peer(NodeId id);
    void append_own(Entry entry);
    void replicate(Leader& leader);
    bool send_append(Peer& peer);  // Whether there may be more to send.
    bool send_snapshot(Peer& peer);
    void maybe_commit(Leader& leader);
    void maybe_finish_transfer(const Leader& leader, const Peer& peer);
    [[nodiscard]] bool follow(const Message& message);
    [[nodiscard]] static bool is_well_formed(const Message& message, const AppendRequest& request);
    void take_entries(AppendRequest& request);
    void on(const Message& message, AppendRequest& request);
    void on(const Message& message, const AppendResponse& response);
    void on(const Message& message, const Heartbeat&);
    void on(const Message& message, const HeartbeatResponse& response);
    void on(const Message& message, const InstallSnapshot& snapshot);

    // reconfigure.cc
    void note_configuration(Index index, Configuration configuration);
    void adopt_committed_configurations();
    void leave_if_removed(Leader& leader);
    [[nodiscard]] bool has_left(const Leader& leader) const;
    void configuration_changed(Leader& leader);
    void forget_configurations_from(Index index);

    Options options_;
    Random random_;
    Log log_;
    Term term_;
    NodeId vote_;
    HardState persisted_;  // As last handed to the disk.
    SoftState shown_;      // As last handed out.
    std::variant<Follower, Candidate, Leader> role_;
    unsigned election_elapsed_ = 0;
    unsigned election_timeout_ = 0;
    bool held_ = false;
    // The one in force, then at most one that is not committed yet (I15).
    std::vector<ConfigurationAt> configurations_;
    bool was_voter_ = false;                // In the configuration before the one in force.
    std::optional<SnapshotMeta> snapshot_;  // To install, not handed out yet.
    bool replicate_due_ = false;
    bool unannounced_ = false;   // a commit since the last tick
    bool announce_due_ = false;  // one of before it
    std::vector<Message> messages_;
    std::vector<Message> messages_after_append_;
    std::vector<Entry> scratch_;
    Counters counters_;
};

}  // namespace causeway::raft
