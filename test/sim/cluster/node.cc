#include "test/sim/cluster/node.h"

#include <algorithm>
#include <limits>

#include "cluster/wire/codec.h"
#include "cluster/wire/frame_reader.h"
#include "core/base/check.h"
#include "core/replica/snapshot_install.h"

namespace causeway::sim {
namespace {

constexpr TimeUs kNodeTick = 10 * kMs;
constexpr TimeUs kMaintenance = 200 * kMs;
constexpr TimeUs kStalled = 20 * kMs;  // until a commit without space is tried again
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
    fill_disk(false);  // without room there is no start
    auto log = wal::Log::open(*disk_, options);
    if (!log && damage_ && log.error().fault == wal::LogFault::kCorrupt &&
        log.error().file == damage_->file) {
        world_.note("node " + std::to_string(id_.value()) + " stops: " + log.error().text());
        ++totals.damaged_stops;
        process_.reset();
        return false;
    }
    if (!log || damage_) {
        world_.fail(damage_ ? "I17: node " + std::to_string(id_.value()) +
                                  " does not notice that its log is damaged"
                            : "I17: node " + std::to_string(id_.value()) +
                                  " cannot use its log: " + log.error().text());
        return false;
    }
    process_->log = std::move(*log);
    return true;
}

// A crash between installing a snapshot and logging it: the log is told now.
bool SimNode::record_snapshot(GroupId set) {
    wal::Log& log = *process_->log;
    auto unrecorded = replica::unrecorded_snapshot(set, replica::summary_of(log, set),
                                                   kvs_.at(set).snapshot_meta());
    if (!unrecorded) {
        world_.fail("the origin of a table is damaged: " + unrecorded.error().message);
        return false;
    }
    if (*unrecorded) {
        ++totals.snapshots_recorded_late;
        checker_.appending(id_, **unrecorded);
        log.run_jobs();
        CW_CHECK(log.stage(**unrecorded).has_value() && log.commit().has_value());
        checker_.durable(id_, **unrecorded);
    }
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
    note_table(set);
    checker_.recovered(id_, set, log);
    if (!record_snapshot(set)) {
        return false;
    }
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
        std::make_unique<replica::SetState>(set, std::move(machine), *this, settings_.ring, 3);
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
    set_capacity();
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
            if (group->serving()) {
                checker_.serves(id_, set, replica.term(), replica.status().applied);
            }
            if (world_.random.chance(1, 8)) {
                checker_.status(id_, set, replica.status());
            }
        }
    }
}

void SimNode::tick() {
    later(kNodeTick * 1000 / rate_, [this] {
        process_->core->on_tick();
        turn();
        tick();
    });
}

// Flushes the tables now and then, and lets the log forget what is flushed: who is further behind
// is given the state.
void SimNode::maintain() {
    later(kMaintenance, [this] { maintain(); });
    watch_disk();
    if (!world_.random.chance(kMaintenance, settings_.flush_every)) {
        return;
    }
    for (auto& [set, kv] : kvs_) {
        kv.flush();
        note_table(set);
        node::Group& group = *process_->core->group(set);
        replica::Replica& replica = group.replica();
        std::uint64_t upto =
            std::min({kv.flushed_applied(), replica.applied(), group.compaction_limit()}).value();
        upto -= std::min(upto, settings_.kept_entries);
        if (auto batch = replica.compact(Index(upto))) {
            ++totals.compactions;
            append(set, 0, std::move(*batch));
        }
    }
    turn();
}

// As Node::Runtime::watch_disk.
void SimNode::watch_disk() {
    const wal::LogStatus log = process_->log->status();
    const std::uint64_t reserve = settings_.segment_bytes;
    bool& low = process_->core->view().disk_low;
    const std::uint64_t need = low ? reserve * 2 : reserve;
    low = disk_->free_bytes().value_or(0) < need || process_->stalled ||
          log.free_reserve_bytes < settings_.segment_bytes / 4;
}

void SimNode::fill_disk(bool full) {
    disk_full_ = full;
    set_capacity();
}

void SimNode::set_capacity() {
    disk_->set_capacity(disk_full_ ? disk_->used_bytes()
                                   : std::numeric_limits<std::uint64_t>::max());
}

bool SimNode::crash_damaged() {
    if (!process_) {
        return false;
    }
    crash(true);
    const auto names = disk_->list();
    for (int tries = 0; tries < 20 && !names->empty(); ++tries) {
        Damage damage;
        damage.file = (*names)[world_.random.below(names->size())];
        const std::string& content = disk_->content(damage.file);
        if (content.empty()) {
            continue;
        }
        damage.offset = world_.random.below(content.size());
        damage.bit = static_cast<unsigned>(world_.random.below(8));
        if (content[damage.offset] != 0 && refuses(damage)) {
            disk_->flip_bit(damage.file, damage.offset, damage.bit);
            damage_ = damage;
            return true;
        }
    }
    return false;
}

// What is behind the last whole batch, or free, may be anything: only damage that the log must
// notice is done to a node. That it notices all it must is shown by test/core/wal.
bool SimNode::refuses(const Damage& damage) const {
    const std::unique_ptr<SimDisk> copy = disk_->kill();
    copy->flip_bit(damage.file, damage.offset, damage.bit);
    wal::LogOptions options;
    options.segment_bytes = settings_.segment_bytes;
    options.log_id = uuid_;
    const auto log = wal::Log::open(*copy, options);
    return !log && log.error().fault == wal::LogFault::kCorrupt;
}

void SimNode::repair() {
    if (damage_) {
        disk_->flip_bit(damage_->file, damage_->offset, damage_->bit);
        damage_.reset();
    }
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

// Stages and commits all that is under way; after kNoSpace it goes on where it was.
SimNode::Commit SimNode::commit_staged() {
    wal::Log& log = *process_->log;
    const auto commit = [&] {
        auto done = log.commit();
        for (int tries = 0; !done && done.error().fault == wal::LogFault::kNoSpace && tries < 4;
             ++tries) {
            log.run_jobs();
            done = log.commit();
        }
        ++totals.syncs;
        if (done) {
            return Commit::kDone;
        }
        if (disk_full_ && done.error().fault == wal::LogFault::kNoSpace) {
            ++totals.stalls;
            return Commit::kNoSpace;
        }
        world_.fail("the log of node " + std::to_string(id_.value()) +
                    " failed: " + done.error().text());
        return Commit::kFailed;
    };
    log.run_jobs();
    for (; process_->staged < process_->committing.size(); ++process_->staged) {
        const wal::Batch& batch = process_->committing[process_->staged].batch;
        if (log.staged_bytes() != 0 &&
            log.staged_bytes() + wal::Log::staged_bytes_of(batch) > log.batch_bytes_max()) {
            if (const Commit done = commit(); done != Commit::kDone) {
                return done;
            }
        }
        if (const auto staged = log.stage(batch); !staged) {
            world_.fail("an append was refused: " + staged.error().text());
            return Commit::kFailed;
        }
    }
    return commit();
}

void SimNode::finish_commit() {
    const Commit outcome = commit_staged();
    process_->stalled = outcome == Commit::kNoSpace;
    if (process_->stalled) {
        later(kStalled, [this] { finish_commit(); });
    }
    if (outcome != Commit::kDone) {
        return;
    }
    process_->staged = 0;
    std::vector<Append> done;
    done.swap(process_->committing);
    for (const Append& append : done) {
        checker_.durable(id_, append.batch);
        if (append.batch.replaces_log) {
            step(SnapshotStep::kLogged);
        }
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
