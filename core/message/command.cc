#include "core/message/command.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/message/command_fields.h"

namespace causeway {
namespace {

using namespace command_fields;

// Tags of Publish and SelfPublish.
constexpr std::uint8_t kTagOutputs = 1;
constexpr std::uint8_t kTagRuleVersion = 2;
constexpr std::uint8_t kTagRouterContext = 3;  // always last
constexpr std::uint8_t kTagGroup = 4;

void put_tag(ByteWriter& writer, std::uint8_t tag, std::string_view bytes) {
    writer.u8(tag);
    writer.string(bytes);
}

constexpr std::uint8_t kQosMask = 0x03;
constexpr std::uint8_t kQosMax = 2;
constexpr std::uint8_t kRetainHandlingMax = 2;
constexpr std::uint8_t kRetainFlag = 0x04;
constexpr std::uint8_t kOutputsOnlyFlag = 0x08;
constexpr std::uint8_t kTagsFlag = 0x08;
constexpr std::uint8_t kNoLocalFlag = 0x08;
constexpr std::uint8_t kRetainAsPublishedFlag = 0x10;
constexpr unsigned kRetainHandlingShift = 5;

void put_publish_tags(ByteWriter& writer, std::string_view outputs, std::uint64_t rule_version) {
    if (!outputs.empty()) {
        put_tag(writer, kTagOutputs, outputs);
    }
    if (rule_version != 0) {
        std::string version;
        ByteWriter(version).varint(rule_version);
        put_tag(writer, kTagRuleVersion, version);
    }
}

// Calls visit(tag, bytes, offset of the tag) for each tagged field.
template <typename Visit>
bool read_tags(ByteReader& in, Visit visit) {
    while (!in.at_end()) {
        const std::string_view from = in.rest();
        const std::uint8_t tag = in.u8();
        const std::string_view bytes = in.string();
        if (in.failed()) {
            return false;
        }
        visit(tag, bytes, from);
    }
    return !in.failed();
}

void read_publish_tag(std::uint8_t tag, std::string_view bytes, Publish& out) {
    ByteReader reader(bytes);
    switch (tag) {
        case kTagOutputs:
            out.outputs = bytes;
            break;
        case kTagRuleVersion:
            out.rule_version = reader.varint();
            break;
        case kTagGroup:
            out.group = bytes;
            break;
        case kTagRouterContext:
            out.username = reader.string();
            out.peer_host = reader.string();
            break;
        default:
            break;
    }
}

bool decode_publish_fields(ByteReader& in, Publish& out) {
    const std::uint8_t flags = in.u8();
    out.qos = flags & kQosMask;
    out.retain = (flags & kRetainFlag) != 0;
    out.outputs_only = (flags & kOutputsOnlyFlag) != 0;
    out.epoch = in.varint();
    out.packet_id = in.u16();
    out.expiry_s = get_u32(in);
    out.client_id = in.string();
    out.topic = in.string();
    out.body = in.string();
    return !in.failed() && out.qos <= kQosMax;
}

}  // namespace

void encode(const CommandHeader& header, const Hello& command, std::string& out) {
    put_header(CommandKind::kHello, header, out);
    ByteWriter writer(out);
    writer.u64(command.node);
    writer.u64(command.boot);
    writer.varint(command.loop);
    writer.u64(command.nonce);
}

bool decode(ByteReader& in, Hello& out) {
    out.node = in.u64();
    out.boot = in.u64();
    out.loop = get_u32(in);
    out.nonce = in.u64();
    return !in.failed();
}

void encode_gateway_down(StreamId dead, std::string& out) {
    put_header(CommandKind::kGatewayDown, {}, out);
    ByteWriter(out).varint(dead);
}

void encode(const CommandHeader& header, const Open& command, std::string& out) {
    put_header(CommandKind::kOpen, header, out);
    ByteWriter writer(out);
    writer.string(command.client_id);
    writer.string(command.username);
    writer.u64(command.nonce);
    writer.varint(command.session_expiry_interval_s);
    writer.u16(command.receive_maximum);
    writer.u8(command.clean_start ? 1 : 0);
    writer.u8(command.will ? 1 : 0);
    if (command.will) {
        writer.string(command.will->topic);
        writer.string(command.will->body);
        writer.varint(command.will->delay_s);
        writer.varint(command.will->expiry_s);
        writer.u8(command.will->qos);
        writer.u8(command.will->retain ? 1 : 0);
    }
}

bool decode(ByteReader& in, Open& out) {
    out.client_id = in.string();
    out.username = in.string();
    out.nonce = in.u64();
    out.session_expiry_interval_s = get_u32(in);
    out.receive_maximum = in.u16();
    out.clean_start = get_bool(in);
    out.will.reset();
    if (get_bool(in)) {
        WillView will;
        will.topic = in.string();
        will.body = in.string();
        will.delay_s = get_u32(in);
        will.expiry_s = get_u32(in);
        will.qos = in.u8() & kQosMask;
        will.retain = get_bool(in);
        out.will = will;
        if (will.qos > kQosMax) {
            in.fail();
        }
    }
    return !in.failed();
}

void encode(const CommandHeader& header, const Close& command, std::string& out) {
    put_header(CommandKind::kClose, header, out);
    ByteWriter writer(out);
    writer.varint(command.epoch);
    writer.u8(static_cast<std::uint8_t>(command.reason));
    writer.u8(command.session_expiry_interval_s ? 1 : 0);
    if (command.session_expiry_interval_s) {
        writer.varint(*command.session_expiry_interval_s);
    }
}

bool decode(ByteReader& in, Close& out) {
    out.epoch = in.varint();
    const std::uint8_t reason = in.u8();
    if (reason > static_cast<std::uint8_t>(CloseReason::kLost)) {
        in.fail();
        return false;
    }
    out.reason = static_cast<CloseReason>(reason);
    out.session_expiry_interval_s.reset();
    if (get_bool(in)) {
        out.session_expiry_interval_s = get_u32(in);
    }
    return !in.failed();
}

void encode(const CommandHeader& header, const Publish& command, std::string& out) {
    put_header(CommandKind::kPublish, header, out);
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(command.qos | (command.retain ? kRetainFlag : 0) |
                                        (command.outputs_only ? kOutputsOnlyFlag : 0)));
    writer.varint(command.epoch);
    writer.u16(command.packet_id);
    writer.varint(command.expiry_s);
    writer.string(command.client_id);
    writer.string(command.topic);
    writer.string(command.body);
    put_publish_tags(writer, command.outputs, command.rule_version);
    if (!command.group.empty()) {
        put_tag(writer, kTagGroup, command.group);
    }
    if (!command.username.empty() || !command.peer_host.empty()) {
        std::string context;
        ByteWriter context_writer(context);
        context_writer.string(command.username);
        context_writer.string(command.peer_host);
        put_tag(writer, kTagRouterContext, context);
    }
}

std::uint64_t publisher_of(const Publish& publish) {
    return publish.epoch == 0
               ? 0
               : std::max<std::uint64_t>(hash64(publish.client_id, publish.epoch), 1);
}

bool decode(ByteReader& in, Publish& out) {
    out = Publish{};
    return decode_publish_fields(in, out) &&
           read_tags(in, [&](std::uint8_t tag, std::string_view bytes, std::string_view) {
               read_publish_tag(tag, bytes, out);
           });
}

void append_routed_publish(std::string_view command, std::string_view outputs,
                           std::uint64_t rule_version, std::string& out) {
    ByteReader in(command);
    CommandHeader header;
    Publish publish;
    std::size_t keep = command.size();
    if (decode_header(in, header) && decode_publish_fields(in, publish)) {
        read_tags(in, [&](std::uint8_t tag, std::string_view, std::string_view from) {
            if (tag == kTagRouterContext) {
                keep = static_cast<std::size_t>(from.data() - command.data());
            }
        });
    }
    out.append(command.substr(0, keep));
    ByteWriter writer(out);
    put_publish_tags(writer, outputs, rule_version);
}

void encode(const CommandHeader& header, const Release& command, std::string& out) {
    put_header(CommandKind::kRelease, header, out);
    ByteWriter writer(out);
    writer.varint(command.epoch);
    writer.u16(command.packet_id);
}

bool decode(ByteReader& in, Release& out) {
    out.epoch = in.varint();
    out.packet_id = in.u16();
    return !in.failed();
}

void encode(const CommandHeader& header, const Subscribe& command, std::string& out) {
    put_header(CommandKind::kSubscribe, header, out);
    ByteWriter writer(out);
    writer.varint(command.epoch);
    writer.varint(command.filters.size());
    for (const SubscriptionRequest& request : command.filters) {
        writer.string(request.filter);
        writer.varint(request.identifier);
        writer.u8(
            static_cast<std::uint8_t>(request.qos | (request.no_local ? kNoLocalFlag : 0) |
                                      (request.retain_as_published ? kRetainAsPublishedFlag : 0) |
                                      (request.retain_handling << kRetainHandlingShift)));
    }
}

bool decode(ByteReader& in, Subscribe& out) {
    out.epoch = in.varint();
    const std::uint64_t count = get_count(in);
    out.filters.clear();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        SubscriptionRequest request;
        request.filter = in.string();
        request.identifier = get_u32(in);
        const std::uint8_t options = in.u8();
        request.qos = options & kQosMask;
        request.no_local = (options & kNoLocalFlag) != 0;
        request.retain_as_published = (options & kRetainAsPublishedFlag) != 0;
        request.retain_handling = options >> kRetainHandlingShift;
        if (request.qos > kQosMax || request.retain_handling > kRetainHandlingMax) {
            in.fail();
        }
        out.filters.push_back(request);
    }
    return !in.failed();
}

void encode(const CommandHeader& header, const Unsubscribe& command, std::string& out) {
    put_header(CommandKind::kUnsubscribe, header, out);
    ByteWriter writer(out);
    writer.varint(command.epoch);
    writer.varint(command.filters.size());
    for (const std::string_view filter : command.filters) {
        writer.string(filter);
    }
}

bool decode(ByteReader& in, Unsubscribe& out) {
    out.epoch = in.varint();
    const std::uint64_t count = get_count(in);
    out.filters.clear();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        out.filters.push_back(in.string());
    }
    return !in.failed();
}

void encode(const CommandHeader& header, const Ack& command, std::string& out) {
    put_header(CommandKind::kAck, header, out);
    ByteWriter writer(out);
    writer.varint(command.ranges.size());
    for (const AckRange& range : command.ranges) {
        writer.varint(range.epoch);
        writer.varint(range.first);
        writer.varint(range.last);
    }
}

bool decode(ByteReader& in, Ack& out) {
    const std::uint64_t count = get_count(in);
    out.ranges.clear();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        AckRange range;
        range.epoch = in.varint();
        range.first = in.varint();
        range.last = in.varint();
        out.ranges.push_back(range);
    }
    return !in.failed();
}

void encode(const CommandHeader& header, const Received& command, std::string& out) {
    put_header(CommandKind::kReceived, header, out);
    ByteWriter writer(out);
    writer.varint(command.epoch);
    writer.varint(command.n);
}

bool decode(ByteReader& in, Received& out) {
    out.epoch = in.varint();
    out.n = in.varint();
    return !in.failed();
}

void encode_step(std::uint64_t seq, std::string& out) {
    put_header(CommandKind::kStep, CommandHeader{CommandKind::kStep, 0, seq}, out);
}

void encode(const CommandHeader& header, const SelfPublish& command, std::string& out) {
    put_header(CommandKind::kSelfPublish, header, out);
    ByteWriter writer(out);
    writer.varint(command.n);
    put_publish_tags(writer, command.outputs, command.rule_version);
}

bool decode(ByteReader& in, SelfPublish& out) {
    out = SelfPublish{};
    out.n = in.varint();
    Publish tags;
    const bool ok = !in.failed() &&
                    read_tags(in, [&](std::uint8_t tag, std::string_view bytes, std::string_view) {
                        read_publish_tag(tag, bytes, tags);
                    });
    out.outputs = tags.outputs;
    out.rule_version = tags.rule_version;
    return ok;
}

bool decode_header(ByteReader& in, CommandHeader& out) {
    out.kind = static_cast<CommandKind>(in.u8());
    out.stream = get_u32(in);
    out.seq = in.varint();
    out.behind = in.varint();
    return !in.failed();
}

void encode(const OpenAnswer& answer, std::string& out) {
    ByteWriter writer(out);
    writer.varint(answer.epoch);
    writer.varint(answer.session_expiry_interval_s);
    writer.u8(answer.session_present ? 1 : 0);
}

bool decode(std::string_view in, OpenAnswer& out) {
    ByteReader reader(in);
    out.epoch = reader.varint();
    out.session_expiry_interval_s = get_u32(reader);
    out.session_present = get_bool(reader);
    return !reader.failed();
}

void append_route_output(const RouteOutput& output, std::string& out) {
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(output.kind));
    writer.string(output.target);
    writer.string(output.key);
    writer.string(output.body);
    writer.varint(output.delay_s);
    writer.u8(static_cast<std::uint8_t>(output.qos | (output.retain ? kRetainFlag : 0) |
                                        (output.tags.empty() ? 0 : kTagsFlag)));
    if (!output.tags.empty()) {
        writer.string(output.tags);
    }
}

bool next_route_output(ByteReader& in, RouteOutput& out) {
    if (in.at_end()) {
        return false;
    }
    const std::uint8_t kind = in.u8();
    if (kind < static_cast<std::uint8_t>(RouteKind::kQueue) ||
        kind > static_cast<std::uint8_t>(RouteKind::kSink)) {
        in.fail();
        return false;
    }
    out.kind = static_cast<RouteKind>(kind);
    out.target = in.string();
    out.key = in.string();
    out.body = in.string();
    out.delay_s = get_u32(in);
    const std::uint8_t flags = in.u8();
    out.qos = flags & kQosMask;
    out.retain = (flags & kRetainFlag) != 0;
    out.tags = (flags & kTagsFlag) != 0 ? in.string() : std::string_view{};
    if (out.qos > kQosMax) {
        in.fail();
    }
    return !in.failed();
}

void begin_entry(SetMs time, std::string& out) {
    ByteWriter writer(out);
    writer.u8(kEntryVersion);
    writer.u64(time);
}

void append_frame(std::string_view command, std::string& out) {
    ByteWriter writer(out);
    writer.u32(static_cast<std::uint32_t>(command.size()));
    writer.raw(command);
}

bool next_frame(ByteReader& in, std::string_view& command) {
    if (in.at_end()) {
        return false;
    }
    const std::uint32_t size = in.u32();
    command = in.raw(size);
    return !in.failed();
}

}  // namespace causeway
