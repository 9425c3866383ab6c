// What a set knows of one client: the session (MQTT 5.0 §4.1) with its subscriptions, its inbox and
// the QoS 2 state of what it sends. In memory for every session; the table has a record of each,
// written with the commit after a change.
//
// Inbox. Numbers 1..tail in order of arrival. Items up to `cursor` were pushed to the owner; those
// of them that are not yet acknowledged are in `in_flight`. Pushing happens inside apply, so every
// replica knows what was pushed (docs/decisions/0003). Invariants: in_flight is sorted by n and its
// numbers are
// <= cursor <= tail; in_flight.size() <= receive_maximum; last in_flight - first < 65,535, so
// packet ids are unique.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/message/command.h"

namespace causeway::state {

struct Subscription {
    std::string filter;
    std::uint32_t identifier = 0;
    std::uint8_t qos = 0;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint64_t waiting = 0;  // the last SUBSCRIBE for it that waits for other sets; 0: none
};

struct InFlight {
    std::uint64_t n = 0;
    std::uint64_t body_id = 0;
    std::uint32_t bytes = 0;
    std::uint8_t qos = 0;
    bool received = false;  // QoS 2: PUBREC was applied
};

struct Inbox {
    std::uint64_t tail = 0;
    std::uint64_t cursor = 0;
    std::uint64_t pushed = 0;    // the highest cursor ever: what is resent below it carries DUP
    std::uint64_t messages = 0;  // in flight and waiting
    std::uint64_t bytes = 0;
    std::vector<InFlight> in_flight;
    bool pumping = false;  // a work item will go on pushing
};

struct Will {
    std::string topic;
    std::string body;
    std::uint32_t delay_s = 0;
    std::uint32_t expiry_s = 0;
    std::uint8_t qos = 0;
    bool retain = false;
};

struct Session {
    std::uint64_t id = 0;  // never used again: a session begun anew has another
    std::string client_id;
    std::uint64_t epoch = 0;
    StreamId stream = 0;
    std::uint64_t nonce = 0;
    std::uint32_t expiry_s = 0;  // session expiry interval; kNeverExpires: never
    std::uint16_t receive_maximum = 65535;
    bool attached = false;
    bool present = false;  // what the last OPEN was answered
    bool direct = false;   // it was sent something at QoS 1 or 2 past an inbox
    bool dirty = false;
    SetMs expires_at = 0;  // when detached; 0: not at all
    SetMs will_at = 0;     // 0: no will waits
    std::unique_ptr<Will> will;
    std::unique_ptr<Inbox> inbox;  // null: it ends with its connection, and is in no group
    std::vector<Subscription> subscriptions;  // sorted by filter
    std::vector<std::uint16_t> incoming;      // QoS 2 packet ids received and not released, sorted
};

// What a string of this text holds on the heap: nothing up to 15 bytes.
inline std::size_t heap_bytes(std::string_view text) {
    return text.size() > std::string().capacity() ? text.size() + 1 : 0;
}

// The record of a session; subscriptions are records of their own.
void encode(const Session& session, std::string& out);
bool decode(std::string_view in, Session& out);
void encode(const Subscription& subscription, std::string& out);
bool decode(std::string_view in, Subscription& out);

}  // namespace causeway::state
