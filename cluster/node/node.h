// A node of the core: the write-ahead log, the store, the replicas of the sets it holds, and the
// streams of its gateway loops to every set, here or on other nodes.
//
// Threads: open() on the caller's; then a core loop (raft, routing, proposing), an apply thread
// (the state machines; may wait for RocksDB) and the log's writer are its own. Public functions say
// where they may be called.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "cluster/node/cluster_view.h"
#include "cluster/node/queue_declaration.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/io/loop.h"
#include "core/message/outbox.h"
#include "core/message/router.h"
#include "core/message/submitter.h"
#include "core/state/machine.h"
#include "core/store/store.h"
#include "core/wal/disk.h"
#include "core/wal/log.h"
#include "core/wal/writer.h"

struct ssl_ctx_st;

namespace causeway::node {

// One node of the cluster, as every node's configuration names it.
struct Member {
    NodeId id;  // from 1
    std::string name;
    std::string host;
    std::uint16_t port = 0;
};

struct NodeOptions {
    std::string data_dir;
    NodeId self{1};  // of `members`; a node that joined is who it was given to be
    // Those the cluster begins with, this one too, with the ids 1, 2, 3 …, the same list on each;
    // empty: this node alone, or one that joined.
    std::vector<Member> members;
    std::string cluster;             // its name; nodes of another one are refused
    std::string name = "node1";      // of this node, as its certificate has it
    std::string host = "127.0.0.1";  // where other nodes reach it
    std::uint16_t port = 0;
    bool gateway = true;  // roles
    bool core = true;
    std::string version;                      // of the program
    std::uint32_t voters_per_set = 3;         // odd
    MonoMs balance_ms = 30'000;               // calm before a leadership moves; 0: they stay
    std::shared_ptr<ssl_ctx_st> link_server;  // certs::make_peer_contexts(); empty: no other nodes
    std::shared_ptr<ssl_ctx_st> link_client;
    // A line worth logging about links to other nodes. Core loop; must not block.
    std::function<void(const std::string& line)> note;
    std::uint32_t sets = 1;    // fixed for the life of the cluster
    std::uint64_t random = 1;  // for a new node's identity and the election timeouts
    wal::LogOptions log;
    wal::WriterOptions writer;
    StateLimits limits;
    std::uint64_t store_cache_bytes = 32U << 20;
    std::uint64_t store_write_buffer_bytes = 32U << 20;
    // Publishes are refused while less than this is free on the data directory's file system.
    std::uint64_t disk_reserve_bytes = 256U << 20;
    // The log is compacted below what the store has flushed; a flush is due after so much of
    // either.
    std::uint64_t flush_bytes = 256U << 20;
    std::uint32_t flush_interval_s = 20;
    // Entries kept behind that for replicas that come back, where there are others.
    std::uint64_t kept_entries = 20'000;
    // What the log's files are kept on; null: the real disk. For crash tests.
    wal::Disk* disk = nullptr;
    // What the data directory's own small files are kept on; as above.
    wal::Disk* files = nullptr;
    bool store_write_behind = false;
    bool store_sync_is_noop = false;
};

// A disk failed or lies: nothing can be trusted any more. Called on any thread; must end the
// process.
using Fatal = std::function<void(const std::string& line)>;

struct SetStatus {
    GroupId set;
    bool serving = false;  // led here
    NodeId leader;         // 0: not known
    std::uint64_t term = 0;
    std::uint64_t commit_index = 0;
    std::uint64_t applied_index = 0;
    std::uint64_t compacted_index = 0;
    std::uint64_t last_index = 0;
    bool lacks_time = false;         // leads, and waits until a majority of clocks agrees
    bool receives_snapshot = false;  // it is so far behind that the whole state comes over
};

struct PeerLink {
    NodeId node;
    std::string name;
    bool out = false;  // our way to it is open
    bool in = false;   // its way to us
    std::uint64_t queued_bytes = 0;
};

struct NodeStatus {
    bool serving = false;  // every set has a leader
    bool disk_low = false;
    std::vector<SetStatus> sets;
    std::vector<PeerLink> peers;
    std::uint64_t links_refused = 0;  // wrong, expired or unknown certificates, other clusters
    std::uint64_t gateways_down = 0;
    std::uint64_t commands = 0;
    std::uint64_t publishes = 0;
    std::uint64_t unlogged = 0;
    std::uint64_t refused_disk = 0;
    wal::WriterStatus log;
    store::StoreStatus store;
    state::Statistics state;       // of the sets led here
    std::uint64_t ring_bytes = 0;  // outputs kept for gateways, of the same
};

class Node {
public:
    // Effect: recovers log and store and starts the threads. Errors: one line that says what to do.
    // `clock`, `router` and what `options` points to must outlive the node.
    static Result<std::unique_ptr<Node>> open(NodeOptions options, Clock& clock, Router& router,
                                              Fatal fatal);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    // Effect: what was submitted is committed and applied (bounded by 3 s), the store is flushed,
    // the threads end. Links and loops must still exist. Any thread but the node's own.
    void stop();

    // A gateway loop's way in. Call on that loop's thread, or before it runs; the result must be
    // destroyed after stop().
    std::unique_ptr<Submitter> link(io::Loop& loop, SubmitterEvents& events);

    // The sink loop's way in; same rules.
    std::unique_ptr<Outbox> outbox(io::Loop& loop, GroupId set);
    [[nodiscard]] const std::vector<GroupId>& sets() const;

    // Effect: the queues exist with these limits once the set serves; repeated whenever the rule
    // set changes. Any thread.
    void declare_queues(std::vector<QueueDeclaration> queues);

    // Effect: links to other nodes from now on use these (certs::PeerTls). With `again` those that
    // are open are closed and made anew: whom we trust has changed. Nothing on a node alone. Any
    // thread.
    void set_link_contexts(std::shared_ptr<ssl_ctx_st> server, std::shared_ptr<ssl_ctx_st> client,
                           bool again);

    // Effect: `ready` is called on `loop` with the sorted names of queues that got something to
    // receive, in any set; none: any queue may have. A hint: it may be lost with a connection
    // between nodes. Only while `waiters` is not 0: who counts itself in and then asks a queue
    // finds what is there, and is told of what comes later. Before the first link, or on that loop.
    void watch_queues(io::Loop& loop, std::shared_ptr<const std::atomic<std::size_t>> waiters,
                      absl::AnyInvocable<void(const std::vector<std::string>&)> ready);

    // Effect: `take` is called on `loop` with the status. Any thread.
    void status(io::Loop& loop, absl::AnyInvocable<void(NodeStatus)> take);

    // --- the cluster, any thread; answers on `loop` --------------------------------------------
    // Effect: `take` is called with what this node and those it reaches say of the cluster.
    void view(io::Loop& loop, absl::AnyInvocable<void(ClusterView)> take);
    // Effect: the command is applied by the control group, if it has a leader within 5 s.
    void propose(io::Loop& loop, control::Command command, absl::AnyInvocable<void(Answer)> take);
    // Effect: the set's leader, or that of the control group (0), is asked to hand over to a voter.
    void transfer(io::Loop& loop, GroupId set, NodeId to, absl::AnyInvocable<void(Answer)> take);

    // Effect: `take` is called on `loop` with the rule version the cluster has active, now if there
    // is one and whenever it is another. One watcher.
    void watch_rules(io::Loop& loop, absl::AnyInvocable<void(control::RuleVersion)> take);
    // Effect: `take` is called on `loop` with the documents of the cluster, now and whenever one is
    // changed; what this node knew when it stopped is known at once, also without a leader. Many
    // watchers; before they are destroyed, the node must have stopped.
    using SharedDocuments = std::shared_ptr<const control::Documents>;
    void watch_documents(io::Loop& loop, absl::AnyInvocable<void(SharedDocuments)> take);
    // Effect: the router evaluates this version. A node that does not evaluate the active one does
    // not stand for election.
    void rules_active(std::uint64_t version);

    // The boot clock and the wall clock the node runs on.
    [[nodiscard]] Clock& clock() const;
    [[nodiscard]] std::uint64_t id() const;

private:
    class Runtime;
    explicit Node(std::unique_ptr<Runtime> runtime);
    std::unique_ptr<Runtime> runtime_;
};

}  // namespace causeway::node
