#include "core/state/work.h"

#include <utility>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

constexpr std::uint8_t kParkedFlag = 0x80;

}  // namespace

bool WorkList::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kWork);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         ByteReader reader(value);
                         WorkItem item;
                         item.seq = ByteReader(key.substr(1)).key_u64();
                         const std::uint8_t kind = reader.u8();
                         item.kind = static_cast<WorkItem::Kind>(kind & ~kParkedFlag);
                         item.id = reader.varint();
                         item.after = reader.varint();
                         item.text = std::string(reader.string());
                         item.after_text = std::string(reader.string());
                         item.identifier = static_cast<std::uint32_t>(reader.varint());
                         item.options = reader.u8();
                         if (!reader.at_end()) {
                             item.set = GroupId(static_cast<std::uint32_t>(reader.varint()));
                         }
                         ok = !reader.failed();
                         const bool parked = (kind & kParkedFlag) != 0;
                         (parked ? parked_ : items_).push_back(std::move(item));
                         return ok;
                     });
    return ok;
}

void WorkList::write(const WorkItem& item, bool parked) {
    std::string value;
    ByteWriter writer(value);
    writer.u8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(item.kind) |
                                        (parked ? kParkedFlag : 0)));
    writer.varint(item.id);
    writer.varint(item.after);
    writer.string(item.text);
    writer.string(item.after_text);
    writer.varint(item.identifier);
    writer.u8(item.options);
    if (item.set) {
        writer.varint(item.set.value());
    }
    context_.kv.put(key_of(Table::kWork, item.seq), value);
}

void WorkList::add(WorkItem item) {
    item.seq = context_.meta.next_work++;
    write(item, false);
    items_.push_back(std::move(item));
}

void WorkList::again(WorkItem item) {
    pop();
    add(std::move(item));
}

void WorkList::park(WorkItem item) {
    pop();
    item.seq = context_.meta.next_work++;
    write(item, true);
    parked_.push_back(std::move(item));
}

void WorkList::wake(GroupId set) {
    if (parked_.empty()) {
        return;
    }
    std::deque<WorkItem> still;
    for (WorkItem& item : parked_) {
        if (item.set != set) {
            still.push_back(std::move(item));
            continue;
        }
        context_.kv.erase(key_of(Table::kWork, item.seq));
        add(std::move(item));
    }
    parked_ = std::move(still);
}

void WorkList::pop() {
    context_.kv.erase(key_of(Table::kWork, items_.front().seq));
    items_.pop_front();
}

}  // namespace causeway::state
