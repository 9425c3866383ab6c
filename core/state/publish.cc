#include "core/state/publish.h"

#include <string>
#include <utility>
#include <vector>

namespace causeway::state {
namespace {

QueueKind queue_kind(RouteKind kind) {
    return kind == RouteKind::kSink ? QueueKind::kOutbox : QueueKind::kOperator;
}

}  // namespace

Item Publisher::item_of(const RouteOutput& output, const Origin& origin) {
    Item item;
    item.message.topic = origin.topic;
    item.message.client_id = origin.client_id;
    item.message.body = output.body;
    item.key = output.key;
    return item;
}

ResultCode Publisher::check_outputs(std::string_view outputs, const Origin& origin,
                                    RetainedNeed retained) const {
    struct Need {
        RouteKind kind;
        std::string_view target;
        std::uint64_t messages;
        std::uint64_t bytes;
    };
    std::vector<Need> needs;
    ByteReader in(outputs);
    RouteOutput output;
    while (next_route_output(in, output)) {
        if (output.kind == RouteKind::kRepublish) {
            if (output.retain) {
                retained_.add_need(output.target, output.body, retained);
            }
            continue;
        }
        Need* need = nullptr;
        for (Need& other : needs) {
            if (other.kind == output.kind && other.target == output.target) {
                need = &other;
            }
        }
        if (need == nullptr) {
            need = &needs.emplace_back(Need{output.kind, output.target, 0, 0});
        }
        ++need->messages;
        need->bytes += item_of(output, origin).bytes();
    }
    if (in.failed()) {
        return ResultCode::kInvalid;
    }
    bool fits = retained_.has_room(retained);
    for (const Need& need : needs) {
        fits = fits &&
               queues_.has_room(queue_kind(need.kind), need.target, need.messages, need.bytes);
    }
    return fits ? ResultCode::kOk : ResultCode::kQuotaExceeded;
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
            if (message.retain) {
                keep(message);
            }
            sessions_.deliver(message, false);
            continue;
        }
        const Item item = item_of(output, origin);
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

ResultCode Publisher::publish(const Publish& command, StreamId stream) {
    Session* session = nullptr;
    if (command.epoch != 0) {
        session = sessions_.owner(command.epoch, stream);
        if (session == nullptr) {
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
    RetainedNeed need;
    if (command.retain) {
        retained_.add_need(command.topic, command.body, need);
    }
    const ResultCode checked = check_outputs(command.outputs, origin, need);
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
    if (command.retain) {
        retained_.put(message);
    }
    perform_outputs(command.outputs, origin);
    if (command.outputs_only) {
        return ResultCode::kOk;
    }
    const bool anyone = sessions_.deliver(message, false) != 0 || !command.outputs.empty();
    return anyone ? ResultCode::kOk : ResultCode::kNoSubscribers;
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
    const SharedBytes* entry = std::exchange(context_.entry, &shared);
    Outgoing message;
    message.topic = item.message.topic;
    message.body = item.message.body;
    message.client_id = item.message.client_id;
    message.expires_at = item.message.expires_at;
    message.qos = item.qos;
    message.retain = item.retain;
    if (message.retain) {
        keep(message);
    }
    context_.entry = entry;
    perform_outputs(command.outputs, Origin{message.topic, message.client_id, message.expires_at});
    context_.entry = &shared;
    sessions_.deliver(message, false);
    context_.entry = entry;
    return ResultCode::kOk;
}

}  // namespace causeway::state
