#include "core/wal/write_behind_disk.h"

#if CAUSEWAY_FAULTS

#include <algorithm>
#include <cstring>
#include <utility>

namespace causeway::wal {
namespace {

constexpr std::uint64_t kPage = 4096;

}  // namespace

// Whole pages that differ from the file below. A file that is not yet created below keeps what was
// synced in `durable_` until its creation is.
class WriteBehindDisk::File final : public DiskFile {
public:
    File(std::shared_ptr<DiskFile> below, std::uint64_t size, bool ignore_sync)
        : below_(std::move(below)), size_(size), ignore_sync_(ignore_sync) {}

    DiskResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) override {
        const std::lock_guard lock(mutex_);
        const std::size_t count =
            offset >= size_ ? 0 : std::min<std::uint64_t>(size, size_ - offset);
        for (std::size_t done = 0; done < count;) {
            const std::uint64_t at = offset + done;
            const std::size_t part = std::min<std::uint64_t>(count - done, kPage - at % kPage);
            if (auto ok = read_part(at, out + done, part); !ok) {
                return tl::unexpected(ok.error());
            }
            done += part;
        }
        return count;
    }

    DiskResult<> write(std::uint64_t offset, std::string_view bytes) override {
        const std::lock_guard lock(mutex_);
        while (!bytes.empty()) {
            const std::uint64_t start = offset / kPage * kPage;
            const std::size_t part = std::min<std::uint64_t>(bytes.size(), start + kPage - offset);
            if (!pages_.contains(start)) {
                std::string page(kPage, '\0');
                if (auto ok = read_part(start, page.data(), kPage); !ok) {
                    return ok;
                }
                pages_.emplace(start, std::move(page));
            }
            std::memcpy(pages_[start].data() + (offset - start), bytes.data(), part);
            offset += part;
            bytes.remove_prefix(part);
            size_ = std::max(size_, offset);
        }
        return {};
    }

    DiskResult<> allocate(std::uint64_t size) override {
        const std::lock_guard lock(mutex_);
        size_ = std::max(size_, size);
        return {};
    }

    DiskResult<> sync() override {
        const std::lock_guard lock(mutex_);
        if (ignore_sync_) {
            return {};
        }
        for (auto& [at, page] : pages_) {
            durable_.insert_or_assign(at, std::move(page));
        }
        pages_.clear();
        durable_size_ = size_;
        return flush();
    }

    DiskResult<std::uint64_t> size() override {
        const std::lock_guard lock(mutex_);
        return size_;
    }

    // The creation of the file has become durable: `below` is it.
    DiskResult<> created(std::shared_ptr<DiskFile> below) {
        const std::lock_guard lock(mutex_);
        below_ = std::move(below);
        return flush();
    }

private:
    DiskResult<> read_part(std::uint64_t at, char* out, std::size_t size) {
        const std::uint64_t start = at / kPage * kPage;
        for (const auto* held : {&pages_, &durable_}) {
            if (const auto it = held->find(start); it != held->end()) {
                std::memcpy(out, it->second.data() + (at - start), size);
                return {};
            }
        }
        std::memset(out, 0, size);
        return below_ ? below_->read(at, out, size).map([](std::size_t) {}) : DiskResult<>();
    }

    DiskResult<> flush() {
        if (!below_) {
            return {};
        }
        for (const auto& [at, page] : durable_) {
            const std::uint64_t part = std::min<std::uint64_t>(kPage, durable_size_ - at);
            if (auto ok = below_->write(at, std::string_view(page).substr(0, part)); !ok) {
                return ok;
            }
        }
        durable_.clear();
        return below_->sync();
    }

    std::mutex mutex_;
    std::shared_ptr<DiskFile> below_;
    std::uint64_t size_;
    const bool ignore_sync_;
    std::map<std::uint64_t, std::string> pages_;    // Written, not synced.
    std::map<std::uint64_t, std::string> durable_;  // Synced, but the file has no durable name.
    std::uint64_t durable_size_ = 0;
};

// Reads the directory below, once.
DiskResult<> WriteBehindDisk::load() {
    if (loaded_) {
        return {};
    }
    auto names = below_.list();
    if (!names) {
        return tl::unexpected(names.error());
    }
    for (const std::string& name : *names) {
        auto file = below_.open(name);
        if (!file) {
            return tl::unexpected(file.error());
        }
        const auto size = (*file)->size();
        if (!size) {
            return tl::unexpected(size.error());
        }
        names_[name] = std::make_shared<File>(*std::move(file), *size, ignore_sync_);
    }
    loaded_ = true;
    return {};
}

DiskResult<std::vector<std::string>> WriteBehindDisk::list() {
    const std::lock_guard lock(mutex_);
    if (auto ok = load(); !ok) {
        return tl::unexpected(ok.error());
    }
    std::vector<std::string> names;
    for (const auto& [name, file] : names_) {
        names.push_back(name);
    }
    return names;
}

DiskResult<std::shared_ptr<DiskFile>> WriteBehindDisk::open(std::string_view name) {
    const std::lock_guard lock(mutex_);
    if (auto ok = load(); !ok) {
        return tl::unexpected(ok.error());
    }
    const auto it = names_.find(std::string(name));
    if (it == names_.end()) {
        return tl::unexpected(DiskError{DiskFault::kNotFound, 0, "no file " + std::string(name)});
    }
    return it->second;
}

DiskResult<std::shared_ptr<DiskFile>> WriteBehindDisk::create(std::string_view name) {
    const std::lock_guard lock(mutex_);
    if (auto ok = load(); !ok) {
        return tl::unexpected(ok.error());
    }
    std::string key(name);
    if (names_.contains(key)) {
        return tl::unexpected(DiskError{DiskFault::kExists, 0, key + " exists"});
    }
    auto file = std::make_shared<File>(nullptr, 0, ignore_sync_);
    names_[key] = file;
    changes_.push_back({Change::What::kCreate, std::move(key), {}, file});
    return file;
}

DiskResult<> WriteBehindDisk::rename(std::string_view from, std::string_view to) {
    const std::lock_guard lock(mutex_);
    if (auto ok = load(); !ok) {
        return ok;
    }
    const auto it = names_.find(std::string(from));
    if (it == names_.end()) {
        return tl::unexpected(DiskError{DiskFault::kNotFound, 0, "no file " + std::string(from)});
    }
    auto file = std::move(it->second);
    names_.erase(it);
    names_[std::string(to)] = std::move(file);
    changes_.push_back({Change::What::kRename, std::string(from), std::string(to), nullptr});
    return {};
}

DiskResult<> WriteBehindDisk::remove(std::string_view name) {
    const std::lock_guard lock(mutex_);
    if (auto ok = load(); !ok) {
        return ok;
    }
    if (names_.erase(std::string(name)) == 0) {
        return tl::unexpected(DiskError{DiskFault::kNotFound, 0, "no file " + std::string(name)});
    }
    changes_.push_back({Change::What::kRemove, std::string(name), {}, nullptr});
    return {};
}

DiskResult<> WriteBehindDisk::apply(const Change& change) {
    switch (change.what) {
        case Change::What::kCreate:
            return below_.create(change.name).and_then([&](std::shared_ptr<DiskFile> file) {
                return change.file->created(std::move(file));
            });
        case Change::What::kRename:
            return below_.rename(change.name, change.to);
        case Change::What::kRemove:
            return below_.remove(change.name);
    }
    return {};
}

DiskResult<> WriteBehindDisk::sync_directory() {
    const std::lock_guard lock(mutex_);
    if (ignore_sync_) {
        return {};
    }
    for (const Change& change : changes_) {
        if (auto ok = apply(change); !ok) {
            return ok;
        }
    }
    changes_.clear();
    return below_.sync_directory();
}

}  // namespace causeway::wal

#endif
