#include "core/state/retained.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/message/body.h"
#include "core/message/topic.h"
#include "core/state/tables.h"

namespace causeway::state {
namespace {

struct Record {
    std::string_view body;
    std::string_view client_id;
    SetMs expires_at = 0;
    std::uint8_t qos = 0;
};

bool decode(std::string_view in, Record& out) {
    ByteReader reader(in);
    out.qos = reader.u8();
    out.expires_at = reader.varint();
    out.client_id = reader.string();
    out.body = reader.string();
    return !reader.failed();
}

std::uint64_t size_of(std::string_view topic, std::string_view body) {
    return topic.size() + body.size() + 32;
}

bool subscribed(const Session& session, std::string_view filter) {
    return std::any_of(session.subscriptions.begin(), session.subscriptions.end(),
                       [&](const Subscription& held) { return held.filter == filter; });
}

// What all topics that match the filter begin with.
std::string_view literal_prefix(std::string_view filter) {
    const std::size_t wildcard = filter.find_first_of("+#");
    if (wildcard == std::string_view::npos) {
        return filter;
    }
    // "a/#" matches "a" too: leave out the slash before it.
    const bool parent_too = filter[wildcard] == '#' && wildcard != 0;
    return filter.substr(0, parent_too ? wildcard - 1 : wildcard);
}

}  // namespace

void Retained::add_need(std::string_view topic, std::string_view body, RetainedNeed& need) const {
    if (parse_body(body).payload.empty()) {
        return;
    }
    std::uint64_t held = 0;
    std::string record;
    Record old;
    if (context_.kv.get(key_of(Table::kRetained, topic), record) && decode(record, old)) {
        held = size_of(topic, old.body);
    } else {
        ++need.messages;
    }
    const std::uint64_t size = size_of(topic, body);
    need.bytes += size > held ? size - held : 0;
}

bool Retained::has_room(const RetainedNeed& need) const {
    const Meta& meta = context_.meta;
    return (need.messages == 0 ||
            meta.retained_messages + need.messages <= meta.limits.retained_messages_max) &&
           (need.bytes == 0 || meta.retained_bytes + need.bytes <= meta.limits.retained_bytes_max);
}

bool Retained::erase(std::string_view topic) {
    std::string record;
    const std::string key = key_of(Table::kRetained, topic);
    Record old;
    if (!context_.kv.get(key, record) || !decode(record, old)) {
        return false;
    }
    --context_.meta.retained_messages;
    context_.meta.retained_bytes -= size_of(topic, old.body);
    context_.kv.erase(key);
    return true;
}

void Retained::put(const Outgoing& message) {
    erase(message.topic);                            // [MQTT-3.3.1-5]
    if (parse_body(message.body).payload.empty()) {  // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
        return;
    }
    scratch_.clear();
    ByteWriter writer(scratch_);
    writer.u8(message.qos);
    writer.varint(message.expires_at);
    writer.string(message.client_id);
    writer.string(message.body);
    context_.kv.put(key_of(Table::kRetained, message.topic), scratch_);
    ++context_.meta.retained_messages;
    context_.meta.retained_bytes += size_of(message.topic, message.body);
}

std::uint32_t Retained::replay_slice(WorkItem& item, std::uint32_t budget, bool& more) {
    more = false;
    Session* session = sessions_.find(item.id);
    if (session == nullptr || !subscribed(*session, item.text)) {
        return 1;
    }
    Subscription subscription;
    subscription.identifier = item.identifier;
    subscription.qos = item.options;
    return visit_slice(item, budget, more, [&](const Outgoing& message) {
        sessions_.deliver_retained(*session, message, subscription);
    });
}

std::uint32_t Retained::peer_replay_slice(WorkItem& item, std::uint32_t budget, bool& more) {
    return visit_slice(item, budget, more, [&](const Outgoing& message) {
        PeerItem found = peer_item_of(message, PeerItemKind::kRetained);
        found.session = item.id;
        found.filter = item.text;
        peers_.append(item.set, found);
    });
}

std::uint32_t Retained::visit_slice(WorkItem& item, std::uint32_t budget, bool& more,
                                    absl::FunctionRef<void(const Outgoing& message)> visit) {
    const bool wild = has_wildcard(item.text);
    const std::string prefix = key_of(Table::kRetained, literal_prefix(item.text));
    std::string from = item.after_text.empty() ? prefix : key_of(Table::kRetained, item.after_text);
    if (!item.after_text.empty()) {
        from.push_back('\0');
    }
    std::string to = prefix;
    if (wild) {
        to = after_prefix(prefix);
    } else {
        to.push_back('\0');
    }
    std::uint32_t looked_at = 0;
    std::vector<std::pair<std::string, std::string>> found;
    context_.kv.scan(from, to, [&](std::string_view key, std::string_view value) {
        const std::string_view topic = key.substr(1);
        if (topic_matches(item.text, topic)) {
            found.emplace_back(topic, value);
        }
        item.after_text = std::string(topic);
        return ++looked_at < budget;
    });
    more = looked_at == budget;
    for (const auto& [topic, value] : found) {
        Record record;
        if (!decode(value, record)) {
            continue;
        }
        if (record.expires_at != 0 && record.expires_at <= context_.now()) {
            erase(topic);
            continue;
        }
        Outgoing message;
        message.topic = topic;
        message.body = record.body;
        message.client_id = record.client_id;
        message.expires_at = record.expires_at;
        message.qos = record.qos;
        message.retain = true;
        visit(message);
    }
    return looked_at + 1;
}

}  // namespace causeway::state
