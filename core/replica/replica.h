// One replica of one set, on its core loop: the raft machine, the commands waiting to become an
// entry, and the cursor into the write-ahead log. Everything that leaves the raft machine leaves
// through drain(), one function, in order.
//
// No thread and no I/O of its own: it acts through ReplicaPorts, so that the node drives it with
// real disks and the simulator with its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "core/base/bytes.h"
#include "core/base/tagged.h"
#include "core/base/time.h"
#include "core/raft/log_reader.h"
#include "core/raft/raft.h"
#include "core/wal/types.h"

namespace causeway::replica {

class ReplicaPorts {
public:
    virtual ~ReplicaPorts() = default;
    // Effect: appends to the shared write-ahead log; Replica::on_append_done(seq) when fsynced.
    virtual void append(GroupId group, std::uint64_t seq, wal::Batch batch) = 0;
    // Effect: applies the entries; Replica::on_applied when done.
    virtual void apply(GroupId group, std::vector<raft::Entry> entries) = 0;
    // Effect: sends to a peer's replica of the same group. May be lost.
    virtual void send(GroupId group, const raft::Message& message) = 0;
    // An InstallSnapshot message: the state it names is carried there first (snapshot_install.h).
    virtual void send_snapshot(GroupId group, raft::Message message) = 0;
    // Effect: after what was given to apply(), the snapshot that was received replaces the state;
    // Replica::on_installed() when it is durable.
    virtual void install(GroupId group, const raft::SnapshotMeta& meta) = 0;
    // The replica began or ceased to lead; `serving`: it takes commands.
    virtual void on_role(GroupId group, bool serving) = 0;
};

struct ReplicaOptions {
    GroupId group;
    raft::Options raft;
    // An entry is closed when it holds so much; until then it collects what arrives while an append
    // is under way.
    std::size_t entry_bytes_max = 256U << 10;
    // Appends under way before further commands wait for the next entry.
    std::uint32_t appends_max = 1;
    unsigned stalled_ticks = 100;
};

class Replica {
public:
    Replica(const ReplicaOptions& options, const raft::Start& start, const raft::LogReader& reader,
            ReplicaPorts& ports);

    // Effect: stands for election at once (a group of one voter need not wait).
    void campaign();
    void tick();
    void step(raft::Message message);

    // Effect: says whether the time is known, as it is until this says otherwise. Who begins to lead
    // waits for it: what is due later would be due at once when a time that lags became right.
    void know_time(bool known) { time_known_ = known; }
    // Of the last entry applied; 0: none had one.
    [[nodiscard]] SetMs set_time() const { return set_time_; }

    // Leader and past the empty entry of its term, with a time: commands are taken.
    [[nodiscard]] bool serving() const { return serving_; }
    // Commands wait to be proposed.
    [[nodiscard]] bool has_waiting() const { return !entry_.empty() || !closed_.empty(); }

    // Where the caller appends one framed command (append_frame), stamped with set time `now` if it
    // is the first of an entry. Ask again for each command: a full entry is closed. Precondition:
    // serving().
    std::string& open_entry(SetMs now);

    // Effect: proposes what waits if the window allows, then performs what raft asks for. Call once
    // at the end of each loop turn in which anything happened.
    void drain();

    void on_append_done(std::uint64_t seq);
    void on_applied(Index index);

    // The snapshot asked for by install() is the state now.
    void on_installed();
    [[nodiscard]] bool installing() const { return installing_.has_value(); }
    // raft asked for a snapshot to send and there was none. Asking clears it.
    [[nodiscard]] bool take_snapshot_wish() { return std::exchange(reader_.wished, false); }
    // Effect: this snapshot may be sent from now on; nullopt: none.
    void offer_snapshot(std::optional<raft::SnapshotMeta> meta) { reader_.offer = std::move(meta); }
    void report_snapshot(NodeId to, bool delivered) { raft_.report_snapshot(to, delivered); }
    [[nodiscard]] const raft::Raft& raft() const { return raft_; }

    // Effect: forgets entries up to `upto`, durably applied. Returns what the log must record.
    std::optional<wal::Batch> compact(Index upto);

    // Who leads as far as this replica knows; 0: nobody.
    [[nodiscard]] NodeId leader() const { return raft_.soft_state().leader; }
    [[nodiscard]] Term term() const { return raft_.term(); }
    void report_disconnected(NodeId peer) { raft_.report_disconnected(peer); }
    // While held this replica votes and does not stand for election. Nor does it while it has much
    // to apply, as after a restart: it would be elected and serve nobody until that is done. Nor
    // while its log stalls.
    void hold_elections(bool held) { held_back_ = held; }
    // Leads and does not serve, since it does not know the time. Who leads then had better hand
    // over: to a node with a better clock.
    [[nodiscard]] bool lacks_time() const {
        return raft_.takes_commands() && !serving_ && !time_known_;
    }
    // The log has finished nothing for a second, with appends under way. Who leads then had better
    // hand over: its followers' logs may be well.
    [[nodiscard]] bool log_stalls() const { return stalled_ticks_ >= options_.stalled_ticks; }
    [[nodiscard]] GroupId group() const { return options_.group; }
    bool transfer_leadership(NodeId to) { return raft_.transfer_leadership(to); }
    // Effect: hands leadership to the voter that has most of the log; false: it does not lead, or
    // there is nobody to hand it to.
    bool hand_over();
    // Effect: proposes a change of one member; raft::Raft says when it may.
    tl::expected<Index, raft::ProposeError> propose_configuration(const raft::Configuration& to) {
        return raft_.propose_configuration(to);
    }
    // Effect: proposes an entry of the caller's own making, beside those that open_entry() fills.
    tl::expected<Index, raft::ProposeError> propose(SharedBytes entry) {
        return raft_.propose(std::move(entry));
    }

    [[nodiscard]] raft::Status status() const { return raft_.status(); }
    [[nodiscard]] Index applied() const { return applied_; }
    // Effect: the set time to stamp into an entry. A leader's first is where the set's time stood
    // and what has passed since, or the wall clock if that is later; `wall_ms` 0: it cannot be
    // trusted. Then it advances by the boot clock: a clock set by hand moves nothing.
    [[nodiscard]] SetMs stamp(MonoMs mono_ms, std::uint64_t wall_ms);
    // The set's time as apply saw it, and when on the boot clock.
    void observe_time(SetMs time, MonoMs mono_ms) {
        if (time > set_time_) {
            set_time_ = time;
            observed_at_ = mono_ms;
        }
    }

private:
    // The log with the snapshot that may be sent.
    struct Reader final : raft::LogReader {
        explicit Reader(const raft::LogReader& under) : log(under) {}
        [[nodiscard]] Index first_index() const override { return log.first_index(); }
        [[nodiscard]] Index last_index() const override { return log.last_index(); }
        [[nodiscard]] Term term_at(Index index) const override { return log.term_at(index); }
        void entries(Index from, std::size_t bytes_max,
                     std::vector<raft::Entry>& out) const override {
            log.entries(from, bytes_max, out);
        }
        [[nodiscard]] std::optional<raft::SnapshotMeta> snapshot() const override {
            wished = wished || !offer;
            return offer;
        }
        const raft::LogReader& log;
        std::optional<raft::SnapshotMeta> offer;
        mutable bool wished = false;
    };
    void append(std::uint64_t seq, wal::Batch batch);
    void propose_waiting();
    void perform_ready();
    void release_messages();
    void update_role();

    ReplicaOptions options_;
    ReplicaPorts& ports_;
    Reader reader_;
    raft::Raft raft_;
    raft::Ready ready_;
    std::string entry_;                // being filled
    std::vector<SharedBytes> closed_;  // full ones, oldest first
    Index applied_;
    SetMs set_time_ = 0;
    MonoMs observed_at_ = 0;
    SetMs stamp_base_ = 0;  // set time at stamp_mono_; 0: no stamp yet as this leader
    MonoMs stamp_mono_ = 0;
    std::uint64_t appended_seq_ = 0;  // handed to the log
    std::uint64_t durable_seq_ = 0;   // fsynced
    struct Held {
        std::uint64_t seq;
        raft::Message message;
    };
    std::vector<Held> held_;  // messages that wait for an fsync, in order of seq
    // A snapshot is being put in the state's place; appends wait behind it.
    std::optional<raft::SnapshotMeta> installing_;
    std::vector<std::pair<std::uint64_t, wal::Batch>> deferred_;
    bool serving_ = false;
    Term serving_term_;
    bool held_back_ = false;
    bool time_known_ = true;
    std::uint64_t ticked_seq_ = 0;  // durable_seq_ at the last tick
    unsigned stalled_ticks_ = 0;
};

// The hard state as the write-ahead log keeps it.
std::string encode_hard_state(const raft::HardState& state);
bool decode_hard_state(std::string_view in, raft::HardState& out);

}  // namespace causeway::replica
