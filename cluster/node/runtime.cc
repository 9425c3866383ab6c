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

}  // namespace

Node::Runtime::Runtime(NodeOptions options, Clock& clock, Router& router, Fatal fatal)
    : options_(std::move(options)), clock_(clock), fatal_(std::move(fatal)), router_(router) {
    make_sets();
}

void Node::Runtime::make_sets() {
    sets_.clear();
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
    save_again_.reset();
    links_.reset();
}

Result<> Node::Runtime::open() {
    files_ = options_.files;
    if (auto opened = open_disk(options_.data_dir, posix_files_, files_); !opened) {
        return opened;
    }
    auto identity = load_identity(*files_, options_.data_dir, options_.random);
    if (!identity) {
        return tl::unexpected(identity.error());
    }
    identity_ = *identity;
    if (auto opened = open_membership(); !opened) {
        return opened;
    }
    disk_ = options_.disk;
    if (auto opened = open_disk(options_.data_dir + "/wal", posix_disk_, disk_); !opened) {
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
    if (auto opened = open_control(); !opened) {
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

// `disk` stays if there is one, else it becomes the directory's, which `own` then holds.
Result<> Node::Runtime::open_disk(const std::string& directory,
                                  std::unique_ptr<wal::PosixDisk>& own, wal::Disk*& disk) {
    if (disk == nullptr) {
        std::error_code error;
        std::filesystem::create_directories(directory, error);
        auto opened = wal::PosixDisk::open(directory);
        if (!opened) {
            return fail(opened.error().message);
        }
        own = std::move(*opened);
        disk = own.get();
    }
    return {};
}

Result<> Node::Runtime::open_log() {
    options_.log.log_id = identity_.id;
    auto log = wal::Log::open(*disk_, options_.log);
    if (!log) {
        const bool refillable = log.error().fault == wal::LogFault::kCorrupt && has_links();
        return fail("the write-ahead log in " + options_.data_dir + "/wal" +
                    " cannot be used: " + log.error().text() +
                    (refillable ? "; refill this node: causeway cluster repair --help" : ""));
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
    if (!has_links()) {
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
    options.name = options_.name;
    options.host = options_.host;
    options.port = options_.port;
    auto links = link::Links::open(loop_, options, *this);
    if (!links) {
        return tl::unexpected(links.error());
    }
    links_ = std::move(*links);
    links_->set_peers(peers_of(control_->model()));
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
        // Who joined holds what its log knows; the rest comes when a leader calls for it.
        if (membership_.joined && !replica::knows(writer_->log(), set)) {
            continue;
        }
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
    const auto bootstrap = this->bootstrap();
    if (!replica::knows(writer_->log(), set) && held.kv->applied().value() == 0) {
        if (auto written = append_and_wait(replica::bootstrap_batch(set, bootstrap)); !written) {
            return written;
        }
    }
    if (auto recorded = record_snapshot(set, store_->snapshot_meta(set)); !recorded) {
        return recorded;
    }
    auto start = replica::start_of(writer_->log(), set, held.kv->applied(), bootstrap);
    if (!start) {
        return tl::unexpected(start.error());
    }
    held.reader = std::make_unique<replica::WalReader>(writer_->log(), set);
    if (auto sound = raft::check_start(replica_options(set).raft, *start, *held.reader); !sound) {
        return sound;
    }
    add_set(set, *start, held, std::move(machine));
    return {};
}

// A crash between installing a snapshot and logging it: the log is told now.
Result<> Node::Runtime::record_snapshot(GroupId group, std::string_view origin) {
    auto unrecorded =
        replica::unrecorded_snapshot(group, replica::summary_of(writer_->log(), group), origin);
    if (!unrecorded) {
        return tl::unexpected(unrecorded.error());
    }
    return *unrecorded ? append_and_wait(std::move(**unrecorded)) : Result<>{};
}

replica::ReplicaOptions Node::Runtime::replica_options(GroupId group) const {
    replica::ReplicaOptions options;
    options.group = group;
    options.raft.id = options_.self;
    options.raft.seed = options_.random + group.value();
    options.raft.entry_bytes_max = 8U << 20;
    return options;
}

void Node::Runtime::add_set(GroupId set, const raft::Start& start, Held& held,
                            std::unique_ptr<state::Machine> machine) {
    core_->add_group(replica_options(set), start, *held.reader, *machine);
    replica::RingLimits ring;
    // Nobody attaches again where there is no other node to go to.
    ring.bytes_max = has_links() ? ring.bytes_max : 0;
    apply_thread_.adopt(set,
                        std::make_unique<replica::SetState>(set, std::move(machine), *this, ring));
}

void Node::Runtime::run() {
    tick_ = std::make_unique<io::Timer>(loop_, [this] {
        applied_->drain();
        core_->on_tick();
    });
    tick_->start(kTickMs, kTickMs);
    maintenance_ = std::make_unique<io::Timer>(loop_, [this] { on_maintenance(); });
    maintenance_->start(0, kMaintenanceMs);
    flushed_at_ = clock_.mono_ms();
    hook_ = loop_.at_turn_end([this] { core_->end_turn(); });
    begin_control();
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
    const std::uint64_t kept =
        has_links() && !writer_->status().log.over_limit ? options_.kept_entries : 0;
    upto -= std::min(upto, kept);
    // The machine drops its cache first, then the log forgets.
    if (auto batch = replica.compact(Index(upto))) {
        append(set, 0, std::move(*batch));
    }
}

// --- the end -----------------------------------------------------------------------------------

// Asks on the core loop until it is done.
void Node::Runtime::wait_until(std::chrono::milliseconds limit, const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < until) {
        std::promise<bool> answer;
        auto asked = answer.get_future();
        loop_.post([&] { answer.set_value(done()); });
        if (asked.get()) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

// Asks once; true: it does not lead, or nobody could take over.
bool Node::Runtime::hand_over(replica::Replica& replica, std::map<GroupId, bool>& asked) {
    const auto [sent, first] = asked.try_emplace(replica.group(), false);
    if (first) {
        sent->second = replica.hand_over();
    }
    return !sent->second || !replica.raft().leads();
}

void Node::Runtime::stop() {
    if (std::exchange(stopped_, true)) {
        return;
    }
    stopping_ = true;
    if (thread_.joinable()) {
        // Others lead within 1 s, and gateways go on there. What still leads applies what it was
        // given, or 3 s have gone.
        constexpr auto kHandOverMax = std::chrono::seconds(1);
        constexpr auto kDrainMax = std::chrono::seconds(3);
        std::map<GroupId, bool> asked;
        wait_until(kHandOverMax, [this, &asked] {
            bool all = true;
            for (const auto& [id, group] : core_->groups()) {
                all = hand_over(group->replica(), asked) && all;
            }
            if (control_ && control_->group().replica() != nullptr) {
                all = hand_over(*control_->group().replica(), asked) && all;
            }
            return all;
        });
        wait_until(kDrainMax, [this] {
            return std::all_of(core_->groups().begin(), core_->groups().end(),
                               [](const auto& item) { return item.second->idle(); });
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
