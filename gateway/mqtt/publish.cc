// PUBLISH, its acknowledgements and the head of a delivery on the wire: MQTT 5.0 §3.3 to §3.7.
#include "gateway/mqtt/publish.h"

#include "gateway/mqtt/codec.h"
#include "gateway/mqtt/encode.h"
#include "gateway/mqtt/property_fields.h"

namespace causeway::mqtt {
namespace {

constexpr std::uint8_t kRetainBit = 0x01;
constexpr std::uint8_t kQosShift = 1;
constexpr std::uint8_t kDuplicateBit = 0x08;

void check_topic(Reader& in, const Frame& frame, const Publish& packet) {
    if (has_wildcard(packet.topic)) {
        in.fail(ReasonCode::kTopicNameInvalid, "MQTT-3.3.2-2");
    }
    if (packet.topic.empty() && frame.version != Version::k5) {
        in.fail(ReasonCode::kTopicNameInvalid, "MQTT-4.7.3-1");
    }
    if (packet.topic.empty() && !packet.properties.topic_alias.has_value()) {
        in.protocol_error("§3.3.2.1: neither topic nor topic alias");
    }
}

template <PacketType kType>
void parse_ack(Reader& in, const Frame& frame, Ack<kType>& packet) {
    packet.packet_id = read_packet_id(in);
    if (frame.version != Version::k5 || in.at_end()) {
        return;
    }
    packet.reason_code = read_reason_code(in, kType, frame.sender);
    if (!in.at_end()) {
        read_properties(in, packet.properties);
    }
}

template <PacketType kType>
void write_ack(Writer& out, Version version, const Ack<kType>& packet) {
    out.u8(first_byte(kType, kType == PacketType::kPubrel ? 0x02 : 0));
    const std::size_t mark = out.open_length();
    out.u16(packet.packet_id);
    if (version == Version::k5) {
        const bool properties = properties_size(packet.properties) != 0;
        if (properties || packet.reason_code != ReasonCode::kSuccess) {
            out.u8(static_cast<std::uint8_t>(packet.reason_code));
        }
        if (properties) {
            write_properties(out, packet.properties);
        }
    }
    out.close_length(mark);
}

// What stands between the fixed header and the body.
struct HeadSizes {
    std::size_t own_properties = 0;
    std::size_t all_properties = 0;
    std::size_t remaining = 0;  // of the whole packet
};

HeadSizes sizes_of(const PublishHead& head, Version version) {
    HeadSizes sizes;
    sizes.remaining = 2 + head.topic.size() + (head.qos > 0 ? 2 : 0) + head.payload_bytes;
    if (version != Version::k5) {
        return sizes;
    }
    ByteCounter own;
    if (head.message_expiry_interval_s.has_value()) {
        own.u8(0);
        own.u32(0);
    }
    if (head.topic_alias.has_value()) {
        own.u8(0);
        own.u16(0);
    }
    for (const std::uint32_t identifier : head.subscription_identifiers) {
        own.u8(0);
        own.varint(identifier);
    }
    sizes.own_properties = own.size();
    sizes.all_properties = own.size() + head.body_properties_bytes;
    const std::size_t limited =
        sizes.all_properties < kVarintMax ? sizes.all_properties : kVarintMax;
    sizes.remaining += varint_size(static_cast<std::uint32_t>(limited)) + sizes.all_properties;
    return sizes;
}

void write_head(Writer& out, Version version, const PublishHead& head) {
    const HeadSizes sizes = sizes_of(head, version);
    if (sizes.remaining > kVarintMax) {
        out.fail();
        return;
    }
    const unsigned flags = static_cast<unsigned>(head.qos) << kQosShift |
                           (head.retain ? kRetainBit : 0U) | (head.duplicate ? kDuplicateBit : 0U);
    out.u8(first_byte(PacketType::kPublish, static_cast<std::uint8_t>(flags)));
    out.varint(static_cast<std::uint32_t>(sizes.remaining));
    out.binary(head.topic);
    if (head.qos > 0) {
        out.u16(head.packet_id);
    }
    if (version != Version::k5) {
        return;
    }
    out.varint(static_cast<std::uint32_t>(sizes.all_properties));
    FieldWriter<Writer> fields(out);
    fields(PropertyId::kMessageExpiryInterval, head.message_expiry_interval_s);
    fields(PropertyId::kTopicAlias, head.topic_alias);
    for (const std::uint32_t identifier : head.subscription_identifiers) {
        fields(PropertyId::kSubscriptionIdentifier, std::optional(identifier));
    }
}

}  // namespace

void parse(Reader& in, const Frame& frame, Publish& packet) {
    packet.qos = (frame.flags >> kQosShift) & 3;
    packet.retain = (frame.flags & kRetainBit) != 0;
    packet.duplicate = (frame.flags & kDuplicateBit) != 0;
    packet.topic = in.string();  // [MQTT-3.3.2-1]
    if (packet.qos > 0) {        // [MQTT-2.2.1-2]
        packet.packet_id = read_packet_id(in);
    }
    if (frame.version == Version::k5) {
        read_properties(in, packet.properties);
        if (frame.sender == Sender::kClient &&
            !packet.properties.subscription_identifiers.empty()) {
            in.protocol_error("MQTT-3.3.4-6");
        }
    } else {
        packet.properties.forward.wire = std::string_view{};
    }
    if (!in.failed()) {
        check_topic(in, frame, packet);
    }
    packet.payload = in.rest();
}

void write(Writer& out, Version version, const Publish& packet) {
    const PublishProperties& properties = packet.properties;
    write_head(out, version,
               PublishHead{.topic = packet.topic,
                           .packet_id = packet.packet_id,
                           .qos = packet.qos,
                           .retain = packet.retain,
                           .duplicate = packet.duplicate,
                           .message_expiry_interval_s = properties.message_expiry_interval_s,
                           .topic_alias = properties.topic_alias,
                           .subscription_identifiers = properties.subscription_identifiers,
                           .body_properties_bytes = forward_properties_size(properties.forward),
                           .payload_bytes = packet.payload.size()});
    if (version == Version::k5) {
        if (properties.forward.wire.has_value()) {
            out.raw(*properties.forward.wire);
        } else {
            for_each_field(properties.forward, FieldWriter<Writer>(out));
        }
    }
    out.raw(packet.payload);
}

void parse(Reader& in, const Frame& frame, Puback& packet) { parse_ack(in, frame, packet); }
void parse(Reader& in, const Frame& frame, Pubrec& packet) { parse_ack(in, frame, packet); }
void parse(Reader& in, const Frame& frame, Pubrel& packet) { parse_ack(in, frame, packet); }
void parse(Reader& in, const Frame& frame, Pubcomp& packet) { parse_ack(in, frame, packet); }
void write(Writer& out, Version version, const Puback& packet) { write_ack(out, version, packet); }
void write(Writer& out, Version version, const Pubrec& packet) { write_ack(out, version, packet); }
void write(Writer& out, Version version, const Pubrel& packet) { write_ack(out, version, packet); }
void write(Writer& out, Version version, const Pubcomp& packet) { write_ack(out, version, packet); }

std::size_t publish_size(const PublishHead& head, Version version) {
    const std::size_t remaining = sizes_of(head, version).remaining;
    const std::size_t limited = remaining < kVarintMax ? remaining : kVarintMax;
    return 1 + varint_size(static_cast<std::uint32_t>(limited)) + remaining;
}

bool encode_publish_head(const PublishHead& head, Version version, std::string& out) {
    Writer writer(out);
    write_head(writer, version, head);
    return writer.finish();
}

}  // namespace causeway::mqtt
