#include "core/state/publish.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace causeway::state {
namespace {

QueueKind queue_kind(RouteKind kind) {
    return kind == RouteKind::kSink ? QueueKind::kOutbox : QueueKind::kOperator;
}

// What a publish and its outputs take, summed up by where it goes.
class Needs {
public:
    Needs(const Context& context, const Retained& table) : context_(context), table_(table) {}

    void add_item(const RouteOutput& output, std::uint64_t bytes) {
        Need* need = nullptr;
        for (Need& other : items_) {
            need = other.kind == output.kind && other.target == output.target ? &other : need;
        }
        if (need == nullptr) {
            need = &items_.emplace_back(Need{output.kind, output.target, 0, 0});
        }
        ++need->messages;
        need->bytes += bytes;
    }
    void add_republish(const RouteOutput& output, std::string_view client_id) {
        if (!context_.layout.owns(output.target)) {
            add_forwarded(output.target, output.body, client_id);
        } else if (output.retain) {
            table_.add_need(output.target, output.body, retained);
        }
    }
    void add_forwarded(std::string_view topic, std::string_view body, std::string_view client_id) {
        const GroupId set = context_.layout.owner(topic);
        PeerNeed* need = nullptr;
        for (PeerNeed& other : peers_) {
            need = other.set == set ? &other : need;
        }
        if (need == nullptr) {
            need = &peers_.emplace_back(PeerNeed{set, 0, 0});
        }
        ++need->messages;
        need->bytes += peer_item_bytes_max(topic.size(), body.size(), client_id.size());
    }
    [[nodiscard]] bool fit(const Queues& queues, const Peers& peers) const {
        return table_.has_room(retained) &&
               std::all_of(items_.begin(), items_.end(),
                           [&](const Need& need) {
                               return queues.has_room(queue_kind(need.kind), need.target,
                                                      need.messages, need.bytes);
                           }) &&
               std::all_of(peers_.begin(), peers_.end(), [&](const PeerNeed& need) {
                   return peers.has_room(need.set, need.messages, need.bytes);
               });
    }
    RetainedNeed retained;

private:
    struct Need {
        RouteKind kind;
        std::string_view target;
        std::uint64_t messages;
        std::uint64_t bytes;
    };
    struct PeerNeed {
        GroupId set;
        std::uint64_t messages;
        std::uint64_t bytes;
    };
    const Context& context_;
    const Retained& table_;
    std::vector<Need> items_;
    std::vector<PeerNeed> peers_;
};

}  // namespace

Item Publisher::item_of(const RouteOutput& output, const Origin& origin) {
    Item item;
    item.message.topic = origin.topic;
    item.message.client_id = origin.client_id;
    item.message.body = output.body;
    item.key = output.key;
    item.tags = output.tags;
    return item;
}

ResultCode Publisher::check(const Publish& command, const Origin& origin) const {
    Needs needs(context_, retained_);
    if (!context_.layout.owns(command.topic)) {
        needs.add_forwarded(command.topic, command.body, command.client_id);
    } else if (command.retain) {
        retained_.add_need(command.topic, command.body, needs.retained);
    }
    ByteReader in(command.outputs);
    RouteOutput output;
    while (next_route_output(in, output)) {
        if (output.kind == RouteKind::kRepublish) {
            needs.add_republish(output, command.client_id);
        } else {
            needs.add_item(output, item_of(output, origin).bytes());
        }
    }
    if (in.failed()) {
        return ResultCode::kInvalid;
    }
    return needs.fit(queues_, peers_) ? ResultCode::kOk : ResultCode::kQuotaExceeded;
}

void Publisher::forward(const Outgoing& message, bool retain_only) {
    PeerItem item = peer_item_of(message, PeerItemKind::kPublish);
    item.retain_only = retain_only;
    peers_.append(context_.layout.owner(message.topic), item);
}

void Publisher::keep(const Outgoing& message) {
    RetainedNeed need;
    retained_.add_need(message.topic, message.body, need);
    if (retained_.has_room(need)) {
        retained_.put(message);
    } else {
        ++context_.counters().retained_evicted;
    }
}

void Publisher::perform_outputs(std::string_view outputs, const Origin& origin) {
    ByteReader in(outputs);
    RouteOutput output;
    while (next_route_output(in, output)) {
        if (output.kind == RouteKind::kRepublish) {
            Outgoing message;
            message.topic = output.target;
            message.body = output.body;
            message.client_id = origin.client_id;
            message.expires_at = origin.expires_at;
            message.qos = output.qos;
            message.retain = output.retain;
            message.from_event = context_.from_event;
            if (context_.layout.owns(message.topic)) {
                peer_publish(message, false);
            } else {
                forward(message, false);
            }
            continue;
        }
        Item item = item_of(output, origin);
        item.from_event = context_.from_event;
        const QueueKind kind = queue_kind(output.kind);
        if (!queues_.has_room(kind, output.target, 1, item.bytes())) {
            auto& counters = context_.counters();
            ++(kind == QueueKind::kOutbox ? counters.sink_made : counters.queue_made);
            ++(kind == QueueKind::kOutbox ? counters.sink_evicted : counters.queue_evicted);
            continue;
        }
        // Only queues know a delay: an outbox is read in order.
        const std::uint32_t delay_s = kind == QueueKind::kOperator ? output.delay_s : 0;
        queues_.send(queues_.open(kind, output.target), item, delay_s);
    }
}

void Publisher::peer_publish(const Outgoing& message, bool retain_only) {
    if (message.retain) {
        keep(message);
    }
    if (!retain_only) {
        sessions_.deliver(message);
    }
}

ResultCode Publisher::refuse(const Refused& command, StreamId stream) {
    const Session* session =
        command.packet_id == 0 ? nullptr : sessions_.owner(command.epoch, stream);
    if (session != nullptr && !sessions_.may_note_incoming(*session, command.packet_id)) {
        return ResultCode::kOk;
    }
    // kStale: a gateway withdrew what it had sent.
    context_.counters().publishes_refused += command.code == ResultCode::kQuotaExceeded ? 1 : 0;
    return command.code;
}

ResultCode Publisher::publish(const Publish& command, StreamId stream) {
    Session* session = nullptr;
    if (command.epoch != 0) {
        const bool at_home = context_.layout.owns(command.client_id);
        session = at_home ? sessions_.owner(command.epoch, stream) : nullptr;
        if (at_home ? session == nullptr : !fences_.admit(command.client_id, command.epoch)) {
            return ResultCode::kStale;
        }
    }
    if (command.qos == 2 && session != nullptr &&
        !sessions_.may_note_incoming(*session, command.packet_id)) {
        return ResultCode::kOk;  // sent again: it was accepted the first time
    }
    const SetMs expires_at =
        command.expiry_s == 0 ? 0 : context_.now() + std::uint64_t{command.expiry_s} * 1000;
    const Origin origin{command.topic, command.client_id, expires_at};
    const ResultCode checked = check(command, origin);
    if (checked != ResultCode::kOk) {
        ++context_.counters().publishes_refused;
        return checked;
    }
    if (command.qos == 2 && session != nullptr) {
        sessions_.note_incoming(*session, command.packet_id);
    }
    ++context_.counters().publishes;
    Outgoing message;
    message.topic = command.topic;
    message.body = command.body;
    message.client_id = command.client_id;
    message.expires_at = expires_at;
    message.publisher_epoch = command.epoch;
    message.qos = command.qos;
    message.retain = command.retain;
    const bool ours = context_.layout.owns(command.topic);
    if (!ours && (command.retain || !command.outputs_only)) {
        forward(message, command.outputs_only);
    } else if (command.retain) {  // [MQTT-3.3.1-8]
        retained_.put(message);
    }
    perform_outputs(command.outputs, origin);
    if (!ours || command.outputs_only) {
        return ResultCode::kOk;
    }
    if (sessions_.deliver(message) != 0 || !command.outputs.empty()) {
        return ResultCode::kOk;
    }
    if (context_.wants(EventKind::kMessageDropped)) {
        Event event;
        event.kind = EventKind::kMessageDropped;
        event.reason = "no_subscribers";
        event.topic = message.topic;
        event.body = message.body;
        event.client_id = message.client_id;
        event.from_client_id = message.client_id;
        event.qos = message.qos;
        event.retain = message.retain;
        queues_.emit(event);
    }
    return ResultCode::kNoSubscribers;
}

// An event is nobody's message: only what rules made of it is performed, and makes no event again.
void Publisher::perform_event_outputs(std::string_view outputs, const Item& item) {
    context_.from_event = true;
    perform_outputs(outputs, Origin{item.message.topic, item.message.client_id, 0});
    context_.from_event = false;
}

ResultCode Publisher::self_publish(const SelfPublish& command) {
    Queue* queue = queues_.find(QueueKind::kSelf, "self");
    std::string record;
    Item item;
    if (queue == nullptr || !queues_.get(*queue, command.n, record, item)) {
        return ResultCode::kNotFound;
    }
    queues_.remove(*queue, command.n, item);
    ++context_.counters().self_done;
    // Every subscriber shares this copy of the record.
    const SharedBytes shared = SharedBytes::take(std::move(record));
    decode(shared.view(), item);
    if (!item.event.empty()) {
        perform_event_outputs(command.outputs, item);
        return ResultCode::kOk;
    }
    const SharedBytes* entry = std::exchange(context_.entry, &shared);
    Outgoing message;
    message.topic = item.message.topic;
    message.body = item.message.body;
    message.client_id = item.message.client_id;
    message.expires_at = item.message.expires_at;
    message.qos = item.qos;
    message.retain = item.retain;
    const bool ours = context_.layout.owns(message.topic);
    if (!ours) {
        forward(message, false);
    } else if (message.retain) {
        keep(message);
    }
    context_.entry = entry;
    perform_outputs(command.outputs, Origin{message.topic, message.client_id, message.expires_at});
    context_.entry = &shared;
    if (ours) {
        sessions_.deliver(message);
    }
    context_.entry = entry;
    return ResultCode::kOk;
}

}  // namespace causeway::state
