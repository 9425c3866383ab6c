// Bytes to packets: one call takes one packet off the front of what a connection has received.
// Called by gateway/net (as a server) and gateway/bench (as a client). Pure; any thread; no state
// between calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

#include "gateway/mqtt/packet.h"
#include "gateway/mqtt/reason_code.h"
#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

struct DecodeOptions {
    // What the connection agreed on. CONNECT is read by its own level, whatever stands here.
    Version version = Version::k311;
    // Whose bytes these are; packets that only the other side sends are a protocol error.
    Sender sender = Sender::kClient;
    // Refused from the fixed header on, before the body arrives: our Maximum Packet Size.
    std::uint32_t packet_bytes_max = kPacketBytesMax;
    // User properties, filters or reason codes in one packet; more are refused with 0x97.
    std::uint32_t items_max = 4'096;
};

struct Decoded {
    template <typename T>
    Decoded(std::in_place_type_t<T> type, std::size_t size) : packet(type), consumed(size) {}

    Packet packet;         // its views point into the bytes given to decode
    std::size_t consumed;  // the size of the packet
};

// The packet is not complete. It has at least `bytes_min` bytes, counted from its first one, so
// reading on is of no use before that many are there; always more than were given. Known exactly
// once the fixed header is complete.
struct NeedMore {
    std::size_t bytes_min = 2;
};

// The packet must not be processed and the connection ends [MQTT-4.13.1-1].
struct DecodeError {
    ReasonCode reason_code =
        ReasonCode::kMalformedPacket;  // for DISCONNECT, or CONNACK if it was a CONNECT
    std::string_view statement{};      // what was violated: "MQTT-3.3.1-4", "§2.2.2.2"; static
    PacketType type{};  // of the packet; may be no type at all when the first byte is bad
    // How to answer: the version of the options, or the one that a CONNECT asked for as far as it
    // was understood (k5 for levels above 5, k311 for names and levels unknown to us).
    Version version = Version::k311;
};

using DecodeResult = std::variant<Decoded, NeedMore, DecodeError>;

// Effect: decodes the packet at the front of `bytes`; what follows it is not looked at.
// Errors, with the reason code the specification names:
//   0x81 a packet that cannot be parsed: lengths, flags, UTF-8 [MQTT-1.5.4-1], a property that does
//        not belong to the packet (§2.2.2.2), trailing bytes
//   0x82 a property twice, a value out of its range, packet id 0 [MQTT-2.2.1-3], no filter
//        [MQTT-3.8.3-2], a packet of the other direction, a reason code of another packet
//   0x84 an unknown protocol name or level [MQTT-3.1.2-1, -2]
//   0x8F, 0x90 a topic filter or topic name that is not well-formed (§4.7)
//   0x94 topic alias 0 [MQTT-3.3.2-8]
//   0x95 larger than packet_bytes_max     0x97 more than items_max
// Cost: linear in the packet. Allocates only for lists longer than their inline room.
[[nodiscard]] DecodeResult decode(std::string_view bytes, const DecodeOptions& options);

}  // namespace causeway::mqtt
