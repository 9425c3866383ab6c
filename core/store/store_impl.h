// The inside of a Store, shared by store.cc and rocks_kv.cc. Not part of the module's interface:
// the only headers that see RocksDB are this one and write_behind_file_system.h.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/store/store.h"

namespace causeway::store {

// Key of a set's table: group (4 bytes, big-endian), a part, then
//   kMeta: "applied", "generation" or "snapshot";
//   kFirst: the caller's key, in generation 0;
//   kLater: generation (8 bytes, big-endian), then the caller's key.
// kEnd is never written: it bounds the parts.
enum class Part : char { kMeta = 0, kFirst = 1, kLater = 2, kEnd = 3 };

std::string group_prefix(GroupId group, Part part);
std::string table_prefix(GroupId group, std::uint64_t generation);
// The first key behind every key that starts with `prefix`.
std::string end_of(std::string prefix);
std::string applied_key(GroupId group);
std::string generation_key(GroupId group);
std::string snapshot_key(GroupId group);

struct Store::Impl {
    explicit Impl(StoreOptions given) : options(std::move(given)) {}

    // Ends the process unless the status is ok.
    void require(const rocksdb::Status& status, std::string_view operation);
    [[noreturn]] void die(std::string_view operation, const rocksdb::Status& status);
    // Repeats a write until there is space for it. False: stop_waiting(), nothing was written.
    [[nodiscard]] bool write(rocksdb::WriteBatch& batch);
    // As Store::flush().
    Result<> flush();
    // The value of a u64 of the store's own; 0 if it is absent.
    std::uint64_t number(const rocksdb::ReadOptions& how, const std::string& key);
    void erase_range(rocksdb::WriteBatch& batch, const std::string& from, const std::string& to);
    // Effect: removes what installs that did not finish, and tables that were replaced, have left.
    rocksdb::Status remove_remains();
    // Never given twice, and above the generation in use.
    std::uint64_t next_generation(GroupId group);

    StoreOptions options;
    std::atomic<bool> out_of_space = false;
    std::atomic<bool> stopping = false;
    std::atomic<bool> dying = false;
    std::atomic<std::uint64_t> flushes = 0;
    std::atomic<std::uint64_t> flushed_seq = 0;  // RocksDB's number of the last write in a file.
    std::mutex mutex;                            // Guards last_generation.
    std::map<GroupId, std::uint64_t> last_generation;
    std::unique_ptr<rocksdb::Env> env;  // Only with faults. Outlives db.
    std::unique_ptr<rocksdb::DB> db;
};

// In rocks_kv.cc.
std::unique_ptr<state::Kv> make_kv(Store::Impl& impl, GroupId group);
// In rocks_snapshot.cc.
std::unique_ptr<state::SnapshotReader> make_snapshot_reader(Store::Impl& impl, GroupId group);
std::unique_ptr<state::SnapshotInstaller> make_snapshot_installer(Store::Impl& impl, GroupId group);

}  // namespace causeway::store
