// Values of properties and their ranges; the forwarded properties as bytes: see property.h and
// property_fields.h. Source: MQTT 5.0 §2.2.2.2 and the property's own section.
#include "gateway/mqtt/property.h"

#include <limits>

#include "gateway/mqtt/property_fields.h"

namespace causeway::mqtt {

bool is_forwarded(PropertyId id) {
    switch (id) {
        case PropertyId::kPayloadFormatIndicator:
        case PropertyId::kContentType:
        case PropertyId::kResponseTopic:
        case PropertyId::kCorrelationData:
        case PropertyId::kUserProperty:
            return true;
        default:
            return false;
    }
}

void read_value(Reader& in, PropertyId, bool& value) {
    const std::uint8_t byte = in.u8();
    if (byte > 1) {
        in.protocol_error("§2.2.2.2: a flag that is neither 0 nor 1");
    }
    value = byte == 1;
}

void read_value(Reader& in, PropertyId, std::uint8_t& value) {
    value = in.u8();
    if (value > 1) {  // Maximum QoS is the only one: 2 is said by its absence.
        in.protocol_error("§3.2.2.3.4: Maximum QoS");
    }
}

void read_value(Reader& in, PropertyId id, std::uint16_t& value) {
    value = in.u16();
    if (value != 0) {
        return;
    }
    if (id == PropertyId::kReceiveMaximum) {
        in.protocol_error("§3.1.2.11.3: Receive Maximum 0");
    } else if (id == PropertyId::kTopicAlias) {
        in.fail(ReasonCode::kTopicAliasInvalid, "MQTT-3.3.2-8");
    }
}

void read_value(Reader& in, PropertyId id, std::uint32_t& value) {
    const bool identifier = id == PropertyId::kSubscriptionIdentifier;
    value = identifier ? in.varint() : in.u32();
    if (value != 0) {
        return;
    }
    if (identifier) {
        in.protocol_error("§3.8.2.1.2: Subscription Identifier 0");
    } else if (id == PropertyId::kMaximumPacketSize) {
        in.protocol_error("§3.1.2.11.4: Maximum Packet Size 0");
    }
}

void read_value(Reader& in, PropertyId id, std::string_view& value) {
    if (id == PropertyId::kCorrelationData || id == PropertyId::kAuthenticationData) {
        value = in.binary();
        return;
    }
    value = in.string();  // [MQTT-3.3.2-13] [MQTT-3.3.2-19]
    if (id == PropertyId::kResponseTopic && has_wildcard(value)) {
        in.protocol_error("MQTT-3.3.2-14");
    }
}

bool append_forward_properties(const ForwardProperties& properties, std::string& out) {
    if (properties.wire.has_value()) {
        out.append(*properties.wire);
        return true;
    }
    Writer writer(out);
    for_each_field(properties, FieldWriter<Writer>(writer));
    return writer.finish();
}

std::size_t forward_properties_size(const ForwardProperties& properties) {
    return properties.wire.has_value() ? properties.wire->size() : properties_size(properties);
}

bool parse_forward_properties(std::string_view wire, ForwardProperties& properties) {
    Reader in(wire, std::numeric_limits<std::uint32_t>::max());
    properties.wire = read_fields(in, properties).wire();
    return !in.failed();
}

}  // namespace causeway::mqtt
