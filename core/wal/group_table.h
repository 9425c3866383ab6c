// What the records of the log add up to, per group: hard state, configuration, compaction point,
// and where each entry that is neither compacted nor truncated lies. The same apply() serves
// recovery (where a refusal means a damaged log) and the engine after each sync (where it would be
// our own mistake).
//
// Recovery starts at the oldest segment that still exists, so entries may first be missing and
// arrive later as copies: entries are a sparse map, and missing() tells at the end whether any is
// absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>
#include <tl/expected.hpp>

#include "core/wal/format.h"
#include "core/wal/types.h"

namespace causeway::wal {

// Where the record of an entry begins.
struct Slot {
    std::uint64_t term = 0;
    std::uint32_t segment = 0;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;  // Of the payload.
    std::uint8_t flags = 0;
};

struct Place {
    std::uint32_t segment = 0;
    std::uint32_t offset = 0;
    bool in_oldest = false;  // Recovery only: the segment is the oldest there is.
};

struct EntryId {
    std::uint32_t group = 0;
    std::uint64_t index = 0;
};

class GroupTable {
public:
    struct Group {
        std::string hard_state;
        std::string configuration;
        CompactionPoint compaction;
        Epoch epoch;
        Index last;
        absl::btree_map<std::uint64_t, Slot> entries;  // Inside (compaction.index, last].
    };
    struct Live {
        std::uint64_t entries = 0;
        std::uint64_t bytes = 0;
    };

    // Effect: the group is as after the record. Error: why the record cannot follow what came
    // before; then nothing changed.
    tl::expected<void, const char*> apply(const RecordView& record, const Place& place);

    // Appends what a new segment must begin with: kGroupHead, kHardState, kConfiguration per group.
    void put_heads(RecordBuffer& out) const;

    [[nodiscard]] const Group* find(GroupId group) const;
    // Where an entry lies; valid until the next apply().
    [[nodiscard]] const Slot* find(const EntryId& id) const;
    [[nodiscard]] std::vector<GroupSummary> summaries() const;
    // Entries of all groups that lie in this segment.
    [[nodiscard]] Live live(std::uint32_t segment) const;
    [[nodiscard]] std::uint64_t live_bytes() const;  // Of all segments.
    [[nodiscard]] std::vector<EntryId> entries_in(std::uint32_t segment) const;
    // Some entry that should be there and is not.
    [[nodiscard]] std::optional<EntryId> missing() const;

private:
    using Outcome = tl::expected<void, const char*>;
    using Entries = absl::btree_map<std::uint64_t, Slot>;

    Outcome append(Group& group, const RecordView& record, const Place& place);
    Outcome copy(Group& group, const RecordView& record, const Place& place);
    Outcome truncate(Group& group, const RecordHeader& header);
    Outcome compact(Group& group, const RecordHeader& header);
    Outcome head(const RecordView& record, const Place& place);
    void insert(Group& group, std::uint64_t index, const Slot& slot);
    void erase(Group& group, Entries::iterator from, Entries::iterator to);
    void remove(std::uint32_t group);

    std::map<std::uint32_t, Group> groups_;  // Ordered: the bytes of a segment head depend on it.
    std::map<std::uint32_t, Live> live_;
};

}  // namespace causeway::wal
