#include "core/message/slots.h"

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/message/topic.h"

namespace causeway {

Slot slot_of(std::string_view topic_or_client) {
    return Slot(static_cast<std::uint16_t>(hash64(device_key(topic_or_client)) % kSlots));
}

SlotMap SlotMap::even(GroupId first, std::uint32_t sets) {
    CW_CHECK(sets > 0 && sets <= kSlots);
    SlotMap map;
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
        const std::uint32_t set = slot * sets / kSlots;
        map.assign(Slot(static_cast<std::uint16_t>(slot)), GroupId(first.value() + set));
    }
    return map;
}

}  // namespace causeway
