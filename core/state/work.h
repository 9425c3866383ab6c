// Long work of a set, done in slices of bounded size that the leader proposes (kStep): no command
// does unbounded work. The list is part of the replicated state, so that every replica does the
// same slices in the same order. Apply thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "core/state/context.h"

namespace causeway::state {

struct WorkItem {
    enum class Kind : std::uint8_t {
        kDetach = 1,  // id: a dead stream; after: the last session id looked at
        kPump,        // id: a session with more to push
        kReplay,  // id: a session; text: a filter; options; after_text: the last topic looked at
        kPurge,   // id: the inbox of a session that ended; text: varint, the last number pushed
        kPeerReplay,  // set; id: a session of it; text: a filter; after_text: as for kReplay
        kTrim,        // set: items of the stream to it that were acknowledged
        kFit,         // after: the last session whose interests were fitted to a new layout
        kRegroup,  // id: a session whose messages others of its groups may take; after: the last n
    };
    std::uint64_t seq = 0;
    Kind kind{};
    std::uint64_t id = 0;
    std::uint64_t after = 0;
    std::string text;
    std::string after_text;
    std::uint32_t identifier = 0;
    std::uint8_t options = 0;  // replay: granted QoS
    GroupId set;
};

class WorkList {
public:
    explicit WorkList(Context& context) : context_(context) {}
    bool load();
    void add(WorkItem item);
    [[nodiscard]] bool empty() const { return items_.empty(); }
    [[nodiscard]] const WorkItem& front() const { return items_.front(); }
    [[nodiscard]] const std::deque<WorkItem>& items() const { return items_; }
    // Effect: the front goes to the back with its cursor moved on.
    void again(WorkItem item);
    void pop();
    // Effect: the front waits, moved on, until its set is woken: it is no work before that.
    void park(WorkItem item);
    // Effect: what waits for this set goes to the back.
    void wake(GroupId set);
    [[nodiscard]] std::size_t parked() const { return parked_.size(); }

private:
    void write(const WorkItem& item, bool parked);
    Context& context_;
    std::deque<WorkItem> items_;
    std::deque<WorkItem> parked_;
};

}  // namespace causeway::state
