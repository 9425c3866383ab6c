#include "cluster/node/runtime.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <utility>

#include "cluster/wire/codec.h"
#include "core/replica/snapshot_install.h"

namespace causeway::node {
namespace {

constexpr std::uint64_t kTickMs = 10;
constexpr std::uint64_t kMaintenanceMs = 200;
// The store reserves 4 MiB for its manifest and writes a few small files.
constexpr std::uint64_t kStartBytes = 8U << 20;
// Of a snapshot: small, so that heartbeats do not wait behind it.
constexpr std::size_t kPieceBytes = 256U << 10;

}  // namespace

Node::Runtime::Runtime(NodeOptions options, Clock& clock, Router& router, Fatal fatal)
    : options_(std::move(options)), clock_(clock), fatal_(std::move(fatal)), router_(router) {
    for (std::uint32_t set = 1; set <= options_.sets; ++set) {
        sets_.emplace_back(set);
    }
    slots_ = SlotMap::even(sets_.front(), options_.sets);
}

Node::Runtime::~Runtime() {
    stop();
    drop_loop_parts();
}

// What hangs on the loop goes before the loop.
void Node::Runtime::drop_loop_parts() {
    hook_ = {};
    tick_.reset();
    maintenance_.reset();
    links_.reset();
}

Result<> Node::Runtime::open() {
    auto identity = load_identity(options_.data_dir, options_.random);
    if (!identity) {
        return tl::unexpected(identity.error());
    }
    identity_ = *identity;
    if (auto opened = open_disk(); !opened) {
        return opened;
    }
    // The store first: the log takes space for its next segment as soon as it is open.
    if (auto opened = open_store(); !opened) {
        return opened;
    }
    if (auto opened = open_log(); !opened) {
        return opened;
    }
    open_mailboxes();
    if (auto opened = open_sets(); !opened) {
        return opened;
    }
    if (auto opened = open_links(); !opened) {
        return opened;
    }
    apply_thread_.start();
    thread_ = std::thread([this] { run(); });
    return {};
}

// RocksDB cannot be trusted to open without space: it aborts where a write of its files is cut.
Result<> Node::Runtime::open_store() {
    const auto free_bytes = disk_->free_bytes();
    if (free_bytes && *free_bytes < kStartBytes) {
        return fail(options_.data_dir + ": no space: " + std::to_string(*free_bytes) +
                    " bytes are free and a start takes " + std::to_string(kStartBytes) +
                    "; free some on this file system and start again");
    }
    store::StoreOptions store_options;
    store_options.write_buffer_bytes = options_.store_write_buffer_bytes;
    store_options.block_cache_bytes = options_.store_cache_bytes;
    store_options.fatal = fatal_;
#if CAUSEWAY_FAULTS
    store_options.write_behind = options_.store_write_behind;
    store_options.ignore_sync = options_.store_sync_is_noop;
#endif
    auto store = store::Store::open(options_.data_dir + "/store", store_options);
    if (!store) {
        return tl::unexpected(store.error());
    }
    store_ = std::move(*store);
    return {};
}

Result<> Node::Runtime::open_disk() {
    const std::string directory = options_.data_dir + "/wal";
    disk_ = options_.disk;
    if (disk_ == nullptr) {
        std::error_code error;
        std::filesystem::create_directories(directory, error);
        auto disk = wal::PosixDisk::open(directory);
        if (!disk) {
            return fail(disk.error().message);
        }
        posix_disk_ = std::move(*disk);
        disk_ = posix_disk_.get();
    }
    return {};
}

Result<> Node::Runtime::open_log() {
    options_.log.log_id = identity_.id;
    auto log = wal::Log::open(*disk_, options_.log);
    if (!log) {
        return fail("the write-ahead log in " + options_.data_dir + "/wal" +
                    " cannot be used: " + log.error().text());
    }
    writer_ = std::make_unique<wal::Writer>(*disk_, std::move(*log), options_.writer);
    return {};
}

void Node::Runtime::open_mailboxes() {
    from_loops_ =
        std::make_unique<io::Mailbox<FromLoop>>(loop_, [this](std::vector<FromLoop>& messages) {
            for (FromLoop& message : messages) {
                core_->on_loop(message);
            }
        });
    applied_ = std::make_unique<io::Mailbox<replica::Applied>>(
        loop_, [this](std::vector<replica::Applied>& all) {
            for (replica::Applied& applied : all) {
                core_->on_applied(applied);
            }
        });
    appended_ = std::make_unique<io::Mailbox<Appended>>(loop_, [this](std::vector<Appended>& all) {
        for (const Appended& appended : all) {
            core_->on_appended(appended.group, appended.seq);
        }
    });
}

Result<> Node::Runtime::open_links() {
    outgoing_ = std::make_unique<io::Mailbox<Outgoing>>(loop_, [this](std::vector<Outgoing>& all) {
        for (const Outgoing& outgoing : all) {
            if (links_) {
                links_->send(outgoing.to, outgoing.frames);
            }
        }
    });
    if (options_.members.size() < 2) {
        return {};
    }
    link::LinkOptions options;
    options.self = options_.self;
    options.cluster_id = options_.cluster;
    options.node_uuid = identity_.id;
    options.boot = identity_.boot;
    options.server = options_.link_server;
    options.client = options_.link_client;
    options.seed = options_.random;
    std::vector<link::PeerAddress> peers;
    for (const Member& member : options_.members) {
        if (member.id == options_.self) {
            options.name = member.name;
            options.host = member.host;
            options.port = member.port;
        } else {
            peers.push_back(link::PeerAddress{member.id, member.name, member.host, member.port});
        }
    }
    auto links = link::Links::open(loop_, options, *this);
    if (!links) {
        return tl::unexpected(links.error());
    }
    links_ = std::move(*links);
    links_->set_peers(std::move(peers));
    return {};
}

Result<> Node::Runtime::open_sets() {
    CoreOptions options;
    options.self = options_.self;
    options.uuid = identity_.id;
    options.boot = identity_.boot;
    options.sets = sets_;
    options.slots = slots_;
    options.nodes = std::max<std::size_t>(1, options_.members.size());
    core_ = std::make_unique<Core>(options, clock_, router_, *this);
    core_->view().limits = options_.limits;
    for (const GroupId set : sets_) {
        if (auto opened = open_set(set); !opened) {
            return opened;
        }
    }
    return {};
}

Result<> Node::Runtime::append_and_wait(wal::Batch batch) {
    std::promise<bool> written;
    const auto appended = writer_->append(std::move(batch), [&](const wal::AppendOutcome& outcome) {
        written.set_value(outcome.result.has_value());
    });
    if (!appended || !written.get_future().get()) {
        return fail("the write-ahead log in " + options_.data_dir + " cannot be written");
    }
    return {};
}

Result<> Node::Runtime::open_set(GroupId set) {
    Held& held = held_[set];
    held.kv = store_->kv(set);
    auto machine = std::make_unique<state::Machine>(*held.kv);
    if (auto loaded = machine->load(); !loaded) {
        return loaded;
    }
    raft::Configuration bootstrap;
    for (const Member& member : options_.members) {
        bootstrap.voters.push_back(member.id);
    }
    if (bootstrap.voters.empty()) {
        bootstrap.voters.push_back(options_.self);
    }
    if (!replica::knows(writer_->log(), set) && held.kv->applied().value() == 0) {
        if (auto written = append_and_wait(replica::bootstrap_batch(set, bootstrap)); !written) {
            return written;
        }
    }
    // A crash between installing a snapshot and logging it: the log is told now.
    auto unrecorded = replica::unrecorded_snapshot(set, replica::summary_of(writer_->log(), set),
                                                   store_->snapshot_meta(set));
    if (!unrecorded) {
        return tl::unexpected(unrecorded.error());
    }
    if (*unrecorded) {
        if (auto written = append_and_wait(std::move(**unrecorded)); !written) {
            return written;
        }
    }
    auto start = replica::start_of(writer_->log(), set, held.kv->applied(), bootstrap);
    if (!start) {
        return tl::unexpected(start.error());
    }
    held.reader = std::make_unique<replica::WalReader>(writer_->log(), set);
    replica::ReplicaOptions options;
    options.group = set;
    options.raft.id = options_.self;
    options.raft.seed = options_.random + set.value();
    options.raft.entry_bytes_max = 8U << 20;
    if (auto sound = raft::check_start(options.raft, *start, *held.reader); !sound) {
        return sound;
    }
    core_->add_group(options, *start, *held.reader, *machine);
    replica::RingLimits ring;
    // Nobody attaches again where there is no other node to go to.
    ring.bytes_max = options_.members.size() > 1 ? ring.bytes_max : 0;
    apply_thread_.add(set,
                      std::make_unique<replica::SetState>(set, std::move(machine), *this, ring));
    return {};
}

void Node::Runtime::run() {
    tick_ = std::make_unique<io::Timer>(loop_, [this] { core_->on_tick(); });
    tick_->start(kTickMs, kTickMs);
    maintenance_ = std::make_unique<io::Timer>(loop_, [this] { on_maintenance(); });
    maintenance_->start(0, kMaintenanceMs);
    flushed_at_ = clock_.mono_ms();
    hook_ = loop_.at_turn_end([this] { core_->end_turn(); });
    if (options_.members.size() <= 1) {
        for (const auto& [id, group] : core_->groups()) {
            group->replica().campaign();
        }
    }
    loop_.run();
    drop_loop_parts();
}

// --- the log -----------------------------------------------------------------------------------

void Node::Runtime::append(GroupId group, std::uint64_t seq, wal::Batch batch) {
    for (const wal::Entry& entry : batch.entries) {
        logged_bytes_ += entry.payload.size();
    }
    const auto queued =
        writer_->append(std::move(batch), [this, group, seq](const wal::AppendOutcome& outcome) {
            if (!outcome.result) {
                fatal_("the write-ahead log failed: " + outcome.result.error().text());
                return;
            }
            if (seq != 0) {
                appended_->push(Appended{group, seq});
            }
        });
    // The queue holds more than raft's window, and an entry is far below half a segment.
    if (!queued && queued.error() != wal::AppendRefusal::kStopped) {
        fatal_("the write-ahead log refused an append within its limits");
    }
}

void Node::Runtime::watch_disk() {
    const wal::WriterStatus log = writer_->status();
    const auto free_bytes = disk_->free_bytes();
    const std::uint64_t free = free_bytes ? *free_bytes : 0;
    bool& low = core_->view().disk_low;
    // Twice the reserve ends the shortage, so that it does not flicker.
    const std::uint64_t need = low ? options_.disk_reserve_bytes * 2 : options_.disk_reserve_bytes;
    low = free < need || log.stalled || log.log.free_reserve_bytes < options_.log.segment_bytes / 4;
}

void Node::Runtime::on_maintenance() {
    watch_disk();
    const bool due = logged_bytes_ >= options_.flush_bytes ||
                     clock_.mono_ms() - flushed_at_ >= options_.flush_interval_s * 1000ULL ||
                     writer_->status().log.over_limit;
    if (due && !flushing_ && logged_bytes_ != 0) {
        flushing_ = true;
        logged_bytes_ = 0;
        flushed_at_ = clock_.mono_ms();
        for (auto& [set, held] : held_) {
            held.flush_target = core_->group(set)->replica().applied();
        }
        store_->flush_async();
        return;
    }
    if (!flushing_) {
        return;
    }
    // Reading the store may block, so the apply thread does it.
    for (const auto& [set, held] : held_) {
        apply_thread_.ask(set, [this, set = set](replica::SetState&) {
            loop_.post(
                [this, set, flushed = store_->flushed_applied(set)] { on_flushed(set, flushed); });
        });
    }
}

void Node::Runtime::on_flushed(GroupId set, Index applied) {
    Held& held = held_.at(set);
    if (applied < held.flush_target || !flushing_) {
        return;
    }
    held.flush_target = Index{};
    flushing_ = std::any_of(held_.begin(), held_.end(),
                            [](const auto& item) { return item.second.flush_target != Index{}; });
    Group& group = *core_->group(set);
    replica::Replica& replica = group.replica();
    std::uint64_t upto = std::min({applied, replica.applied(), group.compaction_limit()}).value();
    // A replica that was away for a while is given entries rather than the whole state.
    const std::uint64_t kept = options_.members.size() > 1 && !writer_->status().log.over_limit
                                   ? options_.kept_entries
                                   : 0;
    upto -= std::min(upto, kept);
    // The machine drops its cache first, then the log forgets.
    if (auto batch = replica.compact(Index(upto))) {
        append(set, 0, std::move(*batch));
    }
}

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

// --- snapshots ---------------------------------------------------------------------------------

void Node::Runtime::open_snapshot(GroupId group) {
    apply_thread_.ask(group, [this, group, &held = held_.at(group)](replica::SetState& state) {
        state.finish();  // what was applied in this batch is committed first
        held.snapshot = store_->snapshot_reader(group);
        loop_.post([this, group, applied = held.snapshot->applied()] {
            core_->on_snapshot_opened(group, applied);
        });
    });
}

void Node::Runtime::close_snapshot(GroupId group) {
    apply_thread_.ask(group,
                      [&held = held_.at(group)](replica::SetState&) { held.snapshot.reset(); });
}

void Node::Runtime::read_snapshot(GroupId group, NodeId to, replica::TransferId transfer,
                                  const state::SnapshotPosition& at) {
    apply_thread_.ask(
        group, [this, group, to, transfer, at, &held = held_.at(group)](replica::SetState&) {
            if (!held.snapshot) {
                return;
            }
            loop_.post([this, group, to, transfer,
                        piece = replica::read_piece(*held.snapshot, at, kPieceBytes)] {
                core_->on_snapshot_piece(group, to, transfer, piece);
            });
        });
}

void Node::Runtime::take_snapshot(GroupId group, bool begin) {
    apply_thread_.ask(group, [this, group, begin, &held = held_.at(group)](replica::SetState&) {
        if (held.installer) {
            held.installer->abandon();
            held.installer.reset();
        }
        if (begin) {
            held.installer = store_->snapshot_installer(group);
        }
    });
}

void Node::Runtime::add_snapshot(GroupId group, replica::TransferId transfer, std::uint64_t number,
                                 const SharedBytes& bytes) {
    apply_thread_.ask(
        group, [this, group, transfer, number, bytes, &held = held_.at(group)](replica::SetState&) {
            const bool added = held.installer && held.installer->add(bytes.view()).has_value();
            loop_.post([this, group, transfer, number, added] {
                core_->on_snapshot_added(group, transfer, number, added);
            });
        });
}

void Node::Runtime::install_snapshot(GroupId group, const raft::SnapshotMeta& meta) {
    apply_thread_.ask(group, [this, group, meta, &held = held_.at(group)](
                                 replica::SetState& state) { install(held, state, group, meta); });
}

// Apply thread. Until it is done this replica has no state to go on with: it waits for space.
void Node::Runtime::install(Held& held, replica::SetState& state, GroupId set,
                            const raft::SnapshotMeta& meta) {
    constexpr auto kAgain = std::chrono::milliseconds(100);
    state.finish();
    while (!held.installer->finish(meta.index, replica::encode(meta))) {
        if (stopping_) {
            return;
        }
        std::this_thread::sleep_for(kAgain);
    }
    held.installer.reset();
    held.snapshot.reset();
    state.drop();
    held.kv.reset();
    held.kv = store_->kv(set);
    auto machine = std::make_unique<state::Machine>(*held.kv);
    if (auto loaded = machine->load(); !loaded) {
        fatal_(loaded.error().message);
        return;
    }
    state.replace(std::move(machine));
    loop_.post([this, set] { core_->on_snapshot_installed(set); });
}

void Node::Runtime::send(NodeId to, const wire::Frame& frame) {
    if (to == options_.self) {
        from_loops_->push(FromLoop{to, frame});
        return;
    }
    if (links_) {
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
    if (queue_watcher_) {
        queue_watcher_(std::move(queues));
    }
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

void Node::Runtime::on_applied(replica::Applied& applied) { applied_->push(std::move(applied)); }

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
        static const StreamOutputs kNone;
        Outgoing outgoing{to.address.node, {}};
        wire::append(wire::StreamNews{group, loop, to.attachment, upto, {}, 0},
                     outputs ? *outputs : kNone, outgoing.frames);
        outgoing_->push(std::move(outgoing));
        return;
    }
    GatewayLink* link = loop < kLoopsMax ? loops_[loop].load(std::memory_order_acquire) : nullptr;
    if (link != nullptr) {
        link->deliver_news(LocalNews{group, to.attachment, upto, std::move(outputs)}, stopping_);
    }
}

// --- links -------------------------------------------------------------------------------------

void Node::Runtime::on_connected(const link::Remote& peer) { core_->on_connected(peer.id); }

void Node::Runtime::on_disconnected(NodeId peer) { core_->on_disconnected(peer); }

void Node::Runtime::on_peer_up(const link::Remote& peer) {
    peers_in_[peer.id] = true;
    core_->on_peer_up(peer.id, peer.uuid, peer.boot);
}

void Node::Runtime::on_peer_down(NodeId peer) {
    peers_in_[peer] = false;
    core_->on_peer_down(peer);
}

void Node::Runtime::on_frame(NodeId from, std::uint8_t type, SharedBytes body) {
    auto frame = wire::decode(type, body);
    if (!frame) {
        links_->reject(from, "a malformed frame");
        return;
    }
    core_->on_frame(from, *frame);
}

void Node::Runtime::on_call(link::ConnectionId connection, const link::Remote&, wire::Call call) {
    links_->reply(connection, wire::Reply{call.id, false, "no such method: " + call.method});
}

void Node::Runtime::on_reply(NodeId, wire::Reply) {}

void Node::Runtime::on_refused(std::string_view line) {
    if (options_.note) {
        options_.note(std::string(line));
    }
}

// --- the end -----------------------------------------------------------------------------------

// Asks every group on the core loop until all say true.
void Node::Runtime::wait_for_groups(std::chrono::milliseconds limit,
                                    const std::function<bool(Group&)>& done) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < until) {
        std::promise<bool> all;
        auto asked = all.get_future();
        loop_.post([&] {
            bool each = true;
            for (const auto& [id, group] : core_->groups()) {
                each = done(*group) && each;
            }
            all.set_value(each);
        });
        if (asked.get()) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

void Node::Runtime::stop() {
    if (std::exchange(stopped_, true)) {
        return;
    }
    stopping_ = true;
    if (thread_.joinable()) {
        // Everything submitted so far is applied, or 3 s have gone; then others lead, or 1 s.
        constexpr auto kDrainMax = std::chrono::seconds(3);
        constexpr auto kHandOverMax = std::chrono::seconds(1);
        wait_for_groups(kDrainMax, [](Group& group) { return group.idle(); });
        std::map<GroupId, bool> handed;
        wait_for_groups(kHandOverMax, [&handed](Group& group) {
            const auto [asked, first] = handed.try_emplace(group.id(), false);
            if (first) {
                asked->second = group.hand_over();
            }
            return !asked->second || !group.replica().raft().leads();
        });
        loop_.stop();
        thread_.join();
    }
    if (writer_) {
        writer_->stop();
    }
    if (store_) {
        store_->stop_waiting();  // for space: the log has what is not in the store
    }
    apply_thread_.stop();
    if (store_) {
        (void)store_->flush();  // only saves replaying the log at the next start
    }
}

}  // namespace causeway::node
