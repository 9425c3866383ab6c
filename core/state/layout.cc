#include "core/state/layout.h"

#include <algorithm>
#include <string>

#include "core/message/topic.h"
#include "core/state/tables.h"

namespace causeway::state {

bool Layout::load(Kv& kv) {
    std::string record;
    if (!kv.get(key_of(Table::kLayout), record)) {
        return true;
    }
    ByteReader in(record);
    CommandHeader header;
    SetLayout read;
    if (!decode_header(in, header) || !decode(in, read)) {
        return false;
    }
    layout_ = read;
    find_others();
    return true;
}

bool Layout::set(const SetLayout& layout, Kv& kv) {
    if (layout_ == layout) {
        return false;
    }
    layout_ = layout;
    find_others();
    std::string record;
    encode(CommandHeader{}, layout, record);
    kv.put(key_of(Table::kLayout), record);
    return true;
}

void Layout::find_others() {
    others_.clear();
    for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
        if (const GroupId owner = layout_->slots.owner(Slot(slot)); owner != layout_->self) {
            others_.push_back(owner);
        }
    }
    std::sort(others_.begin(), others_.end());
    others_.erase(std::unique(others_.begin(), others_.end()), others_.end());
}

std::vector<GroupId> Layout::reached(std::string_view filter) const {
    // A device key that holds a wildcard stands for many; "a/#" matches "a" too, another key.
    const auto group = parse_shared_filter(filter);
    const std::string_view key = device_key(group ? group->filter : filter);
    if (!shared() || has_wildcard(key)) {
        return others_;
    }
    std::vector<GroupId> one;
    if (!owns(key)) {
        one.push_back(owner(key));
    }
    return one;
}

}  // namespace causeway::state
