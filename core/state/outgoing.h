// A message on its way to subscribers, as views into the entry or a record.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/time.h"
#include "core/message/peer.h"

namespace causeway::state {

struct Outgoing {
    std::string_view topic;
    std::string_view body;
    std::string_view client_id;
    SetMs expires_at = 0;
    std::uint64_t publisher_epoch = 0;  // for no-local; 0: nobody's
    std::uint8_t qos = 0;
    bool retain = false;
    bool from_event = false;  // made by a rule of an event: makes no event itself
};

// The same as an item for another set.
inline PeerItem peer_item_of(const Outgoing& message, PeerItemKind kind) {
    PeerItem item;
    item.kind = kind;
    item.topic = message.topic;
    item.body = message.body;
    item.client_id = message.client_id;
    item.expires_at = message.expires_at;
    item.publisher_epoch = message.publisher_epoch;
    item.qos = message.qos;
    item.retain = message.retain;
    item.from_event = message.from_event;
    return item;
}

}  // namespace causeway::state
