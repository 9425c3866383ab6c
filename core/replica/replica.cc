#include "core/replica/replica.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/seeded_bug.h"
#include "core/message/command.h"
#include "core/replica/snapshot_install.h"

namespace causeway::replica {
namespace {

// Entries, far less than a moment's work: who has more to apply does not stand for election.
constexpr std::uint64_t kStandBehindMax = 128;

// Planted bugs only: whether a message leaves before the disk is done.
bool leaves_early(const raft::Message& message, NodeId self) {
    return message.to != self && ((CAUSEWAY_BUG(kAcknowledgeBeforeFsync) &&
                                   std::holds_alternative<raft::AppendResponse>(message.body)) ||
                                  (CAUSEWAY_BUG(kVoteBeforeDurable) &&
                                   std::holds_alternative<raft::VoteResponse>(message.body)));
}

}  // namespace

Replica::Replica(const ReplicaOptions& options, const raft::Start& start,
                 const raft::LogReader& reader, ReplicaPorts& ports)
    : options_(options),
      ports_(ports),
      reader_(reader),
      raft_(options.raft, start, reader_),
      applied_(start.applied) {}

void Replica::campaign() {
    if (!held_back_) {
        raft_.campaign();
    }
}

void Replica::tick() {
    const bool waits = appended_seq_ > durable_seq_ && durable_seq_ == ticked_seq_ && !installing_;
    stalled_ticks_ = waits ? stalled_ticks_ + 1 : 0;
    ticked_seq_ = durable_seq_;
    const bool behind = raft_.log().commit().value() > applied_.value() + kStandBehindMax;
    raft_.hold_elections(held_back_ || behind || log_stalls());
    raft_.tick();
}
void Replica::step(raft::Message message) { raft_.step(std::move(message)); }

std::string& Replica::open_entry(SetMs now) {
    if (entry_.size() >= options_.entry_bytes_max) {
        closed_.push_back(SharedBytes::take(std::exchange(entry_, {})));
    }
    if (entry_.empty()) {
        begin_entry(now, entry_);
    }
    return entry_;
}

SetMs Replica::stamp(MonoMs mono_ms, std::uint64_t wall_ms) {
    if (stamp_base_ == 0) {
        const SetMs passed = set_time_ + (mono_ms - std::min(mono_ms, observed_at_));
        stamp_base_ = std::max<SetMs>(passed, wall_ms);
        stamp_mono_ = mono_ms;
    }
    return stamp_base_ + (mono_ms - stamp_mono_);
}

void Replica::drain() {
    // Proposing and performing feed each other: a one-voter group commits by messages to itself.
    propose_waiting();
    while (raft_.has_ready()) {
        perform_ready();
    }
    update_role();
}

// Commands that arrived while the last append was under way become one entry.
void Replica::propose_waiting() {
    if (!serving_ || !has_waiting() || appended_seq_ - durable_seq_ >= options_.appends_max) {
        return;
    }
    if (!entry_.empty()) {
        closed_.push_back(SharedBytes::take(std::exchange(entry_, {})));
    }
    std::size_t proposed = 0;
    while (proposed < closed_.size()) {
        const auto index = raft_.propose(closed_[proposed]);
        if (!index) {
            // The configuration bounds an entry far below raft's limit.
            CW_CHECK(index.error() != raft::ProposeError::kTooLarge);
            break;  // the window is full: again when something was applied
        }
        ++proposed;
    }
    closed_.erase(closed_.begin(), closed_.begin() + static_cast<std::ptrdiff_t>(proposed));
}

// The order of the fields of raft::Ready is the order of what is done here.
void Replica::perform_ready() {
    raft_.ready(ready_);
    for (const raft::Message& message : ready_.messages) {
        if (message.to == raft_.id()) {
            raft_.step(message);
        } else if (std::holds_alternative<raft::InstallSnapshot>(message.body)) {
            ports_.send_snapshot(options_.group, message);
        } else {
            ports_.send(options_.group, message);
        }
    }
    if (ready_.must_append) {
        wal::Batch batch;
        batch.group = options_.group;
        batch.truncate_from = ready_.truncate_from;
        if (ready_.snapshot) {
            batch = snapshot_batch(options_.group, *ready_.snapshot);
            batch.truncate_from = ready_.truncate_from;
            installing_ = std::move(ready_.snapshot);
            ports_.install(options_.group, *installing_);
        }
        batch.entries.reserve(ready_.entries_to_append.size());
        for (raft::Entry& entry : ready_.entries_to_append) {
            batch.entries.push_back(wal::Entry{entry.index, entry.term,
                                               static_cast<std::uint8_t>(entry.kind),
                                               std::move(entry.payload)});
        }
        if (ready_.hard_state) {
            batch.hard_state = SharedBytes::take(encode_hard_state(*ready_.hard_state));
        }
        appended_seq_ = ready_.append_seq;
        append(ready_.append_seq, std::move(batch));
    }
    for (raft::Message& message : ready_.messages_after_append) {
        held_.push_back(Held{ready_.append_seq, std::move(message)});
    }
    if (!ready_.committed_entries.empty()) {
        ports_.apply(options_.group, std::exchange(ready_.committed_entries, {}));
    }
    release_messages();
}

// A log that speaks of a state which is not there yet would be believed after a crash.
void Replica::append(std::uint64_t seq, wal::Batch batch) {
    if (installing_) {
        deferred_.emplace_back(seq, std::move(batch));
    } else {
        ports_.append(options_.group, seq, std::move(batch));
    }
}

void Replica::on_installed() {
    CW_CHECK(installing_.has_value());
    installing_.reset();
    for (auto& [seq, batch] : std::exchange(deferred_, {})) {
        ports_.append(options_.group, seq, std::move(batch));
    }
}

void Replica::on_append_done(std::uint64_t seq) {
    durable_seq_ = std::max(durable_seq_, seq);
    raft_.on_append_done(seq);
    release_messages();
}

void Replica::release_messages() {
    std::size_t released = 0;
    while (released < held_.size() && (held_[released].seq <= durable_seq_ ||
                                       leaves_early(held_[released].message, raft_.id()))) {
        raft::Message message = std::move(held_[released].message);
        ++released;
        if (message.to == raft_.id()) {
            raft_.step(std::move(message));
        } else {
            ports_.send(options_.group, message);
        }
    }
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(released));
}

void Replica::on_applied(Index index) {
    applied_ = index;
    raft_.on_apply_done(index);
}

void Replica::update_role() {
    const bool serving = raft_.takes_commands() && !lacks_time();
    const bool again = serving && serving_ && raft_.term() != serving_term_;
    if (serving == serving_ && !again) {
        return;
    }
    if (serving_) {
        // What was not proposed is sent again by its streams to the next leader.
        serving_ = false;
        entry_.clear();
        closed_.clear();
        stamp_base_ = 0;
        ports_.on_role(options_.group, false);
    }
    if (serving) {
        serving_ = true;
        serving_term_ = raft_.term();
        ports_.on_role(options_.group, true);
    }
}

bool Replica::hand_over() {
    const raft::Status status = raft_.status();
    NodeId best;
    Index match;
    for (const raft::PeerStatus& peer : status.peers) {
        if (peer.id != raft_.id() && status.configuration.has_voter(peer.id) &&
            (!best || peer.match > match)) {
            best = peer.id;
            match = peer.match;
        }
    }
    return best && raft_.transfer_leadership(best);
}

std::optional<wal::Batch> Replica::compact(Index upto) {
    if (upto <= raft_.status().compacted || upto > applied_) {
        return std::nullopt;
    }
    wal::Batch batch;
    batch.group = options_.group;
    batch.compaction = wal::CompactionPoint{upto, raft_.log().term_at(upto).value_or(Term{})};
    // The entry it came with may be among those that are forgotten.
    if (raft_.configuration_index() <= upto) {
        batch.configuration = raft::encode(raft_.configuration());
    }
    raft_.compact(upto);
    return batch;
}

std::string encode_hard_state(const raft::HardState& state) {
    std::string out;
    ByteWriter writer(out);
    writer.u64(state.term.value());
    writer.u64(state.vote.value());
    writer.u64(state.commit.value());
    return out;
}

bool decode_hard_state(std::string_view in, raft::HardState& out) {
    ByteReader reader(in);
    out.term = Term(reader.u64());
    out.vote = NodeId(reader.u64());
    out.commit = Index(reader.u64());
    return reader.done();
}

}  // namespace causeway::replica
