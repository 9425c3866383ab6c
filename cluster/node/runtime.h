// The inside of a node on threads: the core loop with its Core, the write-ahead log, the store, the
// apply thread, and the mailboxes between them. Implements what Core and the applied sides ask for.
//
// All members belong to the core loop's thread unless they say otherwise.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cluster/link/links.h"
#include "cluster/node/control.h"
#include "cluster/node/core.h"
#include "cluster/node/gateway_link.h"
#include "cluster/node/identity.h"
#include "cluster/node/node.h"
#include "core/io/mailbox.h"
#include "core/io/timer.h"
#include "core/replica/apply_thread.h"
#include "core/replica/wal_reader.h"
#include "core/store/store.h"
#include "core/wal/posix_disk.h"
#include "core/wal/writer.h"

namespace causeway::node {

class Node::Runtime final : public Ports,
                            public ControlPorts,
                            public replica::SetSink,
                            public link::LinkEvents {
public:
    Runtime(NodeOptions options, Clock& clock, Router& router, Fatal fatal);
    ~Runtime() override;

    Result<> open();
    void stop();

    // For Node.
    std::unique_ptr<Submitter> make_link(io::Loop& loop, SubmitterEvents& events);
    std::unique_ptr<Outbox> make_outbox(io::Loop& loop, GroupId set);
    void declare_queues(std::vector<QueueDeclaration> queues);
    void set_link_contexts(std::shared_ptr<ssl_ctx_st> server, std::shared_ptr<ssl_ctx_st> client,
                           bool again);
    void watch_queues(io::Loop& loop, std::shared_ptr<const std::atomic<std::size_t>> waiters,
                      absl::AnyInvocable<void(const std::vector<std::string>&)> ready);
    void status(io::Loop& loop, absl::AnyInvocable<void(NodeStatus)> take);
    [[nodiscard]] std::uint64_t id() const { return identity_.id; }
    void view(io::Loop& loop, absl::AnyInvocable<void(ClusterView)> take);
    void propose(io::Loop& loop, control::Command command, absl::AnyInvocable<void(Answer)> take);
    void transfer(io::Loop& loop, GroupId set, NodeId to, absl::AnyInvocable<void(Answer)> take);
    void watch_rules(io::Loop& loop, absl::AnyInvocable<void(control::RuleVersion)> take);
    void rules_active(std::uint64_t version);
    void watch_documents(io::Loop& loop, absl::AnyInvocable<void(SharedDocuments)> take);
    [[nodiscard]] Clock& clock() const { return clock_; }
    [[nodiscard]] const std::vector<GroupId>& sets() const { return sets_; }

    // Ports, core loop.
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
    void tell_loop(wire::LoopId loop, ToLoop message) override;
    void tell_loops(const ToLoop& message) override;
    void queues_ready(std::vector<std::string> queues) override;
    void sinks_ready(GroupId set, std::vector<std::string> sinks) override;
    void role_changed(GroupId set, bool serving) override;

    // ControlPorts, core loop.
    void save_control(ControlImage image) override;
    void control_changed(const SharedModel& model) override;
    void open_group(GroupId group) override;
    void reply(std::uint64_t connection, const wire::Reply& reply) override;

    // SetSink, apply thread.
    void on_applied(replica::Applied& applied) override;
    void on_opened(GroupId group, const replica::Route& to, StreamId stream, Index index) override;
    void on_welcome(GroupId group, const replica::Route& to, std::uint64_t applied_seq) override;
    void on_refused(GroupId group, const replica::Route& to, replica::AttachRefusal why) override;
    void on_news(GroupId group, const replica::Route& to, Index upto,
                 std::shared_ptr<const StreamOutputs> outputs) override;
    void on_records(GroupId group, const replica::Route& to, std::uint64_t question,
                    RecordsFound found) override;

    // link::LinkEvents, core loop.
    void on_connected(const link::Remote& peer) override;
    void on_disconnected(NodeId peer) override;
    void on_peer_up(const link::Remote& peer) override;
    void on_peer_down(NodeId peer) override;
    void on_frame(NodeId from, std::uint8_t type, SharedBytes body) override;
    void on_call(link::ConnectionId connection, const link::Remote& from, wire::Call call) override;
    void on_reply(NodeId from, wire::Reply reply) override;
    void on_refused(std::string_view line) override;

private:
    static constexpr std::size_t kLoopsMax = 256;

    // What the store and the log keep of one set.
    struct Held {
        std::unique_ptr<state::Kv> kv;
        std::unique_ptr<replica::WalReader> reader;
        Index flush_target;
        // Apply thread only.
        std::unique_ptr<state::SnapshotReader> snapshot;
        std::unique_ptr<state::SnapshotInstaller> installer;
    };
    // Frames the apply thread has for another node.
    struct Outgoing {
        NodeId to;
        std::string frames;
    };
    struct Appended {
        GroupId group;
        std::uint64_t seq = 0;
    };

    Result<> open_disk(const std::string& directory, std::unique_ptr<wal::PosixDisk>& own,
                       wal::Disk*& disk);
    Result<> open_store();
    Result<> open_log();
    Result<> open_links();
    Result<> open_sets();
    Result<> open_set(GroupId set);
    // runtime_control.cc
    Result<> open_membership();
    Result<> take_shape();
    void tell_rules(const control::Model& model);
    void tell_documents(const SharedModel& model);
    void make_sets();
    Result<> open_control();
    Result<> record_snapshot(GroupId group, std::string_view origin);
    [[nodiscard]] replica::ReplicaOptions replica_options(GroupId group) const;
    void add_set(GroupId set, const raft::Start& start, Held& held,
                 std::unique_ptr<state::Machine> machine);
    [[nodiscard]] bool has_links() const { return options_.link_server != nullptr; }
    [[nodiscard]] std::vector<link::PeerAddress> peers_of(const control::Model& model) const;
    [[nodiscard]] raft::Configuration bootstrap() const;
    void begin_control();
    void write_image(const std::string& bytes, Index applied, bool replica);
    Result<> append_and_wait(wal::Batch batch);
    void install(Held& held, replica::SetState& state, GroupId set, const raft::SnapshotMeta& meta);
    void open_mailboxes();
    void run();
    void drop_loop_parts();
    void wait_until(std::chrono::milliseconds limit, const std::function<bool()>& done);
    bool hand_over(replica::Replica& replica, std::map<GroupId, bool>& asked);
    void on_maintenance();
    void watch_disk();
    void on_flushed(GroupId group, Index applied);
    // From the apply thread to a loop of this node or of another.
    template <typename Message>
    void answer(const replica::Route& to, const Message& message);
    void read_outbox(GroupId set, std::string sink, std::uint64_t after, std::uint64_t bytes_max,
                     absl::AnyInvocable<void(std::vector<OwedDelivery>, SetMs)> take);
    using SinkReady = absl::AnyInvocable<void(const std::vector<std::string>&)>;
    // Any thread.
    [[nodiscard]] bool queues_are_waited_for();
    void watch_sinks(GroupId set, SinkReady ready);
    void tell_owed(GroupId set);

    NodeOptions options_;
    Clock& clock_;
    Fatal fatal_;
    Router& router_;
    Identity identity_;
    std::vector<GroupId> sets_;
    SlotMap slots_;

    std::unique_ptr<wal::PosixDisk> posix_disk_;
    wal::Disk* disk_ = nullptr;
    std::unique_ptr<wal::Writer> writer_;
    std::unique_ptr<store::Store> store_;
    std::map<GroupId, Held> held_;
    replica::ApplyThread apply_thread_;

    io::Loop loop_;
    std::thread thread_;
    std::unique_ptr<Core> core_;
    std::unique_ptr<link::Links> links_;  // null: a node alone
    std::set<NodeId> strangers_;          // at the address of a peer, with another data directory
    std::unique_ptr<wal::PosixDisk> posix_files_;
    wal::Disk* files_ = nullptr;  // the data directory's own small files
    Membership membership_;
    std::unique_ptr<replica::WalReader> control_reader_;
    std::unique_ptr<Control> control_;
    std::unique_ptr<io::Timer> save_again_;
    absl::AnyInvocable<void(const control::RuleVersion&)> rules_watcher_;
    std::uint64_t rules_told_ = 0;
    std::vector<absl::AnyInvocable<void(const SharedDocuments&)>> documents_watchers_;
    std::uint64_t documents_told_ = 0;
    std::map<NodeId, std::uint64_t> peers_in_;  // whose way to us is open: its data directory
    std::unique_ptr<io::Timer> tick_;
    std::unique_ptr<io::Timer> maintenance_;
    io::TurnHook hook_;
    std::unique_ptr<io::Mailbox<FromLoop>> from_loops_;
    std::unique_ptr<io::Mailbox<replica::Applied>> applied_;
    std::unique_ptr<io::Mailbox<Appended>> appended_;
    std::unique_ptr<io::Mailbox<Outgoing>> outgoing_;
    std::string scratch_;

    // Gateway loops by id; set once each, read by any thread.
    std::array<std::atomic<GatewayLink*>, kLoopsMax> loops_{};
    std::atomic<std::uint32_t> loops_made_{0};

    bool flushing_ = false;
    MonoMs flushed_at_ = 0;
    std::uint64_t logged_bytes_ = 0;  // since the last flush

    std::mutex watchers_mutex_;  // Guards the two; taken once per batch that has such news.
    struct QueueWatcher {
        std::shared_ptr<const std::atomic<std::size_t>> waiters;
        absl::AnyInvocable<void(const std::vector<std::string>&)> tell;
    };
    std::vector<QueueWatcher> queue_watchers_;
    std::map<GroupId, SinkReady> sink_watchers_;
    std::atomic<bool> stopping_{false};
    bool stopped_ = false;
};

}  // namespace causeway::node
