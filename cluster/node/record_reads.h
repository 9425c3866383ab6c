// Questions of one gateway loop about records, until each is answered or its time is over, and what
// the loop is told of changes. Part of Streams, which says when a set can be asked.
//
// An answer read before a change that is already known is not handed on: the leader is asked again,
// and what it says then holds the change. So a cache that drops what it is told has changed never
// keeps what is older.
//
// Deterministic; the loop's thread, or a simulator.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <absl/functional/function_ref.h>

#include "cluster/wire/frames.h"
#include "core/base/time.h"
#include "core/message/records.h"

namespace causeway::node {

class RecordReads {
public:
    // Effect: keeps the question. Returns its number, or 0: too many wait; then it is answered with
    // null at the next tick.
    std::uint64_t add(GroupId set, RecordQuery query, Records::Take take, MonoMs now);
    [[nodiscard]] wire::ReadRecords frame_of(std::uint64_t question) const;
    // The questions to a set, in order.
    [[nodiscard]] std::vector<std::uint64_t> of(GroupId set) const;

    // Effect: hands the answer on. True: it is too old, ask again.
    [[nodiscard]] bool take(const wire::RecordsRead& answer);
    void take(const wire::RecordsChanged& changed);
    // Effect: anything of the set may have changed.
    void take_all_changed(GroupId set);
    // Effect: ends questions that are too old.
    void on_tick(MonoMs now);

    void watch(Records::Changed changed) { changed_ = std::move(changed); }

    static constexpr MonoMs kWaitMs = 3'000;

private:
    struct Question {
        GroupId set;
        RecordQuery query;
        Records::Take take;
        MonoMs since = 0;
    };

    std::map<std::uint64_t, Question> questions_;
    std::vector<Records::Take> refused_;
    std::map<GroupId, Index> changed_at_;  // the newest change told
    Records::Changed changed_;
    std::uint64_t next_ = 1;
};

}  // namespace causeway::node
