// CONNECT to CONNACK, DISCONNECT, and the CLOSE that ends the session's ownership.
#include <algorithm>
#include <optional>
#include <string>

#include "core/message/body.h"
#include "core/message/topic.h"
#include "gateway/session/effects.h"

namespace causeway::session {

using mqtt::ReasonCode;
using mqtt::Version;

namespace {

// 26 characters of [a-z0-9] from the driver's random number and the connection's name.
std::string make_client_id(std::uint64_t random, std::uint64_t nonce) {
    constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuv";
    std::string id = "cw-";
    for (const std::uint64_t word : {random, nonce * 0x9E3779B97F4A7C15U}) {
        for (unsigned shift = 0; shift < 60; shift += 5) {
            id.push_back(kDigits[(word >> shift) & 31U]);
        }
    }
    return id;
}

std::string body_of(const mqtt::Will& will) {
    std::string properties;
    // What was decoded can be encoded.
    CW_CHECK(mqtt::append_forward_properties(will.properties.forward, properties));
    return make_body(properties, will.payload);
}

WillView view_of(const mqtt::Will& will, std::string_view body) {
    WillView view;
    view.topic = will.topic;
    view.body = body;
    view.delay_s = will.properties.will_delay_interval_s;
    view.expiry_s = expiry_of(will.properties.message_expiry_interval_s);
    view.qos = will.qos;
    view.retain = will.retain;  // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.1.3-10]
    return view;
}

}  // namespace

std::optional<ReasonCode> Session::refusal(const mqtt::Connect& packet, bool core_available) const {
    if (!peer_.may_connect) {  // [MQTT-3.1.4-2]
        return ReasonCode::kNotAuthorized;
    }
    // 3.1 knows no empty id, and without Clean Session a 3.1.1 client must bring its own
    // [MQTT-3.1.3-8].
    const bool may_assign =
        packet.version == Version::k5 || (packet.version == Version::k311 && packet.clean_start);
    if (packet.client_id.empty() && !may_assign) {
        return ReasonCode::kClientIdentifierNotValid;
    }
    // What the client may not publish it may not leave behind either.
    if (packet.will &&
        (packet.will->topic.starts_with('$') ||
         (access() != nullptr &&
          !access()->may_publish(packet.will->topic, packet.will->qos, packet.will->retain)))) {
        return ReasonCode::kNotAuthorized;
    }
    if (packet.will && (packet.will->topic.size() > limits_->topic_bytes_max ||
                        topic_level_count(packet.will->topic) > limits_->topic_levels_max)) {
        return ReasonCode::kTopicNameInvalid;
    }
    if (!core_available) {
        return ReasonCode::kServerUnavailable;
    }
    return std::nullopt;
}

void Session::handle(const mqtt::Connect& packet, bool core_available, Effects& out) {
    version_ = packet.version;
    const bool v5 = version_ == Version::k5;
    client_packet_bytes_max_ = packet.properties.maximum_packet_size.value_or(0);
    if (const auto code = refusal(packet, core_available)) {
        refuse_connect(*code, out);
        return;
    }
    if (packet.properties.authentication_method &&
        !begin_authentication(*packet.properties.authentication_method)) {
        refuse_connect(ReasonCode::kBadAuthenticationMethod, out);  // [MQTT-4.12.0-1]
        return;
    }
    client_id_ = std::string(client_id_for(packet.client_id));  // [MQTT-3.1.3-5]
    if (client_id_.empty()) {
        client_id_ = make_client_id(random_, nonce_);  // [MQTT-3.1.3-6] [MQTT-3.2.2-16]
        extras().assigned_client_id = client_id_;
    }
    keep_alive_s_ = packet.keep_alive_s;  // [MQTT-3.2.2-22]
    const std::uint16_t keep_alive_max = limits_->keep_alive_max_s;
    if (v5 && keep_alive_max != 0 && (keep_alive_s_ == 0 || keep_alive_s_ > keep_alive_max)) {
        keep_alive_s_ = keep_alive_max;
    }
    client_receive_maximum_ = packet.properties.receive_maximum;
    // [MQTT-3.1.2-27]
    client_alias_maximum_ =
        std::min(packet.properties.topic_alias_maximum, limits_->topic_alias_maximum);
    asked_expiry_s_ =
        v5 ? packet.properties.session_expiry_interval_s : (packet.clean_start ? 0 : kNeverExpires);
    if (packet.user_name) {
        username_ = std::string(*packet.user_name);
    }

    Open open;
    open.client_id = client_id_;
    open.username = packet.user_name.value_or(std::string_view{});
    open.nonce = nonce_;
    open.session_expiry_interval_s = asked_expiry_s_;
    open.receive_maximum = window();  // [MQTT-4.9.0-1]
    open.clean_start = packet.clean_start;
    std::string will_body;
    if (packet.will) {
        will_body = body_of(*packet.will);
        open.will = view_of(*packet.will, will_body);  // [MQTT-3.1.2-7]
    }
    if (packet.properties.authentication_method) {
        extras().auth_method = std::string(*packet.properties.authentication_method);
        encode(CommandHeader{}, open, extras().pending_open);
        phase_ = Phase::kAuthenticating;
        authenticate(packet.properties.authentication_data.value_or(std::string_view{}), out);
        return;
    }
    phase_ = Phase::kOpening;
    out.deadline_changed = true;
    submit(make_token(Ticket::kOpen, 0), open, {}, out);
}

std::uint16_t Session::window() const {
    return std::min(client_receive_maximum_, limits_->inflight_max);
}

void Session::opened(ResultCode code, std::string_view detail, Effects& out) {
    OpenAnswer answer;
    const bool ok = code == ResultCode::kOk && decode(detail, answer);
    epoch_ = answer.epoch;
    if (phase_ != Phase::kOpening) {  // [MQTT-3.2.0-2]
        if (ok) {
            submit_close(CloseReason::kLost, std::nullopt, out);  // gone meanwhile (rule 5)
        }
        return;
    }
    if (!ok) {
        refuse_connect(code == ResultCode::kQuotaExceeded ? ReasonCode::kQuotaExceeded
                                                          : ReasonCode::kServerUnavailable,
                       out);
        return;
    }
    mqtt::Connack packet;
    packet.session_present = answer.session_present;  // [MQTT-3.2.2-2] [MQTT-3.2.2-3]
    mqtt::ConnackProperties& properties = packet.properties;
    if (answer.session_expiry_interval_s != asked_expiry_s_) {
        properties.session_expiry_interval_s = answer.session_expiry_interval_s;
    }
    properties.receive_maximum = limits_->receive_maximum;
    properties.maximum_packet_size = limits_->packet_bytes_max;
    properties.topic_alias_maximum = limits_->topic_alias_maximum;
    if (extras_ && !extras_->auth_method.empty()) {  // [MQTT-4.12.0-6]
        properties.authentication_method = extras_->auth_method;
        if (!extras_->auth_data.empty()) {
            properties.authentication_data = extras_->auth_data;
        }
    }
    if (extras_ && !extras_->assigned_client_id.empty()) {
        properties.assigned_client_identifier = extras_->assigned_client_id;  // [MQTT-3.1.3-7]
    }
    if (limits_->keep_alive_max_s != 0) {
        properties.server_keep_alive_s = keep_alive_s_;
    }
    out.deadline_changed = true;
    if (!send(packet, out)) {  // [MQTT-3.1.2-24]
        ++counters_->connects_refused;
        submit_close(CloseReason::kLost, std::nullopt, out);
        finish(End::kNow, "the client takes no packet as large as CONNACK", out);
        return;
    }
    phase_ = Phase::kOnline;  // [MQTT-3.1.4-5] [MQTT-3.2.0-1]
    ++counters_->connects_ok;
    if (extras_) {
        extras_->assigned_client_id = {};
        drop_idle_extras();
    }
}

void Session::on_refused(const mqtt::Connect& packet, mqtt::ReasonCode code,
                         std::uint32_t retry_after_s, Effects& out) {
    version_ = packet.version;
    client_packet_bytes_max_ = packet.properties.maximum_packet_size.value_or(0);
    const std::string seconds = std::to_string(retry_after_s);
    const std::string reason = "try again in " + seconds + " s";
    mqtt::ConnackProperties properties;
    if (packet.properties.request_problem_information && retry_after_s != 0) {
        properties.reason_string = reason;
        properties.user_properties = {{"retry-after", seconds}};
    }
    refuse_connect(code, out, properties);
}

void Session::refuse_connect(mqtt::ReasonCode code, Effects& out,
                             const mqtt::ConnackProperties& properties) {
    ++counters_->connects_refused;
    mqtt::Connack packet;
    packet.reason_code = code;
    packet.properties = properties;
    if (!send(packet, out)) {
        packet.properties = {};  // too much for the client: the code at least [MQTT-3.2.2-19]
        send(packet, out);
    }
    finish(End::kFlush, "CONNECT refused", out);  // [MQTT-3.2.2-7] [MQTT-4.13.2-1]
}

void Session::submit_close(CloseReason reason, std::optional<std::uint32_t> expiry, Effects& out) {
    if (stale_) {
        return;
    }
    Close close;
    close.epoch = epoch_;
    close.reason = reason;
    close.session_expiry_interval_s = expiry;
    submit(make_token(Ticket::kClose, 0), close, {}, out);
}

void Session::handle(const mqtt::Disconnect& packet, Effects& out) {
    const auto expiry = packet.properties.session_expiry_interval_s;
    if (expiry && *expiry != 0 && asked_expiry_s_ == 0) {
        fail(ReasonCode::kProtocolError, "§3.14.2.2.2: Session Expiry Interval", out);
        return;
    }
    // Only 0x00 discards the will [MQTT-3.14.4-3].
    const bool normal = packet.reason_code == ReasonCode::kSuccess;
    submit_close(normal ? CloseReason::kNormal : CloseReason::kWithWill, expiry, out);
    finish(End::kNow, "DISCONNECT", out);
}

}  // namespace causeway::session
