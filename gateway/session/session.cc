#include "gateway/session/session.h"

#include <algorithm>

#include "gateway/session/effects.h"

namespace causeway::session {

using mqtt::ReasonCode;
using mqtt::Version;

Session::Session(std::uint64_t nonce, Peer peer, const Limits& limits, Counters& counters,
                 std::uint64_t random, MonoMs now)
    : limits_(&limits),
      counters_(&counters),
      nonce_(nonce),
      random_(random),
      peer_(std::move(peer)),
      last_packet_at_(now) {}

Session::Extras& Session::extras() {
    if (!extras_) {
        extras_ = std::make_unique<Extras>();
    }
    return *extras_;
}

bool Session::Extras::idle() const {
    return aliases.empty() && sent_aliases.empty() && held == nullptr && subscribes.empty() &&
           unsubscribes.empty() && queues.empty() && queue_deliveries.empty() &&
           receiving.empty() && assigned_client_id.empty() &&
           auth_method.empty() && exchange == nullptr && paid_messages_us == 0 &&
           paid_bytes_us == 0;
}

void Session::drop_idle_extras() {
    if (extras_ && extras_->idle()) {
        extras_.reset();
    }
}

mqtt::DecodeOptions Session::decode_options() const {
    mqtt::DecodeOptions options;
    options.version = version_;
    options.packet_bytes_max = limits_->packet_bytes_max;
    return options;
}

void Session::on_packet(const mqtt::Packet& packet, MonoMs now, bool core_available, Effects& out) {
    if (!takes_packets()) {  // [MQTT-3.1.4-6]
        return;
    }
    last_packet_at_ = now;
    partial_since_ = 0;
    if (phase_ == Phase::kNew) {
        if (const auto* connect = std::get_if<mqtt::Connect>(&packet)) {
            handle(*connect, core_available, out);
        } else {
            ++counters_->protocol_errors;  // [MQTT-3.1.0-1]
            finish(End::kNow, "the first packet was not CONNECT", out);
        }
        return;
    }
    if (phase_ == Phase::kAuthenticating) {
        if (const auto* auth = std::get_if<mqtt::Auth>(&packet)) {
            handle(*auth, out);
        } else if (std::holds_alternative<mqtt::Disconnect>(packet)) {
            finish(End::kNow, "DISCONNECT", out);
        } else {
            fail(ReasonCode::kProtocolError, "§3.1.2.11.9: neither AUTH nor DISCONNECT", out);
        }
        return;
    }
    const auto visitor = [&](const auto& received) {
        using T = std::decay_t<decltype(received)>;
        if constexpr (std::is_same_v<T, mqtt::Pingreq>) {
            send(mqtt::Pingresp{}, out);  // [MQTT-3.12.4-1]
        } else if constexpr (std::is_same_v<T, mqtt::Connect>) {
            fail(ReasonCode::kProtocolError, "a second CONNECT", out);  // [MQTT-3.1.0-2]
        } else if constexpr (requires { handle(received, out); }) {
            handle(received, out);
        } else {
            fail(ReasonCode::kProtocolError, "a packet clients do not send", out);
        }
    };
    std::visit(visitor, packet);
}

void Session::on_decode_error(const mqtt::DecodeError& error, Effects& out) {
    if (phase_ == Phase::kEnded) {
        return;
    }
    if (phase_ == Phase::kNew) {
        version_ = error.version;
        const bool protocol = error.reason_code == ReasonCode::kProtocolError;
        ++(protocol ? counters_->protocol_errors : counters_->malformed);
        // An answer only to what was recognisably a CONNECT [MQTT-3.1.4-1]; 3.1.1 has a return code
        // for a bad protocol level alone [MQTT-3.1.2-2].
        const bool answer = error.type == mqtt::PacketType::kConnect &&
                            (version_ == Version::k5 ||
                             error.reason_code == ReasonCode::kUnsupportedProtocolVersion);
        if (answer) {
            refuse_connect(error.reason_code, out);
            return;
        }
        finish(End::kNow, "malformed bytes before CONNECT", out);
        return;
    }
    // A second CONNECT is one also when it cannot be read [MQTT-3.1.0-2].
    const bool connect = error.type == mqtt::PacketType::kConnect;
    const ReasonCode code = connect ? ReasonCode::kProtocolError : error.reason_code;
    if (code != ReasonCode::kProtocolError) {  // which fail() counts
        ++counters_->malformed;
    }
    counters_->limit_packet_bytes += code == ReasonCode::kPacketTooLarge ? 1 : 0;
    fail(code, error.statement, out);
}

void Session::on_result(std::uint64_t token, ResultCode code, std::string_view detail,
                        Effects& out) {
    if (results_due_ == 0) {
        return;  // of a stream that was lost
    }
    --results_due_;
    if (ticket_of(token) == Ticket::kOpen) {
        opened(code, detail, out);
        return;
    }
    if (phase_ != Phase::kOnline) {
        return;
    }
    if (code == ResultCode::kDuplicate || code == ResultCode::kDead ||
        code == ResultCode::kResync) {
        // Apply has not said what became of it, so nobody may.
        fail(ReasonCode::kServerBusy, "a command without an outcome", out);
        return;
    }
    if (code == ResultCode::kStale) {
        stale_ = true;
        ++counters_->takeovers;
        fail(ReasonCode::kSessionTakenOver, "the session has another owner", out);
        return;
    }
    switch (ticket_of(token)) {
        case Ticket::kPublish:
            published(what_of(token), code, out);
            break;
        case Ticket::kRelease:
            released(static_cast<std::uint16_t>(what_of(token)), code, out);
            break;
        case Ticket::kSubscribe:
            subscribed(static_cast<std::uint16_t>(what_of(token)), code, detail, out);
            break;
        case Ticket::kUnsubscribe:
            unsubscribed(code, detail, out);
            break;
        case Ticket::kReceived:
            noted(what_of(token), code, out);
            break;
        case Ticket::kOpen:
        case Ticket::kClose:
            break;
    }
}

MonoMs Session::deadline() const {
    switch (phase_) {
        case Phase::kNew:
        case Phase::kAuthenticating:
        case Phase::kOpening:
            return last_packet_at_ + std::uint64_t{limits_->connect_timeout_s} * 1000;
        case Phase::kOnline:
            return online_deadline();
        case Phase::kEnded:
            return 0;
    }
    return 0;
}

MonoMs Session::online_deadline() const {
    const MonoMs expiry = admission_ ? admission_->expires_at : 0;
    const auto first = [](MonoMs a, MonoMs b) {  // 0: never
        return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
    };
    // What a client sends that is not read is not seen: neither a packet nor its end can be due.
    if (unread_since_ != 0) {
        return first(unread_since_ + std::uint64_t{limits_->unread_timeout_s} * 1000, expiry);
    }
    if (held_until_ != 0) {
        return first(held_until_, expiry);
    }
    // One and a half times the keep alive [MQTT-3.1.2-22].
    const MonoMs silent =
        keep_alive_s_ == 0 ? 0 : last_packet_at_ + std::uint64_t{keep_alive_s_} * 1500;
    const MonoMs partial = partial_deadline();
    return first(first(silent, partial), expiry);
}

MonoMs Session::partial_deadline() const {
    return partial_since_ == 0 || limits_->packet_timeout_s == 0
               ? 0
               : partial_since_ + std::uint64_t{limits_->packet_timeout_s} * 1000;
}

void Session::set_expiry(MonoMs expires_at, Effects& out) {
    if (admission_ && admission_->expires_at != expires_at) {
        admission_->expires_at = expires_at;
        out.deadline_changed = true;
    }
}

void Session::on_partial(MonoMs now, Effects& out) {
    if (phase_ == Phase::kOnline && partial_since_ == 0 && limits_->packet_timeout_s != 0) {
        partial_since_ = now;
        out.deadline_changed = true;
    }
}

void Session::on_unread(MonoMs now, Effects& out) {
    unread_since_ = now;
    out.deadline_changed = true;
}

void Session::on_read_again(MonoMs now, Effects& out) {
    unread_since_ = 0;
    extend_partial(now);
    if (phase_ == Phase::kOnline) {  // before, the time is CONNECT's
        last_packet_at_ = now;
    }
    out.deadline_changed = true;
}

void Session::on_timer(MonoMs now, Effects& out) {
    const MonoMs due = deadline();
    if (due == 0 || now < due) {
        return;
    }
    if (phase_ == Phase::kNew) {
        finish(End::kNow, "no CONNECT in time", out);
        return;
    }
    if (phase_ == Phase::kOpening) {
        out.withdraw = make_token(Ticket::kOpen, 0);
        return;
    }
    if (phase_ == Phase::kAuthenticating) {
        refuse_connect(ReasonCode::kNotAuthorized, out);
        return;
    }
    if (admission_ && admission_->expires_at != 0 && admission_->expires_at <= now) {
        ++counters_->credentials_expired;
        fail(ReasonCode::kNotAuthorized, "the credentials have expired", out);
        return;
    }
    if (unread_since_ != 0) {
        ++counters_->slow_closed;
        fail(ReasonCode::kQuotaExceeded, "the client does not read what it is sent", out);
        return;
    }
    if (held_until_ != 0) {
        held_until_ = 0;
        last_packet_at_ = now;
        out.deadline_changed = true;
        return;
    }
    if (const MonoMs partial = partial_deadline(); partial != 0 && partial <= now) {
        ++counters_->packet_timeouts;
        fail(ReasonCode::kImplementationSpecificError, "a packet was not complete in time", out);
        return;
    }
    ++counters_->keep_alive_timeouts;
    fail(ReasonCode::kKeepAliveTimeout, "keep alive timeout", out);
}

void Session::submit_encoded(std::uint64_t token, std::string_view command, Effects& out) {
    Effects::Submission submission;
    submission.token = token;
    submission.begin = out.commands.size();
    submission.size = command.size();
    out.commands.append(command);
    out.submissions.push_back(submission);
    ++results_due_;
}

void Session::on_takeover(std::uint64_t epoch, Effects& out) {
    if (epoch != epoch_ || phase_ != Phase::kOnline) {
        return;
    }
    stale_ = true;
    ++counters_->takeovers;
    fail(ReasonCode::kSessionTakenOver, "session taken over", out);  // [MQTT-3.1.4-3]
}

void Session::on_stream_lost(Effects& out) {
    // What became of an OPEN is told by on_result_lost(), which follows.
    results_due_ = phase_ == Phase::kOpening ? 1 : 0;
    if (phase_ == Phase::kOnline) {
        stale_ = true;  // the core has detached the session already
        fail(ReasonCode::kUseAnotherServer, "this gateway lost its stream to the core", out);
    }
}

void Session::on_result_lost(bool sent, Effects& out) {
    results_due_ -= results_due_ == 0 ? 0 : 1;
    if (phase_ == Phase::kOpening && !sent) {
        refuse_connect(ReasonCode::kServerUnavailable, out);
        return;
    }
    fail(ReasonCode::kUseAnotherServer, "the core lost track of a command", out);
}

void Session::on_withdrawn(bool never, Effects& out) {
    results_due_ -= never && results_due_ != 0 ? 1 : 0;
    if (phase_ != Phase::kOpening) {
        return;
    }
    if (never) {
        refuse_connect(ReasonCode::kServerUnavailable, out);
    } else {  // an unknown outcome is never answered
        finish(End::kNow, "no answer of the core to CONNECT in time", out);
    }
}

void Session::on_closed(Effects& out) {
    if (phase_ == Phase::kOnline) {
        submit_close(CloseReason::kLost, std::nullopt, out);
    } else if (phase_ == Phase::kOpening) {
        out.withdraw = make_token(Ticket::kOpen, 0);
    }
    finish(End::kNow, "the peer closed the connection", out);
}

void Session::on_shutdown(mqtt::ReasonCode code, Effects& out) {
    if (phase_ == Phase::kOnline) {
        fail(code, "closed by the server", out);
    } else if (phase_ != Phase::kEnded) {
        if (phase_ == Phase::kOpening) {
            out.withdraw = make_token(Ticket::kOpen, 0);
        }
        finish(End::kNow, "closed by the server", out);
    }
}

void Session::fail(mqtt::ReasonCode code, std::string_view why, Effects& out) {
    if (phase_ == Phase::kEnded) {
        return;
    }
    if (code == ReasonCode::kProtocolError) {
        ++counters_->protocol_errors;
    }
    if (version_ == Version::k5 && phase_ == Phase::kOnline) {  // [MQTT-3.14.0-1]
        mqtt::Disconnect packet;
        packet.reason_code =
            mqtt::may_carry(mqtt::PacketType::kDisconnect, code, mqtt::Sender::kServer)
                ? code
                : ReasonCode::kUnspecifiedError;
        send(packet, out);
    }
    if (phase_ == Phase::kOnline) {
        submit_close(CloseReason::kLost, std::nullopt, out);
    }
    finish(End::kFlush, why, out);  // [MQTT-3.14.4-1] [MQTT-3.14.4-2]
}

void Session::finish(End end, std::string_view why, Effects& out) {
    if (phase_ == Phase::kEnded) {
        return;
    }
    phase_ = Phase::kEnded;
    counters_->publishes_unanswered += unanswered_;
    unanswered_ = 0;
    outstanding_.clear();
    outstanding_.shrink_to_fit();
    outstanding_head_ = 0;
    extras_.reset();
    out.end = end;
    out.why = why;
    out.deadline_changed = true;
}

}  // namespace causeway::session
