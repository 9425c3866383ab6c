// The events of sessions and their messages (core/message/event.h). Each costs one test of a mask
// when no rule asks for it.
#include "core/state/sessions.h"

namespace causeway::state {
namespace {

Event event_of(EventKind kind, const Session& session) {
    Event event;
    event.kind = kind;
    event.client_id = session.client_id;
    event.session_epoch = session.epoch;
    return event;
}

}  // namespace

void Sessions::tell_opened(const Session& session, const Open& command) {
    for (const EventKind kind : {EventKind::kClientConnected, EventKind::kClientConnack}) {
        if (!context_.wants(kind)) {
            continue;
        }
        Event event = event_of(kind, session);
        event.username = command.username;
        event.reason = kind == EventKind::kClientConnack ? "success" : "";
        event.session_present = session.present;
        event.clean_start = command.clean_start;
        event.session_expiry_interval_s = session.expiry_s;
        queues_.emit(event);
    }
}

void Sessions::tell_refused(const Open& command) {
    Event event;
    event.kind = EventKind::kClientConnack;
    event.client_id = command.client_id;
    event.username = command.username;
    event.reason = "quota_exceeded";
    event.clean_start = command.clean_start;
    event.session_expiry_interval_s = command.session_expiry_interval_s;
    queues_.emit(event);
}

void Sessions::tell_detached(const Session& session, std::string_view why) {
    Event event = event_of(EventKind::kClientDisconnected, session);
    event.reason = why;
    event.session_expiry_interval_s = session.expiry_s;
    queues_.emit(event);
}

void Sessions::tell_subscription(EventKind kind, const Session& session, std::string_view filter,
                                 std::uint8_t qos) {
    Event event = event_of(kind, session);
    event.topic = filter;
    event.qos = qos;
    queues_.emit(event);
}

void Sessions::tell_message(EventKind kind, const Session& session, const Item& item,
                            const ItemMessage& message, std::string_view why) {
    if (item.from_event || !context_.wants(kind)) {
        return;
    }
    Event event = event_of(kind, session);
    event.reason = why;
    event.topic = message.topic;
    event.body = message.body;
    event.from_client_id = message.client_id;
    event.qos = item.qos;
    event.retain = item.retain;
    queues_.emit(event);
}

void Sessions::tell_message(EventKind kind, const Session& session, std::uint64_t n,
                            std::string_view why) {
    if (!context_.wants(kind)) {
        return;
    }
    std::string record;
    std::string body;
    Item item;
    ItemMessage message;
    if (items_.get(session.id, n, record, item) && !item.received &&
        items_.message_of(item, body, message)) {
        tell_message(kind, session, item, message, why);
    }
}

}  // namespace causeway::state
