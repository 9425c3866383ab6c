// The apply thread: owns the state machines of its sets and is the only thread that may wait for
// RocksDB. Committed entries, QoS 0 publishes and questions come in one queue and are taken in
// order; after each batch the machines commit and what came out of them is handed on.
//
// Bounded by what feeds it: committed entries by the raft machine's unapplied_bytes_max, QoS 0
// publishes by the window of each gateway link.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>

#include "core/base/bytes.h"
#include "core/base/tagged.h"
#include "core/raft/types.h"
#include "core/state/machine.h"

namespace causeway::replica {

// What a batch of applied entries of one set gave. Called on the apply thread.
class ApplySink {
public:
    virtual ~ApplySink() = default;
    struct Applied {
        GroupId group;
        Index index;
        SetMs time = 0;
        SetMs next_timer = 0;  // 0: none
        bool has_work = false;
        StateLimits limits;
    };
    // `outputs` may be moved from.
    virtual void on_applied(const Applied& applied, state::Outputs& outputs) = 0;
};

class ApplyThread {
public:
    explicit ApplyThread(ApplySink& sink) : sink_(sink) {}
    ~ApplyThread();
    ApplyThread(const ApplyThread&) = delete;
    ApplyThread& operator=(const ApplyThread&) = delete;

    // Before start(): the machine is loaded; the Kv behind it must outlive this object.
    void add(GroupId group, std::unique_ptr<state::Machine> machine);
    void start();
    // Effect: what is queued is still done; then the thread ends.
    void stop();

    // Thread-safe; items of one thread stay in order.
    void apply(GroupId group, std::vector<raft::Entry> entries);
    // `frames`: framed kPublish commands of one gateway stream, QoS 0.
    void publish_unlogged(GroupId group, StreamId stream, SharedBytes frames);
    // Runs `query` between batches, after what was queued before it.
    using Query = absl::AnyInvocable<void(state::Machine& machine)>;
    void ask(GroupId group, Query query);

private:
    struct Entries {
        GroupId group;
        std::vector<raft::Entry> entries;
    };
    struct Unlogged {
        GroupId group;
        StreamId stream;
        SharedBytes frames;
    };
    struct Question {
        GroupId group;
        Query query;
    };
    using Item = std::variant<Entries, Unlogged, Question>;
    struct Group {
        std::unique_ptr<state::Machine> machine;
        state::Outputs outputs;
        bool touched = false;
    };

    void push(Item item);
    void run();
    void take(Item& item);
    void finish();

    ApplySink& sink_;
    absl::flat_hash_map<GroupId, std::unique_ptr<Group>> groups_;
    std::mutex mutex_;  // Guards queue_ and stopping_.
    std::condition_variable wake_;
    std::vector<Item> queue_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace causeway::replica
