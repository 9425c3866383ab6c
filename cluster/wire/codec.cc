// The codec of every frame but raft's messages (codec_raft.cc); see codec.h and
// docs/formats/wire.md. Fields are written and read in the order of that page.
#include "cluster/wire/codec.h"

#include <utility>

#include "cluster/wire/fields.h"

namespace causeway::wire {
namespace {

constexpr std::uint8_t kQosMask = 3;
constexpr std::uint8_t kRetain = 4;
constexpr std::uint8_t kDup = 8;
constexpr std::uint8_t kRelease = 0x10;
constexpr std::uint8_t kQosMax = 2;

// Bytes of an item with every string empty and every number 0.
constexpr std::size_t kResultBytesMin = 3;
constexpr std::size_t kMessageBytesMin = 3;
constexpr std::size_t kDeliveryBytesMin = 13;
constexpr std::size_t kTakeoverBytesMin = 9;
constexpr std::size_t kSettledBytesMin = 11;
constexpr std::size_t kLedBytesMin = 3;
constexpr std::size_t kRecordBytesMin = 3;

// What every frame of a gateway loop's stream begins with.
template <typename T>
void write_stream_head(const T& frame, ByteWriter& out) {
    out.varint(frame.set.value());
    out.varint(frame.loop);
    out.varint(frame.attachment);
}
template <typename T>
void read_stream_head(FieldReader& in, T& frame) {
    in.number(frame.set);
    in.number(frame.loop);
    in.number(frame.attachment);
}

void write_fields(const SnapshotChunk& frame, ByteWriter& out) {
    out.varint(frame.group.value());
    write_meta(frame.meta, out);
    out.varint(frame.transfer);
    out.varint(frame.number);
    out.u8(frame.last ? 1 : 0);
    out.string(frame.bytes.view());
}
void read_fields(FieldReader& in, SnapshotChunk& frame) {
    in.number(frame.group);
    read_meta(in, frame.meta);
    in.number(frame.transfer);
    in.number(frame.number);
    in.flag(frame.last);
    in.shared(frame.bytes);
}

void write_fields(const SnapshotAck& frame, ByteWriter& out) {
    out.varint(frame.group.value());
    out.varint(frame.transfer);
    out.varint(frame.next);
    out.u8(frame.refused ? 1 : 0);
}
void read_fields(FieldReader& in, SnapshotAck& frame) {
    in.number(frame.group);
    in.number(frame.transfer);
    in.number(frame.next);
    in.flag(frame.refused);
}

void write_fields(const OpenStream& frame, ByteWriter& out) { write_stream_head(frame, out); }
void read_fields(FieldReader& in, OpenStream& frame) { read_stream_head(in, frame); }

void write_fields(const AttachStream& frame, ByteWriter& out) {
    write_stream_head(frame, out);
    out.varint(frame.stream);
    out.varint(frame.received.value());
}
void read_fields(FieldReader& in, AttachStream& frame) {
    read_stream_head(in, frame);
    in.number(frame.stream);
    in.number(frame.received);
}

void write_fields(const Commands& frame, ByteWriter& out) {
    write_stream_head(frame, out);
    out.varint(frame.stream);
    out.string(frame.frames);
    out.string(frame.unlogged);
}
void read_fields(FieldReader& in, Commands& frame) {
    read_stream_head(in, frame);
    in.number(frame.stream);
    in.text(frame.frames);
    in.text(frame.unlogged);
}

void write_fields(const StreamOpened& frame, ByteWriter& out) {
    write_stream_head(frame, out);
    out.varint(frame.stream);
    out.varint(frame.index.value());
}
void read_fields(FieldReader& in, StreamOpened& frame) {
    read_stream_head(in, frame);
    in.number(frame.stream);
    in.number(frame.index);
}

void write_fields(const Welcome& frame, ByteWriter& out) {
    write_stream_head(frame, out);
    out.varint(frame.applied);
}
void read_fields(FieldReader& in, Welcome& frame) {
    read_stream_head(in, frame);
    in.number(frame.applied);
}

void write_fields(const StreamRefused& frame, ByteWriter& out) {
    write_stream_head(frame, out);
    out.u8(static_cast<std::uint8_t>(frame.reason));
    out.varint(frame.leader.value());
}
void read_fields(FieldReader& in, StreamRefused& frame) {
    read_stream_head(in, frame);
    in.enumerator(frame.reason, StreamRefused::Reason::kDead);
    in.number(frame.leader);
}

void write_delivery(const Delivery& delivery, ByteWriter& out) {
    out.u64(delivery.nonce);  // random: a varint would be longer
    out.varint(delivery.epoch);
    out.varint(delivery.n);
    out.varint(delivery.message);
    out.u8(static_cast<std::uint8_t>((delivery.qos & kQosMask) | (delivery.retain ? kRetain : 0) |
                                     (delivery.dup ? kDup : 0) |
                                     (delivery.release ? kRelease : 0)));
    out.varint(delivery.subscription_ids.size());
    for (const std::uint32_t id : delivery.subscription_ids) {
        out.varint(id);
    }
}
void read_delivery(FieldReader& in, std::size_t messages, Delivery& delivery) {
    in.fixed(delivery.nonce);
    in.number(delivery.epoch);
    in.number(delivery.n);
    in.number(delivery.message);
    const std::uint8_t flags = in.byte();
    delivery.qos = flags & kQosMask;
    delivery.retain = (flags & kRetain) != 0;
    delivery.dup = (flags & kDup) != 0;
    delivery.release = (flags & kRelease) != 0;
    delivery.subscription_ids.resize(in.count(1));
    for (std::uint32_t& id : delivery.subscription_ids) {
        in.number(id);
    }
    if (delivery.qos > kQosMax || (!delivery.release && delivery.message >= messages)) {
        in.fail();
    }
}

void write_outputs(const StreamOutputs& outputs, ByteWriter& out) {
    out.varint(outputs.stream);
    out.varint(outputs.time);
    out.u8(outputs.dead ? 1 : 0);
    out.varint(outputs.unlogged_bytes_done);
    out.varint(outputs.results.size());
    for (const CommandResult& result : outputs.results) {
        out.varint(result.seq);
        out.u8(static_cast<std::uint8_t>(result.code));
        out.string(result.detail);
    }
    out.varint(outputs.messages.size());
    for (const Message& message : outputs.messages) {
        out.string(message.topic.view());
        out.string(message.body.view());
        out.varint(message.expires_at);
    }
    out.varint(outputs.deliveries.size());
    for (const Delivery& delivery : outputs.deliveries) {
        write_delivery(delivery, out);
    }
    out.varint(outputs.takeovers.size());
    for (const Takeover& takeover : outputs.takeovers) {
        out.u64(takeover.nonce);
        out.varint(takeover.epoch);
    }
    out.varint(outputs.settled.size());
    for (const Settled& settled : outputs.settled) {
        out.u64(settled.nonce);
        out.varint(settled.epoch);
        out.varint(settled.seq);
        out.string(settled.detail);
    }
}
void read_outputs(FieldReader& in, StreamOutputs& outputs) {
    in.number(outputs.stream);
    in.number(outputs.time);
    in.flag(outputs.dead);
    in.number(outputs.unlogged_bytes_done);
    outputs.results.resize(in.count(kResultBytesMin));
    for (CommandResult& result : outputs.results) {
        in.number(result.seq);
        in.enumerator(result.code, ResultCode::kConflict);
        in.text(result.detail);
    }
    outputs.messages.resize(in.count(kMessageBytesMin));
    for (Message& message : outputs.messages) {
        in.shared(message.topic);
        in.shared(message.body);
        in.number(message.expires_at);
    }
    outputs.deliveries.resize(in.count(kDeliveryBytesMin));
    for (Delivery& delivery : outputs.deliveries) {
        read_delivery(in, outputs.messages.size(), delivery);
    }
    outputs.takeovers.resize(in.count(kTakeoverBytesMin));
    for (Takeover& takeover : outputs.takeovers) {
        in.fixed(takeover.nonce);
        in.number(takeover.epoch);
    }
    outputs.settled.resize(in.count(kSettledBytesMin));
    for (Settled& settled : outputs.settled) {
        in.fixed(settled.nonce);
        in.number(settled.epoch);
        in.number(settled.seq);
        in.text(settled.detail);
    }
}

// The outputs of a StreamNews apart from it: they are shared, and not copied to be sent.
struct SplitNews {
    const StreamNews& head;
    const StreamOutputs& outputs;
};
void write_fields(const SplitNews& news, ByteWriter& out) {
    write_stream_head(news.head, out);
    out.varint(news.head.upto.value());
    out.varint(news.head.unlogged_dropped);
    write_outputs(news.outputs, out);
}
void write_fields(const StreamNews& frame, ByteWriter& out) {
    write_fields(SplitNews{frame, frame.outputs}, out);
}
void read_fields(FieldReader& in, StreamNews& frame) {
    read_stream_head(in, frame);
    in.number(frame.upto);
    in.number(frame.unlogged_dropped);
    read_outputs(in, frame.outputs);
}

void write_fields(const Ping& frame, ByteWriter& out) {
    out.varint(frame.wall_ms);
    out.varint(frame.led.size());
    for (const Led& led : frame.led) {
        out.varint(led.group.value());
        out.varint(led.term.value());
        out.varint(led.applied.value());
    }
}
void read_fields(FieldReader& in, Ping& frame) {
    in.number(frame.wall_ms);
    frame.led.resize(in.count(kLedBytesMin));
    for (Led& led : frame.led) {
        in.number(led.group);
        in.number(led.term);
        in.number(led.applied);
    }
}

void write_fields(const PeerItems& frame, ByteWriter& out) {
    out.varint(frame.from.value());
    out.varint(frame.to.value());
    out.varint(frame.first);
    out.string(frame.items);
    out.varint(frame.term.value());
}
void read_fields(FieldReader& in, PeerItems& frame) {
    in.number(frame.from);
    in.number(frame.to);
    in.number(frame.first);
    in.text(frame.items);
    in.number(frame.term);
}

void write_fields(const PeerItemsAck& frame, ByteWriter& out) {
    out.varint(frame.from.value());
    out.varint(frame.to.value());
    out.varint(frame.accepted);
}
void read_fields(FieldReader& in, PeerItemsAck& frame) {
    in.number(frame.from);
    in.number(frame.to);
    in.number(frame.accepted);
}

void write_fields(const Call& frame, ByteWriter& out) {
    out.varint(frame.id);
    out.string(frame.method);
    out.string(frame.body);
}
void read_fields(FieldReader& in, Call& frame) {
    in.number(frame.id);
    in.text(frame.method);
    in.text(frame.body);
}

void write_fields(const Reply& frame, ByteWriter& out) {
    out.varint(frame.id);
    out.u8(frame.ok ? 1 : 0);
    out.string(frame.body);
}
void read_fields(FieldReader& in, Reply& frame) {
    in.number(frame.id);
    in.flag(frame.ok);
    in.text(frame.body);
}

void write_fields(const QueuesReady& frame, ByteWriter& out) {
    out.varint(frame.queues.size());
    for (const std::string& queue : frame.queues) {
        out.string(queue);
    }
}
void read_fields(FieldReader& in, QueuesReady& frame) {
    frame.queues.resize(in.count(1));
    for (std::string& queue : frame.queues) {
        in.text(queue);
    }
}

void write_fields(const ReadRecords& frame, ByteWriter& out) {
    write_stream_head(frame, out);
    out.varint(frame.question);
    out.string(frame.query.key);
    out.u8(frame.query.prefix ? 1 : 0);
    out.string(frame.query.after);
    out.varint(frame.query.max);
}
void read_fields(FieldReader& in, ReadRecords& frame) {
    read_stream_head(in, frame);
    in.number(frame.question);
    in.text(frame.query.key);
    in.flag(frame.query.prefix);
    in.text(frame.query.after);
    in.number(frame.query.max);
}

void write_fields(const RecordsRead& frame, ByteWriter& out) {
    write_stream_head(frame, out);
    out.varint(frame.question);
    out.varint(frame.found.index.value());
    out.u8(frame.found.more ? 1 : 0);
    out.varint(frame.found.records.size());
    for (const Record& record : frame.found.records) {
        out.string(record.key);
        out.varint(record.revision);
        out.string(record.value);
    }
}
void read_fields(FieldReader& in, RecordsRead& frame) {
    read_stream_head(in, frame);
    in.number(frame.question);
    in.number(frame.found.index);
    in.flag(frame.found.more);
    frame.found.records.resize(in.count(kRecordBytesMin));
    for (Record& record : frame.found.records) {
        in.text(record.key);
        in.number(record.revision);
        in.text(record.value);
    }
}

void write_fields(const RecordsChanged& frame, ByteWriter& out) {
    out.varint(frame.set.value());
    out.varint(frame.index.value());
    out.varint(frame.keys.size());
    for (const std::string& key : frame.keys) {
        out.string(key);
    }
}
void read_fields(FieldReader& in, RecordsChanged& frame) {
    in.number(frame.set);
    in.number(frame.index);
    frame.keys.resize(in.count(1));
    for (std::string& key : frame.keys) {
        in.text(key);
    }
}

template <typename T>
void append_as(FrameType type, const T& frame, std::string& out) {
    const OpenFrame open(type, out);
    ByteWriter writer(out);
    write_fields(frame, writer);
}

template <typename T>
std::optional<Frame> decode_as(const SharedBytes& body) {
    FieldReader in(body);
    Frame frame(std::in_place_type<T>);
    read_fields(in, *std::get_if<T>(&frame));
    return in.failed() ? std::nullopt : std::optional(std::move(frame));
}

}  // namespace

void append(const RaftFrame& frame, std::string& out) { append_as(FrameType::kRaft, frame, out); }
void append(const SnapshotChunk& frame, std::string& out) {
    append_as(FrameType::kSnapshotChunk, frame, out);
}
void append(const SnapshotAck& frame, std::string& out) {
    append_as(FrameType::kSnapshotAck, frame, out);
}
void append(const OpenStream& frame, std::string& out) {
    append_as(FrameType::kOpenStream, frame, out);
}
void append(const AttachStream& frame, std::string& out) {
    append_as(FrameType::kAttachStream, frame, out);
}
void append(const Commands& frame, std::string& out) {
    append_as(FrameType::kCommands, frame, out);
}
void append(const StreamOpened& frame, std::string& out) {
    append_as(FrameType::kStreamOpened, frame, out);
}
void append(const Welcome& frame, std::string& out) { append_as(FrameType::kWelcome, frame, out); }
void append(const StreamRefused& frame, std::string& out) {
    append_as(FrameType::kStreamRefused, frame, out);
}
void append(const StreamNews& frame, std::string& out) {
    append_as(FrameType::kStreamNews, frame, out);
}
void append(const StreamNews& head, const StreamOutputs& outputs, std::string& out) {
    append_as(FrameType::kStreamNews, SplitNews{head, outputs}, out);
}
void append(const Ping& frame, std::string& out) { append_as(FrameType::kPing, frame, out); }
void append(const PeerItems& frame, std::string& out) {
    append_as(FrameType::kPeerItems, frame, out);
}
void append(const PeerItemsAck& frame, std::string& out) {
    append_as(FrameType::kPeerItemsAck, frame, out);
}
void append(const Call& frame, std::string& out) { append_as(FrameType::kCall, frame, out); }
void append(const Reply& frame, std::string& out) { append_as(FrameType::kReply, frame, out); }
void append(const QueuesReady& frame, std::string& out) {
    append_as(FrameType::kQueuesReady, frame, out);
}
void append(const ReadRecords& frame, std::string& out) {
    append_as(FrameType::kReadRecords, frame, out);
}
void append(const RecordsRead& frame, std::string& out) {
    append_as(FrameType::kRecordsRead, frame, out);
}
void append(const RecordsChanged& frame, std::string& out) {
    append_as(FrameType::kRecordsChanged, frame, out);
}
void append(const Frame& frame, std::string& out) {
    std::visit([&out](const auto& one) { append(one, out); }, frame);
}

bool is_known(std::uint8_t type) {
    return type >= static_cast<std::uint8_t>(FrameType::kRaft) &&
           type <= static_cast<std::uint8_t>(FrameType::kRecordsChanged);
}

std::optional<Frame> decode(std::uint8_t type, const SharedBytes& body) {
    switch (static_cast<FrameType>(type)) {
        case FrameType::kHello:
            return std::nullopt;  // decode_hello()
        case FrameType::kRaft:
            return decode_as<RaftFrame>(body);
        case FrameType::kSnapshotChunk:
            return decode_as<SnapshotChunk>(body);
        case FrameType::kSnapshotAck:
            return decode_as<SnapshotAck>(body);
        case FrameType::kOpenStream:
            return decode_as<OpenStream>(body);
        case FrameType::kAttachStream:
            return decode_as<AttachStream>(body);
        case FrameType::kCommands:
            return decode_as<Commands>(body);
        case FrameType::kStreamOpened:
            return decode_as<StreamOpened>(body);
        case FrameType::kWelcome:
            return decode_as<Welcome>(body);
        case FrameType::kStreamRefused:
            return decode_as<StreamRefused>(body);
        case FrameType::kStreamNews:
            return decode_as<StreamNews>(body);
        case FrameType::kPing:
            return decode_as<Ping>(body);
        case FrameType::kPeerItems:
            return decode_as<PeerItems>(body);
        case FrameType::kPeerItemsAck:
            return decode_as<PeerItemsAck>(body);
        case FrameType::kCall:
            return decode_as<Call>(body);
        case FrameType::kReply:
            return decode_as<Reply>(body);
        case FrameType::kQueuesReady:
            return decode_as<QueuesReady>(body);
        case FrameType::kReadRecords:
            return decode_as<ReadRecords>(body);
        case FrameType::kRecordsRead:
            return decode_as<RecordsRead>(body);
        case FrameType::kRecordsChanged:
            return decode_as<RecordsChanged>(body);
    }
    return std::nullopt;
}

}  // namespace causeway::wire
