// The apply thread: owns the applied side of its sets and is the only thread that may wait for
// RocksDB. Work and questions come in one queue and are taken in order; after each batch the state
// machines commit and report.
//
// Bounded by what feeds it: committed entries by the raft machine's unapplied_bytes_max, QoS 0
// publishes by the window of each gateway stream.
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

#include "core/replica/set_state.h"

namespace causeway::replica {

class ApplyThread {
public:
    ApplyThread() = default;
    ~ApplyThread();
    ApplyThread(const ApplyThread&) = delete;
    ApplyThread& operator=(const ApplyThread&) = delete;

    // Before start(); the Kv behind the machine must outlive this object.
    void add(GroupId group, std::unique_ptr<SetState> state);
    void start();
    // Effect: what is queued is still done; then the thread ends.
    void stop();

    // Thread-safe; items of one thread stay in order.
    void push(GroupId group, Work work);
    // Runs `query` between batches, after what was queued before it.
    using Query = absl::AnyInvocable<void(SetState& state)>;
    void ask(GroupId group, Query query);
    // Effect: the set is one of this thread's, behind what was queued before and before what is
    // queued after. Thread-safe.
    void adopt(GroupId group, std::unique_ptr<SetState> state);
    // Runs something that waits and concerns no set. Thread-safe, in order with the rest.
    using Task = absl::AnyInvocable<void()>;
    void run_there(Task task);

private:
    struct Item {
        GroupId group;
        std::variant<Work, Query, Task, std::unique_ptr<SetState>> what;
    };

    void push(Item item);
    void run();
    void take(Item& item);
    // True: some set has more to do at once.
    bool finish();

    absl::flat_hash_map<GroupId, std::unique_ptr<SetState>> states_;
    std::mutex mutex_;  // Guards queue_ and stopping_.
    std::condition_variable wake_;
    std::vector<Item> queue_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace causeway::replica
