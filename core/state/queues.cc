#include "core/state/queues.h"

#include <algorithm>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

constexpr std::uint32_t kReceiveMax = 256;
// A receive looks at so many items at most, delayed ones included.
constexpr std::uint32_t kVisitMax = 4096;
// A receive answers at most so much, so that one result stays a fraction of a log entry.
constexpr std::size_t kReceiveBytesMax = 1U << 20;

std::string name_key(QueueKind kind, std::string_view name) {
    std::string key(1, static_cast<char>(kind));
    return key.append(name);
}

void encode(const Queue& queue, std::string& out) {
    ByteWriter writer(out);
    writer.varint(queue.id);
    for (const std::uint64_t number : {queue.tail, queue.cursor, queue.messages, queue.leased,
                                       queue.bytes, queue.sent, queue.acknowledged, queue.expired,
                                       queue.dead_lettered, queue.messages_max, queue.bytes_max}) {
        writer.varint(number);
    }
    writer.varint(queue.visibility_timeout_s);
    writer.varint(queue.retention_s);
    writer.varint(queue.receive_count_max);
    writer.string(queue.dead_letter);
    writer.varint(queue.timer_at);
}

bool decode(std::string_view in, Queue& out) {
    ByteReader reader(in);
    out.id = reader.varint();
    for (std::uint64_t* number :
         {&out.tail, &out.cursor, &out.messages, &out.leased, &out.bytes, &out.sent,
          &out.acknowledged, &out.expired, &out.dead_lettered, &out.messages_max, &out.bytes_max}) {
        *number = reader.varint();
    }
    out.visibility_timeout_s = static_cast<std::uint32_t>(reader.varint());
    out.retention_s = static_cast<std::uint32_t>(reader.varint());
    out.receive_count_max = static_cast<std::uint32_t>(reader.varint());
    out.dead_letter = std::string(reader.string());
    out.timer_at = reader.varint();
    return !reader.failed();
}

// A rule puts many in a row into one queue.
void note_once(std::vector<std::string>& names, const std::string& name) {
    if (names.empty() || names.back() != name) {
        names.push_back(name);
    }
}

}  // namespace

bool Queues::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kQueue);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         auto queue = std::make_unique<Queue>();
                         ok = key.size() > 1 && decode(value, *queue);
                         if (!ok) {
                             return false;
                         }
                         queue->kind = static_cast<QueueKind>(key[1]);
                         queue->name = std::string(key.substr(2));
                         by_id_[queue->id] = queue.get();
                         by_name_.emplace(std::string(key.substr(1)), std::move(queue));
                         return true;
                     });
    for (const auto& [name, queue] : by_name_) {
        // The very timer the other replicas have: when it fires decides what else a step does.
        if (queue->timer_at != 0) {
            context_.timers.insert(Timer{queue->timer_at, Timer::Kind::kQueue, queue->id});
        }
    }
    return ok;
}

void Queues::flush() {
    std::string value;
    for (Queue* queue : dirty_) {
        value.clear();
        encode(*queue, value);
        context_.kv.put(key_of(Table::kQueue, name_key(queue->kind, queue->name)), value);
        queue->dirty = false;
    }
    dirty_.clear();
}

void Queues::mark(Queue& queue) {
    if (!queue.dirty) {
        queue.dirty = true;
        dirty_.push_back(&queue);
    }
}

Queue& Queues::open(QueueKind kind, std::string_view name) {
    if (Queue* found = find(kind, name)) {
        return *found;
    }
    auto queue = std::make_unique<Queue>();
    queue->id = context_.meta.next_id++;
    queue->kind = kind;
    queue->name = std::string(name);
    Queue& opened = *queue;
    by_id_[opened.id] = &opened;
    by_name_.emplace(name_key(kind, name), std::move(queue));
    mark(opened);
    return opened;
}

Queue* Queues::find(QueueKind kind, std::string_view name) {
    const auto found = by_name_.find(name_key(kind, name));
    return found == by_name_.end() ? nullptr : found->second.get();
}

Queue* Queues::find(std::uint64_t id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

void Queues::declare(const QueueDeclare& command) {
    Queue& queue = open(QueueKind::kOperator, command.queue);
    queue.messages_max = command.messages_max;
    queue.bytes_max = command.bytes_max;
    queue.visibility_timeout_s = std::max<std::uint32_t>(command.visibility_timeout_s, 1);
    queue.retention_s = command.retention_s;
    queue.receive_count_max = command.receive_count_max;
    queue.dead_letter = std::string(command.dead_letter);
    mark(queue);
    // Whatever it was before: the next step looks at the oldest item.
    set_timer(queue, queue.retention_s != 0 && queue.messages != 0 ? context_.now() : 0);
}

bool Queues::has_room(QueueKind kind, std::string_view name, std::uint64_t messages,
                      std::uint64_t bytes) const {
    const StateLimits& limits = context_.meta.limits;
    const bool outbox = kind == QueueKind::kOutbox;
    std::uint64_t messages_max = outbox ? limits.outbox_messages_max : limits.queue_messages_max;
    std::uint64_t bytes_max = outbox ? limits.outbox_bytes_max : limits.queue_bytes_max;
    const auto found = by_name_.find(name_key(kind, name));
    if (found == by_name_.end()) {
        return messages <= messages_max && bytes <= bytes_max;
    }
    const Queue& queue = *found->second;
    messages_max = queue.messages_max != 0 ? queue.messages_max : messages_max;
    bytes_max = queue.bytes_max != 0 ? queue.bytes_max : bytes_max;
    return queue.messages + messages <= messages_max && queue.bytes + bytes <= bytes_max;
}

std::uint64_t Queues::send(Queue& queue, Item item, std::uint32_t delay_s) {
    const std::uint64_t n = ++queue.tail;
    item.sent_at = context_.now();
    if (delay_s != 0) {
        item.visible_at = context_.now() + std::uint64_t{delay_s} * 1000;
        std::string due = key_of(Table::kDue, queue.id, item.visible_at);
        ByteWriter(due).key_u64(n);
        context_.kv.put(due, {});
        ++queue.leased;
    }
    items_.put(queue.id, n, item);
    ++queue.messages;
    ++queue.sent;
    queue.bytes += item.bytes();
    mark(queue);
    if (queue.retention_s != 0) {
        arm_retention(queue, item.sent_at);
    }
    switch (queue.kind) {
        case QueueKind::kOperator:
            ++context_.counters().queue_made;
            note_once(context_.out->ready_queues, queue.name);
            break;
        case QueueKind::kOutbox:
            ++context_.counters().sink_made;
            note_once(context_.out->ready_sinks, queue.name);
            break;
        case QueueKind::kSelf:
            ++context_.counters().self_made;
            break;
    }
    return n;
}

void Queues::remove(Queue& queue, std::uint64_t n, const Item& item) {
    if (item.visible_at != 0) {
        std::string due = key_of(Table::kDue, queue.id, item.visible_at);
        ByteWriter(due).key_u64(n);
        context_.kv.erase(due);
        --queue.leased;
    }
    --queue.messages;
    queue.bytes -= std::min(queue.bytes, item.bytes());
    items_.erase(queue.id, n);
    mark(queue);
}

// Bounds of the events that wait for the rules: what is made beyond them is dropped and counted.
constexpr std::uint64_t kEventsMax = 65'536;
constexpr std::uint64_t kEventBytesMax = 64U << 20;

void Queues::emit(const Event& event) {
    if (!context_.wants(event.kind)) {
        return;
    }
    Queue& self = open(QueueKind::kSelf, "self");
    std::string encoded;
    causeway::encode(event, encoded);
    Item item;
    item.message.topic = event.topic;
    item.message.body = event.body;
    item.message.client_id = event.client_id;
    item.event = encoded;
    if (self.messages >= kEventsMax || self.bytes + item.bytes() > kEventBytesMax) {
        ++context_.counters().events_dropped;
        return;
    }
    const std::uint64_t n = send(self, item, 0);
    context_.out->self_items.push_back(
        SelfItem{n, std::string(event.topic), std::string(event.body), std::string(event.client_id),
                 event.qos, event.retain, std::move(encoded), context_.now()});
}

void Queues::move_to_dead_letter(const Queue& from, std::string_view name, const Item& item,
                                 std::string_view reason) {
    if (!item.from_event && context_.wants(EventKind::kQueueDeadLetter)) {
        Event event;
        event.kind = EventKind::kQueueDeadLetter;
        event.client_id = item.message.client_id;
        event.topic = item.message.topic;
        event.body = item.message.body;
        event.reason = reason;
        event.queue = from.name;
        event.is_sink = from.kind == QueueKind::kOutbox;
        event.dead_letter = name;
        event.key = item.key;
        emit(event);
    }
    if (name.empty()) {
        return;
    }
    Item dead;
    dead.message = item.message;
    dead.key = item.key;
    dead.tags = item.tags;
    dead.from_event = item.from_event;
    dead.reason = reason;
    if (!has_room(QueueKind::kOperator, name, 1, dead.bytes())) {
        ++context_.counters().queue_made;
        ++context_.counters().queue_evicted;
        return;
    }
    send(open(QueueKind::kOperator, name), dead, 0);
}

bool Queues::lease(Queue& queue, std::uint64_t n, std::uint32_t visibility_s, std::string& answer) {
    std::string record;
    Item item;
    if (!items_.get(queue.id, n, record, item)) {
        return false;
    }
    if (queue.receive_count_max != 0 && item.receive_count >= queue.receive_count_max) {
        remove(queue, n, item);
        ++queue.dead_lettered;
        ++context_.counters().queue_dead_lettered;
        move_to_dead_letter(queue, queue.dead_letter, item, "receive count exceeded");
        return false;
    }
    if (item.visible_at != 0) {
        std::string due = key_of(Table::kDue, queue.id, item.visible_at);
        ByteWriter(due).key_u64(n);
        context_.kv.erase(due);
    } else {
        ++queue.leased;
    }
    item.visible_at = context_.now() + std::uint64_t{visibility_s} * 1000;
    item.lease = context_.meta.next_id++;
    item.first_received_at = item.receive_count == 0 ? context_.now() : item.first_received_at;
    ++item.receive_count;
    std::string due = key_of(Table::kDue, queue.id, item.visible_at);
    ByteWriter(due).key_u64(n);
    context_.kv.put(due, {});
    items_.put(queue.id, n, item);
    mark(queue);
    QueueMessage message;
    message.n = n;
    message.lease = item.lease;
    message.sent_at = item.sent_at;
    message.first_received_at = item.first_received_at;
    message.visible_at = item.visible_at;
    message.receive_count = item.receive_count;
    message.key = item.key;
    message.topic = item.message.topic;
    message.client_id = item.message.client_id;
    message.reason = item.reason;
    message.tags = item.tags;
    message.body = item.message.body;
    append_queue_message(message, answer);
    return true;
}

ResultCode Queues::receive(const QueueReceive& command, std::string& answer) {
    Queue* queue = find(QueueKind::kOperator, command.queue);
    if (queue == nullptr) {
        return ResultCode::kNotFound;
    }
    const std::uint32_t max = std::clamp<std::uint32_t>(command.max, 1, kReceiveMax);
    const std::uint32_t visibility_s = command.visibility_timeout_s != 0
                                           ? command.visibility_timeout_s
                                           : queue->visibility_timeout_s;
    std::string messages;
    std::uint32_t taken = 0;
    // First what came back or is due, then what was never received.
    std::vector<std::uint64_t> candidates;
    context_.kv.scan(key_of(Table::kDue, queue->id),
                     key_of(Table::kDue, queue->id, context_.now() + 1),
                     [&](std::string_view key, std::string_view) {
                         candidates.push_back(ByteReader(key.substr(17)).key_u64());
                         return candidates.size() < max;
                     });
    for (const std::uint64_t n : candidates) {
        if (messages.size() < kReceiveBytesMax) {
            taken += lease(*queue, n, visibility_s, messages) ? 1 : 0;
        }
    }
    const bool more = take_fresh(*queue, max - taken, visibility_s, messages);
    ByteWriter writer(answer);
    const SetMs due = more ? context_.now() : next_due(*queue);
    // As a span: nobody else knows the set's time. Never 0, which says none.
    writer.varint(due == 0 ? 0 : std::max(due, context_.now() + 1) - context_.now());
    writer.raw(messages);
    mark(*queue);
    return ResultCode::kOk;
}

bool Queues::take_fresh(Queue& queue, std::uint32_t max, std::uint32_t visibility_s,
                        std::string& messages) {
    std::vector<std::uint64_t> fresh;
    std::uint64_t passed = queue.cursor;
    std::uint32_t visited = 0;
    if (max == 0) {
        return false;
    }
    items_.scan(queue.id, queue.cursor + 1, queue.tail,
                [&](std::uint64_t n, std::string_view record) {
                    Item item;
                    // Delayed items are found through the due table, leased ones too if they were
                    // delayed first: the cursor passes them.
                    if (decode(record, item) && item.visible_at == 0) {
                        fresh.push_back(n);
                    }
                    passed = n;
                    return fresh.size() < max && ++visited < kVisitMax;
                });
    for (const std::uint64_t n : fresh) {
        if (messages.size() >= kReceiveBytesMax) {
            return true;
        }
        lease(queue, n, visibility_s, messages);
        queue.cursor = n;
    }
    queue.cursor = passed;
    return visited == kVisitMax;
}

SetMs Queues::next_due(const Queue& queue) const {
    SetMs at = 0;
    context_.kv.scan(key_of(Table::kDue, queue.id), after_prefix(key_of(Table::kDue, queue.id)),
                     [&](std::string_view key, std::string_view) {
                         at = ByteReader(key.substr(9)).key_u64();
                         return false;
                     });
    return at;
}

ResultCode Queues::acknowledge(const QueueAck& command, std::string& answer) {
    Queue* queue = find(QueueKind::kOperator, command.queue);
    if (queue == nullptr) {
        return ResultCode::kNotFound;
    }
    std::string record;
    for (const QueueReceipt& receipt : command.receipts) {
        Item item;
        // A receipt is good for the latest lease only, and until it runs out.
        const bool held = items_.get(queue->id, receipt.n, record, item) &&
                          item.lease == receipt.lease && item.lease != 0 &&
                          item.visible_at > context_.now();
        if (held) {
            remove(*queue, receipt.n, item);
            ++queue->acknowledged;
            ++context_.counters().queue_acknowledged;
        }
        answer.push_back(static_cast<char>(held ? ResultCode::kOk : ResultCode::kNotFound));
    }
    return ResultCode::kOk;
}

ResultCode Queues::outbox_done(const OutboxDone& command) {
    Queue* queue = find(QueueKind::kOutbox, command.sink);
    std::string record;
    Item item;
    if (queue == nullptr || !items_.get(queue->id, command.n, record, item)) {
        return ResultCode::kNotFound;
    }
    remove(*queue, command.n, item);
    if (command.delivered) {
        ++queue->acknowledged;
        ++context_.counters().sink_delivered;
    } else {
        ++queue->dead_lettered;
        ++context_.counters().sink_dead_lettered;
        move_to_dead_letter(*queue, command.dead_letter, item, command.reason);
    }
    return ResultCode::kOk;
}

void Queues::arm_retention(Queue& queue, SetMs sent_at) {
    if (queue.timer_at == 0) {
        set_timer(queue, sent_at + std::uint64_t{queue.retention_s} * 1000);
    }
}

void Queues::set_timer(Queue& queue, SetMs at) {
    context_.timers.erase(Timer{queue.timer_at, Timer::Kind::kQueue, queue.id});
    queue.timer_at = at;
    if (at != 0) {
        context_.timers.insert(Timer{at, Timer::Kind::kQueue, queue.id});
    }
    mark(queue);
}

std::uint32_t Queues::expire(Queue& queue, std::uint32_t budget) {
    set_timer(queue, 0);
    if (queue.retention_s == 0) {
        return 0;
    }
    const std::uint64_t age = std::uint64_t{queue.retention_s} * 1000;
    std::vector<std::uint64_t> old;
    SetMs next = 0;
    items_.scan(queue.id, 1, queue.tail, [&](std::uint64_t n, std::string_view record) {
        Item item;
        if (!decode(record, item)) {
            return true;
        }
        if (item.sent_at + age > context_.now() || old.size() >= budget) {
            next = item.sent_at;
            return false;
        }
        old.push_back(n);
        return true;
    });
    std::string record;
    for (const std::uint64_t n : old) {
        Item item;
        if (items_.get(queue.id, n, record, item)) {
            remove(queue, n, item);
            ++queue.expired;
            ++context_.counters().queue_expired;
        }
    }
    if (queue.messages != 0) {
        arm_retention(queue, next);
    }
    return static_cast<std::uint32_t>(old.size());
}

void Queues::read(const Queue& queue, std::uint64_t after, std::uint64_t bytes_max,
                  absl::FunctionRef<void(std::uint64_t n, const Item& item)> visit) const {
    std::uint64_t bytes = 0;
    items_.scan(queue.id, after + 1, queue.tail, [&](std::uint64_t n, std::string_view record) {
        Item item;
        if (decode(record, item)) {
            visit(n, item);
            bytes += record.size();
        }
        return bytes < bytes_max;
    });
}

std::vector<QueueStatus> Queues::status(QueueKind kind) const {
    std::vector<QueueStatus> all;
    for (const auto& [key, queue] : by_name_) {
        if (queue->kind == kind) {
            all.push_back(QueueStatus{queue->name, queue->messages, queue->leased, queue->bytes,
                                      queue->sent, queue->acknowledged, queue->expired,
                                      queue->dead_lettered});
        }
    }
    return all;
}

}  // namespace causeway::state
