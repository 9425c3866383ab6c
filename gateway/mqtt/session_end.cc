// DISCONNECT and AUTH on the wire: MQTT 5.0 §3.14, §3.15.
#include "gateway/mqtt/session_end.h"

#include "gateway/mqtt/codec.h"
#include "gateway/mqtt/property_fields.h"

namespace causeway::mqtt {
namespace {

// Reason code and properties, both of which may be missing at the end (§3.14.2.1, §3.15.2.1).
template <typename T>
void read_reason_and_properties(Reader& in, const Frame& frame, PacketType type, T& packet) {
    if (in.at_end()) {
        return;
    }
    packet.reason_code = read_reason_code(in, type, frame.sender);
    if (!in.at_end()) {
        read_properties(in, packet.properties);
    }
}

template <typename T>
void write_reason_and_properties(Writer& out, PacketType type, const T& packet) {
    out.u8(first_byte(type));
    const std::size_t mark = out.open_length();
    const bool properties = properties_size(packet.properties) != 0;
    if (properties || packet.reason_code != ReasonCode::kSuccess) {
        out.u8(static_cast<std::uint8_t>(packet.reason_code));
    }
    if (properties) {
        write_properties(out, packet.properties);
    }
    out.close_length(mark);
}

}  // namespace

void parse(Reader& in, const Frame& frame, Disconnect& packet) {
    if (frame.version != Version::k5) {
        return;
    }
    read_reason_and_properties(in, frame, PacketType::kDisconnect, packet);
    if (frame.sender == Sender::kServer &&
        packet.properties.session_expiry_interval_s.has_value()) {
        in.protocol_error("MQTT-3.14.2-2");
    }
    if (frame.sender == Sender::kClient && packet.properties.server_reference.has_value()) {
        in.protocol_error("§3.14.2.2.5: Server Reference from a client");
    }
}

void write(Writer& out, Version version, const Disconnect& packet) {
    if (version != Version::k5) {
        write_reason_and_properties(out, PacketType::kDisconnect, Disconnect{});
        return;
    }
    write_reason_and_properties(out, PacketType::kDisconnect, packet);
}

void parse(Reader& in, const Frame& frame, Auth& packet) {
    if (in.at_end()) {
        // Nothing at all says success, which is the server's to say (§3.15.2.1).
        if (frame.sender == Sender::kClient) {
            in.protocol_error("MQTT-3.15.2-1");
        }
        return;
    }
    read_reason_and_properties(in, frame, PacketType::kAuth, packet);
    if (!packet.properties.authentication_method.has_value()) {
        in.protocol_error("§3.15.2.2.2: no Authentication Method");
    }
}

void write(Writer& out, Version version, const Auth& packet) {
    if (version != Version::k5) {
        out.fail();
        return;
    }
    write_reason_and_properties(out, PacketType::kAuth, packet);
}

}  // namespace causeway::mqtt
