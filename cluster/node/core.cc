#include "cluster/node/core.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <utility>

namespace causeway::node {
namespace {

constexpr std::uint64_t kTickMs = 10;
constexpr std::uint64_t kMaintenanceMs = 200;
// The store reserves 4 MiB for its manifest and writes a few small files.
constexpr std::uint64_t kStartBytes = 8U << 20;

}  // namespace

Node::Core::Core(NodeOptions options, Clock& clock, Router& router, Fatal fatal)
    : options_(std::move(options)),
      clock_(clock),
      router_(router),
      fatal_(std::move(fatal)),
      apply_thread_(*this) {}

Node::Core::~Core() {
    stop();
    // What hangs on the loop goes before the loop.
    hook_ = {};
    tick_.reset();
    maintenance_.reset();
    step_timer_.reset();
}

Result<> Node::Core::open() {
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
    if (auto opened = open_set(); !opened) {
        return opened;
    }
    apply_thread_.start();
    thread_ = std::thread([this] { run(); });
    return {};
}

// RocksDB cannot be trusted to open without space: it aborts where a write of its files is cut.
Result<> Node::Core::open_store() {
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

Result<> Node::Core::open_disk() {
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

Result<> Node::Core::open_log() {
    options_.log.log_id = identity_.id;
    auto log = wal::Log::open(*disk_, options_.log);
    if (!log) {
        return fail("the write-ahead log in " + options_.data_dir + "/wal" +
                    " cannot be used: " + log.error().text());
    }
    writer_ = std::make_unique<wal::Writer>(*disk_, std::move(*log), options_.writer);
    return {};
}

Result<> Node::Core::open_set() {
    kv_ = store_->kv(kSet);
    auto machine = std::make_unique<state::Machine>(*kv_);
    if (auto loaded = machine->load(); !loaded) {
        return loaded;
    }
    set_time_ = machine->time();
    applied_limits_ = machine->limits();
    raft::Configuration bootstrap;
    bootstrap.voters.push_back(kSelf);
    const bool is_new = !replica::knows(writer_->log(), kSet);
    if (is_new && kv_->applied().value() == 0) {
        std::promise<bool> written;
        const auto appended = writer_->append(replica::bootstrap_batch(kSet, bootstrap),
                                              [&](const wal::AppendOutcome& outcome) {
                                                  written.set_value(outcome.result.has_value());
                                              });
        if (!appended || !written.get_future().get()) {
            return fail("the write-ahead log in " + options_.data_dir + " cannot be written");
        }
    }
    auto start = replica::start_of(writer_->log(), kSet, kv_->applied(), bootstrap);
    if (!start) {
        return tl::unexpected(start.error());
    }
    reader_ = std::make_unique<replica::WalReader>(writer_->log(), kSet);
    replica::ReplicaOptions options;
    options.group = kSet;
    options.raft.id = kSelf;
    options.raft.seed = options_.random;
    options.raft.entry_bytes_max = 8U << 20;
    if (auto sound = raft::check_start(options.raft, *start, *reader_); !sound) {
        return sound;
    }
    replica_ = std::make_unique<replica::Replica>(options, *start, *reader_, *this);
    replica_->observe_time(set_time_);
    apply_thread_.add(kSet, std::move(machine));

    from_gateways_ = std::make_unique<io::Mailbox<FromGateway>>(
        loop_, [this](std::vector<FromGateway>& batches) {
            for (FromGateway& batch : batches) {
                take(std::move(batch));
            }
        });
    news_ =
        std::make_unique<io::Mailbox<AppliedNews>>(loop_, [this](std::vector<AppliedNews>& all) {
            for (AppliedNews& news : all) {
                learn(news);
            }
        });
    appended_ = std::make_unique<io::Mailbox<std::uint64_t>>(
        loop_, [this](std::vector<std::uint64_t>& seqs) {
            for (const std::uint64_t seq : seqs) {
                replica_->on_append_done(seq);
            }
        });
    return {};
}

void Node::Core::run() {
    tick_ = std::make_unique<io::Timer>(loop_, [this] { on_tick(); });
    tick_->start(kTickMs, kTickMs);
    maintenance_ = std::make_unique<io::Timer>(loop_, [this] { on_maintenance(); });
    maintenance_->start(0, kMaintenanceMs);
    step_timer_ = std::make_unique<io::Timer>(loop_, [this] { propose_step(); });
    flushed_at_ = clock_.mono_ms();
    hook_ = loop_.at_turn_end([this] { turn(); });
    replica_->campaign();
    loop_.run();
    hook_ = {};
    tick_.reset();
    maintenance_.reset();
    step_timer_.reset();
}

void Node::Core::turn() { replica_->drain(); }

void Node::Core::on_tick() { replica_->tick(); }

SetMs Node::Core::now() { return replica_->stamp(clock_.mono_ms(), clock_.wall_ms()); }

// --- the log -----------------------------------------------------------------------------------

void Node::Core::append(GroupId, std::uint64_t seq, wal::Batch batch) {
    for (const wal::Entry& entry : batch.entries) {
        logged_bytes_ += entry.payload.size();
    }
    const auto queued =
        writer_->append(std::move(batch), [this, seq](const wal::AppendOutcome& outcome) {
            if (!outcome.result) {
                fatal_("the write-ahead log failed: " + outcome.result.error().text());
                return;
            }
            if (seq != 0) {
                appended_->push(seq);
            }
        });
    // The queue holds more than raft's window, and an entry is far below half a segment.
    if (!queued && queued.error() != wal::AppendRefusal::kStopped) {
        fatal_("the write-ahead log refused an append within its limits");
    }
}

void Node::Core::on_maintenance() {
    const wal::WriterStatus log = writer_->status();
    const auto free_bytes = disk_->free_bytes();
    const std::uint64_t free = free_bytes ? *free_bytes : 0;
    // Twice the reserve ends the shortage, so that it does not flicker.
    const std::uint64_t need =
        disk_low_ ? options_.disk_reserve_bytes * 2 : options_.disk_reserve_bytes;
    disk_low_ =
        free < need || log.stalled || log.log.free_reserve_bytes < options_.log.segment_bytes / 4;
    const bool due = logged_bytes_ >= options_.flush_bytes ||
                     clock_.mono_ms() - flushed_at_ >= options_.flush_interval_s * 1000ULL ||
                     log.log.over_limit;
    if (due && !flushing_ && logged_bytes_ != 0) {
        flushing_ = true;
        logged_bytes_ = 0;
        flushed_at_ = clock_.mono_ms();
        flush_target_ = replica_->applied();
        store_->flush_async();
    } else if (flushing_) {
        // Reading the store may block, so the apply thread does it.
        apply_thread_.ask(kSet, [this](state::Machine&) {
            loop_.post([this, flushed = store_->flushed_applied(kSet)] { on_flushed(flushed); });
        });
    }
}

void Node::Core::on_flushed(Index applied) {
    if (!flushing_ || applied < flush_target_) {
        return;
    }
    flushing_ = false;
    // The machine drops its cache first, then the log forgets.
    if (auto batch = replica_->compact(std::min(applied, replica_->applied()))) {
        append(kSet, 0, std::move(*batch));
    }
}

// --- apply -------------------------------------------------------------------------------------

void Node::Core::apply(GroupId group, std::vector<raft::Entry> entries) {
    apply_thread_.apply(group, std::move(entries));
}

void Node::Core::on_applied(const Applied& applied, state::Outputs& outputs) {
    for (StreamOutputs& stream : outputs.streams) {
        const auto found = streams_.find(stream.stream);
        if (found != streams_.end() && !stream.empty()) {
            found->second->deliver_outputs(std::move(stream), stopping_);
        }
    }
    AppliedNews news{applied, std::move(outputs.leader), std::move(outputs.self_items),
                     std::move(outputs.ready_queues), std::move(outputs.ready_sinks)};
    news_->push(std::move(news));
}

void Node::Core::learn(AppliedNews& news) {
    const Applied& applied = news.applied;
    set_time_ = applied.time;
    applied_limits_ = applied.limits;
    replica_->observe_time(applied.time);
    replica_->on_applied(applied.index);
    for (const CommandResult& result : news.leader) {
        if (auto found = leader_waiting_.extract(result.seq)) {
            found.mapped()(result);
        }
    }
    if (!serving_) {
        return;
    }
    for (const state::SelfItem& item : news.self_items) {
        propose_self(item);
    }
    const std::lock_guard lock(watchers_mutex_);
    const auto tell = [](auto& watcher, std::vector<std::string>& names) {
        if (names.empty() || !watcher) {
            return;
        }
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        watcher(std::move(names));
    };
    tell(queue_watcher_, news.ready_queues);
    tell(sink_watcher_, news.ready_sinks);
    if (applied.has_work) {
        propose_step();
    } else if (applied.next_timer != step_at_) {
        step_at_ = applied.next_timer;
        if (step_at_ == 0) {
            step_timer_->stop();
        } else {
            const SetMs current = now();
            step_timer_->start(step_at_ > current ? step_at_ - current : 0);
        }
    }
}

// --- public ------------------------------------------------------------------------------------

void Node::Core::watch_queues(io::Loop& loop,
                              absl::AnyInvocable<void(const std::vector<std::string>&)> ready) {
    auto shared = std::make_shared<decltype(ready)>(std::move(ready));
    const std::lock_guard lock(watchers_mutex_);
    queue_watcher_ = [&loop, shared](std::vector<std::string> names) {
        loop.post([shared, names = std::move(names)] { (*shared)(names); });
    };
}

void Node::Core::watch_sinks(SinkReady ready) {
    {
        const std::lock_guard lock(watchers_mutex_);
        sink_watcher_ = [shared = std::make_shared<SinkReady>(std::move(ready))](
                            std::vector<std::string> names) { (*shared)(names); };
    }
    // What was owed before this start.
    apply_thread_.ask(kSet, [this](state::Machine& machine) {
        std::vector<std::string> names;
        for (const QueueStatus& outbox : machine.statistics().outboxes) {
            if (outbox.messages != 0) {
                names.push_back(outbox.name);
            }
        }
        const std::lock_guard lock(watchers_mutex_);
        if (sink_watcher_ && !names.empty()) {
            sink_watcher_(std::move(names));
        }
    });
}

void Node::Core::read_outbox(std::string sink, std::uint64_t after, std::uint64_t bytes_max,
                             absl::AnyInvocable<void(std::vector<OwedDelivery>, SetMs)> take) {
    apply_thread_.ask(kSet, [sink = std::move(sink), after, bytes_max,
                             take = std::move(take)](state::Machine& machine) mutable {
        std::vector<OwedDelivery> owed;
        for (state::OutboxItem& item : machine.read_outbox(sink, after, bytes_max)) {
            owed.push_back(
                OwedDelivery{item.n, item.sent_at, std::move(item.key), std::move(item.request)});
        }
        take(std::move(owed), machine.time());
    });
}

void Node::Core::outbox_done(std::string command) {
    loop_.post([this, command = std::move(command)] { append_own(command); });
}

void Node::Core::declare_queues(std::vector<QueueDeclaration> queues) {
    loop_.post([this, queues = std::move(queues)]() mutable {
        queues_ = std::move(queues);
        if (serving_) {
            propose_queues();
        }
    });
}

void Node::Core::status(io::Loop& loop, absl::AnyInvocable<void(NodeStatus)> take) {
    loop_.post([this, &loop, take = std::move(take)]() mutable {
        NodeStatus status = counts_;
        const raft::Status raft = replica_->status();
        status.serving = serving_;
        status.disk_low = disk_low_;
        status.term = raft.term.value();
        status.commit_index = raft.commit.value();
        status.applied_index = raft.applied.value();
        status.compacted_index = raft.compacted.value();
        status.log = writer_->status();
        apply_thread_.ask(kSet, [&loop, status = std::move(status),
                                 take = std::move(take)](state::Machine& machine) mutable {
            status.state = machine.statistics();
            loop.post([status = std::move(status), take = std::move(take)]() mutable {
                take(std::move(status));
            });
        });
    });
}

void Node::Core::stop() {
    if (std::exchange(stopped_, true)) {
        return;
    }
    stopping_ = true;
    if (thread_.joinable()) {
        // Everything submitted so far is applied, or 3 s have gone.
        constexpr auto kDrainMax = std::chrono::seconds(3);
        const auto until = std::chrono::steady_clock::now() + kDrainMax;
        while (std::chrono::steady_clock::now() < until) {
            std::promise<bool> idle;
            auto asked = idle.get_future();
            loop_.post([&] {
                const raft::Status status = replica_->status();
                idle.set_value(!serving_ ||
                               (!replica_->has_waiting() && status.applied == status.last));
            });
            if (asked.get()) {
                break;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        loop_.stop();
        thread_.join();
    }
    if (writer_) {
        writer_->stop();
    }
    apply_thread_.stop();
    if (store_) {
        (void)store_->flush();  // only saves replaying the log at the next start
    }
}

}  // namespace causeway::node
