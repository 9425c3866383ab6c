#include "core/store/write_behind_file_system.h"

#if CAUSEWAY_FAULTS

#include <algorithm>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::store {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

std::string clean(const std::string& path) {
    std::string out;
    for (const char c : path) {
        if (c != '/' || out.empty() || out.back() != '/') {
            out.push_back(c);
        }
    }
    return out;
}

// A file written since the start that is not yet wholly on the disk below.
struct Node {
    std::string bytes;
    std::size_t synced = 0;                          // Leading bytes that a sync has covered, …
    std::size_t written = 0;                         // … and that are in `below`.
    std::unique_ptr<rocksdb::FSWritableFile> below;  // Once its name is durable.
    bool closed = false;
};

struct Change {
    enum class What : std::uint8_t { kCreate, kRename, kDelete } what;
    std::string name;
    std::string to;
    std::shared_ptr<Node> node;
};

// Shared by the file system and its open files; everything under one lock.
struct Overlay {
    std::mutex mutex;
    bool ignore_sync = false;
    std::shared_ptr<const std::atomic<bool>> no_space;
    std::map<std::string, std::shared_ptr<Node>> names;
    std::set<std::string> gone;  // Names that exist below and are deleted or renamed here.
    std::vector<Change> changes;

    static IOStatus flush(Node& node) {
        if (!node.below) {
            return IOStatus::OK();
        }
        const Slice part(node.bytes.data() + node.written, node.synced - node.written);
        IOStatus status = part.empty() ? IOStatus::OK() : node.below->Append(part, {}, nullptr);
        if (status.ok()) {
            node.written = node.synced;
            status = node.below->Sync({}, nullptr);
        }
        return status;
    }
};

class WriteBehindFile final : public rocksdb::FSWritableFile {
public:
    WriteBehindFile(std::shared_ptr<Overlay> overlay, std::shared_ptr<Node> node)
        : overlay_(std::move(overlay)), node_(std::move(node)) {}
    ~WriteBehindFile() override { set_closed(); }

    using FSWritableFile::Append;
    IOStatus Append(const Slice& data, const IOOptions& /*options*/,
                    IODebugContext* /*dbg*/) override {
        const std::lock_guard lock(overlay_->mutex);
        node_->bytes.append(data.data(), data.size());
        return IOStatus::OK();
    }
    IOStatus Truncate(std::uint64_t size, const IOOptions& /*options*/,
                      IODebugContext* /*dbg*/) override {
        const std::lock_guard lock(overlay_->mutex);
        if (size < node_->synced) {
            return IOStatus::NotSupported("truncating synced bytes");
        }
        node_->bytes.resize(size);
        return IOStatus::OK();
    }
    IOStatus Close(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
        set_closed();
        return IOStatus::OK();
    }
    IOStatus Flush(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
        return IOStatus::OK();
    }
    IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
        const std::lock_guard lock(overlay_->mutex);
        if (overlay_->no_space && *overlay_->no_space) {
            return IOStatus::NoSpace("simulated");
        }
        if (overlay_->ignore_sync) {
            return IOStatus::OK();
        }
        node_->synced = node_->bytes.size();
        return Overlay::flush(*node_);
    }
    std::uint64_t GetFileSize(const IOOptions& /*options*/, IODebugContext* /*dbg*/) override {
        const std::lock_guard lock(overlay_->mutex);
        return node_->bytes.size();
    }

private:
    void set_closed() {
        const std::lock_guard lock(overlay_->mutex);
        node_->closed = true;
    }

    std::shared_ptr<Overlay> overlay_;
    std::shared_ptr<Node> node_;
};

// Reads of a node, which stays in memory as long as a reader holds it.
std::size_t read_node(Overlay& overlay, const Node& node, std::uint64_t offset, std::size_t size,
                      char* out) {
    const std::lock_guard lock(overlay.mutex);
    return offset >= node.bytes.size() ? 0 : node.bytes.copy(out, size, offset);
}

class SequentialReader final : public rocksdb::FSSequentialFile {
public:
    SequentialReader(std::shared_ptr<Overlay> overlay, std::shared_ptr<Node> node)
        : overlay_(std::move(overlay)), node_(std::move(node)) {}
    IOStatus Read(std::size_t size, const IOOptions& /*options*/, Slice* result, char* scratch,
                  IODebugContext* /*dbg*/) override {
        *result = Slice(scratch, read_node(*overlay_, *node_, at_, size, scratch));
        at_ += result->size();
        return IOStatus::OK();
    }
    IOStatus Skip(std::uint64_t size) override {
        at_ += size;
        return IOStatus::OK();
    }

private:
    std::shared_ptr<Overlay> overlay_;
    std::shared_ptr<Node> node_;
    std::uint64_t at_ = 0;
};

class RandomReader final : public rocksdb::FSRandomAccessFile {
public:
    RandomReader(std::shared_ptr<Overlay> overlay, std::shared_ptr<Node> node)
        : overlay_(std::move(overlay)), node_(std::move(node)) {}
    IOStatus Read(std::uint64_t offset, std::size_t size, const IOOptions& /*options*/,
                  Slice* result, char* scratch, IODebugContext* /*dbg*/) const override {
        *result = Slice(scratch, read_node(*overlay_, *node_, offset, size, scratch));
        return IOStatus::OK();
    }

private:
    std::shared_ptr<Overlay> overlay_;
    std::shared_ptr<Node> node_;
};

class WriteBehindFileSystem final : public rocksdb::FileSystemWrapper {
public:
    WriteBehindFileSystem(std::shared_ptr<rocksdb::FileSystem> below, bool ignore_sync,
                          std::shared_ptr<const std::atomic<bool>> no_space)
        : FileSystemWrapper(std::move(below)) {
        overlay_->ignore_sync = ignore_sync;
        overlay_->no_space = std::move(no_space);
    }
    const char* Name() const override { return "WriteBehindFileSystem"; }

    IOStatus NewWritableFile(const std::string& name, const FileOptions& /*options*/,
                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                             IODebugContext* /*dbg*/) override {
        const std::lock_guard lock(overlay_->mutex);
        auto node = std::make_shared<Node>();
        overlay_->names[clean(name)] = node;
        overlay_->changes.push_back({Change::What::kCreate, clean(name), {}, node});
        *result = std::make_unique<WriteBehindFile>(overlay_, std::move(node));
        return IOStatus::OK();
    }

    IOStatus NewSequentialFile(const std::string& name, const FileOptions& options,
                               std::unique_ptr<rocksdb::FSSequentialFile>* result,
                               IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        if (auto node = find(name)) {
            *result = std::make_unique<SequentialReader>(overlay_, std::move(node));
            return IOStatus::OK();
        }
        return hidden(name) ? not_found(name)
                            : target()->NewSequentialFile(name, options, result, dbg);
    }

    IOStatus NewRandomAccessFile(const std::string& name, const FileOptions& options,
                                 std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                 IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        if (auto node = find(name)) {
            *result = std::make_unique<RandomReader>(overlay_, std::move(node));
            return IOStatus::OK();
        }
        return hidden(name) ? not_found(name)
                            : target()->NewRandomAccessFile(name, options, result, dbg);
    }

    IOStatus FileExists(const std::string& name, const IOOptions& options,
                        IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        if (find(name)) {
            return IOStatus::OK();
        }
        return hidden(name) ? not_found(name) : target()->FileExists(name, options, dbg);
    }

    IOStatus GetFileSize(const std::string& name, const IOOptions& options, std::uint64_t* size,
                         IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        if (const auto node = find(name)) {
            *size = node->bytes.size();
            return IOStatus::OK();
        }
        return hidden(name) ? not_found(name) : target()->GetFileSize(name, options, size, dbg);
    }

    IOStatus GetFileModificationTime(const std::string& name, const IOOptions& options,
                                     std::uint64_t* time, IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        if (find(name)) {
            *time = static_cast<std::uint64_t>(std::time(nullptr));
            return IOStatus::OK();
        }
        return target()->GetFileModificationTime(name, options, time, dbg);
    }

    IOStatus GetChildren(const std::string& dir, const IOOptions& options,
                         std::vector<std::string>* names, IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        const IOStatus status = target()->GetChildren(dir, options, names, dbg);
        if (!status.ok()) {
            return status;
        }
        const std::string prefix = clean(dir + "/");
        std::set<std::string> all(names->begin(), names->end());
        std::erase_if(all,
                      [&](const std::string& n) { return overlay_->gone.contains(prefix + n); });
        for (const auto& [name, node] : overlay_->names) {
            if (name.starts_with(prefix) && name.find('/', prefix.size()) == std::string::npos) {
                all.insert(name.substr(prefix.size()));
            }
        }
        names->assign(all.begin(), all.end());
        return IOStatus::OK();
    }

    IOStatus GetChildrenFileAttributes(const std::string& dir, const IOOptions& options,
                                       std::vector<rocksdb::FileAttributes>* result,
                                       IODebugContext* dbg) override {
        return FileSystem::GetChildrenFileAttributes(dir, options, result, dbg);
    }

    IOStatus DeleteFile(const std::string& name, const IOOptions& options,
                        IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        const bool held = overlay_->names.erase(clean(name)) > 0;
        if (!held) {
            const IOStatus exists =
                hidden(name) ? not_found(name) : target()->FileExists(name, options, dbg);
            if (!exists.ok()) {
                return exists;
            }
        }
        overlay_->gone.insert(clean(name));
        overlay_->changes.push_back({Change::What::kDelete, clean(name), {}, nullptr});
        return IOStatus::OK();
    }

    // Files that were there before are only renamed by RocksDB when it rotates its info log.
    IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                        IODebugContext* dbg) override {
        const std::lock_guard lock(overlay_->mutex);
        auto held = overlay_->names.extract(clean(from));
        if (held.empty()) {
            return target()->RenameFile(from, to, options, dbg);
        }
        overlay_->names[clean(to)] = std::move(held.mapped());
        overlay_->gone.insert(clean(from));
        overlay_->changes.push_back({Change::What::kRename, clean(from), clean(to), nullptr});
        return IOStatus::OK();
    }

    IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                          std::unique_ptr<rocksdb::FSDirectory>* result,
                          IODebugContext* dbg) override;

    IOStatus sync_names() {
        const std::lock_guard lock(overlay_->mutex);
        if (overlay_->ignore_sync) {
            return IOStatus::OK();
        }
        for (Change& change : overlay_->changes) {
            const IOStatus status = apply(change);
            if (!status.ok()) {
                return status;
            }
        }
        overlay_->changes.clear();
        overlay_->gone.clear();
        // What is wholly below needs no copy here any more.
        std::erase_if(overlay_->names, [](const auto& held) {
            const Node& node = *held.second;
            return node.closed && node.below && node.written == node.bytes.size();
        });
        return IOStatus::OK();
    }

private:
    class Directory;

    std::shared_ptr<Node> find(const std::string& name) const {
        const auto it = overlay_->names.find(clean(name));
        return it == overlay_->names.end() ? nullptr : it->second;
    }
    bool hidden(const std::string& name) const { return overlay_->gone.contains(clean(name)); }
    static IOStatus not_found(const std::string& name) { return IOStatus::PathNotFound(name); }

    IOStatus apply(Change& change) {
        switch (change.what) {
            case Change::What::kCreate: {
                const IOStatus status = target()->NewWritableFile(change.name, FileOptions(),
                                                                  &change.node->below, nullptr);
                return status.ok() ? Overlay::flush(*change.node) : status;
            }
            case Change::What::kRename:
                return target()->RenameFile(change.name, change.to, {}, nullptr);
            case Change::What::kDelete:
                return target()->DeleteFile(change.name, {}, nullptr);
        }
        return IOStatus::OK();
    }

    std::shared_ptr<Overlay> overlay_ = std::make_shared<Overlay>();
};

class WriteBehindFileSystem::Directory final : public rocksdb::FSDirectoryWrapper {
public:
    Directory(std::unique_ptr<rocksdb::FSDirectory>&& below, WriteBehindFileSystem& owner)
        : FSDirectoryWrapper(std::move(below)), owner_(owner) {}
    IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
        const IOStatus status = owner_.sync_names();
        return status.ok() ? FSDirectoryWrapper::Fsync(options, dbg) : status;
    }
    IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* dbg,
                                 const rocksdb::DirFsyncOptions& how) override {
        const IOStatus status = owner_.sync_names();
        return status.ok() ? FSDirectoryWrapper::FsyncWithDirOptions(options, dbg, how) : status;
    }

private:
    WriteBehindFileSystem& owner_;
};

IOStatus WriteBehindFileSystem::NewDirectory(const std::string& name, const IOOptions& options,
                                             std::unique_ptr<rocksdb::FSDirectory>* result,
                                             IODebugContext* dbg) {
    std::unique_ptr<rocksdb::FSDirectory> below;
    const IOStatus status = target()->NewDirectory(name, options, &below, dbg);
    if (status.ok()) {
        *result = std::make_unique<Directory>(std::move(below), *this);
    }
    return status;
}

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_write_behind_file_system(
    std::shared_ptr<rocksdb::FileSystem> below, bool ignore_sync,
    std::shared_ptr<const std::atomic<bool>> no_space) {
    return std::make_shared<WriteBehindFileSystem>(std::move(below), ignore_sync,
                                                   std::move(no_space));
}

}  // namespace causeway::store

#endif
