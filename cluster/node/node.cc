#include "cluster/node/node.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "cluster/node/runtime.h"
#include "core/base/check.h"

namespace causeway::node {
namespace {

// The sink loop's end. Answers come back as tasks of that loop.
class LoopOutbox final : public Outbox {
public:
    using Read = absl::AnyInvocable<void(std::string, std::uint64_t, std::uint64_t, Take)>;
    using Done = absl::AnyInvocable<void(std::string)>;
    using Watch =
        absl::AnyInvocable<void(absl::AnyInvocable<void(const std::vector<std::string>&)>)>;

    LoopOutbox(io::Loop& loop, Read read, Done done, Watch watch)
        : loop_(loop), read_(std::move(read)), done_(std::move(done)), watch_(std::move(watch)) {}

    void read(std::string_view sink, std::uint64_t after, std::uint64_t bytes_max,
              Take take) override {
        read_(std::string(sink), after, bytes_max,
              [&loop = loop_, take = std::move(take)](std::vector<OwedDelivery> owed,
                                                      SetMs now) mutable {
                  loop.post([owed = std::move(owed), now, take = std::move(take)]() mutable {
                      take(std::move(owed), now);
                  });
              });
    }

    void done(std::string_view sink, std::uint64_t n, bool delivered, std::string_view reason,
              std::string_view dead_letter) override {
        std::string command;
        encode(CommandHeader{}, OutboxDone{sink, n, delivered, reason, dead_letter}, command);
        done_(std::move(command));
    }

    void on_ready(absl::AnyInvocable<void(std::string_view)> ready) override {
        auto shared = std::make_shared<decltype(ready)>(std::move(ready));
        watch_([&loop = loop_, shared](const std::vector<std::string>& names) {
            loop.post([shared, names] {
                for (const std::string& name : names) {
                    (*shared)(name);
                }
            });
        });
    }

private:
    io::Loop& loop_;
    Read read_;
    Done done_;
    Watch watch_;
};

}  // namespace

// --- the runtime's part -------------------------------------------------------------------------

std::unique_ptr<Submitter> Node::Runtime::make_link(io::Loop& loop, SubmitterEvents& events) {
    StreamsOptions options;
    options.loop = loops_made_.load(std::memory_order_relaxed);
    CW_CHECK(options.loop < kLoopsMax, "a node has at most 256 loops");
    options.boot = identity_.boot;
    options.sets = sets_;
    options.slots = slots_;
    auto link = std::make_unique<GatewayLink>(
        loop, options, events, [this](FromLoop message) { from_loops_->push(std::move(message)); });
    loops_[options.loop].store(link.get(), std::memory_order_release);
    loops_made_.store(options.loop + 1, std::memory_order_release);
    loop_.post([this, id = options.loop] { core_->on_new_loop(id); });
    return link;
}

std::unique_ptr<Outbox> Node::Runtime::make_outbox(io::Loop& loop, GroupId set) {
    return std::make_unique<LoopOutbox>(
        loop,
        [this, set](std::string sink, std::uint64_t after, std::uint64_t bytes_max,
                    Outbox::Take take) {
            read_outbox(set, std::move(sink), after, bytes_max, std::move(take));
        },
        [this, set](std::string command) {
            loop_.post([this, set, command = std::move(command)] {
                if (Group* group = core_->group(set)) {
                    group->propose(command);
                }
            });
        },
        [this, set](SinkReady ready) { watch_sinks(set, std::move(ready)); });
}

void Node::Runtime::set_link_contexts(std::shared_ptr<ssl_ctx_st> server,
                                      std::shared_ptr<ssl_ctx_st> client, bool again) {
    loop_.post([this, server = std::move(server), client = std::move(client), again] {
        if (links_) {
            links_->set_contexts(server, client, again);
        }
    });
}

void Node::Runtime::watch_queues(io::Loop& loop,
                                 std::shared_ptr<const std::atomic<std::size_t>> waiters,
                                 absl::AnyInvocable<void(const std::vector<std::string>&)> ready) {
    auto shared = std::make_shared<decltype(ready)>(std::move(ready));
    const std::lock_guard lock(watchers_mutex_);
    queue_watchers_.push_back(
        {std::move(waiters), [&loop, shared](const std::vector<std::string>& names) {
             loop.post([shared, names] { (*shared)(names); });
         }});
}

void Node::Runtime::watch_sinks(GroupId set, SinkReady ready) {
    {
        const std::lock_guard lock(watchers_mutex_);
        sink_watchers_[set] = std::move(ready);
    }
    loop_.post([this, set] {
        if (core_->group(set) != nullptr) {
            tell_owed(set);
        }
    });
}

// What was owed before there was a watcher.
void Node::Runtime::tell_owed(GroupId set) {
    apply_thread_.ask(set, [this, set](replica::SetState& state) {
        std::vector<std::string> names;
        for (const QueueStatus& outbox : state.machine().statistics().outboxes) {
            if (outbox.messages != 0) {
                names.push_back(outbox.name);
            }
        }
        loop_.post([this, set, names = std::move(names)]() mutable {
            if (!names.empty() && core_->group(set)->serving()) {
                sinks_ready(set, std::move(names));
            }
        });
    });
}

void Node::Runtime::read_outbox(GroupId set, std::string sink, std::uint64_t after,
                                std::uint64_t bytes_max,
                                absl::AnyInvocable<void(std::vector<OwedDelivery>, SetMs)> take) {
    apply_thread_.ask(set, [sink = std::move(sink), after, bytes_max,
                            take = std::move(take)](replica::SetState& state) mutable {
        std::vector<OwedDelivery> owed;
        for (state::OutboxItem& item : state.machine().read_outbox(sink, after, bytes_max)) {
            owed.push_back(
                OwedDelivery{item.n, item.sent_at, std::move(item.key), std::move(item.request)});
        }
        take(std::move(owed), state.machine().time());
    });
}

void Node::Runtime::declare_queues(std::vector<QueueDeclaration> queues) {
    loop_.post([this, queues = std::move(queues)]() mutable {
        core_->view().queues = std::move(queues);
        for (const auto& [id, group] : core_->groups()) {
            group->propose_queues();
        }
    });
}

namespace {

// Asked of every set; handed on when the last has answered. Apply thread.
struct Collecting {
    NodeStatus status;
    std::size_t missing = 0;
};

void add(state::Statistics& sum, state::Statistics one) {
    sum.sessions += one.sessions;
    sum.attached += one.attached;
    sum.subscriptions += one.subscriptions;
    sum.inbox_messages += one.inbox_messages;
    sum.retained_messages += one.retained_messages;
    sum.retained_bytes += one.retained_bytes;
    sum.bodies += one.bodies;
    sum.records += one.records;
    sum.records_bytes += one.records_bytes;
    sum.counters += one.counters;
    sum.memory += one.memory;
    const auto add_queues = [](std::vector<QueueStatus>& into, std::vector<QueueStatus>& from) {
        for (QueueStatus& queue : from) {
            const auto same = std::find_if(into.begin(), into.end(), [&](const QueueStatus& other) {
                return other.name == queue.name;
            });
            if (same == into.end()) {
                into.push_back(std::move(queue));
                continue;
            }
            same->messages += queue.messages;
            same->leased += queue.leased;
            same->bytes += queue.bytes;
            same->sent += queue.sent;
            same->acknowledged += queue.acknowledged;
            same->expired += queue.expired;
            same->dead_lettered += queue.dead_lettered;
        }
    };
    add_queues(sum.queues, one.queues);
    add_queues(sum.outboxes, one.outboxes);
}

}  // namespace

void Node::Runtime::status(io::Loop& loop, absl::AnyInvocable<void(NodeStatus)> take) {
    loop_.post([this, &loop, take = std::move(take)]() mutable {
        auto all = std::make_shared<Collecting>();
        NodeStatus& status = all->status;
        status.disk_low = core_->view().disk_low;
        status.log = writer_->status();
        status.store = store_->status();
        status.serving = true;
        if (links_) {
            const link::AcceptedStatus accepted = links_->status().accepted;
            status.links_refused = accepted.certificates_refused + accepted.handshakes_refused;
        }
        for (const auto& [id, group] : core_->groups()) {
            const raft::Status raft = group->replica().status();
            SetStatus set;
            set.set = id;
            set.serving = group->serving();
            set.leader = core_->leader_of(id).node;
            set.term = raft.term.value();
            set.commit_index = raft.commit.value();
            set.applied_index = raft.applied.value();
            set.compacted_index = raft.compacted.value();
            set.last_index = raft.last.value();
            set.lacks_time = group->replica().lacks_time();
            set.receives_snapshot = group->receives_snapshot();
            status.serving = status.serving && set.leader.value() != 0;
            status.sets.push_back(set);
            const GroupCounters& counters = group->counters();
            status.commands += counters.commands;
            status.publishes += counters.publishes;
            status.unlogged += counters.unlogged;
            status.refused_disk += counters.refused_disk;
            status.gateways_down += counters.gateways_down;
        }
        for (const GroupId set : sets_) {
            if (core_->group(set) == nullptr) {
                SetStatus elsewhere;
                elsewhere.set = set;
                elsewhere.leader = core_->leader_of(set).node;
                elsewhere.term = core_->leader_of(set).term.value();
                status.serving = status.serving && elsewhere.leader.value() != 0;
                status.sets.push_back(elsewhere);
            }
        }
        std::sort(status.sets.begin(), status.sets.end(),
                  [](const SetStatus& a, const SetStatus& b) { return a.set < b.set; });
        // What a set has counted is the same on every replica: the one that leads tells it.
        std::vector<GroupId> led;
        for (const SetStatus& set : status.sets) {
            if (set.serving) {
                led.push_back(set.set);
            }
        }
        all->missing = led.size();
        auto shared = std::make_shared<decltype(take)>(std::move(take));
        if (led.empty()) {
            loop.post([all, shared] { (*shared)(std::move(all->status)); });
        }
        for (const GroupId set : led) {
            apply_thread_.ask(set, [&loop, all, shared](replica::SetState& state) {
                add(all->status.state, state.machine().statistics());
                all->status.ring_bytes += state.ring_bytes();
                if (--all->missing == 0) {
                    loop.post([all, shared] { (*shared)(std::move(all->status)); });
                }
            });
        }
    });
}

// --- Node --------------------------------------------------------------------------------------

Node::Node(std::unique_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}
Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::open(NodeOptions options, Clock& clock, Router& router,
                                         Fatal fatal) {
    auto runtime = std::make_unique<Runtime>(std::move(options), clock, router, std::move(fatal));
    if (auto opened = runtime->open(); !opened) {
        return tl::unexpected(opened.error());
    }
    return std::unique_ptr<Node>(new Node(std::move(runtime)));
}

void Node::stop() { runtime_->stop(); }

std::unique_ptr<Submitter> Node::link(io::Loop& loop, SubmitterEvents& events) {
    return runtime_->make_link(loop, events);
}

std::unique_ptr<Outbox> Node::outbox(io::Loop& loop, GroupId set) {
    return runtime_->make_outbox(loop, set);
}

const std::vector<GroupId>& Node::sets() const { return runtime_->sets(); }

void Node::declare_queues(std::vector<QueueDeclaration> queues) {
    runtime_->declare_queues(std::move(queues));
}

void Node::set_link_contexts(std::shared_ptr<ssl_ctx_st> server, std::shared_ptr<ssl_ctx_st> client,
                             bool again) {
    runtime_->set_link_contexts(std::move(server), std::move(client), again);
}

void Node::watch_queues(io::Loop& loop, std::shared_ptr<const std::atomic<std::size_t>> waiters,
                        absl::AnyInvocable<void(const std::vector<std::string>&)> ready) {
    runtime_->watch_queues(loop, std::move(waiters), std::move(ready));
}

void Node::status(io::Loop& loop, absl::AnyInvocable<void(NodeStatus)> take) {
    runtime_->status(loop, std::move(take));
}

void Node::view(io::Loop& loop, absl::AnyInvocable<void(ClusterView)> take) {
    runtime_->view(loop, std::move(take));
}
void Node::propose(io::Loop& loop, control::Command command,
                   absl::AnyInvocable<void(Answer)> take) {
    runtime_->propose(loop, std::move(command), std::move(take));
}
void Node::transfer(io::Loop& loop, GroupId set, NodeId to, absl::AnyInvocable<void(Answer)> take) {
    runtime_->transfer(loop, set, to, std::move(take));
}

void Node::watch_rules(io::Loop& loop, absl::AnyInvocable<void(control::RuleVersion)> take) {
    runtime_->watch_rules(loop, std::move(take));
}
void Node::watch_documents(io::Loop& loop, absl::AnyInvocable<void(SharedDocuments)> take) {
    runtime_->watch_documents(loop, std::move(take));
}
Clock& Node::clock() const { return runtime_->clock(); }
void Node::rules_active(std::uint64_t version) { runtime_->rules_active(version); }

std::uint64_t Node::id() const { return runtime_->id(); }

}  // namespace causeway::node
