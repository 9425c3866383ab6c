#include "core/state/work.h"

#include <utility>

#include "core/state/tables.h"

namespace causeway::state {

bool WorkList::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kWork);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         ByteReader reader(value);
                         WorkItem item;
                         item.seq = ByteReader(key.substr(1)).key_u64();
                         item.kind = static_cast<WorkItem::Kind>(reader.u8());
                         item.id = reader.varint();
                         item.after = reader.varint();
                         item.text = std::string(reader.string());
                         item.after_text = std::string(reader.string());
                         item.identifier = static_cast<std::uint32_t>(reader.varint());
                         item.options = reader.u8();
                         ok = !reader.failed();
                         items_.push_back(std::move(item));
                         return ok;
                     });
    return ok;
}

void WorkList::write(const WorkItem& item) {
    std::string value;
    ByteWriter writer(value);
    writer.u8(static_cast<std::uint8_t>(item.kind));
    writer.varint(item.id);
    writer.varint(item.after);
    writer.string(item.text);
    writer.string(item.after_text);
    writer.varint(item.identifier);
    writer.u8(item.options);
    context_.kv.put(key_of(Table::kWork, item.seq), value);
}

void WorkList::add(WorkItem item) {
    item.seq = context_.meta.next_work++;
    write(item);
    items_.push_back(std::move(item));
}

void WorkList::again(WorkItem item) {
    pop();
    add(std::move(item));
}

void WorkList::pop() {
    context_.kv.erase(key_of(Table::kWork, items_.front().seq));
    items_.pop_front();
}

}  // namespace causeway::state
