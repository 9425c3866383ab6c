// The Disk port: the files of one directory as the write-ahead log needs them, and nothing more.
// Real: PosixDisk. For crash tests: WriteBehindDisk. Simulated: test/sim/disk.
//
// What an implementation promises: after a successful DiskFile::sync() the bytes and the size of
// that file survive a crash; after a successful Disk::sync_directory() every create, rename and
// remove before it does. Without them any subset of the written 512-byte sectors, and any prefix of
// the directory changes, may survive. Calls on different files, and reads of one file, may run at
// once; writes and syncs of one file come from one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace causeway::wal {

enum class DiskFault : std::uint8_t {
    kNotFound,
    kExists,
    kNoSpace,  // Also a quota. Nothing is lost that was synced.
    kBusy,     // The directory belongs to another process.
    kIo,       // Everything else. After a failed sync: what was written since the last one is lost.
};

struct DiskError {
    DiskFault fault = DiskFault::kIo;
    int error_number = 0;  // errno, 0 if none.
    std::string message;   // Operation, file and reason.
};

template <typename T = void>
using DiskResult = tl::expected<T, DiskError>;

class DiskFile {
public:
    DiskFile() = default;
    DiskFile(const DiskFile&) = delete;
    DiskFile& operator=(const DiskFile&) = delete;
    virtual ~DiskFile() = default;

    // Reads up to `size` bytes at `offset`; fewer only at the end of the file. Returns the count.
    virtual DiskResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) = 0;
    // Writes all of `bytes`, extending the file if needed; in doubt after an error.
    virtual DiskResult<> write(std::uint64_t offset, std::string_view bytes) = 0;
    // Reserves space for `size` bytes without promising their content; a file system that cannot
    // does nothing. Errors: kNoSpace, kIo.
    virtual DiskResult<> allocate(std::uint64_t size) = 0;
    // Makes bytes and size durable (fdatasync).
    virtual DiskResult<> sync() = 0;
    virtual DiskResult<std::uint64_t> size() = 0;
};

class Disk {
public:
    Disk() = default;
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    virtual ~Disk() = default;

    // Names of the regular files, sorted.
    virtual DiskResult<std::vector<std::string>> list() = 0;
    virtual DiskResult<std::shared_ptr<DiskFile>> open(std::string_view name) = 0;
    // Errors: kExists.
    virtual DiskResult<std::shared_ptr<DiskFile>> create(std::string_view name) = 0;
    // Replaces `to` if it exists. Open files stay usable under their new name.
    virtual DiskResult<> rename(std::string_view from, std::string_view to) = 0;
    virtual DiskResult<> remove(std::string_view name) = 0;
    virtual DiskResult<> sync_directory() = 0;
    virtual DiskResult<std::uint64_t> free_bytes() = 0;
};

}  // namespace causeway::wal
