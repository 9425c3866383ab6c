#include "core/state/groups.h"

#include <algorithm>
#include <utility>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

std::vector<Member>::iterator member_at(Group& group, std::uint64_t order) {
    return std::lower_bound(
        group.members.begin(), group.members.end(), order,
        [](const Member& member, std::uint64_t other) { return member.order() < other; });
}

}  // namespace

bool Groups::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kGroup);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         ByteReader reader(value);
                         loaded_[std::string(key.substr(1))] = reader.varint();
                         ok = !reader.failed();
                         return ok;
                     });
    return ok;
}

void Groups::flush() {
    std::string value;
    for (const std::string& filter : dirty_) {
        Group* group = find(filter);
        if (group == nullptr || !group->dirty) {
            continue;
        }
        value.clear();
        ByteWriter(value).varint(group->last);
        context_.kv.put(key_of(Table::kGroup, filter), value);
        group->dirty = false;
    }
    dirty_.clear();
}

bool Groups::join(std::string_view filter, const Member& member) {
    const auto found = by_filter_.find(filter);
    const bool first = found == by_filter_.end();
    std::uint32_t slot = 0;
    if (!first) {
        slot = found->second;
    } else {
        if (free_.empty()) {
            slot = static_cast<std::uint32_t>(slots_.size());
            slots_.emplace_back();
        } else {
            slot = free_.back();
            free_.pop_back();
        }
        slots_[slot] = std::make_unique<Group>();
        slots_[slot]->filter = std::string(filter);
        if (const auto turn = loaded_.find(filter); turn != loaded_.end()) {
            slots_[slot]->last = turn->second;
            loaded_.erase(turn);
        }
        by_filter_.emplace(std::string(filter), slot);
    }
    Group& group = *slots_[slot];
    const auto at = member_at(group, member.order());
    if (at != group.members.end() && at->order() == member.order()) {
        *at = member;
    } else {
        group.members.insert(at, member);
    }
    return first;
}

bool Groups::leave(std::string_view filter, std::uint64_t order) {
    Group* group = find(filter);
    if (group == nullptr) {
        return false;
    }
    const auto at = member_at(*group, order);
    if (at != group->members.end() && at->order() == order) {
        group->members.erase(at);
    }
    if (!group->members.empty()) {
        return false;
    }
    context_.kv.erase(key_of(Table::kGroup, filter));
    const std::uint32_t slot = slot_of(filter);
    by_filter_.erase(by_filter_.find(filter));
    slots_[slot].reset();
    free_.push_back(slot);
    return true;
}

std::uint32_t Groups::slot_of(std::string_view filter) const {
    return by_filter_.find(filter)->second;
}

Group* Groups::find(std::string_view filter) {
    const auto found = by_filter_.find(filter);
    return found == by_filter_.end() ? nullptr : slots_[found->second].get();
}

void Groups::chose(Group& group, const Member& member, bool unlogged) {
    if (unlogged) {
        group.last_unlogged = member.order();
        return;
    }
    group.last = member.order();
    if (!group.dirty) {
        group.dirty = true;
        dirty_.push_back(group.filter);
    }
}

}  // namespace causeway::state
