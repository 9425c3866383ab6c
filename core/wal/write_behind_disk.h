// Fault injection, in test builds only: a Disk that keeps every write, create, rename and remove in
// process memory until the sync that makes it durable returns. kill -9 then loses what a power
// failure would lose, which the page cache otherwise hides. With syncs switched off nothing ever
// reaches the disk below and all of it is lost at the kill: the way to show that a test notices a
// missing sync.
#pragma once

#if CAUSEWAY_FAULTS

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/wal/disk.h"

namespace causeway::wal {

class WriteBehindDisk final : public Disk {
public:
    // `below` must outlive this disk and every file opened through it.
    WriteBehindDisk(Disk& below, bool ignore_sync) : below_(below), ignore_sync_(ignore_sync) {}

    DiskResult<std::vector<std::string>> list() override;
    DiskResult<std::shared_ptr<DiskFile>> open(std::string_view name) override;
    DiskResult<std::shared_ptr<DiskFile>> create(std::string_view name) override;
    DiskResult<> rename(std::string_view from, std::string_view to) override;
    DiskResult<> remove(std::string_view name) override;
    DiskResult<> sync_directory() override;
    DiskResult<std::uint64_t> free_bytes() override { return below_.free_bytes(); }

private:
    class File;
    struct Change {
        enum class What : std::uint8_t { kCreate, kRename, kRemove } what;
        std::string name;
        std::string to;
        std::shared_ptr<File> file;
    };

    DiskResult<> load();
    DiskResult<> apply(const Change& change);

    Disk& below_;
    const bool ignore_sync_;
    std::mutex mutex_;
    bool loaded_ = false;
    std::map<std::string, std::shared_ptr<File>> names_;
    std::vector<Change> changes_;  // Not yet synced, in order.
};

}  // namespace causeway::wal

#endif
