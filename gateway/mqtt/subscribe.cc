// SUBSCRIBE, UNSUBSCRIBE, their acknowledgements and the pings on the wire: MQTT 5.0 §3.8 to §3.13.
#include "gateway/mqtt/subscribe.h"

#include "gateway/mqtt/codec.h"
#include "gateway/mqtt/property_fields.h"

namespace causeway::mqtt {
namespace {

constexpr std::uint8_t kQosBits = 0x03;
constexpr std::uint8_t kNoLocalBit = 0x04;
constexpr std::uint8_t kRetainAsPublishedBit = 0x08;
constexpr std::uint8_t kRetainHandlingShift = 4;
constexpr std::uint8_t kReservedBits = 0xC0;

std::string_view read_filter(Reader& in) {
    const std::string_view filter = in.string();  // [MQTT-3.8.3-1] [MQTT-3.10.3-1]
    if (in.failed()) {
        return {};
    }
    if (!valid_topic_filter(filter)) {
        in.fail(ReasonCode::kTopicFilterInvalid, "MQTT-4.7.1-1");
    } else if (is_shared_filter(filter) && !parse_shared_filter(filter).has_value()) {
        in.fail(ReasonCode::kTopicFilterInvalid, "MQTT-4.8.2-1");
    }
    return filter;
}

void read_options(Reader& in, Version version, Subscription& subscription) {
    const std::uint8_t options = in.u8();
    subscription.qos = options & kQosBits;
    if (version != Version::k5) {
        // MQTT 3.1 leaves the upper bits open.
        if (subscription.qos == 3 || (version == Version::k311 && options > 2)) {
            in.malformed("3.1.1: MQTT-3.8.3-4");
        }
        return;
    }
    if ((options & kReservedBits) != 0) {
        in.malformed("MQTT-3.8.3-5");
    }
    const unsigned handling = (options >> kRetainHandlingShift) & 3U;
    if (subscription.qos == 3 || handling == 3) {
        in.protocol_error("§3.8.3.1");
    }
    subscription.no_local = (options & kNoLocalBit) != 0;
    subscription.retain_as_published = (options & kRetainAsPublishedBit) != 0;
    subscription.retain_handling = static_cast<RetainHandling>(handling);
    if (subscription.no_local && is_shared_filter(subscription.filter)) {
        in.protocol_error("MQTT-3.8.3-4");
    }
}

std::uint8_t options_of(const Subscription& subscription, Version version) {
    unsigned options = subscription.qos;
    if (version == Version::k5) {
        options |= subscription.no_local ? kNoLocalBit : 0;
        options |= subscription.retain_as_published ? kRetainAsPublishedBit : 0;
        options |= static_cast<unsigned>(subscription.retain_handling) << kRetainHandlingShift;
    }
    return static_cast<std::uint8_t>(options);
}

template <typename List>
void read_reason_codes(Reader& in, const Frame& frame, PacketType type, List& codes) {
    if (in.at_end()) {
        in.malformed("§3.9.3: no reason code");
    }
    while (!in.at_end()) {
        const ReasonCode code = read_reason_code(in, type, frame.sender);
        if (frame.version != Version::k5 && code > ReasonCode::kGrantedQos2 &&
            code != ReasonCode::kUnspecifiedError) {
            in.protocol_error("3.1.1: MQTT-3.9.3-2");
        }
        if (!in.failed() && in.take_item()) {
            codes.push_back(code);
        }
    }
}

}  // namespace

void parse(Reader& in, const Frame& frame, Subscribe& packet) {
    packet.packet_id = read_packet_id(in);
    if (frame.version == Version::k5) {
        read_properties(in, packet.properties);
    }
    if (in.at_end()) {
        in.protocol_error("MQTT-3.8.3-2");
    }
    while (!in.at_end()) {
        Subscription subscription;
        subscription.filter = read_filter(in);
        read_options(in, frame.version, subscription);
        if (!in.failed() && in.take_item()) {
            packet.subscriptions.push_back(subscription);
        }
    }
}

void write(Writer& out, Version version, const Subscribe& packet) {
    out.u8(first_byte(PacketType::kSubscribe, 0x02));
    const std::size_t mark = out.open_length();
    out.u16(packet.packet_id);
    if (version == Version::k5) {
        write_properties(out, packet.properties);
    }
    for (const Subscription& subscription : packet.subscriptions) {
        out.binary(subscription.filter);
        out.u8(options_of(subscription, version));
    }
    out.close_length(mark);
}

void parse(Reader& in, const Frame& frame, Suback& packet) {
    packet.packet_id = read_packet_id(in);
    if (frame.version == Version::k5) {
        read_properties(in, packet.properties);
    }
    read_reason_codes(in, frame, PacketType::kSuback, packet.reason_codes);
}

void write(Writer& out, Version version, const Suback& packet) {
    out.u8(first_byte(PacketType::kSuback));
    const std::size_t mark = out.open_length();
    out.u16(packet.packet_id);
    if (version == Version::k5) {
        write_properties(out, packet.properties);
    }
    for (const ReasonCode code : packet.reason_codes) {
        const bool plain = version != Version::k5 && is_error(code);
        out.u8(static_cast<std::uint8_t>(plain ? ReasonCode::kUnspecifiedError : code));
    }
    out.close_length(mark);
}

void parse(Reader& in, const Frame& frame, Unsubscribe& packet) {
    packet.packet_id = read_packet_id(in);
    if (frame.version == Version::k5) {
        read_properties(in, packet.properties);
    }
    if (in.at_end()) {
        in.protocol_error("MQTT-3.10.3-2");
    }
    while (!in.at_end()) {
        const std::string_view filter = read_filter(in);
        if (!in.failed() && in.take_item()) {
            packet.filters.push_back(filter);
        }
    }
}

void write(Writer& out, Version version, const Unsubscribe& packet) {
    out.u8(first_byte(PacketType::kUnsubscribe, 0x02));
    const std::size_t mark = out.open_length();
    out.u16(packet.packet_id);
    if (version == Version::k5) {
        write_properties(out, packet.properties);
    }
    for (const std::string_view filter : packet.filters) {
        out.binary(filter);
    }
    out.close_length(mark);
}

void parse(Reader& in, const Frame& frame, Unsuback& packet) {
    packet.packet_id = read_packet_id(in);
    if (frame.version == Version::k5) {
        read_properties(in, packet.properties);
        read_reason_codes(in, frame, PacketType::kUnsuback, packet.reason_codes);
    }
}

void write(Writer& out, Version version, const Unsuback& packet) {
    out.u8(first_byte(PacketType::kUnsuback));
    const std::size_t mark = out.open_length();
    out.u16(packet.packet_id);
    if (version == Version::k5) {
        write_properties(out, packet.properties);
        for (const ReasonCode code : packet.reason_codes) {
            out.u8(static_cast<std::uint8_t>(code));
        }
    }
    out.close_length(mark);
}

void parse(Reader&, const Frame&, Pingreq&) {}
void parse(Reader&, const Frame&, Pingresp&) {}

void write(Writer& out, Version, const Pingreq&) {
    out.u8(first_byte(PacketType::kPingreq));
    out.u8(0);
}
void write(Writer& out, Version, const Pingresp&) {
    out.u8(first_byte(PacketType::kPingresp));
    out.u8(0);
}

}  // namespace causeway::mqtt
