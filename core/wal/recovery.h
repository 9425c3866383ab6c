// Reading the segments back after a start. Called once, by Log::open(), on the caller's thread;
// changes nothing on the disk.
//
// Where does the log end, and is what follows a torn write or damage? Batches are written one after
// the other, each only after the one before is durable. Let c be the last batch that is wholly
// valid and follows its predecessor (lsn + 1, higher batch number). The batch that was being
// written at the crash can only be the direct successor of c: it starts with lsn(c) + 1, at the
// block after c or at the start of the next segment. So c is the end, unless some valid record with
// a number above c shows that more had been made durable after c:
//   - its batch starts with an lsn above lsn(c) + 1: then a batch between them was durable and is
//   gone;
//   - or its batch is the direct successor of c but begins somewhere else: a misdirected write.
// Both are corruption, reported with the file and offset of the first record that is invalid. Valid
// records with numbers up to c are what a recycled segment held before. A batch is taken whole or
// not at all: the caller was told of none of its records before all of it was durable. What cannot
// be told apart: damage in the very last batch and a torn write of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/wal/disk.h"
#include "core/wal/group_table.h"
#include "core/wal/types.h"

namespace causeway::wal {

struct Segment {
    std::uint32_t seq = 0;
    std::uint64_t bytes = 0;
    std::shared_ptr<DiskFile> file;
};

struct Recovered {
    GroupTable table;
    std::vector<Segment> segments;  // By seq, without a gap.
    std::size_t written = 0;        // So many of them hold batches; the rest is ready for use.
    std::uint64_t offset = 0;       // Where the next batch goes in segments[written - 1].
    std::uint64_t last_batch_at = 0;
    std::string last_batch;  // Its bytes, to be written once more.
    std::uint64_t last_lsn = 0;
    std::uint64_t highest_batch = 0;  // Of any record seen, taken or not.
    bool torn = false;                // Pieces of a batch lie behind the end.
};

tl::expected<Recovered, LogError> recover(Disk& disk, const LogOptions& options);

}  // namespace causeway::wal
