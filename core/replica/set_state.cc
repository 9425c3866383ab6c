#include "core/replica/set_state.h"

#include <utility>

namespace causeway::replica {
namespace {

// What one kept record weighs beyond the bytes of its entry, which its messages share.
std::size_t weight_of(const StreamOutputs& outputs) {
    std::size_t bytes = sizeof(StreamOutputs) + outputs.deliveries.size() * sizeof(Delivery) +
                        outputs.messages.size() * sizeof(Message) +
                        outputs.results.size() * sizeof(CommandResult) +
                        outputs.takeovers.size() * sizeof(Takeover);
    for (const CommandResult& result : outputs.results) {
        bytes += result.detail.size();
    }
    return bytes;
}

template <typename T>
void move_to_end(std::vector<T>& from, std::vector<T>& to) {
    if (to.empty()) {
        to.swap(from);
        return;
    }
    for (T& item : from) {
        to.push_back(std::move(item));
    }
    from.clear();
}

}  // namespace

SetState::SetState(GroupId group, std::unique_ptr<state::Machine> machine, SetSink& sink,
                   const RingLimits& limits, std::size_t unlogged_slice)
    : group_(group),
      machine_(std::move(machine)),
      sink_(sink),
      limits_(limits),
      unlogged_slice_(unlogged_slice),
      ring_from_(machine_->applied()) {}

void SetState::take(Work& work) {
    std::visit([this](auto& what) { perform(what); }, work);
}

void SetState::perform(ApplyEntries& work) {
    for (const raft::Entry& entry : work.entries) {
        const bool command = entry.kind == raft::EntryKind::kCommand;
        machine_->apply(entry.index, command ? entry.payload : SharedBytes{}, outputs_);
        publish(entry.index, entry.payload.size());
    }
    touched_ = true;
}

// Hands out and keeps what one entry gave.
void SetState::publish(Index index, std::size_t entry_bytes) {
    for (StreamOutputs& stream : outputs_.streams) {
        if (stream.empty()) {
            continue;
        }
        const StreamId id = stream.stream;
        const bool dead = stream.dead;
        const auto outputs = std::make_shared<const StreamOutputs>(std::move(stream));
        if (const auto route = routes_.find(id); route != routes_.end()) {
            sink_.on_news(group_, route->second, index, outputs);
            if (dead) {
                routes_.erase(route);
            }
        }
        keep(index, entry_bytes + weight_of(*outputs), outputs);
        entry_bytes = 0;
    }
    outputs_.streams.clear();
    move_to_end(outputs_.leader, news_.leader);
    move_to_end(outputs_.self_items, news_.self_items);
    move_to_end(outputs_.ready_queues, news_.ready_queues);
    move_to_end(outputs_.ready_sinks, news_.ready_sinks);
    move_to_end(outputs_.ready_peers, news_.ready_peers);
    move_to_end(outputs_.changed_records, news_.changed_records);
    outputs_.opened.clear();
    outputs_.closed.clear();
}

void SetState::keep(Index index, std::size_t bytes,
                    const std::shared_ptr<const StreamOutputs>& outputs) {
    if (limits_.bytes_max == 0) {
        forget(*outputs, index);
        return;
    }
    ring_.push_back(Kept{index, machine_->time(), bytes, outputs});
    ring_bytes_ += bytes;
    trim();
}

// Who attaches to a stream that ended is refused without looking here.
void SetState::forget(const StreamOutputs& outputs, Index index) {
    if (outputs.dead) {
        trimmed_.erase(outputs.stream);
    } else {
        trimmed_[outputs.stream] = index;
    }
}

void SetState::trim() {
    const SetMs now = machine_->time();
    while (!ring_.empty() &&
           (ring_bytes_ > limits_.bytes_max || ring_.front().time + limits_.age_ms_max < now)) {
        const Kept& oldest = ring_.front();
        forget(*oldest.outputs, oldest.index);
        ring_bytes_ -= oldest.bytes;
        ring_.pop_front();
    }
}

void SetState::perform(ApplyUnlogged& work) {
    unlogged_.push_back(Unlogged{work.stream, std::move(work.frames), work.term});
}

void SetState::perform(UnloggedFromPeer& work) {
    unlogged_.push_back(Unlogged{0, std::move(work.frames), Term{}});
}

void SetState::perform_unlogged_slice() {
    std::size_t publishes = 0;
    const auto full = [this, &publishes] {
        std::size_t cost = publishes;
        for (const StreamOutputs& stream : outputs_.streams) {
            cost += stream.deliveries.size();
        }
        return cost >= unlogged_slice_;
    };
    while (!unlogged_.empty() && !full()) {
        Unlogged& next = unlogged_.front();
        const std::size_t named = outputs_.unlogged_peers.size();
        const std::size_t done = next.done;
        ByteReader in(next.frames.view().substr(done));
        std::string_view command;
        bool more = true;
        while (!full() && (more = next_frame(in, command))) {
            ++publishes;
            publish_unlogged(command, next);
        }
        next.done = more ? next.frames.size() - in.rest().size() : next.frames.size();
        if (next.stream != 0) {
            outputs_.stream(next.stream).unlogged_bytes_done += next.done - done;
        }
        for (std::size_t i = named; i < outputs_.unlogged_peers.size(); ++i) {
            outputs_.unlogged_peers[i].term = next.term;
        }
        if (next.done == next.frames.size()) {
            unlogged_.pop_front();
        }
    }
    hand_out_unlogged();
}

void SetState::publish_unlogged(std::string_view command, const Unlogged& from) {
    ByteReader fields(command);
    CommandHeader header;
    Publish publish;
    if (!decode_header(fields, header) || !decode(fields, publish)) {
        return;
    }
    if (from.stream == 0) {
        machine_->publish_unlogged_from_peer(publish, from.frames, outputs_);
    } else {
        machine_->publish_unlogged(publish, from.frames, outputs_);
    }
}

void SetState::hand_out_unlogged() {
    for (StreamOutputs& stream : outputs_.streams) {
        const auto route = routes_.find(stream.stream);
        if (route != routes_.end() && !stream.empty()) {
            sink_.on_news(group_, route->second, machine_->applied(),
                          std::make_shared<const StreamOutputs>(std::move(stream)));
        }
    }
    outputs_.streams.clear();
    if (!outputs_.unlogged_peers.empty()) {
        move_to_end(outputs_.unlogged_peers, news_.unlogged_peers);
        touched_ = true;
    }
}

void SetState::perform(ReadPeer& work) {
    news_.peer_reads.push_back(
        PeerRead{work.set, machine_->read_peer(work.set, work.after, work.bytes_max)});
    touched_ = true;
}

void SetState::perform(ReadRecords& work) {
    if (serving_) {
        sink_.on_records(group_, work.route, work.question, machine_->read_records(work.query));
    }
}

void SetState::perform(Serve& work) {
    serving_ = work.serving;
    routes_.clear();
    unlogged_.clear();  // of those who were attached
    if (serving_) {
        // Wills, delayed messages and events that wait for a leader, and what sinks are owed.
        constexpr std::uint64_t kAll = ~std::uint64_t{0};
        news_.self_items = machine_->read_self(0, kAll);
        for (const QueueStatus& outbox : machine_->statistics().outboxes) {
            if (outbox.messages != 0) {
                news_.ready_sinks.push_back(outbox.name);
            }
        }
        for (const state::PeerStatus& peer : machine_->peers()) {
            if (peer.messages != 0) {
                news_.ready_peers.push_back(peer.set);
            }
        }
        touched_ = true;
    }
}

void SetState::perform(OpenRoute& work) {
    if (serving_) {
        routes_[work.stream] = work.route;
        sink_.on_opened(group_, work.route, work.stream, machine_->applied());
    }
}

void SetState::perform(AttachRoute& work) {
    if (!serving_) {
        return;
    }
    const auto position = machine_->stream_position(work.stream);
    if (!position) {
        sink_.on_refused(group_, work.route, AttachRefusal::kDead);
        return;
    }
    const auto trimmed = trimmed_.find(work.stream);
    if (work.received < ring_from_ ||
        (trimmed != trimmed_.end() && work.received < trimmed->second)) {
        sink_.on_refused(group_, work.route, AttachRefusal::kGap);
        return;
    }
    routes_[work.stream] = work.route;
    sink_.on_welcome(group_, work.route, *position);
    for (const Kept& kept : ring_) {
        if (kept.index > work.received && kept.outputs->stream == work.stream) {
            sink_.on_news(group_, work.route, kept.index, kept.outputs);
        }
    }
    sink_.on_news(group_, work.route, machine_->applied(), nullptr);
}

void SetState::perform(Beat&) {
    trim();
    for (const auto& [stream, route] : routes_) {
        sink_.on_news(group_, route, machine_->applied(), nullptr);
    }
}

void SetState::replace(std::unique_ptr<state::Machine> machine) {
    machine_ = std::move(machine);
    outputs_.clear();
    ring_.clear();
    ring_bytes_ = 0;
    unlogged_.clear();
    trimmed_.clear();
    ring_from_ = machine_->applied();
    touched_ = true;
}

bool SetState::finish() {
    if (!unlogged_.empty()) {
        perform_unlogged_slice();
    }
    report();
    return !unlogged_.empty();
}

void SetState::report() {
    if (!touched_) {
        return;
    }
    touched_ = false;
    machine_->commit();
    news_.group = group_;
    news_.index = machine_->applied();
    news_.time = machine_->time();
    news_.next_timer = machine_->next_timer();
    news_.has_work = machine_->has_work();
    news_.limits = machine_->limits();
    news_.urgent = serving_ && (news_.has_work || !news_.leader.empty() ||
                                !news_.self_items.empty() || !news_.ready_sinks.empty() ||
                                !news_.ready_peers.empty() || !news_.unlogged_peers.empty() ||
                                !news_.peer_reads.empty() || !news_.changed_records.empty());
    sink_.on_applied(news_);
    news_ = Applied{};
}

}  // namespace causeway::replica
