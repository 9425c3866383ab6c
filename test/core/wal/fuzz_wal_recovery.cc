// Arbitrary bytes as the content of up to three segment files. Recovery must end in a log that
// works or in an error. So that the fuzzer gets past the checksums, byte 0 asks for the records at
// the block starts to be sealed with valid ones.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/base/hash.h"
#include "core/wal/log.h"
#include "test/sim/disk/sim_disk.h"

namespace {

using namespace causeway;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kSegmentBytes = 4096;

// Gives every record that could begin on an 8-byte boundary after another valid checksums.
void seal_records(std::string& bytes) {
    for (std::size_t at = 0; at + wal::kHeaderBytes <= bytes.size();) {
        std::uint32_t length = 0;
        std::memcpy(&length, bytes.data() + at + 12, sizeof(length));
        length %= 600;
        if (at + wal::record_bytes(length) > bytes.size()) {
            return;
        }
        char* record = bytes.data() + at;
        std::memcpy(record + 12, &length, sizeof(length));
        record[62] = record[63] = 0;
        record[60] = static_cast<char>(record[60] & 0x8F);
        const auto check =
            static_cast<std::uint32_t>(hash64({record + 12, wal::kHeaderBytes - 12}, 0));
        std::memcpy(record + 8, &check, sizeof(check));
        const std::uint64_t sum = hash64({record + 8, wal::kHeaderBytes - 8 + length}, 0);
        std::memcpy(record, &sum, sizeof(sum));
        const bool last = (record[60] & 0x80) != 0;
        at += wal::record_bytes(length);
        at = last ? wal::align_up(at, 512) : at;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    sim::SimDisk disk;
    const bool sealed = (data[0] & 1) != 0;
    std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    for (std::uint32_t seq = 1; seq <= 3 && !rest.empty(); ++seq) {
        std::string content = rest.substr(0, kSegmentBytes);
        rest.erase(0, kSegmentBytes);
        if (sealed) {
            seal_records(content);
        }
        disk.put(wal::segment_name(seq), std::move(content));
    }
    const wal::LogOptions options{.segment_bytes = kSegmentBytes, .block_bytes = 512};
    auto log = wal::Log::open(disk, options);
    if (!log) {
        return 0;
    }
    for (const wal::GroupSummary& group : (*log)->groups()) {
        (void)(*log)->read(group.group, group.compaction.index.next(), 1U << 20);
    }
    wal::Batch batch;
    batch.group = GroupId(0xFFFFFFFF);
    batch.hard_state = SharedBytes::copy("new");
    if ((*log)->stage(batch) && (*log)->commit()) {
        log->reset();
        // What was just committed, on top of whatever was accepted, must be found again.
        const auto again = wal::Log::open(disk, options);
        if (!again || (*again)->groups().back().hard_state != "new") {
            std::abort();
        }
    }
    return 0;
}
