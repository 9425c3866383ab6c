// The Records port: what one loop reads of the records of all sets (RecordPut, command.h). A record
// lives in the set of its key, is changed by commands and read without the log: the set's leader
// answers from what it has applied. Implemented by cluster/node; tests have their own. An instance
// belongs to one loop and is used on its thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/base/tagged.h"

namespace causeway {

struct Record {
    std::string key;
    std::uint64_t revision = 0;
    std::string value;

    friend bool operator==(const Record&, const Record&) = default;
};

// What is asked: the record of a key, or those whose keys begin with it, in order, behind `after`.
struct RecordQuery {
    std::string key;
    bool prefix = false;
    std::string after;      // with `prefix`; empty: from the first
    std::uint32_t max = 1;  // with `prefix`; at most kRecordScanMax

    friend bool operator==(const RecordQuery&, const RecordQuery&) = default;
};
// Of one answer; it also ends behind kRecordScanBytes.
inline constexpr std::uint32_t kRecordScanMax = 1'000;
inline constexpr std::size_t kRecordScanBytes = 256U << 10;

struct RecordsFound {
    Index index;        // of the set's log: what was applied up to here was seen
    bool more = false;  // a scan ended before the end
    std::vector<Record> records;

    friend bool operator==(const RecordsFound&, const RecordsFound&) = default;
};

class Records {
public:
    virtual ~Records() = default;

    // Effect: `take` is called once, later, with what the leader of the set of `key` holds under
    // it: one record or none. Null: nobody answered within 3 s, or too many questions wait
    // (kRecordReadsMax): it is not known. A write that was answered before the question is seen,
    // unless the leader that answers has been deposed and does not know it yet (at most a few
    // seconds).
    using Take = absl::AnyInvocable<void(const RecordsFound* found)>;
    virtual void find(std::string_view key, Take take) = 0;
    // The same with `query`, of one set.
    virtual void read(GroupId set, const RecordQuery& query, Take take) = 0;

    // Effect: `changed` is called when records of the set were changed, with their keys, or with
    // none: any of them may have been. Every change is told within a second or so, also those that
    // this loop could not be told at their time (then with no keys). One watcher.
    using Changed = absl::AnyInvocable<void(GroupId set, const std::vector<std::string>& keys)>;
    virtual void watch(Changed changed) = 0;

    static constexpr std::size_t kRecordReadsMax = 4'096;
};

}  // namespace causeway
