// Extended authentication: AUTH before CONNACK, and again later (MQTT 5.0 §4.12).
#include <utility>

#include "gateway/session/authentication.h"
#include "gateway/session/effects.h"

namespace causeway::session {

using mqtt::ReasonCode;

namespace {

// Of one exchange; a method that asks on and on is one that fails.
constexpr std::uint8_t kStepsMax = 16;

}  // namespace

bool Session::begin_authentication(std::string_view method) {
    const AuthMethods* own = admission_ ? admission_->methods.get() : nullptr;
    const AuthMethods* methods = own != nullptr ? own : limits_->authentication;
    Extras& extra = extras();
    extra.exchange = methods == nullptr ? nullptr : methods->begin(method);
    extra.auth_steps = 0;
    return extra.exchange != nullptr;
}

void Session::authenticate(std::string_view data, Effects& out) {
    Extras& extra = extras();
    AuthExchange::Step step;
    if (++extra.auth_steps <= kStepsMax) {
        step = extra.exchange->next(data);
    }
    mqtt::Auth answer;
    answer.properties.authentication_method = extra.auth_method;  // [MQTT-4.12.0-5]
    if (!step.data.empty()) {
        answer.properties.authentication_data = step.data;
    }
    switch (step.outcome) {
        case AuthExchange::Outcome::kContinue:
            answer.reason_code = ReasonCode::kContinueAuthentication;  // [MQTT-4.12.0-2]
            send(answer, out);
            return;
        case AuthExchange::Outcome::kFailure:
            if (phase_ == Phase::kOnline) {
                // [MQTT-4.12.1-2] DISCONNECT has not all codes of CONNACK, as 0x86 (§3.14.2.1).
                const bool carried = mqtt::may_carry(mqtt::PacketType::kDisconnect, step.reason,
                                                     mqtt::Sender::kServer);
                fail(carried ? step.reason : ReasonCode::kNotAuthorized,
                     "re-authentication failed", out);
            } else {
                refuse_connect(step.reason, out);  // [MQTT-4.12.0-4]
            }
            return;
        case AuthExchange::Outcome::kSuccess:
            break;
    }
    extra.exchange.reset();
    if (phase_ == Phase::kOnline) {
        send(answer, out);
        return;
    }
    extra.auth_data = std::move(step.data);
    phase_ = Phase::kOpening;
    out.deadline_changed = true;
    const std::string open = std::exchange(extra.pending_open, {});
    submit_encoded(make_token(Ticket::kOpen, 0), open, out);
}

void Session::handle(const mqtt::Auth& packet, Effects& out) {
    Extras* extra = extras_.get();
    if (extra == nullptr || extra->auth_method.empty()) {
        fail(ReasonCode::kProtocolError, "MQTT-4.12.0-7", out);
        return;
    }
    if (packet.properties.authentication_method != extra->auth_method) {
        fail(ReasonCode::kProtocolError, "MQTT-4.12.1-1", out);
        return;
    }
    const bool again = packet.reason_code == ReasonCode::kReauthenticate;
    const bool due = again ? phase_ == Phase::kOnline && extra->exchange == nullptr
                           : extra->exchange != nullptr;  // [MQTT-4.12.0-3]
    if (!due || (again && !begin_authentication(extra->auth_method))) {
        fail(ReasonCode::kProtocolError, "§4.12: AUTH that nobody asked for", out);
        return;
    }
    authenticate(packet.properties.authentication_data.value_or(std::string_view{}), out);
}

}  // namespace causeway::session
