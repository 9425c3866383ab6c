// Commands about queues, outboxes and records, and about what apply refuses by.
#include "core/message/command_fields.h"

namespace causeway {
namespace {

using namespace command_fields;

}  // namespace

void encode(const CommandHeader& header, const QueueDeclare& command, std::string& out) {
    put_header(CommandKind::kQueueDeclare, header, out);
    ByteWriter writer(out);
    writer.string(command.queue);
    writer.varint(command.messages_max);
    writer.varint(command.bytes_max);
    writer.varint(command.visibility_timeout_s);
    writer.varint(command.retention_s);
    writer.varint(command.receive_count_max);
    writer.string(command.dead_letter);
}

bool decode(ByteReader& in, QueueDeclare& out) {
    out.queue = in.string();
    out.messages_max = in.varint();
    out.bytes_max = in.varint();
    out.visibility_timeout_s = get_u32(in);
    out.retention_s = get_u32(in);
    out.receive_count_max = get_u32(in);
    out.dead_letter = in.string();
    return !in.failed();
}

void encode(const CommandHeader& header, const QueueSend& command, std::string& out) {
    put_header(CommandKind::kQueueSend, header, out);
    ByteWriter writer(out);
    writer.string(command.queue);
    writer.string(command.key);
    writer.string(command.body);
    writer.varint(command.delay_s);
}

bool decode(ByteReader& in, QueueSend& out) {
    out.queue = in.string();
    out.key = in.string();
    out.body = in.string();
    out.delay_s = get_u32(in);
    return !in.failed();
}

void encode(const CommandHeader& header, const QueueReceive& command, std::string& out) {
    put_header(CommandKind::kQueueReceive, header, out);
    ByteWriter writer(out);
    writer.string(command.queue);
    writer.varint(command.max);
    writer.varint(command.visibility_timeout_s);
}

bool decode(ByteReader& in, QueueReceive& out) {
    out.queue = in.string();
    out.max = get_u32(in);
    out.visibility_timeout_s = get_u32(in);
    return !in.failed();
}

void encode(const CommandHeader& header, const QueueAck& command, std::string& out) {
    put_header(CommandKind::kQueueAck, header, out);
    ByteWriter writer(out);
    writer.string(command.queue);
    writer.varint(command.receipts.size());
    for (const QueueReceipt& receipt : command.receipts) {
        writer.varint(receipt.n);
        writer.varint(receipt.lease);
    }
}

bool decode(ByteReader& in, QueueAck& out) {
    out.queue = in.string();
    const std::uint64_t count = get_count(in);
    out.receipts.clear();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        QueueReceipt receipt;
        receipt.n = in.varint();
        receipt.lease = in.varint();
        out.receipts.push_back(receipt);
    }
    return !in.failed();
}

void encode(const CommandHeader& header, const OutboxDone& command, std::string& out) {
    put_header(CommandKind::kOutboxDone, header, out);
    ByteWriter writer(out);
    writer.string(command.sink);
    writer.varint(command.n);
    writer.u8(command.delivered ? 1 : 0);
    writer.string(command.reason);
    writer.string(command.dead_letter);
}

bool decode(ByteReader& in, OutboxDone& out) {
    out.sink = in.string();
    out.n = in.varint();
    out.delivered = get_bool(in);
    out.reason = in.string();
    out.dead_letter = in.string();
    return !in.failed();
}

void encode(const CommandHeader& header, const RecordPut& command, std::string& out) {
    put_header(CommandKind::kRecordPut, header, out);
    ByteWriter writer(out);
    writer.string(command.key);
    writer.u64(command.expected);
    writer.string(command.value);
}

bool decode(ByteReader& in, RecordPut& out) {
    out.key = in.string();
    out.expected = in.u64();
    out.value = in.string();
    return !in.failed();
}

void encode(const CommandHeader& header, const RecordDelete& command, std::string& out) {
    put_header(CommandKind::kRecordDelete, header, out);
    ByteWriter writer(out);
    writer.string(command.key);
    writer.u64(command.expected);
}

bool decode(ByteReader& in, RecordDelete& out) {
    out.key = in.string();
    out.expected = in.u64();
    return !in.failed();
}

void encode(const CommandHeader& header, const StateLimits& command, std::string& out) {
    put_header(CommandKind::kSetLimits, header, out);
    ByteWriter writer(out);
    writer.varint(command.sessions_max);
    writer.varint(command.subscriptions_per_session_max);
    writer.varint(command.session_expiry_max_s);
    writer.varint(command.inbox_messages_max);
    writer.varint(command.inbox_bytes_max);
    writer.varint(command.retained_messages_max);
    writer.varint(command.retained_bytes_max);
    writer.varint(command.queue_messages_max);
    writer.varint(command.queue_bytes_max);
    writer.varint(command.outbox_messages_max);
    writer.varint(command.outbox_bytes_max);
    writer.varint(command.peer_messages_max);
    writer.varint(command.peer_bytes_max);
    writer.varint(command.fences_max);
    writer.varint(command.waiting_subscribes_max);
    writer.varint(command.events);
    writer.varint(command.records_max);
    writer.varint(command.records_bytes_max);
}

bool decode(ByteReader& in, StateLimits& out) {
    out.sessions_max = in.varint();
    out.subscriptions_per_session_max = in.varint();
    out.session_expiry_max_s = get_u32(in);
    out.inbox_messages_max = in.varint();
    out.inbox_bytes_max = in.varint();
    out.retained_messages_max = in.varint();
    out.retained_bytes_max = in.varint();
    out.queue_messages_max = in.varint();
    out.queue_bytes_max = in.varint();
    out.outbox_messages_max = in.varint();
    out.outbox_bytes_max = in.varint();
    if (in.at_end()) {
        return !in.failed();  // of a version without the limits of other sets' streams
    }
    out.peer_messages_max = in.varint();
    out.peer_bytes_max = in.varint();
    out.fences_max = in.varint();
    out.waiting_subscribes_max = in.varint();
    if (!in.at_end()) {
        out.events = get_u32(in);
    }
    if (!in.at_end()) {
        out.records_max = in.varint();
        out.records_bytes_max = in.varint();
    }
    return !in.failed();
}

void encode(const CommandHeader& header, const Refused& command, std::string& out) {
    put_header(CommandKind::kRefused, header, out);
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(command.code));
    if (command.packet_id != 0 || command.publisher != 0) {
        writer.varint(command.epoch);
        writer.u16(command.packet_id);
        writer.u64(command.publisher);
    }
}

bool decode(ByteReader& in, Refused& out) {
    out = Refused{};
    out.code = static_cast<ResultCode>(in.u8());
    if (!in.at_end()) {
        out.epoch = in.varint();
        out.packet_id = in.u16();
        out.publisher = in.u64();
    }
    return !in.failed();
}

}  // namespace causeway
