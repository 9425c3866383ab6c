// The two functions of each packet type, joined by decode.cc and encode.cc. In the codec only.
//   parse   reads the variable header and payload; errors stay in the reader
//   write   appends the whole packet; errors stay in the writer
#pragma once

#include <cstdint>

#include "gateway/mqtt/packet.h"
#include "gateway/mqtt/reader.h"
#include "gateway/mqtt/writer.h"

namespace causeway::mqtt {

struct Frame {
    Version version = Version::k311;
    Sender sender = Sender::kClient;
    std::uint8_t flags = 0;  // the low bits of the first byte
};

void parse(Reader& in, const Frame& frame, Connect& packet);
void parse(Reader& in, const Frame& frame, Connack& packet);
void parse(Reader& in, const Frame& frame, Publish& packet);
void parse(Reader& in, const Frame& frame, Puback& packet);
void parse(Reader& in, const Frame& frame, Pubrec& packet);
void parse(Reader& in, const Frame& frame, Pubrel& packet);
void parse(Reader& in, const Frame& frame, Pubcomp& packet);
void parse(Reader& in, const Frame& frame, Subscribe& packet);
void parse(Reader& in, const Frame& frame, Suback& packet);
void parse(Reader& in, const Frame& frame, Unsubscribe& packet);
void parse(Reader& in, const Frame& frame, Unsuback& packet);
void parse(Reader& in, const Frame& frame, Pingreq& packet);
void parse(Reader& in, const Frame& frame, Pingresp& packet);
void parse(Reader& in, const Frame& frame, Disconnect& packet);
void parse(Reader& in, const Frame& frame, Auth& packet);

void write(Writer& out, Version version, const Connect& packet);
void write(Writer& out, Version version, const Connack& packet);
void write(Writer& out, Version version, const Publish& packet);
void write(Writer& out, Version version, const Puback& packet);
void write(Writer& out, Version version, const Pubrec& packet);
void write(Writer& out, Version version, const Pubrel& packet);
void write(Writer& out, Version version, const Pubcomp& packet);
void write(Writer& out, Version version, const Subscribe& packet);
void write(Writer& out, Version version, const Suback& packet);
void write(Writer& out, Version version, const Unsubscribe& packet);
void write(Writer& out, Version version, const Unsuback& packet);
void write(Writer& out, Version version, const Pingreq& packet);
void write(Writer& out, Version version, const Pingresp& packet);
void write(Writer& out, Version version, const Disconnect& packet);
void write(Writer& out, Version version, const Auth& packet);

// A packet id that must not be 0 [MQTT-2.2.1-3, -4].
inline std::uint16_t read_packet_id(Reader& in) {
    const std::uint16_t packet_id = in.u16();
    if (packet_id == 0) {
        in.protocol_error("MQTT-2.2.1-3");
    }
    return packet_id;
}

inline ReasonCode read_reason_code(Reader& in, PacketType type, Sender sender) {
    const auto code = static_cast<ReasonCode>(in.u8());
    if (!may_carry(type, code, sender)) {
        in.protocol_error("§2.4: a reason code that the packet does not have");
    }
    return code;
}

constexpr std::uint8_t first_byte(PacketType type, std::uint8_t flags = 0) {
    return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags);
}

}  // namespace causeway::mqtt
