#include "core/message/output.h"

namespace causeway {

void append_queue_message(const QueueMessage& message, std::string& out) {
    ByteWriter writer(out);
    writer.varint(message.n);
    writer.varint(message.lease);
    writer.varint(message.sent_at);
    writer.varint(message.first_received_at);
    writer.varint(message.visible_at);
    writer.varint(message.receive_count);
    writer.string(message.key);
    writer.string(message.topic);
    writer.string(message.client_id);
    writer.string(message.reason);
    writer.string(message.tags);
    writer.string(message.body);
}

bool next_queue_message(ByteReader& in, QueueMessage& out) {
    if (in.at_end()) {
        return false;
    }
    out.n = in.varint();
    out.lease = in.varint();
    out.sent_at = in.varint();
    out.first_received_at = in.varint();
    out.visible_at = in.varint();
    out.receive_count = static_cast<std::uint32_t>(in.varint());
    out.key = in.string();
    out.topic = in.string();
    out.client_id = in.string();
    out.reason = in.string();
    out.tags = in.string();
    out.body = in.string();
    return !in.failed();
}

}  // namespace causeway
