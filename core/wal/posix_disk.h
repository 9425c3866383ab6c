// The Disk port over POSIX files. One instance holds an exclusive lock (flock) on its directory for
// as long as it lives, so that two processes never write one log.
#pragma once

#include "core/wal/disk.h"

namespace causeway::wal {

class PosixDisk final : public Disk {
public:
    // Effect: creates the directory (and its parents) if absent, and locks it.
    // Errors: kBusy when another process has it, kIo.
    static DiskResult<std::unique_ptr<PosixDisk>> open(const std::string& directory);
    ~PosixDisk() override;

    DiskResult<std::vector<std::string>> list() override;
    DiskResult<std::shared_ptr<DiskFile>> open(std::string_view name) override;
    DiskResult<std::shared_ptr<DiskFile>> create(std::string_view name) override;
    DiskResult<> rename(std::string_view from, std::string_view to) override;
    DiskResult<> remove(std::string_view name) override;
    DiskResult<> sync_directory() override;
    DiskResult<std::uint64_t> free_bytes() override;

private:
    PosixDisk(std::string directory, int fd) : directory_(std::move(directory)), fd_(fd) {}
    DiskResult<std::shared_ptr<DiskFile>> open_file(std::string_view name, int flags);

    std::string directory_;
    int fd_;
};

}  // namespace causeway::wal
