// RocksDB behind the Kv port: one database per node, the keys of each set under its 4-byte group
// id. The log is the durable copy of what is not flushed yet (RocksDB's own log is off); a crash
// leaves, for all sets together, some prefix of the commits, and flushed_applied() says which: the
// log may be compacted up to there and no further (I7).
//
// A set's table has a generation, which is part of its keys. An installed snapshot is written as
// the next generation beside the one in use, and one atomic write makes it the table; what is left
// of others is removed when the store is opened (docs/decisions/0008, docs/formats/snapshot.md).
//
// Threads: a Kv belongs to the apply thread of its set, a reader or installer to one thread at a
// time; everything else may be called from any thread. Errors: no space is not an error of a
// commit: it waits until there is space again, and status() says so meanwhile. Any other I/O error
// or damage calls the fatal handler with one line and ends the process (a replica whose table
// cannot be trusted must not serve).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/tagged.h"
#include "core/state/kv.h"
#include "core/state/snapshot.h"

namespace causeway::store {

struct StoreOptions {
    std::size_t write_buffer_bytes = 32U << 20;  // Unflushed writes; up to three such buffers.
    std::size_t block_cache_bytes = 32U << 20;
    int open_files_max = 256;
    bool flush_on_close = true;  // Only saves replaying the log at the next start.
    // Called at most once, from any thread, with one line for a person; must not return. If empty
    // or if it returns, the line goes to stderr and the process aborts.
    std::function<void(const std::string& line)> fatal = nullptr;
#if CAUSEWAY_FAULTS
    bool write_behind = false;  // See write_behind_file_system.h.
    bool ignore_sync = false;
    // With write_behind: the disk is full while this is set.
    std::shared_ptr<const std::atomic<bool>> no_space = nullptr;
#endif
};

struct StoreStatus {
    bool out_of_space = false;  // A flush or commit is waiting for space.
    std::uint64_t unflushed_bytes = 0;
    std::uint64_t files_bytes = 0;
    std::uint64_t flushes = 0;  // Since open.
    // In memory beside the unflushed ones: the block cache, and readers of open files.
    std::uint64_t cache_bytes = 0;
    std::uint64_t reader_bytes = 0;
};

class Store {
public:
    // Effect: opens or creates the database. Error: a line that says which directory and why.
    static Result<std::unique_ptr<Store>> open(const std::string& directory,
                                               const StoreOptions& options);
    // Every Kv, reader and installer of it must be gone.
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // The table of a set; at most one at a time per group. Keys and values are the caller's own.
    std::unique_ptr<state::Kv> kv(GroupId group);

    // Effect: removes every key of the set and its applied index (the replica has left). Takes
    // effect with the next flush. Precondition: no Kv or installer of the group is in use.
    void erase_group(GroupId group);

    // The table of a set as it is now, at one commit. It keeps what is overwritten since from being
    // freed: do not hold it longer than a transfer takes.
    std::unique_ptr<state::SnapshotReader> snapshot_reader(GroupId group);
    // Takes a snapshot for a set. At most one at a time per group.
    std::unique_ptr<state::SnapshotInstaller> snapshot_installer(GroupId group);
    // The `meta` of the last snapshot installed for the set, durable with its table; empty: none.
    // A node that starts compares it with its log, which may not have been told of it.
    [[nodiscard]] std::string snapshot_meta(GroupId group) const;

    // Effect: what was committed before the call is durable when it returns. Error: no space, or
    // stop_waiting(); nothing is lost, try again.
    Result<> flush();
    // The same without waiting; flushed_applied() shows when it is done.
    void flush_async();
    // The applied index that survives a crash now (0: none).
    [[nodiscard]] Index flushed_applied(GroupId group) const;

    // Effect: the process is leaving: from now on nothing waits for space. A commit that finds none
    // returns without having happened (its writes stay in the batch of its Kv, applied() does not
    // move; the log has them all), an installer's add() and finish() and flush() fail.
    void stop_waiting();

    [[nodiscard]] StoreStatus status() const;

    struct Impl;  // In store.cc.

private:
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::store
