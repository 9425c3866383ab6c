// CONNECT and CONNACK as values. Strings are views into the packet they were decoded from. Fields
// whose absence on the wire means a value have that value as default; std::optional is for those
// whose absence has a meaning of its own. Source: MQTT 5.0 §3.1, §3.2; MQTT 3.1.1 §3.1, §3.2.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/mqtt/property.h"
#include "gateway/mqtt/reason_code.h"
#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

struct WillProperties {
    std::uint32_t will_delay_interval_s = 0;
    std::optional<std::uint32_t> message_expiry_interval_s{};
    ForwardProperties forward{};

    friend bool operator==(const WillProperties&, const WillProperties&) = default;
};

struct Will {
    std::string_view topic{};  // A valid topic name.
    std::string_view payload{};
    std::uint8_t qos = 0;
    bool retain = false;
    WillProperties properties{};

    friend bool operator==(const Will&, const Will&) = default;
};

struct ConnectProperties {
    std::uint32_t session_expiry_interval_s = 0;
    std::uint16_t receive_maximum = 65'535;              // never 0
    std::optional<std::uint32_t> maximum_packet_size{};  // never 0; absent: no limit
    std::uint16_t topic_alias_maximum = 0;
    bool request_response_information = false;
    bool request_problem_information = true;
    std::optional<std::string_view> authentication_method{};
    std::optional<std::string_view> authentication_data{};  // only with a method
    UserProperties user_properties{};

    friend bool operator==(const ConnectProperties&, const ConnectProperties&) = default;
};

// Not checked here, because the packet itself is in order: an empty or over-long client id
// [MQTT-3.1.3-8], credentials, and a second CONNECT [MQTT-3.1.0-2].
struct Connect {
    Version version = Version::k311;
    bool clean_start = false;  // 3.1.1: Clean Session
    std::uint16_t keep_alive_s = 0;
    std::string_view client_id{};
    std::optional<std::string_view> user_name{};
    std::optional<std::string_view> password{};  // binary
    std::optional<Will> will{};
    ConnectProperties properties{};

    friend bool operator==(const Connect&, const Connect&) = default;
};

struct ConnackProperties {
    std::optional<std::uint32_t> session_expiry_interval_s{};  // absent: as the client asked
    std::uint16_t receive_maximum = 65'535;
    std::uint8_t maximum_qos = 2;
    bool retain_available = true;
    std::optional<std::uint32_t> maximum_packet_size{};
    std::optional<std::string_view> assigned_client_identifier{};
    std::uint16_t topic_alias_maximum = 0;
    std::optional<std::string_view> reason_string{};
    bool wildcard_subscription_available = true;
    bool subscription_identifier_available = true;
    bool shared_subscription_available = true;
    std::optional<std::uint16_t> server_keep_alive_s{};
    std::optional<std::string_view> response_information{};
    std::optional<std::string_view> server_reference{};
    std::optional<std::string_view> authentication_method{};
    std::optional<std::string_view> authentication_data{};
    UserProperties user_properties{};

    friend bool operator==(const ConnackProperties&, const ConnackProperties&) = default;
};

// To 3.1.1 clients the reason code goes as connect_return_code(reason_code), and comes back mapped.
struct Connack {
    bool session_present = false;
    ReasonCode reason_code = ReasonCode::kSuccess;
    ConnackProperties properties{};

    friend bool operator==(const Connack&, const Connack&) = default;
};

}  // namespace causeway::mqtt
