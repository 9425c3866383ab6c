// What the core asks of the outside and hears from it: gateway loops, links, applied sides. Each
// function runs on the thread that runtime.h names for it.
#include "cluster/node/runtime.h"

#include <algorithm>
#include <utility>

#include "cluster/wire/codec.h"

namespace causeway::node {

// --- Ports -------------------------------------------------------------------------------------

void Node::Runtime::apply(GroupId group, replica::Work work) {
    apply_thread_.push(group, std::move(work));
}

void Node::Runtime::list_streams(GroupId group) {
    apply_thread_.ask(group, [this, group](replica::SetState& state) {
        loop_.post([this, group, streams = state.machine().live_streams()] {
            core_->on_streams(group, streams);
        });
    });
}

void Node::Runtime::send(NodeId to, const wire::Frame& frame) {
    if (to == options_.self) {
        from_loops_->push(FromLoop{to, frame});
        return;
    }
    if (links_ && !strangers_.contains(to)) {
        scratch_.clear();
        wire::append(frame, scratch_);
        links_->send(to, scratch_);
    }
}

void Node::Runtime::tell_loop(wire::LoopId loop, ToLoop message) {
    GatewayLink* link = loop < kLoopsMax ? loops_[loop].load(std::memory_order_acquire) : nullptr;
    if (link != nullptr) {
        link->deliver(std::move(message));
    }
}

void Node::Runtime::tell_loops(const ToLoop& message) {
    for (std::uint32_t loop = 0; loop < loops_made_.load(std::memory_order_acquire); ++loop) {
        tell_loop(loop, message);
    }
}

void Node::Runtime::queues_ready(std::vector<std::string> queues) {
    std::sort(queues.begin(), queues.end());
    queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
    const std::lock_guard lock(watchers_mutex_);
    for (QueueWatcher& watcher : queue_watchers_) {
        if (watcher.waiters->load() != 0) {
            watcher.tell(queues);
        }
    }
}

bool Node::Runtime::queues_are_waited_for() {
    const std::lock_guard lock(watchers_mutex_);
    return std::any_of(queue_watchers_.begin(), queue_watchers_.end(),
                       [](const QueueWatcher& watcher) { return watcher.waiters->load() != 0; });
}

void Node::Runtime::sinks_ready(GroupId set, std::vector<std::string> sinks) {
    std::sort(sinks.begin(), sinks.end());
    sinks.erase(std::unique(sinks.begin(), sinks.end()), sinks.end());
    const std::lock_guard lock(watchers_mutex_);
    if (const auto watcher = sink_watchers_.find(set); watcher != sink_watchers_.end()) {
        watcher->second(sinks);
    }
}

void Node::Runtime::role_changed(GroupId, bool) { loop_.again(); }

// --- SetSink, apply thread ----------------------------------------------------------------------

void Node::Runtime::on_applied(replica::Applied& applied) {
    // Queues that got something: only if somebody waits for it now. Other nodes hear at the tick.
    if (applied.urgent || (!applied.ready_queues.empty() && queues_are_waited_for())) {
        applied_->push(std::move(applied));
    } else {
        applied_->push_quietly(std::move(applied));
    }
}

template <typename Message>
void Node::Runtime::answer(const replica::Route& to, const Message& message) {
    if (to.address.node == options_.self) {
        tell_loop(to.address.loop, message);
        return;
    }
    Outgoing outgoing{to.address.node, {}};
    wire::append(message, outgoing.frames);
    outgoing_->push(std::move(outgoing));
}

void Node::Runtime::on_opened(GroupId group, const replica::Route& to, StreamId stream,
                              Index index) {
    answer(to, wire::StreamOpened{group, to.address.loop, to.attachment, stream, index});
}

void Node::Runtime::on_welcome(GroupId group, const replica::Route& to, std::uint64_t applied_seq) {
    answer(to, wire::Welcome{group, to.address.loop, to.attachment, applied_seq});
}

void Node::Runtime::on_refused(GroupId group, const replica::Route& to,
                               replica::AttachRefusal why) {
    using Reason = wire::StreamRefused::Reason;
    answer(to, wire::StreamRefused{
                   group, to.address.loop, to.attachment,
                   why == replica::AttachRefusal::kGap ? Reason::kGap : Reason::kDead, NodeId{}});
}

void Node::Runtime::on_news(GroupId group, const replica::Route& to, Index upto,
                            std::shared_ptr<const StreamOutputs> outputs) {
    const wire::LoopId loop = to.address.loop;
    if (to.address.node != options_.self) {
        static const StreamOutputs none;
        Outgoing outgoing{to.address.node, {}};
        wire::append(wire::StreamNews{group, loop, to.attachment, upto, {}, 0},
                     outputs ? *outputs : none, outgoing.frames);
        outgoing_->push(std::move(outgoing));
        return;
    }
    GatewayLink* link = loop < kLoopsMax ? loops_[loop].load(std::memory_order_acquire) : nullptr;
    if (link != nullptr) {
        link->deliver_news(LocalNews{group, to.attachment, upto, std::move(outputs)}, stopping_);
    }
}

void Node::Runtime::on_records(GroupId group, const replica::Route& to, std::uint64_t question,
                               RecordsFound found) {
    answer(to,
           wire::RecordsRead{group, to.address.loop, to.attachment, question, std::move(found)});
}

// --- links -------------------------------------------------------------------------------------

void Node::Runtime::on_connected(const link::Remote& peer) {
    if (control_->belongs(peer.id, peer.uuid)) {
        core_->on_connected(peer.id);
    } else {
        strangers_.insert(peer.id);
    }
}

void Node::Runtime::on_disconnected(NodeId peer) {
    if (strangers_.erase(peer) == 0) {
        core_->on_disconnected(peer);
    }
}

void Node::Runtime::on_peer_up(const link::Remote& peer) {
    if (!control_->belongs(peer.id, peer.uuid)) {
        links_->reject(peer.id, peer.name +
                                    " has another data directory than the one it had in "
                                    "this cluster; if that is lost: causeway cluster repair " +
                                    peer.name);
        return;
    }
    peers_in_[peer.id] = peer.uuid;
    core_->on_peer_up(peer.id, peer.uuid, peer.boot);
}

void Node::Runtime::on_peer_down(NodeId peer) {
    if (peers_in_.erase(peer) != 0) {
        core_->on_peer_down(peer);
    }
}

void Node::Runtime::on_frame(NodeId from, std::uint8_t type, SharedBytes body) {
    if (!peers_in_.contains(from)) {
        return;  // it was rejected, and its connection is about to be closed
    }
    auto frame = wire::decode(type, body);
    if (!frame) {
        links_->reject(from, "a malformed frame");
        return;
    }
    core_->on_frame(from, *frame);
}

void Node::Runtime::on_call(link::ConnectionId connection, const link::Remote& from,
                            wire::Call call) {
    control_->on_call(connection, from.id, from.name, from.uuid, call);
}

void Node::Runtime::on_reply(NodeId from, wire::Reply reply) { control_->on_reply(from, reply); }

void Node::Runtime::on_refused(std::string_view line) {
    if (options_.note) {
        options_.note(std::string(line));
    }
}

}  // namespace causeway::node
