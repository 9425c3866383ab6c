// A hashed timer wheel; see the header.
#include "core/io/timer_wheel.h"

#include <algorithm>

#include "core/base/check.h"

namespace causeway::io {

TimerWheel::TimerWheel(MonoMs now, Options options)
    : options_(options), tick_(now / std::max(options.resolution_ms, 1U)) {
    CW_CHECK(options.resolution_ms > 0 && options.buckets > 0);
    nodes_.resize(options_.buckets + 1);
    for (std::uint32_t i = 0; i <= options_.buckets; ++i) {
        nodes_[i].prev = nodes_[i].next = i;
    }
}

TimerWheel::Id TimerWheel::arm(MonoMs deadline, std::uint64_t cookie) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
        slot = static_cast<std::uint32_t>(nodes_.size());
        nodes_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    const std::uint64_t due =
        deadline / options_.resolution_ms + (deadline % options_.resolution_ms == 0 ? 0 : 1);
    Node& node = nodes_[slot];
    node.tick = std::max(due, tick_ + 1);
    node.cookie = cookie;
    ++node.generation;
    link_before(static_cast<std::uint32_t>(node.tick % options_.buckets), slot);
    ++size_;
    return {slot, node.generation};
}

bool TimerWheel::cancel(Id id) {
    if (!id || id.slot >= nodes_.size() || nodes_[id.slot].generation != id.generation) {
        return false;
    }
    release(id.slot);
    return true;
}

void TimerWheel::collect_due(MonoMs now) {
    const std::uint64_t target = now / options_.resolution_ms;
    if (target <= tick_) {
        return;
    }
    const std::uint64_t steps = std::min<std::uint64_t>(target - tick_, options_.buckets);
    for (std::uint64_t step = 1; step <= steps; ++step) {
        const auto list = static_cast<std::uint32_t>((tick_ + step) % options_.buckets);
        for (std::uint32_t slot = nodes_[list].next; slot != list;) {
            const std::uint32_t next = nodes_[slot].next;
            if (nodes_[slot].tick <= target) {
                unlink(slot);
                link_before(due_list(), slot);
            }
            slot = next;
        }
    }
    tick_ = target;
}

bool TimerWheel::pop_due(std::uint64_t& cookie) {
    const std::uint32_t slot = nodes_[due_list()].next;
    if (slot == due_list()) {
        return false;
    }
    cookie = nodes_[slot].cookie;
    release(slot);
    return true;
}

void TimerWheel::link_before(std::uint32_t list, std::uint32_t slot) {
    nodes_[slot].next = list;
    nodes_[slot].prev = nodes_[list].prev;
    nodes_[nodes_[list].prev].next = slot;
    nodes_[list].prev = slot;
}

void TimerWheel::unlink(std::uint32_t slot) {
    const Node& node = nodes_[slot];
    nodes_[node.prev].next = node.next;
    nodes_[node.next].prev = node.prev;
}

void TimerWheel::release(std::uint32_t slot) {
    unlink(slot);
    ++nodes_[slot].generation;
    free_.push_back(slot);
    --size_;
}

}  // namespace causeway::io
