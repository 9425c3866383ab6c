#include "core/wal/prepare.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/seeded_bug.h"
#include "core/wal/format.h"

namespace causeway::wal {

DiskResult<bool> SegmentTask::step() {
    if (!job_.source) {
        return fill();
    }
    const std::string from = segment_name(job_.source->seq);
    if (job_.target != 0) {
        file_ = job_.source->file;
        return finish(from);
    }
    // Removals are synced one by one so that a crash never leaves a hole in the numbers.
    if (auto removed = disk_.remove(from); !removed) {
        return tl::unexpected(removed.error());
    }
    return sync_directory();
}

DiskResult<bool> SegmentTask::fill() {
    if (!file_) {
        if (auto removed = disk_.remove(kPrepareName);
            !removed && removed.error().fault != DiskFault::kNotFound) {
            return tl::unexpected(removed.error());
        }
        auto created = disk_.create(kPrepareName);
        if (!created) {
            return tl::unexpected(created.error());
        }
        file_ = *std::move(created);
        if (auto allocated = file_->allocate(job_.bytes); !allocated) {
            return tl::unexpected(allocated.error());
        }
        return false;
    }
    if (filled_ == job_.bytes) {
        return finish(kPrepareName);
    }
    const std::uint64_t size = std::min(job_.slice_bytes, job_.bytes - filled_);
    auto done =
        file_->write(filled_, std::string(size, '\0')).and_then([&] { return file_->sync(); });
    if (!done) {
        return tl::unexpected(done.error());
    }
    filled_ += size;
    return false;
}

DiskResult<bool> SegmentTask::finish(std::string_view from) {
    if (auto renamed = disk_.rename(from, segment_name(job_.target)); !renamed) {
        return tl::unexpected(renamed.error());
    }
    return sync_directory();
}

DiskResult<bool> SegmentTask::sync_directory() {
    if (CAUSEWAY_BUG(kMissedDirectoryFsync)) {
        return true;
    }
    auto synced = disk_.sync_directory();
    final_ = !synced;
    return synced.map([] { return true; });
}

}  // namespace causeway::wal
