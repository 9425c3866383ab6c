// The bytes of the log: docs/formats/wal.md. Pure functions over buffers; used by the engine, by
// recovery and by read(). A record is a 64-byte header, the payload, and zeros up to 8 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/wal/types.h"

namespace causeway::wal {

enum class Kind : std::uint8_t {
    kSegment = 1,    // First record of every segment; see SegmentHead.
    kEntry,          // Appended at last + 1.
    kHardState,      // Opaque bytes of raft.
    kTruncate,       // Drops the entries >= index; epoch is the new one.
    kConfiguration,  // Opaque bytes of raft.
    kCompaction,     // Drops the entries <= index; term is the term at index.
    kGroupHead,  // Restates compaction point (index, term), epoch and, as payload, the last index.
    kCopy,       // An entry again, moved out of an old segment.
    kRemove,     // Forgets the group.
};
inline constexpr std::uint8_t kKindMax = static_cast<std::uint8_t>(Kind::kRemove);

inline constexpr std::size_t kHeaderBytes = 64;
inline constexpr std::size_t kRecordAlign = 8;

struct RecordHeader {
    std::uint32_t length = 0;  // Of the payload.
    std::uint64_t batch = 0;
    std::uint64_t lsn = 0;
    std::uint64_t term = 0;
    std::uint64_t index = 0;
    std::uint32_t epoch = 0;
    std::uint32_t group = 0;
    std::uint32_t ordinal = 0;  // Position in the batch, from 0.
    Kind kind = Kind::kEntry;
    bool last = false;  // Last record of its batch.
    std::uint8_t flags = 0;
};

struct RecordView {
    RecordHeader header;
    std::string_view payload;
};

// Payload of a kSegment record.
struct SegmentHead {
    std::uint32_t version = 1;
    std::uint32_t seq = 0;
    std::uint64_t log_id = 0;
    std::uint64_t block_bytes = 0;
};

constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}
constexpr std::uint64_t record_bytes(std::uint64_t payload) {
    return align_up(kHeaderBytes + payload, kRecordAlign);
}

// A growing byte buffer aligned to 4 KiB that keeps its memory between batches.
class RecordBuffer {
public:
    // Appends `size` zero bytes; the pointer is valid until the next call.
    char* extend(std::size_t size);
    void clear() { size_ = 0; }
    // Precondition: size <= size().
    void truncate(std::size_t size) { size_ = size; }
    // Puts `front` before the bytes held.
    void prepend(std::string_view front);
    void pad_to(std::size_t unit) { extend(align_up(size_, unit) - size_); }
    [[nodiscard]] char* data() { return memory_.get(); }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::string_view view() const { return {memory_.get(), size_}; }

private:
    struct Free {
        void operator()(char* memory) const { std::free(memory); }
    };
    std::unique_ptr<char, Free> memory_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

// Appends an unsealed record: batch, lsn, ordinal, last and the checksums are filled in by seal().
void put_record(RecordBuffer& out, const RecordHeader& header, std::string_view payload);

// Makes the records in `bytes` one batch. Returns how many there are (>= 1).
std::uint64_t seal(char* bytes, std::size_t size, std::uint64_t batch, std::uint64_t first_lsn,
                   std::uint64_t log_id);

// The header at the start of `bytes` if its own checksum holds; says nothing about the payload.
std::optional<RecordHeader> decode_header(std::string_view bytes, std::uint64_t log_id);
// The record at the start of `bytes` if all of it is there and its checksum holds.
std::optional<RecordView> decode_record(std::string_view bytes, std::uint64_t log_id);

std::string encode_segment_head(const SegmentHead& head);
std::optional<SegmentHead> decode_segment_head(std::string_view payload);

// "wal-0000002a.log"
std::string segment_name(std::uint32_t seq);
std::optional<std::uint32_t> parse_segment_name(std::string_view name);
// A file being zero-filled: it gets its segment name when it is complete.
inline constexpr std::string_view kPrepareName = "wal-prepare.tmp";

}  // namespace causeway::wal
