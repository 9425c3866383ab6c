// The one queue primitive: numbered items under a queue id. Inbox, operator queue, outbox and the
// set's stream to itself all keep their items here; what differs is who consumes them (inbox.h,
// queues.h).
//
// An item holds its message inline, or names a shared body that several inboxes point to: a body
// is stored once per set whatever the fan-out. Reference counts live in memory and are rebuilt by
// load(). Apply thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>
#include <absl/functional/function_ref.h>

#include "core/state/context.h"

namespace causeway::state {

// Views; valid while the record or the command they came from is.
struct ItemMessage {
    std::string_view topic;
    std::string_view client_id;
    std::string_view body;  // body.h; of an outbox item: the encoded request
    SetMs expires_at = 0;   // 0: never
};

struct Item {
    ItemMessage message;        // when body_id is 0
    std::uint64_t body_id = 0;  // else where the message is
    std::uint8_t qos = 0;
    bool retain = false;
    bool received = false;  // QoS 2: PUBREC was applied; the message is gone
    absl::InlinedVector<std::uint32_t, 2> subscription_ids;
    std::string_view group;   // the shared subscription it came by; empty: none
    bool from_event = false;  // made by a rule of an event: makes no event itself
    std::string_view event;   // of the self stream: an event (core/message/event.h)
    // Queues only.
    std::string_view key;
    std::string_view tags;  // { string }
    std::string_view reason;
    SetMs sent_at = 0;
    SetMs visible_at = 0;  // of a leased or delayed item; 0: neither
    SetMs first_received_at = 0;
    std::uint64_t lease = 0;
    std::uint32_t receive_count = 0;

    [[nodiscard]] std::uint64_t bytes() const {
        return message.topic.size() + message.body.size() + key.size() + tags.size() +
               event.size() + 32;
    }
};

void encode(const Item& item, std::string& out);
bool decode(std::string_view in, Item& out);

class Items {
public:
    explicit Items(Context& context) : context_(context) {}

    void put(std::uint64_t queue, std::uint64_t n, const Item& item);
    // The views of `item` point into `record`.
    bool get(std::uint64_t queue, std::uint64_t n, std::string& record, Item& item) const;
    void erase(std::uint64_t queue, std::uint64_t n);
    // Visits items n in [from, to] in order until the visitor returns false. The visitor must not
    // change the table.
    using Visitor = absl::FunctionRef<bool(std::uint64_t n, std::string_view record)>;
    void scan(std::uint64_t queue, std::uint64_t from, std::uint64_t to, Visitor visitor) const;

    // Stores a message once for `references` items.
    std::uint64_t put_body(const ItemMessage& message, std::uint32_t references);
    // The message of an item, wherever it is. Views point into the item's record or into `record`.
    bool message_of(const Item& item, std::string& record, ItemMessage& message) const;
    // One item less points to it; 0 is allowed.
    void release_body(std::uint64_t body_id);
    // For load(): one more item points to it.
    void count_body(std::uint64_t body_id) { ++references_[body_id]; }
    [[nodiscard]] std::size_t bodies() const { return references_.size(); }

private:
    Context& context_;
    absl::flat_hash_map<std::uint64_t, std::uint32_t> references_;
    std::string scratch_;
};

}  // namespace causeway::state
