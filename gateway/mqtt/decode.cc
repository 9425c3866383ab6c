// The fixed header and the choice of the parser: MQTT 5.0 §2.1.
#include "gateway/mqtt/decode.h"

#include <array>
#include <optional>
#include <type_traits>

#include "gateway/mqtt/codec.h"

namespace causeway::mqtt {
namespace {

struct FixedHeader {
    PacketType type{};
    std::size_t size = 0;  // of the header itself
    std::uint32_t remaining = 0;
};

DecodeError error_of(ReasonCode reason_code, std::string_view statement, PacketType type,
                     Version version) {
    return {.reason_code = reason_code, .statement = statement, .type = type, .version = version};
}

// True when this side never sends such a packet (table 2-1).
bool other_direction(PacketType type, Sender sender) {
    switch (type) {
        case PacketType::kConnect:
        case PacketType::kSubscribe:
        case PacketType::kUnsubscribe:
        case PacketType::kPingreq:
            return sender == Sender::kServer;
        case PacketType::kConnack:
        case PacketType::kSuback:
        case PacketType::kUnsuback:
        case PacketType::kPingresp:
            return sender == Sender::kClient;
        default:
            return false;
    }
}

bool good_flags(PacketType type, std::uint8_t flags, Version version) {
    switch (type) {
        case PacketType::kPubrel:
        case PacketType::kSubscribe:
        case PacketType::kUnsubscribe:
            // MQTT 3.1 also has a DUP flag here.
            // [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
            return flags == 0x02 || (version == Version::k31 && flags == 0x0A);
        case PacketType::kPublish:
            return true;
        default:
            return flags == 0;  // [MQTT-3.14.1-1] [MQTT-3.15.1-1]
    }
}

// What the first byte alone gives away.
std::optional<DecodeError> check_first_byte(std::uint8_t byte, const DecodeOptions& options) {
    const auto type = static_cast<PacketType>(byte >> 4);
    const auto flags = static_cast<std::uint8_t>(byte & 0x0F);
    const auto malformed = [&](std::string_view statement) {
        return error_of(ReasonCode::kMalformedPacket, statement, type, options.version);
    };
    if (byte < 0x10 || (type == PacketType::kAuth && options.version != Version::k5)) {
        return malformed("§2.1.2: a reserved packet type");
    }
    if (!good_flags(type, flags, options.version)) {
        return malformed("MQTT-2.1.3-1");
    }
    if (type == PacketType::kPublish) {
        if ((flags & 0x06) == 0x06) {
            return malformed("MQTT-3.3.1-4");
        }
        if ((flags & 0x06) == 0 && (flags & 0x08) != 0) {
            return malformed("MQTT-3.3.1-2");
        }
    }
    if (other_direction(type, options.sender)) {
        return error_of(ReasonCode::kProtocolError, "§2.1.2: a packet of the other direction", type,
                        options.version);
    }
    return std::nullopt;
}

using HeaderResult = std::variant<FixedHeader, NeedMore, DecodeError>;

HeaderResult read_fixed_header(std::string_view bytes, const DecodeOptions& options) {
    FixedHeader header;
    if (bytes.empty()) {
        return NeedMore{2};
    }
    const auto first = static_cast<std::uint8_t>(bytes[0]);
    header.type = static_cast<PacketType>(first >> 4);
    if (const auto error = check_first_byte(first, options)) {
        return *error;
    }
    for (header.size = 1; header.size <= 4; ++header.size) {
        if (header.size == bytes.size()) {
            return NeedMore{bytes.size() + 1};
        }
        const auto byte = static_cast<std::uint8_t>(bytes[header.size]);
        header.remaining |= static_cast<std::uint32_t>(byte & 0x7F) << (7 * (header.size - 1));
        if ((byte & 0x80) == 0) {
            ++header.size;
            // 3.1.1 does not ask for the shortest form, and small devices pad.
            if (byte == 0 && header.size > 2 && options.version == Version::k5) {
                break;
            }
            return header;
        }
    }
    return error_of(ReasonCode::kMalformedPacket, "MQTT-1.5.5-1: remaining length", header.type,
                    options.version);
}

// Bodies of fixed size are refused before they arrive, so that nobody buffers for them.
bool bad_remaining_length(const FixedHeader& header, Version version) {
    switch (header.type) {
        case PacketType::kPingreq:
        case PacketType::kPingresp:
            return header.remaining != 0;
        case PacketType::kDisconnect:
            return version != Version::k5 && header.remaining != 0;
        case PacketType::kPuback:
        case PacketType::kPubrec:
        case PacketType::kPubrel:
        case PacketType::kPubcomp:
        case PacketType::kUnsuback:
            return version == Version::k5 ? header.remaining < 2 : header.remaining != 2;
        default:
            return false;
    }
}

template <typename T>
DecodeResult parse_as(std::string_view body, const Frame& frame, std::uint32_t items_max,
                      std::size_t size) {
    DecodeResult result(std::in_place_type<Decoded>, std::in_place_type<T>, size);
    T& packet = std::get<T>(std::get<Decoded>(result).packet);
    Reader in(body, items_max);
    parse(in, frame, packet);
    if (!in.at_end()) {
        in.malformed("§2.1.4: bytes after the end of the packet");
    }
    if (in.failed()) {
        Version version = frame.version;
        if constexpr (std::is_same_v<T, Connect>) {
            version = packet.version;
        }
        const Packet none(std::in_place_type<T>);
        return error_of(in.reason_code(), in.statement(), type_of(none), version);
    }
    return result;
}

// Indexed by packet type - 1, from the order of the variant.
template <std::size_t... kIndex>
constexpr auto make_parsers(std::index_sequence<kIndex...>) {
    using Parser = DecodeResult (*)(std::string_view, const Frame&, std::uint32_t, std::size_t);
    return std::array<Parser, sizeof...(kIndex)>{
        &parse_as<std::variant_alternative_t<kIndex, Packet>>...};
}
constexpr auto kParsers = make_parsers(std::make_index_sequence<std::variant_size_v<Packet>>());

}  // namespace

DecodeResult decode(std::string_view bytes, const DecodeOptions& options) {
    const HeaderResult read = read_fixed_header(bytes, options);
    if (const auto* more = std::get_if<NeedMore>(&read)) {
        return *more;
    }
    if (const auto* error = std::get_if<DecodeError>(&read)) {
        return *error;
    }
    const auto& header = std::get<FixedHeader>(read);
    const std::size_t size = header.size + header.remaining;
    if (size > options.packet_bytes_max) {  // [MQTT-3.2.2-15]
        return error_of(ReasonCode::kPacketTooLarge, "MQTT-3.1.2-24", header.type, options.version);
    }
    if (bad_remaining_length(header, options.version)) {
        return error_of(ReasonCode::kMalformedPacket, "§2.1.4: remaining length", header.type,
                        options.version);
    }
    if (size > bytes.size()) {
        return NeedMore{size};
    }
    const Frame frame{.version = options.version,
                      .sender = options.sender,
                      .flags = static_cast<std::uint8_t>(bytes[0] & 0x0F)};
    return kParsers[static_cast<std::size_t>(header.type) - 1](
        bytes.substr(header.size, header.remaining), frame, options.items_max, size);
}

}  // namespace causeway::mqtt
