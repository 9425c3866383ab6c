// A simulated node: the core, the write-ahead log, the applied sides and a gateway as runtime.cc
// has them on threads, here as events of the world. What a crash leaves is the disk, the flushed
// tables and the node's number; everything else is a Process and dies.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/node/core.h"
#include "core/replica/wal_reader.h"
#include "core/wal/log.h"
#include "test/sim/cluster/checker.h"
#include "test/sim/cluster/gateway.h"
#include "test/sim/cluster/network.h"
#include "test/sim/cluster/world.h"
#include "test/sim/disk/sim_disk.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::sim {

// What every node of a run shares; drawn from the seed.
struct NodeSettings {
    std::size_t nodes = 3;
    std::uint32_t sets = 1;
    std::uint64_t segment_bytes = 1U << 20;
    std::size_t entry_bytes_max = 4U << 10;
    std::size_t unapplied_bytes_max = 384U << 10;
    std::size_t message_bytes_max = 16U << 10;
    std::uint32_t appends_max = 1;
    replica::RingLimits ring;
    std::size_t window_commands = 4096;
    TimeUs sync_min = 100;
    TimeUs sync_max = 3 * kMs;
    TimeUs apply_max = 1 * kMs;
    TimeUs apply_stall_max = 400 * kMs;
    std::uint32_t apply_turns_per_stall = 200;
    TimeUs flush_every = 2 * kSecond;
    std::uint64_t kept_entries = 0;  // in the log, behind what is flushed
    std::size_t piece_bytes = 1024;  // of a snapshot
    session::Limits limits;
};

// Where a snapshot has got to on a node: the places at which a crash leaves something different.
enum class SnapshotStep : std::uint8_t {
    kOpened,     // the leader has a reader
    kRead,       // it has read a chunk
    kBegun,      // the follower takes one
    kAdded,      // it has added a chunk
    kInstalled,  // its table is replaced, its log knows nothing of it
    kLogged,     // its log is told
};

struct NodeTotals {
    std::uint64_t starts = 0;
    std::uint64_t crashes_in_commit = 0;
    std::uint64_t frames = 0;
    std::uint64_t compactions = 0;
    std::uint64_t syncs = 0;
    std::uint64_t gateways_down = 0;  // streams declared dead by a leader
    std::uint64_t streams_lost = 0;
    std::uint64_t snapshots_recorded_late = 0;  // at a start: a crash came before the log was told
    std::uint64_t stalls = 0;                   // commits that waited for space
    std::uint64_t damaged_stops = 0;            // starts refused: a record is damaged
};

class SimNode final : public node::Ports,
                      public replica::SetSink,
                      public Clock,
                      public NetworkEnd,
                      public GatewayHost {
public:
    SimNode(World& world, Network& network, ClusterChecker& checker, Router& router,
            const NodeSettings& settings, NodeId id);
    ~SimNode() override;

    // Effect: the process begins. Fails the world when its own data does not let it.
    void start();
    // Effect: the process ends. `power`: what was written and not synced is lost in part.
    void crash(bool power);
    // Effect: as crash(); then a bit of the log flips, where the log must notice. False: it was not
    // running, or no such bit was found; then nothing happened to the disk. The node does not start
    // again before repair().
    bool crash_damaged();
    void repair();
    [[nodiscard]] bool damaged() const { return damage_.has_value(); }
    // Effect: another one fills the disk, or makes room again.
    void fill_disk(bool full);
    // SIGSTOP and SIGCONT.
    void freeze();
    void thaw();
    // Effect: the wall clock is off by so much from now on.
    void set_wall(std::int64_t offset_ms) { wall_offset_ms_ = offset_ms; }
    [[nodiscard]] std::int64_t wall_offset_ms() const { return wall_offset_ms_; }
    // Effect: adds what the process has counted to the totals, at its end.
    void count_process();
    void slow_disk(TimeUs extra) { disk_extra_ = extra; }
    void set_rate(std::uint64_t per_mille) { rate_ = per_mille; }
    void transfer(GroupId set, NodeId to);

    [[nodiscard]] bool alive() const override { return process_ != nullptr; }
    [[nodiscard]] bool frozen() const { return frozen_; }
    [[nodiscard]] NodeId id() const { return id_; }
    [[nodiscard]] node::Core* core();
    [[nodiscard]] SimGateway* gateway();
    [[nodiscard]] const MemoryKv& kv(GroupId set) const { return kvs_.at(set); }
    [[nodiscard]] state::Machine& machine(GroupId set);
    void set_peers(const std::vector<std::unique_ptr<SimNode>>* peers) { peers_ = peers; }
    // Called at each step of a snapshot, inside the node: it must not end the process.
    void on_snapshot_step(std::function<void(SimNode&, SnapshotStep)> hook) {
        snapshot_step_ = std::move(hook);
    }
    NodeTotals totals;

    // Clock.
    [[nodiscard]] MonoMs mono_ms() const override { return world_.now() * rate_ / 1000 / kMs + 1; }
    [[nodiscard]] std::uint64_t wall_ms() const override;

    // Ports.
    void append(GroupId group, std::uint64_t seq, wal::Batch batch) override;
    void apply(GroupId group, replica::Work work) override;
    void list_streams(GroupId group) override;
    void open_snapshot(GroupId group) override;
    void close_snapshot(GroupId group) override;
    void read_snapshot(GroupId group, NodeId to, replica::TransferId transfer,
                       const state::SnapshotPosition& at) override;
    void take_snapshot(GroupId group, bool begin) override;
    void add_snapshot(GroupId group, replica::TransferId transfer, std::uint64_t number,
                      const SharedBytes& bytes) override;
    void install_snapshot(GroupId group, const raft::SnapshotMeta& meta) override;
    void send(NodeId to, const wire::Frame& frame) override;
    void tell_loop(wire::LoopId loop, node::ToLoop message) override;
    void tell_loops(const node::ToLoop& message) override;
    void queues_ready(std::vector<std::string>) override {}
    void sinks_ready(GroupId, std::vector<std::string>) override {}
    void role_changed(GroupId set, bool serving) override;

    // SetSink.
    void on_applied(replica::Applied& applied) override;
    void on_opened(GroupId group, const replica::Route& to, StreamId stream, Index index) override;
    void on_welcome(GroupId group, const replica::Route& to, std::uint64_t applied_seq) override;
    void on_refused(GroupId group, const replica::Route& to, replica::AttachRefusal why) override;
    void on_news(GroupId group, const replica::Route& to, Index upto,
                 std::shared_ptr<const StreamOutputs> outputs) override;
    void on_records(GroupId group, const replica::Route& to, std::uint64_t question,
                    RecordsFound found) override;

    // NetworkEnd.
    void later(TimeUs delay, Action action) override;
    void on_connected(NodeId peer) override;
    void on_disconnected(NodeId peer) override;
    void on_peer_up(NodeId peer) override;
    void on_peer_down(NodeId peer) override;
    void on_bytes(NodeId from, std::string bytes) override;

    // GatewayHost.
    void from_loop(node::FromLoop message) override;
    void soon(TimeUs delay, Action action) override { later(delay, std::move(action)); }
    [[nodiscard]] MonoMs now_ms() const override { return mono_ms(); }

private:
    struct Append {
        GroupId group;
        std::uint64_t seq = 0;
        wal::Batch batch;
    };
    struct Task {
        GroupId group;
        std::variant<replica::Work, Action> work;
    };
    // A snapshot read from this replica, and one taken for it.
    struct Held {
        std::unique_ptr<state::SnapshotReader> snapshot;
        std::unique_ptr<state::SnapshotInstaller> installer;
    };
    struct Process {
        std::unique_ptr<wal::Log> log;
        std::map<GroupId, std::unique_ptr<replica::WalReader>> readers;
        std::map<GroupId, std::unique_ptr<replica::SetState>> states;
        std::map<GroupId, Held> held;
        std::unique_ptr<node::Core> core;
        std::unique_ptr<SimGateway> gateway;
        std::deque<Append> to_append;
        std::vector<Append> committing;
        std::size_t staged = 0;  // the first so many of them are in the log's hands
        bool stalled = false;    // for lack of space
        std::deque<Task> to_apply;
        bool applying = false;
        bool turn_pending = false;
        Lane appended;
        Lane applied;
        Lane from_loops;
        Lane to_loops;
        Lane outgoing;
    };

    struct Damage {
        std::string file;
        std::uint64_t offset = 0;
        unsigned bit = 0;
    };
    enum class Commit : std::uint8_t { kDone, kNoSpace, kFailed };

    bool open_log();
    bool open_set(GroupId set);
    void turn();
    void tick();
    void maintain();
    void begin_commit();
    void finish_commit();
    Commit commit_staged();
    void watch_disk();
    void set_capacity();
    bool refuses(const Damage& damage) const;
    void crash_in_commit();
    void run_apply();
    // On the apply thread, in order with what it has to apply; and from there to the core loop.
    void ask(GroupId group, Action action);
    void tell_core(Action action);
    void install(GroupId group, const raft::SnapshotMeta& meta);
    bool record_snapshot(GroupId set);
    void step(SnapshotStep step);
    [[nodiscard]] std::uint64_t hash_of_table(GroupId group) const;
    void note_table(GroupId group);
    template <typename Message>
    void answer(const replica::Route& to, const Message& message);
    void observe();

    World& world_;
    Network& network_;
    ClusterChecker& checker_;
    Router& router_;
    const NodeSettings& settings_;
    NodeId id_;
    const std::vector<std::unique_ptr<SimNode>>* peers_ = nullptr;

    // What a crash leaves.
    std::unique_ptr<SimDisk> disk_;
    std::map<GroupId, MemoryKv> kvs_;
    std::uint64_t uuid_;
    std::uint64_t boot_ = 0;

    std::unique_ptr<Process> process_;
    std::uint64_t incarnation_ = 0;
    bool frozen_ = false;
    std::deque<Action> deferred_;
    std::uint64_t rate_ = 1000;
    std::int64_t wall_offset_ms_ = 0;
    TimeUs disk_extra_ = 0;
    bool disk_full_ = false;
    std::optional<Damage> damage_;
    std::function<void(SimNode&, SnapshotStep)> snapshot_step_;
};

}  // namespace causeway::sim
