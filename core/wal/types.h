// What goes into the write-ahead log and what comes out of it: the values shared by the engine
// (log.h), its writer thread (writer.h) and recovery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/tagged.h"

namespace causeway::wal {

// The number of the last truncation of a group's log; an entry carries the epoch it was appended
// in.
using Epoch = Tagged<struct EpochTag, std::uint32_t>;
// Position of an append in the order of the writer: 1, 2, 3, …
using AppendSeq = Tagged<struct AppendSeqTag, std::uint64_t>;

struct Entry {
    Index index;
    Term term;
    std::uint8_t flags = 0;  // The caller's; kept as given.
    SharedBytes payload;
};

// Everything up to and including `index` is in the state machine's own store. {0, 0}: nothing is.
struct CompactionPoint {
    Index index;
    Term term;
    bool operator==(const CompactionPoint&) const = default;
};

// One append of one group (what one raft Ready asks for). It becomes durable as a whole or not at
// all; its parts take effect in the order of the fields.
struct Batch {
    GroupId group;
    // Drops the entries from this index on. Must lie in (compacted, last + 1].
    std::optional<Index> truncate_from;
    // Drops the entries up to here. Beyond the last index (an installed snapshot) it empties the
    // log, and the next entry is compaction.index + 1. Must not fall.
    std::optional<CompactionPoint> compaction;
    // An installed snapshot: every entry there is goes first, also those beyond `compaction`, which
    // must be set.
    bool replaces_log = false;
    // Contiguous, the first one at last + 1.
    std::vector<Entry> entries;
    std::optional<SharedBytes> configuration;
    std::optional<SharedBytes> hard_state;
    // The group leaves this node: everything of it is forgotten. Nothing else may be set.
    bool remove = false;
};

// What the log knows of one group. Its entries are (compaction.index, last]: Log::read().
struct GroupSummary {
    GroupId group;
    std::string hard_state;
    std::string configuration;
    CompactionPoint compaction;
    Index last;      // compaction.index when there are no entries.
    Term last_term;  // compaction.term when there are no entries.
    Epoch epoch;
};

enum class LogFault : std::uint8_t {
    kNoSpace,  // The current segment is full and the next is not ready. Nothing changed; try again.
    kTooLarge,  // The batch can never fit. Nothing changed.
    kCorrupt,   // A damaged record that was once synced. Never serve on this log.
    kForeign,   // The files belong to another log or have another layout. Nothing was changed.
    kIo,        // The disk failed. The log refuses everything from now on; the process must exit.
    kNotFound,  // read: the group or index is not in the log (compacted, truncated, removed).
};

struct LogError {
    LogFault fault = LogFault::kIo;
    std::string file;  // For kCorrupt, kForeign and kIo: which segment file, and where.
    std::uint64_t offset = 0;
    std::string message;
    // "FILE offset N: message", for the line a person reads.
    [[nodiscard]] std::string text() const;
};

struct LogOptions {
    std::uint64_t segment_bytes = 64U
                                  << 20;  // A multiple of block_bytes, at least 8 of them, < 4 GiB.
    std::uint64_t block_bytes = 4096;     // A power of two >= 512; batches start on it.
    std::uint64_t bytes_max = 1U << 30;   // Above it live entries of the oldest segment are moved.
    // So many bytes are moved per batch, or as many as are appended if that is more, and at least
    // one entry.
    std::uint64_t rewrite_bytes = 256U << 10;
    std::uint64_t fill_slice_bytes = 1U
                                     << 20;  // Zero-filling writes and syncs this much at a time.
    std::uint32_t reserve_segments = 1;      // Segments kept ready beyond the current one.
    // The random identity of this data directory. It seeds the checksums: a record of another log,
    // or the image of a record inside a payload, is never valid.
    std::uint64_t log_id = 0;
};

struct LogStatus {
    std::uint64_t free_reserve_bytes = 0;  // What can still be written without a new file.
    std::uint64_t used_bytes = 0;          // Segments that hold something needed.
    // used_bytes is above bytes_max and moving entries does not help (too much of the log is alive:
    // some group must be compacted), or it is more than a segment above.
    bool over_limit = false;
    bool failed = false;              // See LogFault::kIo.
    std::string prepare_error;        // Why the next segment could not be prepared; else empty.
    std::uint64_t batches = 0;        // Since open: syncs of batches, …
    std::uint64_t bytes_written = 0;  // … bytes of them, …
    std::uint64_t bytes_moved = 0;    // … and bytes of entries moved out of old segments.
};

}  // namespace causeway::wal
