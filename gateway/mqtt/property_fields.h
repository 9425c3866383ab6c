// Which packet has which properties (MQTT 5.0 §2.2.2.2), said once: for_each_field(properties, f)
// calls
//   f(id, optional)          a property whose absence has a meaning of its own
//   f(id, value, absent)     a property whose absence means the value `absent`
//   f(id, list)              a property that may repeat
// and reading, writing and sizing are visitors of it. In the codec only.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "gateway/mqtt/connect.h"
#include "gateway/mqtt/publish.h"
#include "gateway/mqtt/reader.h"
#include "gateway/mqtt/session_end.h"
#include "gateway/mqtt/subscribe.h"
#include "gateway/mqtt/writer.h"

namespace causeway::mqtt {

// Const or not.
template <typename P, typename Of>
concept Is = std::same_as<std::remove_const_t<P>, Of>;

template <Is<ForwardProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kPayloadFormatIndicator, p.payload_is_utf8);
    f(PropertyId::kContentType, p.content_type);
    f(PropertyId::kResponseTopic, p.response_topic);
    f(PropertyId::kCorrelationData, p.correlation_data);
    f(PropertyId::kUserProperty, p.user_properties);
}

template <Is<PublishProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kMessageExpiryInterval, p.message_expiry_interval_s);
    f(PropertyId::kTopicAlias, p.topic_alias);
    f(PropertyId::kSubscriptionIdentifier, p.subscription_identifiers);
    for_each_field(p.forward, f);
}

template <Is<WillProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kWillDelayInterval, p.will_delay_interval_s, std::uint32_t{0});
    f(PropertyId::kMessageExpiryInterval, p.message_expiry_interval_s);
    for_each_field(p.forward, f);
}

template <Is<ConnectProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kSessionExpiryInterval, p.session_expiry_interval_s, std::uint32_t{0});
    f(PropertyId::kReceiveMaximum, p.receive_maximum, std::uint16_t{65'535});
    f(PropertyId::kMaximumPacketSize, p.maximum_packet_size);
    f(PropertyId::kTopicAliasMaximum, p.topic_alias_maximum, std::uint16_t{0});
    f(PropertyId::kRequestResponseInformation, p.request_response_information, false);
    f(PropertyId::kRequestProblemInformation, p.request_problem_information, true);
    f(PropertyId::kAuthenticationMethod, p.authentication_method);
    f(PropertyId::kAuthenticationData, p.authentication_data);
    f(PropertyId::kUserProperty, p.user_properties);
}

template <Is<ConnackProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kSessionExpiryInterval, p.session_expiry_interval_s);
    f(PropertyId::kReceiveMaximum, p.receive_maximum, std::uint16_t{65'535});
    f(PropertyId::kMaximumQos, p.maximum_qos, std::uint8_t{2});
    f(PropertyId::kRetainAvailable, p.retain_available, true);
    f(PropertyId::kMaximumPacketSize, p.maximum_packet_size);
    f(PropertyId::kAssignedClientIdentifier, p.assigned_client_identifier);
    f(PropertyId::kTopicAliasMaximum, p.topic_alias_maximum, std::uint16_t{0});
    f(PropertyId::kReasonString, p.reason_string);
    f(PropertyId::kWildcardSubscriptionAvailable, p.wildcard_subscription_available, true);
    f(PropertyId::kSubscriptionIdentifierAvailable, p.subscription_identifier_available, true);
    f(PropertyId::kSharedSubscriptionAvailable, p.shared_subscription_available, true);
    f(PropertyId::kServerKeepAlive, p.server_keep_alive_s);
    f(PropertyId::kResponseInformation, p.response_information);
    f(PropertyId::kServerReference, p.server_reference);
    f(PropertyId::kAuthenticationMethod, p.authentication_method);
    f(PropertyId::kAuthenticationData, p.authentication_data);
    f(PropertyId::kUserProperty, p.user_properties);
}

template <Is<DisconnectProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kSessionExpiryInterval, p.session_expiry_interval_s);
    f(PropertyId::kReasonString, p.reason_string);
    f(PropertyId::kServerReference, p.server_reference);
    f(PropertyId::kUserProperty, p.user_properties);
}

template <Is<AuthProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kAuthenticationMethod, p.authentication_method);
    f(PropertyId::kAuthenticationData, p.authentication_data);
    f(PropertyId::kReasonString, p.reason_string);
    f(PropertyId::kUserProperty, p.user_properties);
}

template <Is<AckProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kReasonString, p.reason_string);
    f(PropertyId::kUserProperty, p.user_properties);
}

template <Is<SubscribeProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kSubscriptionIdentifier, p.subscription_identifier);
    f(PropertyId::kUserProperty, p.user_properties);
}

template <Is<UnsubscribeProperties> P, typename F>
void for_each_field(P& p, F&& f) {
    f(PropertyId::kUserProperty, p.user_properties);
}

// True for the properties of ForwardProperties.
[[nodiscard]] bool is_forwarded(PropertyId id);

// Reads one value of the property and checks its range.
void read_value(Reader& in, PropertyId id, bool& value);
void read_value(Reader& in, PropertyId id, std::uint8_t& value);
void read_value(Reader& in, PropertyId id, std::uint16_t& value);
void read_value(Reader& in, PropertyId id, std::uint32_t& value);
void read_value(Reader& in, PropertyId id, std::string_view& value);

// Visitor: reads the value of property `id` into its field. A property that the packet does not
// have leaves `known` false; a second one of a property that may not repeat is a protocol error.
class FieldReader {
public:
    FieldReader(Reader& in, PropertyId id, bool seen) : in_(in), id_(id), seen_(seen) {}

    template <typename T>
    void operator()(PropertyId field, std::optional<T>& value) {
        if (field == id_) {
            read_single(value.emplace());
        }
    }
    template <typename T>
    void operator()(PropertyId field, T& value, T) {
        if (field == id_) {
            read_single(value);
        }
    }
    void operator()(PropertyId field, UserProperties& list) {
        if (field == id_) {
            known_ = true;
            const std::string_view name = in_.string();  // [MQTT-1.5.7-1]
            const std::string_view value = in_.string();
            if (!in_.failed() && in_.take_item()) {
                list.push_back({name, value});
            }
        }
    }
    void operator()(PropertyId field, SubscriptionIdentifiers& list) {
        if (field == id_) {
            known_ = true;
            std::uint32_t value = 0;
            read_value(in_, id_, value);
            if (!in_.failed() && in_.take_item()) {
                list.push_back(value);
            }
        }
    }
    [[nodiscard]] bool known() const { return known_; }

private:
    template <typename T>
    void read_single(T& value) {
        known_ = true;
        if (seen_) {
            in_.protocol_error("§2.2.2: the property stands twice");
            return;
        }
        read_value(in_, id_, value);
    }

    Reader& in_;
    PropertyId id_;
    bool seen_;
    bool known_ = false;
};

// Visitor: writes every field that is there, to a Writer or a ByteCounter.
template <typename Out>
class FieldWriter {
public:
    explicit FieldWriter(Out& out) : out_(out) {}

    template <typename T>
    void operator()(PropertyId id, const std::optional<T>& value) {
        if (value.has_value()) {
            write(id, *value);
        }
    }
    template <typename T>
    void operator()(PropertyId id, const T& value, T absent) {
        if (value != absent) {
            write(id, value);
        }
    }
    void operator()(PropertyId id, const UserProperties& list) {
        for (const UserProperty& property : list) {
            out_.u8(static_cast<std::uint8_t>(id));
            out_.binary(property.name);
            out_.binary(property.value);
        }
    }
    void operator()(PropertyId id, const SubscriptionIdentifiers& list) {
        for (const std::uint32_t identifier : list) {
            write(id, identifier);
        }
    }

private:
    void write(PropertyId id, std::uint32_t value) {
        out_.u8(static_cast<std::uint8_t>(id));
        id == PropertyId::kSubscriptionIdentifier ? out_.varint(value) : out_.u32(value);
    }
    void write(PropertyId id, std::uint16_t value) {
        out_.u8(static_cast<std::uint8_t>(id));
        out_.u16(value);
    }
    void write(PropertyId id, std::uint8_t value) {
        out_.u8(static_cast<std::uint8_t>(id));
        out_.u8(value);
    }
    void write(PropertyId id, bool value) { write(id, static_cast<std::uint8_t>(value)); }
    void write(PropertyId id, std::string_view value) {
        out_.u8(static_cast<std::uint8_t>(id));
        out_.binary(value);
    }

    Out& out_;
};

// Where the forwarded properties lie in what was read.
struct ForwardSpan {
    const char* begin = nullptr;
    const char* end = nullptr;
    bool contiguous = true;

    void add(const char* from, const char* to) {
        contiguous = contiguous && (begin == nullptr || end == from);
        begin = begin == nullptr ? from : begin;
        end = to;
    }
    [[nodiscard]] std::optional<std::string_view> wire() const {
        if (!contiguous) {
            return std::nullopt;
        }
        return std::string_view(begin, static_cast<std::size_t>(end - begin));
    }
};

// Effect: reads properties until the reader's end.
template <typename P>
ForwardSpan read_fields(Reader& in, P& properties) {
    ForwardSpan span;
    std::uint64_t seen = 0;
    while (!in.at_end()) {
        const char* from = in.position();
        const std::uint32_t number = in.varint();
        const auto id = static_cast<PropertyId>(number);
        const std::uint64_t bit = number < 64 ? std::uint64_t{1} << number : 0;
        FieldReader reader(in, id, (seen & bit) != 0);
        if (bit != 0) {
            for_each_field(properties, reader);
        }
        if (!reader.known()) {
            in.malformed("§2.2.2.2: a property that the packet does not have");
        }
        if (in.failed()) {
            break;
        }
        seen |= bit;
        if (is_forwarded(id)) {
            span.add(from, in.position());
        }
    }
    return span;
}

// Effect: reads a property length and as many bytes of properties (§2.2.2).
template <typename P>
void read_properties(Reader& in, P& properties) {
    Reader part = in.split(in.varint());  // [MQTT-2.2.2-1]
    const ForwardSpan span = read_fields(part, properties);
    if constexpr (requires { properties.forward.wire; }) {
        properties.forward.wire = span.wire();
    }
    in.join(part);
}

template <typename P>
void write_properties(Writer& out, const P& properties) {
    const std::size_t mark = out.open_length();
    for_each_field(properties, FieldWriter<Writer>(out));
    out.close_length(mark);
}

// Without the length prefix.
template <typename P>
std::size_t properties_size(const P& properties) {
    ByteCounter counter;
    for_each_field(properties, FieldWriter<ByteCounter>(counter));
    return counter.size();
}

}  // namespace causeway::mqtt
