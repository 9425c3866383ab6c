// Random well-formed packets, with every field the version and the direction allow.
#pragma once

#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/random.h"
#include "gateway/mqtt/packet.h"

namespace causeway::mqtt {

// Owns the strings of the packets it makes; they live as long as it does.
class RandomPackets {
public:
    explicit RandomPackets(std::uint64_t seed) : random_(seed) {}

    Packet next(Version version, Sender sender) {
        version_ = version;
        while (true) {
            const auto type = static_cast<PacketType>(random_.between(1, 16));
            if (sends(type, sender)) {
                return make(type, sender);
            }
        }
    }

private:
    [[nodiscard]] bool v5() const { return version_ == Version::k5; }
    bool coin() { return random_.chance(1, 2); }

    [[nodiscard]] bool sends(PacketType type, Sender sender) const {
        switch (type) {
            case PacketType::kConnect:
            case PacketType::kSubscribe:
            case PacketType::kUnsubscribe:
            case PacketType::kPingreq:
                return sender == Sender::kClient;
            case PacketType::kConnack:
            case PacketType::kSuback:
            case PacketType::kUnsuback:
            case PacketType::kPingresp:
                return sender == Sender::kServer;
            case PacketType::kAuth:
                return v5();
            default:
                return true;
        }
    }

    Packet make(PacketType type, Sender sender) {
        switch (type) {
            case PacketType::kConnect:
                return connect();
            case PacketType::kConnack:
                return connack();
            case PacketType::kPublish:
                return publish(sender);
            case PacketType::kPuback:
                return ack<PacketType::kPuback>(sender);
            case PacketType::kPubrec:
                return ack<PacketType::kPubrec>(sender);
            case PacketType::kPubrel:
                return ack<PacketType::kPubrel>(sender);
            case PacketType::kPubcomp:
                return ack<PacketType::kPubcomp>(sender);
            case PacketType::kSubscribe:
                return subscribe();
            case PacketType::kSuback:
                return suback();
            case PacketType::kUnsubscribe:
                return unsubscribe();
            case PacketType::kUnsuback:
                return unsuback();
            case PacketType::kPingreq:
                return Pingreq{};
            case PacketType::kPingresp:
                return Pingresp{};
            case PacketType::kDisconnect:
                return disconnect(sender);
            case PacketType::kAuth:
                break;
        }
        return auth(sender);
    }

    std::string_view keep(std::string text) { return strings_.emplace_back(std::move(text)); }
    std::string_view text() {
        static constexpr std::string_view kPieces[] = {"a", "/", "é", "€",    "😀",
                                                       " ", "0", "$", "\x7F", "zz"};
        std::string out;
        // Now and then across the length bytes' borders.
        const std::uint64_t pieces =
            random_.chance(1, 50) ? random_.below(9'000) : random_.below(12);
        for (std::uint64_t i = 0; i < pieces; ++i) {
            out += kPieces[random_.below(std::size(kPieces))];
        }
        return keep(std::move(out));
    }
    std::string_view topic() {
        const std::string_view made = text();
        return made.empty() ? "t" : made;
    }
    std::string_view filter() {
        static constexpr std::string_view kFilters[] = {"#",   "+", "a/+/b", "$share/g/a/#",
                                                        "a/#", "/"};
        return coin() ? kFilters[random_.below(std::size(kFilters))]
                      : keep("f/" + std::string(text()));
    }
    std::string_view bytes() {
        std::string out(random_.chance(1, 50) ? random_.below(20'000) : random_.below(40), '\0');
        for (char& byte : out) {
            byte = static_cast<char>(random_.next());
        }
        return keep(std::move(out));
    }
    std::uint16_t id() { return static_cast<std::uint16_t>(random_.between(1, 65'536)); }
    std::uint32_t number() {
        return static_cast<std::uint32_t>(random_.next() >> random_.between(32, 64));
    }
    std::uint32_t identifier() { return 1 + number() % kVarintMax; }
    ReasonCode code(PacketType type, Sender sender) {
        while (true) {
            const auto value = static_cast<ReasonCode>(random_.below(256));
            if (may_carry(type, value, sender)) {
                return value;
            }
        }
    }

    template <typename T, typename Make>
    void maybe(std::optional<T>& field, Make make) {
        if (coin()) {
            field = make();
        }
    }
    void maybe_text(std::optional<std::string_view>& field) {
        maybe(field, [&] { return text(); });
    }
    void fill(UserProperties& list) {
        for (std::uint64_t n = random_.below(7); n > 0; --n) {
            list.push_back({text(), text()});
        }
    }
    ForwardProperties forward() {
        ForwardProperties p;
        if (!v5()) {
            return p;
        }
        maybe(p.payload_is_utf8, [&] { return coin(); });
        maybe_text(p.content_type);
        maybe_text(p.response_topic);
        maybe(p.correlation_data, [&] { return bytes(); });
        fill(p.user_properties);
        return p;
    }
    AckProperties ack_properties() {
        AckProperties p;
        if (v5() && coin()) {
            maybe_text(p.reason_string);
            fill(p.user_properties);
        }
        return p;
    }

    Packet connect() {
        Connect packet{
            .version = version_, .clean_start = coin(), .keep_alive_s = id(), .client_id = text()};
        maybe(packet.user_name, [&] { return text(); });
        if (v5() || packet.user_name.has_value()) {
            maybe(packet.password, [&] { return bytes(); });
        }
        if (coin()) {
            Will& will = packet.will.emplace();
            will = {.topic = topic(),
                    .payload = bytes(),
                    .qos = static_cast<std::uint8_t>(random_.below(3)),
                    .retain = coin()};
            if (v5()) {
                will.properties.will_delay_interval_s = number();
                maybe(will.properties.message_expiry_interval_s, [&] { return number(); });
                will.properties.forward = forward();
            }
        }
        if (v5()) {
            ConnectProperties& p = packet.properties;
            p.session_expiry_interval_s = number();
            p.receive_maximum = id();
            maybe(p.maximum_packet_size, [&] { return identifier(); });
            p.topic_alias_maximum = static_cast<std::uint16_t>(number());
            p.request_response_information = coin();
            p.request_problem_information = coin();
            maybe_text(p.authentication_method);
            if (p.authentication_method.has_value()) {
                maybe(p.authentication_data, [&] { return bytes(); });
            }
            fill(p.user_properties);
        }
        return packet;
    }
    Packet connack() {
        Connack packet;
        if (!v5()) {
            packet.reason_code =
                *from_connect_return_code(static_cast<std::uint8_t>(random_.below(6)));
            packet.session_present =
                version_ == Version::k311 && packet.reason_code == ReasonCode::kSuccess && coin();
            return packet;
        }
        packet.reason_code =
            coin() ? ReasonCode::kSuccess : code(PacketType::kConnack, Sender::kServer);
        packet.session_present = packet.reason_code == ReasonCode::kSuccess && coin();
        ConnackProperties& p = packet.properties;
        maybe(p.session_expiry_interval_s, [&] { return number(); });
        p.receive_maximum = id();
        p.maximum_qos = static_cast<std::uint8_t>(random_.below(3));
        p.retain_available = coin();
        maybe(p.maximum_packet_size, [&] { return identifier(); });
        maybe_text(p.assigned_client_identifier);
        p.topic_alias_maximum = id();
        maybe_text(p.reason_string);
        p.wildcard_subscription_available = coin();
        p.subscription_identifier_available = coin();
        p.shared_subscription_available = coin();
        maybe(p.server_keep_alive_s, [&] { return id(); });
        maybe_text(p.response_information);
        maybe_text(p.server_reference);
        maybe_text(p.authentication_method);
        maybe(p.authentication_data, [&] { return bytes(); });
        fill(p.user_properties);
        return packet;
    }
    Packet publish(Sender sender) {
        Publish packet{.topic = topic(),
                       .qos = static_cast<std::uint8_t>(random_.below(3)),
                       .retain = coin(),
                       .payload = bytes()};
        packet.packet_id = packet.qos > 0 ? id() : 0;
        packet.duplicate = packet.qos > 0 && coin();
        if (v5()) {
            PublishProperties& p = packet.properties;
            maybe(p.message_expiry_interval_s, [&] { return number(); });
            maybe(p.topic_alias, [&] { return id(); });
            if (p.topic_alias.has_value() && coin()) {
                packet.topic = {};
            }
            for (std::uint64_t n = sender == Sender::kServer ? random_.below(4) : 0; n > 0; --n) {
                p.subscription_identifiers.push_back(identifier());
            }
            p.forward = forward();
        }
        return packet;
    }
    template <PacketType kType>
    Packet ack(Sender sender) {
        Ack<kType> packet{.packet_id = id()};
        if (v5()) {
            packet.reason_code = code(kType, sender);
            packet.properties = ack_properties();
        }
        return packet;
    }
    Packet subscribe() {
        Subscribe packet{.packet_id = id()};
        if (v5()) {
            maybe(packet.properties.subscription_identifier, [&] { return identifier(); });
            fill(packet.properties.user_properties);
        }
        for (std::uint64_t n = random_.between(1, 9); n > 0; --n) {
            Subscription one{.filter = filter(),
                             .qos = static_cast<std::uint8_t>(random_.below(3))};
            if (v5()) {
                one.no_local = !one.filter.starts_with("$share/") && coin();
                one.retain_as_published = coin();
                one.retain_handling = static_cast<RetainHandling>(random_.below(3));
            }
            packet.subscriptions.push_back(one);
        }
        return packet;
    }
    Packet suback() {
        Suback packet{.packet_id = id(), .properties = ack_properties()};
        for (std::uint64_t n = random_.between(1, 20); n > 0; --n) {
            static constexpr ReasonCode kOld[] = {ReasonCode::kSuccess, ReasonCode::kGrantedQos1,
                                                  ReasonCode::kGrantedQos2,
                                                  ReasonCode::kUnspecifiedError};
            packet.reason_codes.push_back(v5() ? code(PacketType::kSuback, Sender::kServer)
                                               : kOld[random_.below(4)]);
        }
        return packet;
    }
    Packet unsubscribe() {
        Unsubscribe packet{.packet_id = id()};
        if (v5()) {
            fill(packet.properties.user_properties);
        }
        for (std::uint64_t n = random_.between(1, 9); n > 0; --n) {
            packet.filters.push_back(filter());
        }
        return packet;
    }
    Packet unsuback() {
        Unsuback packet{.packet_id = id(), .properties = ack_properties()};
        for (std::uint64_t n = v5() ? random_.between(1, 20) : 0; n > 0; --n) {
            packet.reason_codes.push_back(code(PacketType::kUnsuback, Sender::kServer));
        }
        return packet;
    }
    Packet disconnect(Sender sender) {
        Disconnect packet;
        if (v5()) {
            packet.reason_code = code(PacketType::kDisconnect, sender);
            if (sender == Sender::kClient) {
                maybe(packet.properties.session_expiry_interval_s, [&] { return number(); });
            } else {
                maybe_text(packet.properties.server_reference);
            }
            maybe_text(packet.properties.reason_string);
            fill(packet.properties.user_properties);
        }
        return packet;
    }
    Packet auth(Sender sender) {
        Auth packet{.reason_code = code(PacketType::kAuth, sender)};
        packet.properties.authentication_method = text();
        maybe(packet.properties.authentication_data, [&] { return bytes(); });
        maybe_text(packet.properties.reason_string);
        fill(packet.properties.user_properties);
        return packet;
    }

    Random random_;
    Version version_ = Version::k5;
    std::deque<std::string> strings_;
};

}  // namespace causeway::mqtt
