// The table of a set as a stream of chunks: how a replica that lags too far behind gets the state.
// Two ports, reading and installing, and the chunk's own bytes (docs/formats/snapshot.md). Real
// implementations: core/store; simulated: test/sim/kv. core/replica/snapshot_transfer.h carries the
// chunks from one node to another.
//
// Threads: a reader or an installer belongs to one thread at a time, one that may wait for the
// store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>

#include "core/base/result.h"
#include "core/base/tagged.h"

namespace causeway::state {

// A chunk holds records up to so many bytes; a single larger record makes a chunk of its own.
inline constexpr std::size_t kChunkBytesMax = 1U << 20;

// Where a chunk begins: its number, from 0, and the key it starts at (or behind).
struct SnapshotPosition {
    std::uint64_t number = 0;
    std::string key;
    bool operator==(const SnapshotPosition&) const = default;
};

// The table as it was when the reader was made, whatever is committed or installed since.
class SnapshotReader {
public:
    SnapshotReader() = default;
    SnapshotReader(const SnapshotReader&) = delete;
    SnapshotReader& operator=(const SnapshotReader&) = delete;
    virtual ~SnapshotReader() = default;

    // The index of the last entry whose effects are in it.
    [[nodiscard]] virtual Index applied() const = 0;
    // Of the next chunk.
    [[nodiscard]] virtual SnapshotPosition position() const = 0;
    // Effect: next() goes on there. Precondition: position() once said so, of this reader.
    virtual void seek(const SnapshotPosition& position) = 0;
    // Effect: replaces `chunk` by the next one. Returns whether more follow it: false with the last
    // one, which has no records if the table is empty. The same position and bytes_max always give
    // the same chunk. Precondition: the last one was not read, or seek() went back.
    virtual bool next(std::string& chunk, std::size_t bytes_max) = 0;
};

// Takes the chunks of one snapshot into a place of their own, beside the table, then puts them in
// the table's place. Until finish() the table is untouched and usable; a crash before it leaves the
// table as it was, and what was taken is removed at the next start.
class SnapshotInstaller {
public:
    SnapshotInstaller() = default;
    SnapshotInstaller(const SnapshotInstaller&) = delete;
    SnapshotInstaller& operator=(const SnapshotInstaller&) = delete;
    // As abandon() unless it has finished.
    virtual ~SnapshotInstaller() = default;

    // Effect: takes the next chunk. Error: it is damaged or not the next one, and nothing changed;
    // or the store is leaving (Store::stop_waiting).
    virtual Result<> add(std::string_view chunk) = 0;

    // Effect: in one atomic step the table is what was taken, `applied` its applied index and
    // `meta` (the caller's own bytes) its origin; durable when it returns. A Kv handle of the set
    // made before must not be used any more: make another, and load the machine from it.
    // Precondition: the last chunk was added. Error: no space to make it durable; call again.
    virtual Result<> finish(Index applied, std::string_view meta) = 0;

    // Effect: what was taken is removed. Nothing may be called after it.
    virtual void abandon() = 0;
};

// --- the bytes of a chunk ----------------------------------------------------------------------

// Builds one chunk in a string of the caller's.
class ChunkWriter {
public:
    ChunkWriter(std::string& out, std::uint64_t number, std::size_t bytes_max);
    // Effect: appends a record. False: there is no room for it, nothing changed; a first record
    // always has room. Keys must ascend.
    bool add(std::string_view key, std::string_view value);
    // Effect: the chunk is complete.
    void seal();

private:
    std::string& out_;
    std::size_t bytes_max_;
    std::size_t head_bytes_ = 0;
};

// The number of a chunk whose checksum holds and whose records are whole and in order.
Result<std::uint64_t> check_chunk(std::string_view chunk);

// Checks that chunks are whole and follow each other: numbers 0, 1, 2, … and keys that ascend.
class ChunkSequence {
public:
    using Visitor = absl::FunctionRef<void(std::string_view key, std::string_view value)>;
    // Effect: visits the records of the next chunk. Error: it is not that; nothing was visited.
    Result<> take(std::string_view chunk, Visitor visitor);
    [[nodiscard]] std::uint64_t taken() const { return taken_; }

private:
    std::uint64_t taken_ = 0;
    bool has_records_ = false;
    std::string last_key_;
};

}  // namespace causeway::state
