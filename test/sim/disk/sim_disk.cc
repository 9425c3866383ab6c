#include "test/sim/disk/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace causeway::sim {
namespace {

using wal::DiskError;
using wal::DiskFault;
using wal::DiskResult;

tl::unexpected<DiskError> failed(DiskFault fault, std::string message) {
    return tl::unexpected(DiskError{fault, 0, std::move(message)});
}

}  // namespace

class SimDisk::File final : public wal::DiskFile {
public:
    File(SimDisk& disk, std::shared_ptr<Inode> inode) : disk_(disk), inode_(std::move(inode)) {}

    DiskResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) override {
        const std::string& bytes = inode_->current;
        const std::size_t count =
            offset >= bytes.size() ? 0 : std::min<std::uint64_t>(size, bytes.size() - offset);
        std::memcpy(out, bytes.data() + std::min<std::uint64_t>(offset, bytes.size()), count);
        return count;
    }
    DiskResult<> write(std::uint64_t offset, std::string_view bytes) override {
        return disk_.write(*inode_, offset, bytes);
    }
    DiskResult<> allocate(std::uint64_t size) override {
        const std::uint64_t held = inode_->current.size();
        if (size > held && disk_.used() + (size - held) > disk_.capacity_) {
            return failed(DiskFault::kNoSpace, "no space left");
        }
        return {};
    }
    DiskResult<> sync() override { return disk_.sync(*inode_); }
    DiskResult<std::uint64_t> size() override { return inode_->current.size(); }

private:
    SimDisk& disk_;
    std::shared_ptr<Inode> inode_;
};

std::uint64_t SimDisk::used() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, inode] : history_.back()) {
        bytes += inode->current.size();
    }
    return bytes;
}

DiskResult<> SimDisk::write(Inode& inode, std::uint64_t offset, std::string_view bytes) {
    change();
    offset += std::exchange(misdirect_, 0);
    const std::uint64_t end = offset + bytes.size();
    if (end > inode.current.size()) {
        if (used() + end - inode.current.size() > capacity_) {
            return failed(DiskFault::kNoSpace, "no space left");
        }
        inode.current.resize(end);
    }
    inode.current.replace(offset, bytes.size(), bytes);
    for (std::uint64_t sector = offset / kSector; sector * kSector < end; ++sector) {
        inode.dirty.insert(sector);
    }
    return {};
}

DiskResult<> SimDisk::sync(Inode& inode) {
    change();
    if (fail_sync_in_ >= 0 && fail_sync_in_-- == 0) {
        inode.dirty.clear();
        return failed(DiskFault::kIo, "the sync failed");
    }
    inode.durable.resize(inode.current.size());
    for (const std::uint64_t sector : inode.dirty) {
        const std::uint64_t at = sector * kSector;
        inode.durable.replace(at, std::min(kSector, inode.current.size() - at), inode.current, at,
                              kSector);
    }
    inode.dirty.clear();
    return {};
}

DiskResult<std::vector<std::string>> SimDisk::list() {
    std::vector<std::string> names;
    for (const auto& [name, inode] : history_.back()) {
        names.push_back(name);
    }
    return names;
}

DiskResult<std::shared_ptr<wal::DiskFile>> SimDisk::open(std::string_view name) {
    const auto it = history_.back().find(std::string(name));
    if (it == history_.back().end()) {
        return failed(DiskFault::kNotFound, "no file " + std::string(name));
    }
    return std::make_shared<File>(*this, it->second);
}

DiskResult<std::shared_ptr<wal::DiskFile>> SimDisk::create(std::string_view name) {
    change();
    Names names = history_.back();
    auto& inode = names[std::string(name)];
    if (inode) {
        return failed(DiskFault::kExists, std::string(name) + " exists");
    }
    inode = std::make_shared<Inode>();
    history_.push_back(std::move(names));
    return open(name);
}

DiskResult<> SimDisk::rename(std::string_view from, std::string_view to) {
    change();
    Names names = history_.back();
    auto node = names.extract(std::string(from));
    if (node.empty()) {
        return failed(DiskFault::kNotFound, "no file " + std::string(from));
    }
    names[std::string(to)] = std::move(node.mapped());
    history_.push_back(std::move(names));
    return {};
}

DiskResult<> SimDisk::remove(std::string_view name) {
    Names names = history_.back();
    if (names.erase(std::string(name)) == 0) {
        return failed(DiskFault::kNotFound, "no file " + std::string(name));
    }
    change();
    history_.push_back(std::move(names));
    return {};
}

DiskResult<> SimDisk::sync_directory() {
    change();
    if (!ignore_directory_syncs_) {
        history_.erase(history_.begin(), history_.end() - 1);
    }
    return {};
}

DiskResult<std::uint64_t> SimDisk::free_bytes() {
    const std::uint64_t bytes = used();
    return capacity_ > bytes ? capacity_ - bytes : 0;
}

std::unique_ptr<SimDisk> SimDisk::crash(Keep keep, std::size_t changes) const {
    auto next = std::make_unique<SimDisk>();
    std::size_t number = 0;
    // Asked for every file that exists now, whether its name survives or not.
    std::map<const Inode*, std::shared_ptr<Inode>> survivors;
    for (const auto& names : history_) {
        for (const auto& [name, inode] : names) {
            auto& survivor = survivors[inode.get()];
            if (survivor) {
                continue;
            }
            survivor = std::make_shared<Inode>();
            survivor->durable = inode->durable;
            for (const std::uint64_t sector : inode->dirty) {
                if (!keep(number++)) {
                    continue;
                }
                const std::uint64_t at = sector * kSector;
                const std::uint64_t size = std::min(kSector, inode->current.size() - at);
                if (survivor->durable.size() < at + size) {
                    survivor->durable.resize(at + size);
                }
                survivor->durable.replace(at, size, inode->current, at, size);
            }
            survivor->current = survivor->durable;
        }
    }
    for (const auto& [name, inode] : history_[std::min(changes, history_.size() - 1)]) {
        next->history_[0][name] = survivors[inode.get()];
    }
    return next;
}

std::unique_ptr<SimDisk> SimDisk::crash(Random& random) const {
    const std::uint64_t kept = random.below(5);  // Of four: none, some, all.
    return crash([&](std::size_t) { return random.below(4) < kept; },
                 random.below(history_.size()));
}

std::unique_ptr<SimDisk> SimDisk::kill() const {
    auto next = std::make_unique<SimDisk>();
    std::map<const Inode*, std::shared_ptr<Inode>> copies;
    next->history_.clear();
    for (const auto& names : history_) {
        Names& copy = next->history_.emplace_back();
        for (const auto& [name, inode] : names) {
            auto& held = copies[inode.get()];
            if (!held) {
                held = std::make_shared<Inode>(*inode);
            }
            copy[name] = held;
        }
    }
    next->capacity_ = capacity_;
    return next;
}

std::size_t SimDisk::unsynced_sectors() const {
    std::size_t count = 0;
    std::set<const Inode*> seen;
    for (const auto& names : history_) {
        for (const auto& [name, inode] : names) {
            count += seen.insert(inode.get()).second ? inode->dirty.size() : 0;
        }
    }
    return count;
}

void SimDisk::flip_bit(const std::string& name, std::uint64_t offset, unsigned bit) {
    Inode& inode = *history_.back().at(name);
    for (std::string* bytes : {&inode.durable, &inode.current}) {
        bytes->at(offset) = static_cast<char>(bytes->at(offset) ^ (1 << bit));
    }
}

void SimDisk::put(const std::string& name, std::string content) {
    auto inode = std::make_shared<Inode>();
    inode->durable = content;
    inode->current = std::move(content);
    for (Names& names : history_) {
        names[name] = inode;
    }
}

const std::string& SimDisk::content(const std::string& name) const {
    return history_.back().at(name)->current;
}

}  // namespace causeway::sim
