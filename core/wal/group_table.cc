#include "core/wal/group_table.h"

#include "core/base/encoding.h"

namespace causeway::wal {
namespace {

tl::unexpected<const char*> refuse(const char* why) { return tl::unexpected(why); }

Slot slot_of(const RecordView& record, const Place& place) {
    return Slot{.term = record.header.term,
                .segment = place.segment,
                .offset = place.offset,
                .length = record.header.length,
                .flags = record.header.flags};
}

}  // namespace

void GroupTable::insert(Group& group, std::uint64_t index, const Slot& slot) {
    const auto it = group.entries.find(index);
    if (it != group.entries.end()) {
        erase(group, it, std::next(it));
    }
    group.entries.emplace_hint(group.entries.end(), index, slot);
    Live& live = live_[slot.segment];
    live.entries += 1;
    live.bytes += record_bytes(slot.length);
}

void GroupTable::erase(Group& group, Entries::iterator from, Entries::iterator to) {
    for (auto it = from; it != to; ++it) {
        const auto live = live_.find(it->second.segment);
        live->second.entries -= 1;
        live->second.bytes -= record_bytes(it->second.length);
        if (live->second.entries == 0) {
            live_.erase(live);
        }
    }
    group.entries.erase(from, to);
}

GroupTable::Outcome GroupTable::append(Group& group, const RecordView& record, const Place& place) {
    const RecordHeader& header = record.header;
    if (header.index != group.last.value() + 1) {
        return refuse("an entry that does not follow the one before");
    }
    if (header.epoch != group.epoch.value()) {
        return refuse("an entry of another truncation epoch");
    }
    insert(group, header.index, slot_of(record, place));
    group.last = Index(header.index);
    return {};
}

GroupTable::Outcome GroupTable::copy(Group& group, const RecordView& record, const Place& place) {
    const RecordHeader& header = record.header;
    if (header.index <= group.compaction.index.value() || header.index > group.last.value()) {
        return refuse("a copy of an entry that is not in the log");
    }
    const auto it = group.entries.find(header.index);
    if (it != group.entries.end() && it->second.term != header.term) {
        return refuse("a copy of an entry with another term");
    }
    insert(group, header.index, slot_of(record, place));
    return {};
}

GroupTable::Outcome GroupTable::truncate(Group& group, const RecordHeader& header) {
    if (header.index <= group.compaction.index.value() || header.index > group.last.value() + 1) {
        return refuse("a truncation outside the log");
    }
    if (header.epoch != group.epoch.value() + 1) {
        return refuse("a truncation out of order");
    }
    erase(group, group.entries.lower_bound(header.index), group.entries.end());
    group.last = Index(header.index - 1);
    group.epoch = Epoch(header.epoch);
    return {};
}

GroupTable::Outcome GroupTable::compact(Group& group, const RecordHeader& header) {
    if (header.index < group.compaction.index.value()) {
        return refuse("a compaction point that falls");
    }
    erase(group, group.entries.begin(), group.entries.upper_bound(header.index));
    group.compaction = CompactionPoint{Index(header.index), Term(header.term)};
    group.last = std::max(group.last, group.compaction.index);
    return {};
}

GroupTable::Outcome GroupTable::head(const RecordView& record, const Place& place) {
    const RecordHeader& header = record.header;
    ByteReader reader(record.payload);
    const Index last(reader.u64());
    const CompactionPoint compaction{Index(header.index), Term(header.term)};
    if (!reader.done() || last < compaction.index) {
        return refuse("a malformed head of a group");
    }
    const auto it = groups_.find(header.group);
    if (it == groups_.end()) {
        if (!place.in_oldest) {
            return refuse("a head of a group that has no records");
        }
        Group& group = groups_[header.group];
        group.compaction = compaction;
        group.last = last;
        group.epoch = Epoch(header.epoch);
        return {};
    }
    const Group& group = it->second;
    if (group.compaction != compaction || group.last != last ||
        group.epoch.value() != header.epoch) {
        return refuse("a head of a group that disagrees with its records");
    }
    return {};
}

tl::expected<void, const char*> GroupTable::apply(const RecordView& record, const Place& place) {
    const RecordHeader& header = record.header;
    switch (header.kind) {
        case Kind::kSegment:
            return {};
        case Kind::kGroupHead:
            return head(record, place);
        case Kind::kRemove:
            remove(header.group);
            return {};
        case Kind::kHardState:
            groups_[header.group].hard_state = record.payload;
            return {};
        case Kind::kConfiguration:
            groups_[header.group].configuration = record.payload;
            return {};
        case Kind::kEntry:
            return append(groups_[header.group], record, place);
        case Kind::kCopy:
            return copy(groups_[header.group], record, place);
        case Kind::kTruncate:
            return truncate(groups_[header.group], header);
        case Kind::kCompaction:
            return compact(groups_[header.group], header);
    }
    return refuse("a record of unknown kind");
}

void GroupTable::remove(std::uint32_t group) {
    const auto it = groups_.find(group);
    if (it != groups_.end()) {
        erase(it->second, it->second.entries.begin(), it->second.entries.end());
        groups_.erase(it);
    }
}

void GroupTable::put_heads(RecordBuffer& out) const {
    std::string last;
    for (const auto& [id, group] : groups_) {
        RecordHeader header;
        header.group = id;
        header.kind = Kind::kGroupHead;
        header.index = group.compaction.index.value();
        header.term = group.compaction.term.value();
        header.epoch = group.epoch.value();
        last.clear();
        ByteWriter(last).u64(group.last.value());
        put_record(out, header, last);

        RecordHeader state;
        state.group = id;
        state.kind = Kind::kHardState;
        put_record(out, state, group.hard_state);
        state.kind = Kind::kConfiguration;
        put_record(out, state, group.configuration);
    }
}

const GroupTable::Group* GroupTable::find(GroupId group) const {
    const auto it = groups_.find(group.value());
    return it == groups_.end() ? nullptr : &it->second;
}

const Slot* GroupTable::find(const EntryId& id) const {
    const Group* group = find(GroupId(id.group));
    if (group == nullptr) {
        return nullptr;
    }
    const auto it = group->entries.find(id.index);
    return it == group->entries.end() ? nullptr : &it->second;
}

std::vector<GroupSummary> GroupTable::summaries() const {
    std::vector<GroupSummary> out;
    for (const auto& [id, group] : groups_) {
        const auto it = group.entries.find(group.last.value());
        out.push_back(GroupSummary{
            .group = GroupId(id),
            .hard_state = group.hard_state,
            .configuration = group.configuration,
            .compaction = group.compaction,
            .last = group.last,
            .last_term = it == group.entries.end() ? group.compaction.term : Term(it->second.term),
            .epoch = group.epoch});
    }
    return out;
}

GroupTable::Live GroupTable::live(std::uint32_t segment) const {
    const auto it = live_.find(segment);
    return it == live_.end() ? Live{} : it->second;
}

std::uint64_t GroupTable::live_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& [segment, live] : live_) {
        bytes += live.bytes;
    }
    return bytes;
}

std::vector<EntryId> GroupTable::entries_in(std::uint32_t segment) const {
    std::vector<EntryId> out;
    for (const auto& [id, group] : groups_) {
        for (const auto& [index, slot] : group.entries) {
            if (slot.segment == segment) {
                out.push_back(EntryId{id, index});
            }
        }
    }
    return out;
}

std::optional<EntryId> GroupTable::missing() const {
    for (const auto& [id, group] : groups_) {
        std::uint64_t expected = group.compaction.index.value() + 1;
        for (const auto& [index, slot] : group.entries) {
            if (index != expected) {
                break;
            }
            ++expected;
        }
        if (expected != group.last.value() + 1) {
            return EntryId{id, expected};
        }
    }
    return std::nullopt;
}

}  // namespace causeway::wal
