// Inputs and outputs of the machine; see raft.h.
#include "core/raft/raft.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "core/base/check.h"
#include "core/base/seeded_bug.h"

namespace causeway::raft {
namespace {

// No honest term or index comes near it; refusing more keeps all arithmetic from wrapping.
constexpr std::uint64_t kNumberMax = std::uint64_t{1} << 62;

std::string lost(const char* what, std::uint64_t named, std::uint64_t found) {
    return std::string("the log has lost acknowledged entries: ") + what + " " +
           std::to_string(named) + ", but the log has " + std::to_string(found) +
           "; remove this replica and add it again";
}

}  // namespace

Result<> check_start(const Options& options, const Start& start, const LogReader& reader) {
    const bool sane = options.id && options.heartbeat_ticks > 0 &&
                      options.heartbeat_ticks < options.election_ticks_min &&
                      options.election_ticks_min < options.election_ticks_max &&
                      options.hurried_ticks_min < options.hurried_ticks_max &&
                      options.window.count_max > 0 && options.window.bytes_max > 0 &&
                      options.entry_bytes_max + kEntryOverhead <= options.unapplied_bytes_max;
    if (!sane) {
        return fail("raft options contradict each other");
    }
    const Index last = reader.last_index();
    if (start.hard_state.commit > last || start.applied > last) {
        return fail(lost("known as committed up to",
                         std::max(start.hard_state.commit, start.applied).value(), last.value()));
    }
    if (reader.term_at(last) > start.hard_state.term) {
        return fail(
            lost("an entry of term", reader.term_at(last).value(), start.hard_state.term.value()));
    }
    if (before(reader.first_index()) > start.applied) {
        return fail(
            "the log is compacted up to " + std::to_string(reader.first_index().value() - 1) +
            ", but the state machine has applied only " + std::to_string(start.applied.value()));
    }
    if (!start.configurations.empty() && start.configurations.back().index > last) {
        return fail(
            lost("a configuration at", start.configurations.back().index.value(), last.value()));
    }
    const auto out_of_order = [](const ConfigurationAt& a, const ConfigurationAt& b) {
        return a.index >= b.index;
    };
    const auto& all = start.configurations;
    if (!all.empty() && all.front().index > std::max(start.applied, start.hard_state.commit)) {
        return fail("the first recovered configuration is not known to be committed");
    }
    if (std::adjacent_find(all.begin(), all.end(), out_of_order) != all.end()) {
        return fail("the recovered configurations are out of order");
    }
    return {};
}

Raft::Raft(const Options& options, const Start& start, const LogReader& reader)
    : options_(options),
      random_(options.seed),
      log_(reader, start.hard_state.commit, start.applied, options.cache_bytes_max),
      term_(start.hard_state.term),
      vote_(start.hard_state.vote),
      persisted_(start.hard_state),
      configurations_(start.configurations) {
    CW_CHECK(check_start(options, start, reader).has_value());
    if (configurations_.empty()) {
        configurations_.emplace_back();
    }
    if (configurations_.size() > 1) {
        // All but the last are committed (configuration.h), whatever the hint in the hard state
        // says.
        log_.commit_to(configurations_[configurations_.size() - 2].index);
    }
    adopt_committed_configurations();
    arm_election_timer(options_.election_ticks_min, options_.election_ticks_max);
}

void Raft::tick() {
    log_.retry_reads();
    if (auto* leader = std::get_if<Leader>(&role_)) {
        tick_leader(*leader);
    } else {
        tick_waiting();
    }
}

void Raft::step(Message message) {
    if (message.to != id() || !message.from || message.term.value() >= kNumberMax) {
        ++counters_.malformed;
        return;
    }
    if (message.term > term_ && !meet_higher_term(message)) {
        return;
    }
    if (message.term < term_) {
        meet_lower_term(message);
        return;
    }
    std::visit([&](auto& body) { on(message, body); }, message.body);
}

tl::expected<Index, ProposeError> Raft::propose(absl::Span<SharedBytes> payloads) {
    CW_CHECK(!payloads.empty());
    const auto* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr || leader->leave_at) {
        return tl::unexpected(ProposeError::kNotLeader);
    }
    if (leader->transferee) {
        return tl::unexpected(ProposeError::kTransferring);
    }
    if (log_.applied() < leader->term_start && !CAUSEWAY_BUG(kCommandsBeforeOwnTerm)) {
        return tl::unexpected(ProposeError::kTermNotApplied);
    }
    std::size_t bytes = log_.unapplied_bytes();
    for (const SharedBytes& payload : payloads) {
        if (payload.size() > options_.entry_bytes_max) {
            return tl::unexpected(ProposeError::kTooLarge);
        }
        bytes += payload.size() + kEntryOverhead;
    }
    if (bytes > options_.unapplied_bytes_max) {
        return tl::unexpected(ProposeError::kWindowFull);
    }
    const Index first = log_.last().next();
    for (SharedBytes& payload : payloads) {
        append_own(Entry{
            .term = {}, .index = {}, .kind = EntryKind::kCommand, .payload = std::move(payload)});
    }
    return first;
}

tl::expected<Index, ProposeError> Raft::propose(SharedBytes payload) {
    return propose(absl::MakeSpan(&payload, 1));
}

void Raft::on_append_done(std::uint64_t append_seq) { log_.on_append_done(append_seq); }

void Raft::on_apply_done(Index index) { log_.on_apply_done(index); }

void Raft::compact(Index upto) { log_.compact(upto); }

bool Raft::takes_commands() const {
    const auto* leader = std::get_if<Leader>(&role_);
    return leader != nullptr && !leader->leave_at && !leader->transferee &&
           (log_.applied() >= leader->term_start || CAUSEWAY_BUG(kCommandsBeforeOwnTerm));
}

bool Raft::has_hard_state() const {
    // A configuration that acts must not be forgotten: those it removed may be gone for good.
    const Index acting = configurations_.front().index;
    return term_ != persisted_.term || vote_ != persisted_.vote ||
           (persisted_.commit < acting && acting <= log_.durable());
}

bool Raft::has_ready() const {
    const auto* leader = std::get_if<Leader>(&role_);
    return replicate_due_ || !messages_.empty() || !messages_after_append_.empty() ||
           log_.has_unhanded() || log_.has_committed() || has_hard_state() || snapshot_ ||
           soft_state() != shown_ || (leader != nullptr && has_left(*leader));
}

void Raft::ready(Ready& out) {
    out.clear();
    // Whoever was deposed since has nothing to replicate, and must not say for ever that it has.
    const bool replicate_now = std::exchange(replicate_due_, false);
    if (auto* leader = std::get_if<Leader>(&role_)) {
        if (replicate_now) {
            replicate(*leader);
            announce_due_ = false;
        }
        if (has_left(*leader)) {
            was_voter_ = false;  // Those that remain know of the change: it need not stand again.
            become_follower(term_, NodeId(0));
        }
    }
    fill_append(out);
    out.messages.swap(messages_);
    out.messages_after_append.swap(messages_after_append_);
    if (!log_.has_open_fence()) {
        // What they speak of is durable already.
        std::move(out.messages_after_append.begin(), out.messages_after_append.end(),
                  std::back_inserter(out.messages));
        out.messages_after_append.clear();
    }
    log_.take_committed(options_.committed_bytes_max, out.committed_entries);
    if (soft_state() != shown_) {
        shown_ = soft_state();
        out.soft_state = shown_;
    }
}

void Raft::fill_append(Ready& out) {
    out.snapshot = std::exchange(snapshot_, std::nullopt);
    out.truncate_from = log_.take_unhanded(out.entries_to_append);
    const bool new_entries = !out.entries_to_append.empty();
    // The commit index alone is not worth a write; it travels with one that happens anyway. It
    // never passes what is durable here, or a torn log would look like a lost one after a restart.
    const Index known = out.snapshot ? out.snapshot->index : log_.durable();
    const Index commit = std::min(log_.commit(), known);
    out.must_append = new_entries || out.snapshot || out.truncate_from || has_hard_state();
    if (out.must_append) {
        const HardState now{
            .term = term_, .vote = vote_, .commit = std::max(commit, persisted_.commit)};
        if (now != persisted_) {
            persisted_ = now;
            out.hard_state = now;
        }
        log_.fence();
    }
    if (new_entries && leads()) {
        const AppendResponse own{.index = log_.last()};
        if (CAUSEWAY_BUG(kOwnVoteBeforeFsync)) {
            send(id(), own);
        } else {
            send_after_append(id(), term_, own);
        }
    }
    out.append_seq = log_.last_fence();
}

void Raft::send(NodeId to, decltype(Message::body) body) {
    messages_.push_back(Message{.from = id(), .to = to, .term = term_, .body = std::move(body)});
}

void Raft::send_after_append(NodeId to, Term term, decltype(Message::body) body) {
    messages_after_append_.push_back(
        Message{.from = id(), .to = to, .term = term, .body = std::move(body)});
}

void Raft::commit_to(Index index) {
    if (index <= log_.commit()) {
        return;
    }
    log_.commit_to(index);
    adopt_committed_configurations();
}

SoftState Raft::soft_state() const {
    if (const auto* candidate = std::get_if<Candidate>(&role_)) {
        return {.role = candidate->pre ? Role::kPreCandidate : Role::kCandidate, .leader = {}};
    }
    return {.role = leads() ? Role::kLeader : Role::kFollower, .leader = leader()};
}

Status Raft::status() const {
    Status status{.soft_state = soft_state(),
                  .term = term_,
                  .vote = vote_,
                  .compacted = log_.compacted(),
                  .applied = log_.applied(),
                  .commit = log_.commit(),
                  .durable = log_.durable(),
                  .last = log_.last(),
                  .configuration = configuration(),
                  .peers = {}};
    if (const auto* leader = std::get_if<Leader>(&role_)) {
        for (const Peer& peer : leader->peers) {
            status.peers.push_back({.id = peer.id,
                                    .state = peer.progress.state(),
                                    .match = peer.progress.match(),
                                    .next = peer.progress.next()});
        }
    }
    return status;
}

}  // namespace causeway::raft
