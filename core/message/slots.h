// Device affinity: which slot, and so which set, a topic or a client belongs to. A device's
// session, its own topics and its presence share a slot, so that its traffic stays inside one set.
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/tagged.h"

namespace causeway {

using Slot = Tagged<struct SlotTag, std::uint16_t>;

inline constexpr std::uint16_t kSlots = 1024;

// The slot of a topic, or of a client id: the hash of its device key, the first two '/'-separated
// parts ("plant/dev7/up" and client "plant/dev7" share one). Stable for ever: it decides where data
// is.
Slot slot_of(std::string_view topic_or_client);

// Which set owns each slot. A table, so that slots can move one by one.
class SlotMap {
public:
    // Spreads the slots evenly over sets `first` … `first` + sets - 1. Precondition: 0 < sets <=
    // 1024.
    static SlotMap even(GroupId first, std::uint32_t sets);

    [[nodiscard]] GroupId owner(Slot slot) const { return owners_[slot.value()]; }
    [[nodiscard]] GroupId set_of(std::string_view topic_or_client) const {
        return owner(slot_of(topic_or_client));
    }
    void assign(Slot slot, GroupId group) { owners_[slot.value()] = group; }

    friend bool operator==(const SlotMap&, const SlotMap&) = default;

private:
    std::array<GroupId, kSlots> owners_{};
};

}  // namespace causeway
