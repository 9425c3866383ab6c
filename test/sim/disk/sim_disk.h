// A simulated Disk: files of 512-byte sectors in memory that know what has been synced. A crash
// gives a new disk on which any subset of the unsynced sectors, and any prefix of the unsynced
// directory changes, has survived; the old one, and the files opened from it, belong to the dead
// process. Deterministic, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>

#include "core/base/random.h"
#include "core/wal/disk.h"

namespace causeway::sim {

class SimDisk final : public wal::Disk {
public:
    static constexpr std::uint64_t kSector = 512;

    wal::DiskResult<std::vector<std::string>> list() override;
    wal::DiskResult<std::shared_ptr<wal::DiskFile>> open(std::string_view name) override;
    wal::DiskResult<std::shared_ptr<wal::DiskFile>> create(std::string_view name) override;
    wal::DiskResult<> rename(std::string_view from, std::string_view to) override;
    wal::DiskResult<> remove(std::string_view name) override;
    wal::DiskResult<> sync_directory() override;
    wal::DiskResult<std::uint64_t> free_bytes() override;

    // What a power failure now leaves. `keep` is asked once per unsynced sector, numbered from 0;
    // `changes` directory changes survive.
    using Keep = absl::FunctionRef<bool(std::size_t sector)>;
    [[nodiscard]] std::unique_ptr<SimDisk> crash(Keep keep, std::size_t changes) const;
    [[nodiscard]] std::unique_ptr<SimDisk> crash(Random& random) const;
    // What the death of the process alone leaves: everything written, still unsynced where it was.
    [[nodiscard]] std::unique_ptr<SimDisk> kill() const;
    [[nodiscard]] std::size_t unsynced_sectors() const;
    [[nodiscard]] std::size_t unsynced_changes() const { return history_.size() - 1; }

    // Called before every write, sync and directory change: the points at which a crash differs.
    void on_change(std::function<void()> hook) { hook_ = std::move(hook); }

    // Faults.
    // The sync of a file after `skip` more fails, and what it should have written is dropped: it
    // reads back, as from a page cache, but is neither durable nor dirty any more.
    void fail_sync(int skip = 0) { fail_sync_in_ = skip; }
    void ignore_directory_syncs() { ignore_directory_syncs_ = true; }
    // No file grows beyond this total.
    void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
    [[nodiscard]] std::uint64_t used_bytes() const { return used(); }
    // The next write lands `distance` bytes further on.
    void misdirect_next_write(std::uint64_t distance) { misdirect_ = distance; }
    void flip_bit(const std::string& name, std::uint64_t offset, unsigned bit);
    // Content of a file, durable at once.
    void put(const std::string& name, std::string content);
    [[nodiscard]] const std::string& content(const std::string& name) const;

private:
    struct Inode {
        std::string durable;
        std::string current;
        std::set<std::uint64_t> dirty;  // Sector numbers.
    };
    class File;
    using Names = std::map<std::string, std::shared_ptr<Inode>>;

    void change() const {
        if (hook_) {
            hook_();
        }
    }
    [[nodiscard]] std::uint64_t used() const;
    wal::DiskResult<> write(Inode& inode, std::uint64_t offset, std::string_view bytes);
    wal::DiskResult<> sync(Inode& inode);

    // The directory as of the last sync, and after each change since.
    std::vector<Names> history_ = std::vector<Names>(1);
    std::function<void()> hook_;
    int fail_sync_in_ = -1;
    bool ignore_directory_syncs_ = false;
    std::uint64_t capacity_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t misdirect_ = 0;
};

}  // namespace causeway::sim
