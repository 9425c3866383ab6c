// The inside of a Store, shared by store.cc and rocks_kv.cc. Not part of the module's interface:
// the only headers that see RocksDB are this one and write_behind_file_system.h.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <atomic>
#include <memory>
#include <string>

#include "core/store/store.h"

namespace causeway::store {

// Key of a set's table: group (4 bytes, big-endian), then kMeta or kData, then the caller's key.
inline constexpr char kMeta = 0;
inline constexpr char kData = 1;

std::string group_prefix(GroupId group, char part);
std::string applied_key(GroupId group);

struct Store::Impl {
    explicit Impl(StoreOptions given) : options(std::move(given)) {}

    // Ends the process unless the status is ok.
    void require(const rocksdb::Status& status, std::string_view operation);
    [[noreturn]] void die(std::string_view operation, const rocksdb::Status& status);
    // Repeats a write until there is space for it.
    void write(rocksdb::WriteBatch& batch);

    StoreOptions options;
    std::atomic<bool> out_of_space = false;
    std::atomic<bool> dying = false;
    std::atomic<std::uint64_t> flushes = 0;
    std::atomic<std::uint64_t> flushed_seq = 0;  // RocksDB's number of the last write in a file.
    std::unique_ptr<rocksdb::Env> env;           // Only with faults. Outlives db.
    std::unique_ptr<rocksdb::DB> db;
};

// In rocks_kv.cc.
std::unique_ptr<state::Kv> make_kv(Store::Impl& impl, GroupId group);

}  // namespace causeway::store
