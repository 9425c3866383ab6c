// Reading entries back. A reader copies the places of the entries under the lock and reads without
// it; a segment may be recycled meanwhile, so every record is verified to be the one that was
// looked up, and the lookup is repeated if it is not.
#include <algorithm>
#include <utility>

#include "core/wal/log.h"

namespace causeway::wal {
namespace {

constexpr int kAttempts = 3;
constexpr std::uint64_t kRunBytesMax = 1U << 20;  // Entries that lie together are read together.

}  // namespace

std::optional<Term> Log::term(GroupId group, Index index) const {
    const std::lock_guard lock(mutex_);
    const GroupTable::Group* found = table_.find(group);
    if (found == nullptr) {
        return std::nullopt;
    }
    if (index == found->compaction.index) {
        return found->compaction.term;
    }
    const auto it = found->entries.find(index.value());
    return it == found->entries.end() ? std::nullopt : std::optional(Term(it->second.term));
}

tl::expected<std::vector<Log::Found>, LogError> Log::locate(GroupId group, Index from,
                                                            std::size_t max_bytes) const {
    const std::lock_guard lock(mutex_);
    const GroupTable::Group* held = table_.find(group);
    if (held == nullptr || from <= held->compaction.index) {
        return tl::unexpected(LogError{LogFault::kNotFound, {}, 0, "the entry is not in the log"});
    }
    std::vector<Found> found;
    std::size_t bytes = 0;
    for (auto it = held->entries.find(from.value()); it != held->entries.end(); ++it) {
        bytes += it->second.length;
        if (!found.empty() && bytes > max_bytes) {
            break;
        }
        found.push_back({Index(it->first), it->second, segment(it->second.segment).file});
    }
    return found;
}

tl::expected<std::vector<Entry>, LogError> Log::fetch(GroupId group,
                                                      const std::vector<Found>& found) const {
    std::vector<Entry> entries;
    entries.reserve(found.size());
    for (std::size_t begin = 0; begin < found.size();) {
        const Slot& first = found[begin].slot;
        std::size_t end = begin + 1;
        std::uint64_t stop = first.offset + record_bytes(first.length);
        while (end < found.size() && found[end].slot.segment == first.segment &&
               found[end].slot.offset >= stop &&
               found[end].slot.offset + record_bytes(found[end].slot.length) - first.offset <=
                   kRunBytesMax) {
            stop = found[end].slot.offset + record_bytes(found[end].slot.length);
            ++end;
        }
        std::string run(stop - first.offset, '\0');
        const auto read = found[begin].file->read(first.offset, run.data(), run.size());
        if (!read) {
            return tl::unexpected(LogError{LogFault::kIo, segment_name(first.segment), first.offset,
                                           read.error().message});
        }
        const SharedBytes bytes = SharedBytes::take(std::move(run));
        for (; begin < end; ++begin) {
            const Slot& slot = found[begin].slot;
            const auto record =
                decode_record(bytes.view().substr(slot.offset - first.offset), options_.log_id);
            if (!record || record->header.group != group.value() ||
                record->header.index != found[begin].index.value() ||
                record->header.term != slot.term) {
                return tl::unexpected(LogError{LogFault::kCorrupt, segment_name(slot.segment),
                                               slot.offset, "a damaged entry"});
            }
            entries.push_back(Entry{found[begin].index, Term(slot.term), slot.flags,
                                    bytes.slice_of(record->payload)});
        }
        // `first` refers into `found`, which does not change.
    }
    return entries;
}

tl::expected<std::vector<Entry>, LogError> Log::read(GroupId group, Index from,
                                                     std::size_t max_bytes) const {
    tl::expected<std::vector<Entry>, LogError> entries;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const auto found = locate(group, from, max_bytes);
        if (!found) {
            return tl::unexpected(found.error());
        }
        entries = fetch(group, *found);
        if (entries || entries.error().fault != LogFault::kCorrupt) {
            break;
        }
    }
    return entries;
}

}  // namespace causeway::wal
