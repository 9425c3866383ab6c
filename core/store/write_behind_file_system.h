// Fault injection, in test builds only: a RocksDB file system that keeps new files, renames and
// deletions in process memory until the sync that makes them durable, so that kill -9 loses what a
// power failure would. With syncs switched off nothing but the lock and the info log ever reaches
// the disk.
#pragma once

#if CAUSEWAY_FAULTS

#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>

namespace causeway::store {

std::shared_ptr<rocksdb::FileSystem> make_write_behind_file_system(
    std::shared_ptr<rocksdb::FileSystem> below, bool ignore_sync,
    std::shared_ptr<const std::atomic<bool>> no_space);

}  // namespace causeway::store

#endif
