// Which set this is and which topics are its own; part of the replicated state (command
// kSetLayout), so that every replica and every replay decides alike. Before the first layout one
// set owns everything. Apply thread only.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/message/peer.h"
#include "core/state/kv.h"

namespace causeway::state {

class Layout {
public:
    // False: the record is damaged.
    bool load(Kv& kv);
    // Effect: takes the layout over and writes it. False: it is the one already held.
    bool set(const SetLayout& layout, Kv& kv);

    // There are other sets.
    [[nodiscard]] bool shared() const { return !others_.empty(); }
    // 0 before the first layout.
    [[nodiscard]] GroupId self() const { return layout_ ? layout_->self : GroupId(); }
    // Whether a topic, or a client's session, belongs here.
    [[nodiscard]] bool owns(std::string_view topic_or_client) const {
        return !shared() || layout_->slots.set_of(topic_or_client) == layout_->self;
    }
    // The set it belongs to. Precondition: not owns() it.
    [[nodiscard]] GroupId owner(std::string_view topic_or_client) const {
        return layout_->slots.set_of(topic_or_client);
    }
    // The other sets that own topics the filter matches, ascending: one at most if the filter's key
    // levels are literal, else all.
    [[nodiscard]] std::vector<GroupId> reached(std::string_view filter) const;

private:
    void find_others();

    std::optional<SetLayout> layout_;
    std::vector<GroupId> others_;  // ascending
};

}  // namespace causeway::state
