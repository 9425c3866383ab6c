// DISCONNECT and AUTH as values. Source: MQTT 5.0 §3.14, §3.15; a 3.1.1 DISCONNECT is empty
// (§3.14).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/mqtt/reason_code.h"
#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

struct DisconnectProperties {
    // absent: that of CONNECT; clients only
    std::optional<std::uint32_t> session_expiry_interval_s{};
    std::optional<std::string_view> reason_string{};
    std::optional<std::string_view> server_reference{};  // servers only
    UserProperties user_properties{};

    friend bool operator==(const DisconnectProperties&, const DisconnectProperties&) = default;
};

struct Disconnect {
    ReasonCode reason_code = ReasonCode::kSuccess;
    DisconnectProperties properties{};

    friend bool operator==(const Disconnect&, const Disconnect&) = default;
};

struct AuthProperties {
    // absent only in the short form of success
    std::optional<std::string_view> authentication_method{};
    std::optional<std::string_view> authentication_data{};
    std::optional<std::string_view> reason_string{};
    UserProperties user_properties{};

    friend bool operator==(const AuthProperties&, const AuthProperties&) = default;
};

struct Auth {
    ReasonCode reason_code = ReasonCode::kSuccess;
    AuthProperties properties{};

    friend bool operator==(const Auth&, const Auth&) = default;
};

}  // namespace causeway::mqtt
