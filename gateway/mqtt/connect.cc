// CONNECT and CONNACK on the wire: MQTT 5.0 §3.1, §3.2; MQTT 3.1.1 §3.1, §3.2.
#include "gateway/mqtt/connect.h"

#include "gateway/mqtt/codec.h"
#include "gateway/mqtt/property_fields.h"

namespace causeway::mqtt {
namespace {

constexpr std::uint8_t kReservedFlag = 0x01;
constexpr std::uint8_t kCleanStart = 0x02;
constexpr std::uint8_t kWillFlag = 0x04;
constexpr std::uint8_t kWillQos = 0x18;
constexpr std::uint8_t kWillQosShift = 3;
constexpr std::uint8_t kWillRetain = 0x20;
constexpr std::uint8_t kPasswordFlag = 0x40;
constexpr std::uint8_t kUserNameFlag = 0x80;
constexpr std::uint8_t kSessionPresent = 0x01;

// Protocol name and level; what to answer in is known even when we do not speak it.
Version read_version(Reader& in) {
    const std::string_view protocol = in.string();
    const std::uint8_t level = in.u8();
    if (in.failed()) {
        return Version::k311;
    }
    if (protocol == "MQIsdp" && level == 3) {
        return Version::k31;
    }
    if (protocol != "MQTT") {
        in.fail(ReasonCode::kUnsupportedProtocolVersion, "MQTT-3.1.2-1");
        return Version::k311;
    }
    if (level != 4 && level != 5) {
        in.fail(ReasonCode::kUnsupportedProtocolVersion, "MQTT-3.1.2-2");
    }
    return level >= 5 ? Version::k5 : Version::k311;
}

void check_flags(Reader& in, std::uint8_t flags, Version version) {
    if ((flags & kReservedFlag) != 0) {
        in.malformed("MQTT-3.1.2-3");
    }
    if ((flags & kWillFlag) == 0) {
        if ((flags & kWillQos) != 0) {
            in.malformed("MQTT-3.1.2-11");
        }
        if ((flags & kWillRetain) != 0) {
            in.malformed("MQTT-3.1.2-13");
        }
    }
    if ((flags & kWillQos) == kWillQos) {
        in.malformed("MQTT-3.1.2-12");
    }
    if (version != Version::k5 && (flags & kPasswordFlag) != 0 && (flags & kUserNameFlag) == 0) {
        in.malformed("3.1.1: MQTT-3.1.2-22");
    }
}

void read_will(Reader& in, std::uint8_t flags, Version version, Will& will) {
    will.qos = (flags & kWillQos) >> kWillQosShift;
    will.retain = (flags & kWillRetain) != 0;
    if (version == Version::k5) {
        read_properties(in, will.properties);
    }
    will.topic = in.string();  // [MQTT-3.1.2-9] [MQTT-3.1.3-11]
    if (!in.failed() && !valid_topic_name(will.topic)) {
        in.fail(ReasonCode::kTopicNameInvalid, "MQTT-4.7.1-1: will topic");
    }
    will.payload = in.binary();
}

std::uint8_t flags_of(const Connect& packet) {
    unsigned flags = packet.clean_start ? kCleanStart : 0;
    if (packet.will.has_value()) {
        flags |= kWillFlag | static_cast<unsigned>(packet.will->qos) << kWillQosShift;
        flags |= packet.will->retain ? kWillRetain : 0;
    }
    flags |= packet.password.has_value() ? kPasswordFlag : 0;
    flags |= packet.user_name.has_value() ? kUserNameFlag : 0;
    return static_cast<std::uint8_t>(flags);
}

}  // namespace

void parse(Reader& in, const Frame&, Connect& packet) {
    packet.version = read_version(in);
    const std::uint8_t flags = in.u8();
    check_flags(in, flags, packet.version);
    packet.clean_start = (flags & kCleanStart) != 0;
    packet.keep_alive_s = in.u16();
    if (packet.version == Version::k5) {
        read_properties(in, packet.properties);
        if (packet.properties.authentication_data.has_value() &&
            !packet.properties.authentication_method.has_value()) {
            in.protocol_error("§3.1.2.11.10: Authentication Data without a method");
        }
    }
    packet.client_id = in.string();  // [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.3-4]
    if ((flags & kWillFlag) != 0) {
        read_will(in, flags, packet.version, packet.will.emplace());
    }
    if ((flags & kUserNameFlag) != 0) {  // [MQTT-3.1.2-16]
        packet.user_name = in.string();  // [MQTT-3.1.2-17] [MQTT-3.1.3-12]
    }
    if ((flags & kPasswordFlag) != 0) {  // [MQTT-3.1.2-18]
        packet.password = in.binary();   // [MQTT-3.1.2-19]
    }
}

void write(Writer& out, Version, const Connect& packet) {
    const bool v5 = packet.version == Version::k5;
    out.u8(first_byte(PacketType::kConnect));
    const std::size_t mark = out.open_length();
    out.binary(packet.version == Version::k31 ? "MQIsdp" : "MQTT");
    out.u8(static_cast<std::uint8_t>(packet.version));
    out.u8(flags_of(packet));
    out.u16(packet.keep_alive_s);
    if (v5) {
        write_properties(out, packet.properties);
    }
    out.binary(packet.client_id);
    if (packet.will.has_value()) {
        if (v5) {
            write_properties(out, packet.will->properties);
        }
        out.binary(packet.will->topic);
        out.binary(packet.will->payload);
    }
    if (packet.user_name.has_value()) {
        out.binary(*packet.user_name);
    }
    if (packet.password.has_value()) {
        out.binary(*packet.password);
    }
    out.close_length(mark);
}

void parse(Reader& in, const Frame& frame, Connack& packet) {
    const std::uint8_t flags = in.u8();
    // MQTT 3.1 reserves the whole byte and says nothing of its value.
    if (frame.version != Version::k31 && (flags & ~kSessionPresent) != 0) {
        in.malformed("MQTT-3.2.2-1");
    }
    packet.session_present = frame.version != Version::k31 && (flags & kSessionPresent) != 0;
    if (frame.version == Version::k5) {
        packet.reason_code = read_reason_code(in, PacketType::kConnack, frame.sender);
        read_properties(in, packet.properties);
    } else {
        const std::optional<ReasonCode> code = from_connect_return_code(in.u8());
        if (!code.has_value()) {
            in.protocol_error("3.1.1: §3.2.2.3");
        }
        packet.reason_code = code.value_or(ReasonCode::kUnspecifiedError);
    }
    if (packet.session_present && packet.reason_code != ReasonCode::kSuccess) {
        in.protocol_error("MQTT-3.2.2-6");
    }
}

void write(Writer& out, Version version, const Connack& packet) {
    out.u8(first_byte(PacketType::kConnack));
    const std::size_t mark = out.open_length();
    out.u8(packet.session_present && version != Version::k31 ? kSessionPresent : 0);
    if (version == Version::k5) {
        out.u8(static_cast<std::uint8_t>(packet.reason_code));
        write_properties(out, packet.properties);
    } else {
        out.u8(connect_return_code(packet.reason_code));
    }
    out.close_length(mark);
}

}  // namespace causeway::mqtt
