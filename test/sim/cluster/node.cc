#include "test/sim/cluster/node.h"

#include <algorithm>

#include "cluster/wire/codec.h"
#include "cluster/wire/frame_reader.h"
#include "core/base/check.h"

namespace causeway::sim {
namespace {

constexpr TimeUs kTick = 10 * kMs;
constexpr TimeUs kMaintenance = 200 * kMs;
constexpr std::uint64_t kWallStart = 1'800'000'000'000;

}  // namespace

SimNode::SimNode(World& world, Network& network, ClusterChecker& checker, Router& router,
                 const NodeSettings& settings, NodeId id)
    : world_(world),
      network_(network),
      checker_(checker),
      router_(router),
      settings_(settings),
      id_(id),
      disk_(std::make_unique<SimDisk>()),
      uuid_(world.random.next() | 1U) {
    for (std::uint32_t set = 1; set <= settings_.sets; ++set) {
        kvs_.try_emplace(GroupId(set));
    }
}

SimNode::~SimNode() = default;

std::uint64_t SimNode::wall_ms() const {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(kWallStart + mono_ms()) +
                                      wall_offset_ms_);
}

node::Core* SimNode::core() { return process_ ? process_->core.get() : nullptr; }
SimGateway* SimNode::gateway() { return process_ ? process_->gateway.get() : nullptr; }
state::Machine& SimNode::machine(GroupId set) { return process_->states.at(set)->machine(); }

// --- the process -------------------------------------------------------------------------------

void SimNode::later(TimeUs delay, Action action) {
    if (!process_) {
        return;
    }
    world_.after(delay, [this, incarnation = incarnation_, action = std::move(action)]() mutable {
        if (incarnation != incarnation_) {
            return;
        }
        if (frozen_) {
            deferred_.push_back(std::move(action));
        } else {
            action();
        }
    });
}

void SimNode::freeze() {
    if (process_ && !frozen_) {
        frozen_ = true;
        network_.stopped(id_);
    }
}

void SimNode::thaw() {
    if (!frozen_) {
        return;
    }
    frozen_ = false;
    network_.resumed(id_);
    std::deque<Action> deferred;
    deferred.swap(deferred_);
    for (Action& action : deferred) {
        if (process_) {
            action();
        }
    }
}

bool SimNode::open_log() {
    wal::LogOptions options;
    options.segment_bytes = settings_.segment_bytes;
    options.log_id = uuid_;
    options.fill_slice_bytes = 64U << 10;
    auto log = wal::Log::open(*disk_, options);
    if (!log) {
        world_.fail("I17: node " + std::to_string(id_.value()) +
                    " cannot use its log: " + log.error().text());
        return false;
    }
    process_->log = std::move(*log);
    return true;
}

// As Node::Runtime::open_set.
bool SimNode::open_set(GroupId set) {
    MemoryKv& kv = kvs_.at(set);
    auto machine = std::make_unique<state::Machine>(kv);
    if (const auto loaded = machine->load(); !loaded) {
        world_.fail("a table is damaged: " + loaded.error().message);
        return false;
    }
    raft::Configuration bootstrap;
    for (std::uint64_t node = 1; node <= settings_.nodes; ++node) {
        bootstrap.voters.push_back(NodeId(node));
    }
    wal::Log& log = *process_->log;
    if (!replica::knows(log, set) && kv.applied().value() == 0) {
        const wal::Batch batch = replica::bootstrap_batch(set, bootstrap);
        log.run_jobs();
        CW_CHECK(log.stage(batch).has_value() && log.commit().has_value());
    }
    checker_.recovered(id_, set, log);
    auto start = replica::start_of(log, set, kv.applied(), bootstrap);
    if (!start) {
        world_.fail("I17: a set cannot start: " + start.error().message);
        return false;
    }
    auto& reader = process_->readers[set];
    reader = std::make_unique<replica::WalReader>(log, set);
    replica::ReplicaOptions options;
    options.group = set;
    options.raft.id = id_;
    options.raft.seed = world_.random.next();
    options.raft.entry_bytes_max = 320U << 10;
    options.raft.unapplied_bytes_max = settings_.unapplied_bytes_max;
    options.raft.message_bytes_max = settings_.message_bytes_max;
    options.entry_bytes_max = settings_.entry_bytes_max;
    options.appends_max = settings_.appends_max;
    if (const auto sound = raft::check_start(options.raft, *start, *reader); !sound) {
        world_.fail("I17: a set must not start: " + sound.error().message);
        return false;
    }
    process_->core->add_group(options, *start, *reader, *machine);
    process_->states[set] =
        std::make_unique<replica::SetState>(set, std::move(machine), *this, settings_.ring);
    return true;
}

void SimNode::start() {
    CW_CHECK(!process_);
    ++incarnation_;
    ++totals.starts;
    boot_ += 1 + world_.random.below(3);
    frozen_ = false;
    deferred_.clear();
    process_ = std::make_unique<Process>();
    world_.note("node " + std::to_string(id_.value()) + " starts");
    if (!open_log()) {
        return;
    }
    node::CoreOptions options;
    options.self = id_;
    options.uuid = uuid_;
    options.boot = boot_;
    for (const auto& [set, kv] : kvs_) {
        options.sets.push_back(set);
    }
    options.nodes = settings_.nodes;
    options.slots = SlotMap::even(GroupId(1), settings_.sets);
    process_->core = std::make_unique<node::Core>(options, *this, router_, *this);
    process_->core->view().limits.inbox_messages_max = 100'000;
    for (const auto& [set, kv] : kvs_) {
        if (!open_set(set)) {
            return;
        }
    }
    node::StreamsOptions streams;
    streams.sets = options.sets;
    streams.slots = options.slots;
    streams.window_commands = settings_.window_commands;
    process_->gateway = std::make_unique<SimGateway>(world_, *this, streams, settings_.limits,
                                                     world_.random.next());
    later(0, [this] {
        process_->core->on_new_loop(0);
        turn();
    });
    if (settings_.nodes == 1) {
        for (const auto& [set, group] : process_->core->groups()) {
            group->replica().campaign();
        }
    }
    turn();
    tick();
    later(world_.random.below(kMaintenance), [this] { maintain(); });
    network_.started(id_);
}

void SimNode::crash(bool power) {
    if (!process_) {
        return;
    }
    world_.note("node " + std::to_string(id_.value()) + (power ? " loses power" : " is killed"));
    if (power && !process_->committing.empty() && world_.random.chance(2, 3)) {
        crash_in_commit();
    } else {
        if (!process_->committing.empty() && world_.random.chance(1, 2)) {
            commit_staged();  // it is on the disk, and nobody was told
        }
        disk_ = power ? disk_->crash(world_.random) : disk_->kill();
    }
    // Not under the process any more: its gateway tells its devices.
    ++incarnation_;
    frozen_ = false;
    deferred_.clear();
    if (process_->gateway) {
        process_->gateway->die(power);
    }
    count_process();
    process_.reset();
    for (auto& [set, kv] : kvs_) {
        kv.crash();
    }
    network_.died(id_, power && world_.random.chance(1, 3));
}

// The power fails at one of the writes, syncs and renames of the commit under way.
void SimNode::crash_in_commit() {
    ++totals.crashes_in_commit;
    std::unique_ptr<SimDisk> left;
    std::uint64_t countdown = world_.random.below(6);
    SimDisk* disk = disk_.get();
    disk->on_change([&] {
        if (!left && countdown-- == 0) {
            left = disk->crash(world_.random);
        }
    });
    commit_staged();
    disk->on_change({});
    disk_ = left ? std::move(left) : disk_->crash(world_.random);
}

void SimNode::count_process() {
    for (const auto& [set, group] : process_->core->groups()) {
        totals.gateways_down += group->counters().gateways_down;
    }
    if (process_->gateway) {
        totals.streams_lost += process_->gateway->streams().streams_lost();
    }
}

void SimNode::turn() {
    if (!process_ || process_->turn_pending) {
        return;
    }
    process_->turn_pending = true;
    later(world_.random.below(50), [this] {
        process_->turn_pending = false;
        process_->core->end_turn();
        observe();
    });
}

void SimNode::observe() {
    for (const auto& [set, group] : process_->core->groups()) {
        const replica::Replica& replica = group->replica();
        if (replica.leader() == id_) {
            checker_.leads(id_, set, replica.term());
            if (world_.random.chance(1, 8)) {
                checker_.status(id_, set, replica.status());
            }
        }
    }
}

void SimNode::tick() {
    later(kTick * 1000 / rate_, [this] {
        process_->core->on_tick();
        turn();
        tick();
    });
}

// Flushes the tables now and then, and lets the log forget what every replica has flushed: nobody
// lags behind the log.
void SimNode::maintain() {
    later(kMaintenance, [this] { maintain(); });
    if (!world_.random.chance(kMaintenance, settings_.flush_every)) {
        return;
    }
    for (auto& [set, kv] : kvs_) {
        kv.flush();
        Index floor = kv.flushed_applied();
        for (const auto& peer : *peers_) {
            floor = std::min(floor, peer->kv(set).flushed_applied());
        }
        replica::Replica& replica = process_->core->group(set)->replica();
        if (auto batch = replica.compact(std::min(floor, replica.applied()))) {
            ++totals.compactions;
            append(set, 0, std::move(*batch));
        }
    }
    turn();
}

void SimNode::transfer(GroupId set, NodeId to) {
    if (process_ && !frozen_) {
        process_->core->group(set)->replica().transfer_leadership(to);
        turn();
    }
}

// --- the log -----------------------------------------------------------------------------------

void SimNode::append(GroupId group, std::uint64_t seq, wal::Batch batch) {
    checker_.appending(id_, batch);
    process_->to_append.push_back(Append{group, seq, std::move(batch)});
    begin_commit();
}

void SimNode::begin_commit() {
    if (!process_->committing.empty() || process_->to_append.empty()) {
        return;
    }
    for (Append& append : process_->to_append) {
        process_->committing.push_back(std::move(append));
    }
    process_->to_append.clear();
    later(disk_extra_ + world_.delay(settings_.sync_min, settings_.sync_max),
          [this] { finish_commit(); });
}

// Stages and commits all that is under way. False: the log refused it.
bool SimNode::commit_staged() {
    wal::Log& log = *process_->log;
    const auto commit = [&] {
        auto done = log.commit();
        for (int tries = 0; !done && done.error().fault == wal::LogFault::kNoSpace && tries < 4;
             ++tries) {
            log.run_jobs();
            done = log.commit();
        }
        if (!done) {
            world_.fail("the log of node " + std::to_string(id_.value()) +
                        " failed: " + done.error().text());
        }
        ++totals.syncs;
        return done.has_value();
    };
    log.run_jobs();
    for (const Append& append : process_->committing) {
        if (log.staged_bytes() != 0 &&
            log.staged_bytes() + wal::Log::staged_bytes_of(append.batch) > log.batch_bytes_max() &&
            !commit()) {
            return false;
        }
        if (const auto staged = log.stage(append.batch); !staged) {
            world_.fail("an append was refused: " + staged.error().text());
            return false;
        }
    }
    return commit();
}

void SimNode::finish_commit() {
    if (!commit_staged()) {
        return;
    }
    std::vector<Append> done;
    done.swap(process_->committing);
    for (const Append& append : done) {
        checker_.durable(id_, append.batch);
        if (append.seq != 0) {
            later(process_->appended.next(world_.now(), world_.random.below(100)),
                  [this, group = append.group, seq = append.seq] {
                      process_->core->on_appended(group, seq);
                      turn();
                  });
        }
    }
    begin_commit();
}

// --- the applied side --------------------------------------------------------------------------

void SimNode::apply(GroupId group, replica::Work work) {
    if (const auto* entries = std::get_if<replica::ApplyEntries>(&work)) {
        for (const raft::Entry& entry : entries->entries) {
            checker_.applying(id_, group, entry);
        }
    }
    process_->to_apply.push_back(Task{group, std::move(work)});
    run_apply();
}

void SimNode::list_streams(GroupId group) {
    process_->to_apply.push_back(
        Task{group, Action([this, group] {
                 auto streams = process_->states.at(group)->machine().live_streams();
                 later(process_->applied.next(world_.now(), world_.random.below(100)),
                       [this, group, streams = std::move(streams)] {
                           process_->core->on_streams(group, streams);
                           turn();
                       });
             })});
    run_apply();
}

void SimNode::run_apply() {
    if (process_->applying || process_->to_apply.empty()) {
        return;
    }
    process_->applying = true;
    later(world_.delay(10, settings_.apply_max), [this] {
        process_->applying = false;
        std::size_t count = 1 + world_.random.below(process_->to_apply.size());
        std::vector<GroupId> touched;
        for (; count > 0; --count) {
            Task task = std::move(process_->to_apply.front());
            process_->to_apply.pop_front();
            if (auto* action = std::get_if<Action>(&task.work)) {
                (*action)();
                continue;
            }
            process_->states.at(task.group)->take(std::get<replica::Work>(task.work));
            touched.push_back(task.group);
        }
        std::sort(touched.begin(), touched.end());
        touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
        for (const GroupId group : touched) {
            process_->states.at(group)->finish();
        }
        run_apply();
    });
}

void SimNode::on_applied(replica::Applied& applied) {
    later(process_->applied.next(world_.now(), world_.random.below(200)),
          [this, applied = std::move(applied)]() mutable {
              process_->core->on_applied(applied);
              turn();
          });
}

template <typename Message>
void SimNode::answer(const replica::Route& to, const Message& message) {
    if (to.address.node == id_) {
        tell_loop(to.address.loop, message);
        return;
    }
    std::string bytes;
    wire::append(message, bytes);
    later(process_->outgoing.next(world_.now(), world_.random.below(100)),
          [this, node = to.address.node, bytes = std::move(bytes)]() mutable {
              ++totals.frames;
              network_.send(id_, node, std::move(bytes));
          });
}

void SimNode::on_opened(GroupId group, const replica::Route& to, StreamId stream, Index index) {
    answer(to, wire::StreamOpened{group, to.address.loop, to.attachment, stream, index});
}

void SimNode::on_welcome(GroupId group, const replica::Route& to, std::uint64_t applied_seq) {
    answer(to, wire::Welcome{group, to.address.loop, to.attachment, applied_seq});
}

void SimNode::on_refused(GroupId group, const replica::Route& to, replica::AttachRefusal why) {
    using Reason = wire::StreamRefused::Reason;
    answer(to, wire::StreamRefused{
                   group, to.address.loop, to.attachment,
                   why == replica::AttachRefusal::kGap ? Reason::kGap : Reason::kDead, NodeId{}});
}

void SimNode::on_news(GroupId group, const replica::Route& to, Index upto,
                      std::shared_ptr<const StreamOutputs> outputs) {
    if (to.address.node == id_) {
        tell_loop(to.address.loop, node::LocalNews{group, to.attachment, upto, std::move(outputs)});
        return;
    }
    wire::StreamNews news{group, to.address.loop, to.attachment, upto, {}, 0};
    if (outputs) {
        news.outputs = *outputs;
    }
    answer(to, news);
}

// --- frames and messages -----------------------------------------------------------------------

void SimNode::send(NodeId to, const wire::Frame& frame) {
    if (to == id_) {
        from_loop(node::FromLoop{to, frame});
        return;
    }
    if (const auto* raft = std::get_if<wire::RaftFrame>(&frame)) {
        checker_.sending(id_, raft->group, raft->message);
    }
    ++totals.frames;
    std::string bytes;
    wire::append(frame, bytes);
    network_.send(id_, to, std::move(bytes));
}

void SimNode::on_bytes(NodeId from, std::string bytes) {
    wire::FrameReader reader;
    const bool whole = reader.feed(bytes, [&](std::uint8_t type, SharedBytes body) {
        auto frame = wire::decode(type, body);
        if (!frame) {
            return false;
        }
        process_->core->on_frame(from, *frame);
        return true;
    });
    if (!whole) {
        world_.fail("a frame of node " + std::to_string(from.value()) + " is malformed");
    }
    turn();
}

void SimNode::from_loop(node::FromLoop message) {
    later(process_->from_loops.next(world_.now(), world_.random.below(100)),
          [this, message = std::move(message)]() mutable {
              process_->core->on_loop(message);
              turn();
          });
}

void SimNode::tell_loop(wire::LoopId loop, node::ToLoop message) {
    if (loop != 0) {
        return;
    }
    later(process_->to_loops.next(world_.now(), world_.random.below(100)),
          [this, message = std::move(message)]() mutable {
              std::vector<node::ToLoop> messages;
              messages.push_back(std::move(message));
              process_->gateway->take(messages);
          });
}

void SimNode::tell_loops(const node::ToLoop& message) { tell_loop(0, message); }

void SimNode::role_changed(GroupId set, bool serving) {
    world_.note("node " + std::to_string(id_.value()) + (serving ? " serves" : " leaves") +
                " set " + std::to_string(set.value()));
    turn();
}

void SimNode::on_connected(NodeId peer) {
    process_->core->on_connected(peer);
    turn();
}
void SimNode::on_disconnected(NodeId peer) {
    process_->core->on_disconnected(peer);
    turn();
}
void SimNode::on_peer_up(NodeId peer) {
    const SimNode& other = *(*peers_)[peer.value() - 1];
    process_->core->on_peer_up(peer, other.uuid_, other.boot_);
    turn();
}
void SimNode::on_peer_down(NodeId peer) {
    process_->core->on_peer_down(peer);
    turn();
}

}  // namespace causeway::sim
