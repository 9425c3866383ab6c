#include "core/state/item.h"

#include "core/state/tables.h"

namespace causeway::state {
namespace {

constexpr std::uint8_t kQosMask = 0x03;
constexpr std::uint8_t kRetainFlag = 0x04;
constexpr std::uint8_t kReceivedFlag = 0x08;
constexpr std::uint8_t kGroupFlag = 0x10;
constexpr std::uint8_t kSharedBodyFlag = 0x20;
constexpr std::uint8_t kQueueFieldsFlag = 0x40;
constexpr std::uint8_t kMoreFlag = 0x80;  // a second byte of flags, and what they say, at the end
constexpr std::uint8_t kFromEventFlag = 0x01;
constexpr std::uint8_t kEventFlag = 0x02;
constexpr std::uint8_t kTagsFlag = 0x04;
constexpr std::uint64_t kSubscriptionIdsMax = 65536;

void put_message(const ItemMessage& message, ByteWriter& writer) {
    writer.varint(message.expires_at);
    writer.string(message.topic);
    writer.string(message.client_id);
    writer.string(message.body);
}

void get_message(ByteReader& in, ItemMessage& message) {
    message.expires_at = in.varint();
    message.topic = in.string();
    message.client_id = in.string();
    message.body = in.string();
}

bool has_queue_fields(const Item& item) {
    return item.sent_at != 0 || item.visible_at != 0 || item.lease != 0 || !item.key.empty() ||
           !item.reason.empty() || item.receive_count != 0;
}

std::uint8_t more_flags(const Item& item) {
    return static_cast<std::uint8_t>((item.from_event ? kFromEventFlag : 0) |
                                     (item.event.empty() ? 0 : kEventFlag) |
                                     (item.tags.empty() ? 0 : kTagsFlag));
}

}  // namespace

void encode(const Item& item, std::string& out) {
    ByteWriter writer(out);
    const bool queue_fields = has_queue_fields(item);
    const std::uint8_t more = more_flags(item);
    writer.u8(static_cast<std::uint8_t>(
        item.qos | (item.retain ? kRetainFlag : 0) | (item.received ? kReceivedFlag : 0) |
        (item.group.empty() ? 0 : kGroupFlag) | (item.body_id != 0 ? kSharedBodyFlag : 0) |
        (queue_fields ? kQueueFieldsFlag : 0) | (more != 0 ? kMoreFlag : 0)));
    writer.varint(item.subscription_ids.size());
    for (const std::uint32_t id : item.subscription_ids) {
        writer.varint(id);
    }
    if (!item.group.empty()) {
        writer.string(item.group);
    }
    if (item.body_id != 0) {
        writer.varint(item.body_id);
    } else {
        put_message(item.message, writer);
    }
    if (queue_fields) {
        writer.string(item.key);
        writer.string(item.reason);
        writer.varint(item.sent_at);
        writer.varint(item.visible_at);
        writer.varint(item.first_received_at);
        writer.varint(item.lease);
        writer.varint(item.receive_count);
    }
    if (more != 0) {
        writer.u8(more);
        if (!item.event.empty()) {
            writer.string(item.event);
        }
        if (!item.tags.empty()) {
            writer.string(item.tags);
        }
    }
}

bool decode(std::string_view in, Item& out) {
    out = Item{};
    ByteReader reader(in);
    const std::uint8_t flags = reader.u8();
    out.qos = flags & kQosMask;
    out.retain = (flags & kRetainFlag) != 0;
    out.received = (flags & kReceivedFlag) != 0;
    const std::uint64_t ids = reader.varint();
    if (ids > kSubscriptionIdsMax) {
        return false;
    }
    for (std::uint64_t i = 0; i < ids && !reader.failed(); ++i) {
        out.subscription_ids.push_back(static_cast<std::uint32_t>(reader.varint()));
    }
    if ((flags & kGroupFlag) != 0) {
        out.group = reader.string();
    }
    if ((flags & kSharedBodyFlag) != 0) {
        out.body_id = reader.varint();
    } else {
        get_message(reader, out.message);
    }
    if ((flags & kQueueFieldsFlag) != 0) {
        out.key = reader.string();
        out.reason = reader.string();
        out.sent_at = reader.varint();
        out.visible_at = reader.varint();
        out.first_received_at = reader.varint();
        out.lease = reader.varint();
        out.receive_count = static_cast<std::uint32_t>(reader.varint());
    }
    if ((flags & kMoreFlag) != 0) {
        const std::uint8_t more = reader.u8();
        out.from_event = (more & kFromEventFlag) != 0;
        out.event = (more & kEventFlag) != 0 ? reader.string() : std::string_view{};
        out.tags = (more & kTagsFlag) != 0 ? reader.string() : std::string_view{};
    }
    return !reader.failed();
}

void Items::put(std::uint64_t queue, std::uint64_t n, const Item& item) {
    // The item's views may point into a record the caller holds, never into scratch_.
    scratch_.clear();
    encode(item, scratch_);
    context_.kv.put(key_of(Table::kItem, queue, n), scratch_);
}

bool Items::get(std::uint64_t queue, std::uint64_t n, std::string& record, Item& item) const {
    return context_.kv.get(key_of(Table::kItem, queue, n), record) && decode(record, item);
}

void Items::erase(std::uint64_t queue, std::uint64_t n) {
    context_.kv.erase(key_of(Table::kItem, queue, n));
}

void Items::scan(std::uint64_t queue, std::uint64_t from, std::uint64_t to, Visitor visitor) const {
    if (from > to) {
        return;
    }
    const std::string begin = key_of(Table::kItem, queue, from);
    std::string end = key_of(Table::kItem, queue, to);
    end.push_back('\0');
    context_.kv.scan(begin, end, [&](std::string_view key, std::string_view value) {
        ByteReader reader(key.substr(9));
        return visitor(reader.key_u64(), value);
    });
}

std::uint64_t Items::put_body(const ItemMessage& message, std::uint32_t references) {
    const std::uint64_t id = context_.meta.next_body++;
    scratch_.clear();
    ByteWriter writer(scratch_);
    put_message(message, writer);
    context_.kv.put(key_of(Table::kBody, id), scratch_);
    references_[id] = references;
    return id;
}

bool Items::message_of(const Item& item, std::string& record, ItemMessage& message) const {
    if (item.body_id == 0) {
        message = item.message;
        return true;
    }
    if (!context_.kv.get(key_of(Table::kBody, item.body_id), record)) {
        return false;
    }
    ByteReader reader(record);
    get_message(reader, message);
    return !reader.failed();
}

void Items::release_body(std::uint64_t body_id) {
    const auto found = references_.find(body_id);
    if (found == references_.end()) {
        return;
    }
    if (--found->second == 0) {
        references_.erase(found);
        context_.kv.erase(key_of(Table::kBody, body_id));
    }
}

}  // namespace causeway::state
