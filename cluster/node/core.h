// The inside of a node: the core loop and what it drives. All members belong to the core loop's
// thread unless they say otherwise; the apply thread reaches back only through on_applied().
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "cluster/node/identity.h"
#include "cluster/node/link.h"
#include "cluster/node/node.h"
#include "core/io/mailbox.h"
#include "core/io/timer.h"
#include "core/replica/apply_thread.h"
#include "core/replica/replica.h"
#include "core/replica/wal_reader.h"
#include "core/store/store.h"
#include "core/wal/posix_disk.h"
#include "core/wal/writer.h"

namespace causeway::node {

class Node::Core final : public replica::ReplicaPorts, public replica::ApplySink {
public:
    Core(NodeOptions options, Clock& clock, Router& router, Fatal fatal);
    ~Core() override;

    Result<> open();
    void stop();

    std::unique_ptr<Submitter> make_link(io::Loop& loop, SubmitterEvents& events);
    std::unique_ptr<Outbox> make_outbox(io::Loop& loop);
    void declare_queues(std::vector<QueueDeclaration> queues);
    void watch_queues(io::Loop& loop,
                      absl::AnyInvocable<void(const std::vector<std::string>&)> ready);
    void status(io::Loop& loop, absl::AnyInvocable<void(NodeStatus)> take);
    [[nodiscard]] std::uint64_t id() const { return identity_.id; }

    // For the outbox, from the sink loop.
    void read_outbox(std::string sink, std::uint64_t after, std::uint64_t bytes_max,
                     absl::AnyInvocable<void(std::vector<OwedDelivery>, SetMs)> take);
    void outbox_done(std::string command);
    using SinkReady = absl::AnyInvocable<void(const std::vector<std::string>&)>;
    void watch_sinks(SinkReady ready);

    // ReplicaPorts, core loop.
    void append(GroupId group, std::uint64_t seq, wal::Batch batch) override;
    void apply(GroupId group, std::vector<raft::Entry> entries) override;
    void send(GroupId, const raft::Message&) override {}
    void on_role(GroupId group, bool serving) override;

    // ApplySink, apply thread.
    void on_applied(const Applied& applied, state::Outputs& outputs) override;

private:
    static constexpr GroupId kSet{1};
    static constexpr NodeId kSelf{1};

    // What apply tells the core loop.
    struct AppliedNews {
        Applied applied;
        std::vector<CommandResult> leader;
        std::vector<state::SelfItem> self_items;
        std::vector<std::string> ready_queues;
        std::vector<std::string> ready_sinks;
    };
    using LeaderDone = absl::AnyInvocable<void(const CommandResult&)>;

    Result<> open_disk();
    Result<> open_store();
    Result<> open_log();
    Result<> open_set();
    void run();
    void turn();
    void on_tick();
    void on_maintenance();
    void on_flushed(Index applied);

    // Commands, when serving.
    void take(FromGateway batch);
    void take_commands(const FromGateway& batch);
    void take_command(std::string_view command);
    void take_unlogged(FromGateway& batch);
    void append_own(std::string_view command);
    void say_hello(LinkId link);
    void learn(AppliedNews& news);
    void propose_step();
    void propose_self(const state::SelfItem& item);
    void propose_limits();
    void propose_queues();
    void begin_serving();
    [[nodiscard]] SetMs now();

    NodeOptions options_;
    Clock& clock_;
    Router& router_;
    Fatal fatal_;
    Identity identity_;

    std::unique_ptr<wal::PosixDisk> posix_disk_;
    wal::Disk* disk_ = nullptr;
    std::unique_ptr<wal::Writer> writer_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<state::Kv> kv_;
    replica::ApplyThread apply_thread_;

    io::Loop loop_;
    std::thread thread_;
    std::unique_ptr<replica::WalReader> reader_;
    std::unique_ptr<replica::Replica> replica_;
    std::unique_ptr<io::Timer> tick_;
    std::unique_ptr<io::Timer> maintenance_;
    std::unique_ptr<io::Timer> step_timer_;
    io::TurnHook hook_;
    std::unique_ptr<io::Mailbox<FromGateway>> from_gateways_;
    std::unique_ptr<io::Mailbox<AppliedNews>> news_;
    std::unique_ptr<io::Mailbox<std::uint64_t>> appended_;

    absl::flat_hash_map<LinkId, Link*> links_;
    std::atomic<LinkId> next_link_{1};
    std::vector<FromGateway> backlog_;  // arrived while nobody led; bounded by the links' windows
    std::vector<std::string> own_backlog_;  // the node's own commands of the same time
    absl::flat_hash_map<std::uint64_t, LeaderDone> leader_waiting_;
    std::uint64_t next_leader_seq_ = 1;
    std::vector<QueueDeclaration> queues_;
    StateLimits applied_limits_;
    bool step_under_way_ = false;
    SetMs step_at_ = 0;
    SetMs set_time_ = 0;
    bool serving_ = false;
    bool disk_low_ = false;
    bool flushing_ = false;
    Index flush_target_;
    MonoMs flushed_at_ = 0;
    std::uint64_t logged_bytes_ = 0;  // since the last flush
    NodeStatus counts_;
    std::string scratch_;
    std::string outputs_;

    // Apply thread only.
    absl::flat_hash_map<StreamId, Link*> streams_;

    std::mutex watchers_mutex_;  // Guards the two; taken once per batch that has such news.
    absl::AnyInvocable<void(std::vector<std::string>)> queue_watcher_;
    absl::AnyInvocable<void(std::vector<std::string>)> sink_watcher_;
    std::atomic<bool> stopping_{false};
    bool stopped_ = false;
};

}  // namespace causeway::node
