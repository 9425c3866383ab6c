// Dispatcher: what is held, and the lines of the keys. A waiting item that may be tried is offered:
// it is in startable_, or in delayed_ until its time has come. In a line only the head is offered,
// and only while none of the line is in flight.
#include <utility>

#include "rules/runner/dispatcher.h"

namespace causeway::rules {

void Dispatcher::hold(OwedDelivery owed, SetMs set_now, MonoMs now) {
    const auto age = static_cast<std::int64_t>(set_now > owed.sent_at ? set_now - owed.sent_at : 0);
    const std::uint64_t n = owed.n;
    Held& item = items_[n];
    item.key = std::move(owed.key);
    item.request = SharedBytes::take(std::move(owed.request));
    item.born = static_cast<std::int64_t>(now) - age;
    held_bytes_ += item.bytes();
    join_line(n, item);
}

// Precondition: not in flight any more.
Dispatcher::Items::iterator Dispatcher::release(Items::iterator at) {
    leave_line(at->first, at->second);
    held_bytes_ -= at->second.bytes();
    return items_.erase(at);
}

void Dispatcher::release_waiting() {
    for (auto at = items_.begin(); at != items_.end();) {
        at = at->second.in_flight ? std::next(at) : release(at);
    }
}

// Effect: the item is in the line of its key, if it has one, and waits unless it is in flight.
void Dispatcher::join_line(std::uint64_t n, Held& item) {
    item.lined = policy_ && policy_->ordered_by_key && !item.key.empty();
    if (!item.in_flight) {
        wait(n, item);
    } else if (item.lined) {
        Line& line = lines_[item.key];
        ++line.in_flight;
        update_head(line);
    }
}

// Effect: neither waits nor stands in a line.
void Dispatcher::leave_line(std::uint64_t n, Held& item) {
    if (!item.in_flight) {
        unwait(n, item);
    }
    if (std::exchange(item.lined, false)) {
        Line& line = lines_[item.key];
        line.in_flight -= item.in_flight ? 1 : 0;
        update_head(line);
        if (line.in_flight == 0 && line.waiting.empty()) {
            lines_.erase(item.key);
        }
    }
}

void Dispatcher::wait(std::uint64_t n, Held& item) {
    if (!item.lined) {
        offer(n);
        return;
    }
    Line& line = lines_[item.key];
    line.waiting.insert(n);
    update_head(line);
}

void Dispatcher::unwait(std::uint64_t n, Held& item) {
    if (!item.lined) {
        withdraw(n);
        return;
    }
    Line& line = lines_[item.key];
    line.waiting.erase(n);
    update_head(line);
}

void Dispatcher::update_head(Line& line) {
    const bool none = line.in_flight > 0 || line.waiting.empty();
    const std::uint64_t head = none ? 0 : *line.waiting.begin();
    if (head == line.head) {
        return;
    }
    if (line.head != 0) {
        withdraw(line.head);
    }
    if (head != 0) {
        offer(head);
    }
    line.head = head;
}

void Dispatcher::offer(std::uint64_t n) {
    const MonoMs not_before = items_.find(n)->second.not_before;
    if (not_before == 0) {
        startable_.insert(n);
    } else {
        delayed_.emplace(not_before, n);
    }
}

void Dispatcher::withdraw(std::uint64_t n) {
    startable_.erase(n);
    if (const MonoMs not_before = items_.find(n)->second.not_before; not_before != 0) {
        delayed_.erase({not_before, n});
    }
}

}  // namespace causeway::rules
