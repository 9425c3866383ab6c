// The port of extended authentication (MQTT 5.0 §4.12): what a listener asks of a client that names
// an Authentication Method in CONNECT. The session machine carries challenges and answers to and
// fro; what they mean is the method's. Called on the gateway loop's thread; a method may not wait.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/mqtt/reason_code.h"

namespace causeway::session {

// One run of a method, for a CONNECT or a re-authentication.
class AuthExchange {
public:
    enum class Outcome : std::uint8_t { kContinue, kSuccess, kFailure };
    struct Step {
        Outcome outcome = Outcome::kFailure;
        std::string data;  // for the client; not with kFailure
        // kFailure: for CONNACK, or DISCONNECT if it is one of its codes
        mqtt::ReasonCode reason = mqtt::ReasonCode::kNotAuthorized;
    };

    AuthExchange() = default;
    AuthExchange(const AuthExchange&) = delete;
    AuthExchange& operator=(const AuthExchange&) = delete;
    virtual ~AuthExchange() = default;
    // `data`: what the client sent; empty when it sent none.
    virtual Step next(std::string_view data) = 0;
};

class AuthMethods {
public:
    AuthMethods() = default;
    AuthMethods(const AuthMethods&) = delete;
    AuthMethods& operator=(const AuthMethods&) = delete;
    virtual ~AuthMethods() = default;
    // Null: the method is not known here.
    [[nodiscard]] virtual std::unique_ptr<AuthExchange> begin(std::string_view method) const = 0;
};

}  // namespace causeway::session
