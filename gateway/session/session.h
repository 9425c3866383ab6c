// One connection's MQTT state machine: packets, results and deliveries in, effects out. No socket,
// no clock, no thread: the driver gives "now" and performs the effects. It owns nothing durable:
// what must outlive the connection is in the core, and every success code leaves only after the
// core's result.
//
// Life: constructed at accept -> CONNECT -> OPEN submitted -> its result: CONNACK, online -> ends
// by DISCONNECT, a fault, a takeover or the socket. After the end finished() says when the last
// result is back and the machine can be destroyed.
//
// connect.cc the beginning and the end · publish.cc what the client sends · deliver.cc what it is
// sent · subscribe.cc its subscriptions · authenticate.cc AUTH. Sources: MQTT 5.0 §3, §4;
// MQTT 3.1.1 §3, §4.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message/output.h"
#include "gateway/auth/acl.h"
#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"
#include "gateway/mqtt/packet.h"
#include "gateway/session/authentication.h"
#include "gateway/session/types.h"

namespace causeway::session {

// Who is there, as far as the transport knows.
struct Peer {
    std::string host;         // address without port
    bool may_connect = true;  // the listener lets this peer in
};

// What a client that has proven who it is may do. The driver hands it over before the CONNECT.
struct Admission {
    std::unique_ptr<auth::Access> access;  // null: everything
    std::string client_id;                 // instead of CONNECT's; empty: that
    std::unique_ptr<AuthMethods> methods;  // that this client may use; null: those of the limits
    // Beside those of the limits; the lower counts. 0: none.
    std::uint32_t publish_rate_max = 0;
    std::uint32_t publish_bytes_rate_max = 0;
    MonoMs expires_at = 0;  // the connection ends then; 0: it need not
};

class Session {
public:
    // `nonce` names the connection inside its loop and comes back in deliveries. `limits` and
    // `counters` must outlive the session. `random`: for an assigned client id.
    Session(std::uint64_t nonce, Peer peer, const Limits& limits, Counters& counters,
            std::uint64_t random, MonoMs now);

    // What the listener decided when the TLS handshake was done. Before the first packet.
    void set_may_connect(bool may_connect) { peer_.may_connect = may_connect; }

    // Effect: the CONNECT that follows is this client's.
    void admit(Admission admission) {
        admission_ = std::make_unique<Admission>(std::move(admission));
    }
    // Under which client id a CONNECT with this one opens its session.
    [[nodiscard]] std::string_view client_id_for(std::string_view connect_client_id) const {
        return admission_ && !admission_->client_id.empty() ? admission_->client_id
                                                            : connect_client_id;
    }

    // The client's own address, when a load balancer stands between. Before the first packet.
    void set_host(std::string host) { peer_.host = std::move(host); }

    // Null: everything.
    [[nodiscard]] const auth::Access* permissions() const { return access(); }
    [[nodiscard]] const std::string& host() const { return peer_.host; }

    // --- events --------------------------------------------------------------------------------

    // `packet` and what it views live during the call. `core_available`: CONNECT is refused
    // without.
    void on_packet(const mqtt::Packet& packet, MonoMs now, bool core_available, Effects& out);
    void on_decode_error(const mqtt::DecodeError& error, Effects& out);
    void on_result(std::uint64_t token, ResultCode code, std::string_view detail, Effects& out);
    void on_delivery(const Delivery& delivery, const Message& message, const Arrival& arrival,
                     Effects& out);
    // PUBREL for a number whose PUBREC was applied in an earlier connection.
    void on_release(const Delivery& delivery, Effects& out);
    void on_takeover(std::uint64_t epoch, Effects& out);
    // The driver's timer at deadline().
    void on_timer(MonoMs now, Effects& out);
    // The transport is gone; nothing can be sent any more.
    void on_closed(Effects& out);
    // The driver does not let this CONNECT in, e.g. kServerBusy: CONNACK, and to a 5.0 client when to
    // try again; 0: that would not help. Instead of on_packet().
    void on_refused(const mqtt::Connect& packet, mqtt::ReasonCode code, std::uint32_t retry_after_s,
                    Effects& out);
    // The client has sent the begin of a packet. Each time more of it is there.
    void on_partial(MonoMs now, Effects& out);
    // The driver did not read: what is missing of the packet has its time again.
    void extend_partial(MonoMs now) { partial_since_ = partial_since_ == 0 ? 0 : now; }
    // The driver stops reading: the client leaves too much of what it was sent unread. It has
    // Limits::unread_timeout_s to take it; what it sends meanwhile is not seen, so its keep alive
    // does not run.
    void on_unread(MonoMs now, Effects& out);
    // ... and reads on.
    void on_read_again(MonoMs now, Effects& out);
    // Close from our side, e.g. kServerShuttingDown. The will is published («MQTT 5.0 §3.1.2.5»).
    void on_shutdown(mqtt::ReasonCode code, Effects& out);
    // From now on `policy`: queues it may not consume any more are let go, deliveries and publishes
    // are checked against it. A client whose values do not go into it is closed. No effect on one
    // that was never admitted.
    void on_policy(std::shared_ptr<const auth::Policy> policy, Effects& out);
    // When its credentials end from now on; 0: they do not.
    void set_expiry(MonoMs expires_at, Effects& out);
    // Other rates of the client's own; 0: none.
    void set_rates(std::uint32_t publishes, std::uint32_t bytes);
    // The core lost this loop's stream: what was submitted has no result.
    void on_stream_lost(Effects& out);
    // The result of one submission will never be known: nothing of it may be answered, so the
    // connection ends; the session at home goes on. Not `sent`: it was not performed.
    void on_result_lost(bool sent, Effects& out);
    // A message of the named queue, leased for this client; never more of them than queue_room().
    void on_queue_message(std::string_view queue, GroupId set, const QueueMessage& message,
                          MonoMs now, Effects& out);
    // What became of Effects::withdraw. `never`: the OPEN will not be performed and has no result.
    void on_withdrawn(bool never, Effects& out);

    // --- for the driver ------------------------------------------------------------------------

    [[nodiscard]] mqtt::DecodeOptions decode_options() const;
    // When on_timer() is wanted; 0: never.
    [[nodiscard]] MonoMs deadline() const;
    // False between CONNECT and its answer («MQTT 5.0 §3.1.4»), and while the client is above its
    // publish rate: keep further packets until then.
    [[nodiscard]] bool takes_packets() const {
        return phase_ == Phase::kNew || phase_ == Phase::kAuthenticating ||
               (phase_ == Phase::kOnline && held_until_ == 0);
    }
    // The queues it consumes, and how many messages of them it can be sent now.
    [[nodiscard]] std::span<const QueueSubscription> queues() const;
    [[nodiscard]] std::uint32_t queue_room() const;
    [[nodiscard]] bool online() const { return phase_ == Phase::kOnline; }
    // No CONNECT was accepted yet.
    [[nodiscard]] bool half_open() const {
        return phase_ == Phase::kNew || phase_ == Phase::kAuthenticating;
    }
    // The core has not answered CONNECT yet.
    [[nodiscard]] bool opening() const { return phase_ == Phase::kOpening; }
    // Ended, and no result is owed to it.
    [[nodiscard]] bool finished() const { return phase_ == Phase::kEnded && results_due_ == 0; }
    // Every publish of the client so far has its PUBACK or PUBREC.
    [[nodiscard]] bool answered() const { return unanswered_ == 0 && phase_ != Phase::kOpening; }
    [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
    [[nodiscard]] const std::string& client_id() const { return client_id_; }
    [[nodiscard]] mqtt::Version version() const { return version_; }

private:
    enum class Phase : std::uint8_t { kNew, kAuthenticating, kOpening, kOnline, kEnded };

    // A delivery at QoS 1 or 2 that the client has not finished with.
    struct Outstanding {
        std::uint64_t n = 0;
        std::uint8_t qos = 0;
        bool received = false;  // PUBREC came
        bool released = false;  // PUBREL was sent
    };
    // Waits until the client's Receive Maximum allows it (sessions without an inbox only).
    struct Held {
        Delivery delivery;
        Message message;
        SetMs set_now = 0;  // both when it came
        MonoMs since = 0;
        std::unique_ptr<QueueDelivery> source;  // null: from a subscription

        [[nodiscard]] std::size_t bytes() const;
    };
    struct PendingFilters {
        std::uint16_t packet_id = 0;
        std::vector<std::optional<mqtt::ReasonCode>> codes;  // nullopt: the core decides
    };
    // A QoS 2 packet id of the client, from PUBLISH to PUBCOMP.
    enum class Stage : std::uint8_t { kUnanswered, kReceived, kReleasing };
    struct Receiving {
        std::uint16_t packet_id = 0;
        Stage stage = Stage::kUnanswered;
    };
    struct HeldBack {
        std::deque<Held> deliveries;
        std::size_t bytes = 0;
    };
    // What few connections need, or only for a moment: an idle one has none (drop_idle_extras).
    struct Extras {
        std::vector<std::string> aliases;       // the client's, by topic alias - 1
        std::vector<std::string> sent_aliases;  // ours to it
        std::unique_ptr<HeldBack> held;         // null: nothing waits
        std::vector<PendingFilters> subscribes;
        std::vector<PendingFilters> unsubscribes;
        std::vector<QueueSubscription> queues;
        std::vector<QueueDelivery> queue_deliveries;
        std::vector<Receiving> receiving;  // sorted by packet id
        std::string assigned_client_id;    // until CONNACK
        std::string auth_method;           // of CONNECT
        std::string auth_data;             // for CONNACK
        std::string pending_open;          // the command, until the client is authenticated
        std::unique_ptr<AuthExchange> exchange;
        std::uint8_t auth_steps = 0;
        // When what was published is paid for at the limit's rate, in microseconds.
        std::uint64_t paid_messages_us = 0;
        std::uint64_t paid_bytes_us = 0;

        [[nodiscard]] bool idle() const;
    };

    // connect.cc
    void handle(const mqtt::Connect& packet, bool core_available, Effects& out);
    void handle(const mqtt::Disconnect& packet, Effects& out);
    // Why the client may not connect; nullopt: it may.
    [[nodiscard]] std::optional<mqtt::ReasonCode> refusal(const mqtt::Connect& packet,
                                                          bool core_available) const;
    void opened(ResultCode code, std::string_view detail, Effects& out);
    void refuse_connect(mqtt::ReasonCode code, Effects& out,
                        const mqtt::ConnackProperties& properties = {});
    void submit_close(CloseReason reason, std::optional<std::uint32_t> expiry, Effects& out);
    // Ends with DISCONNECT (5.0) and the reason; the will is published.
    void fail(mqtt::ReasonCode code, std::string_view why, Effects& out);
    void finish(End end, std::string_view why, Effects& out);

    // authenticate.cc
    void handle(const mqtt::Auth& packet, Effects& out);
    // False: no such method here.
    bool begin_authentication(std::string_view method);
    void authenticate(std::string_view data, Effects& out);

    // publish.cc
    void handle(const mqtt::Publish& packet, Effects& out);
    // Counts a publish at the client's rate.
    void pay(const mqtt::Publish& packet, Effects& out);
    // Not permitted: answered, or the connection closed.
    void deny_publish(const mqtt::Publish& packet, Effects& out);
    void handle(const mqtt::Pubrel& packet, Effects& out);
    bool resolve_alias(const mqtt::Publish& packet, std::string_view& topic, Effects& out);
    void published(std::uint64_t what, ResultCode code, Effects& out);
    void released(std::uint16_t packet_id, ResultCode code, Effects& out);
    void pass_on(const mqtt::Publish& packet, std::string_view topic, Effects& out);
    void refuse_topic(const mqtt::Publish& packet, mqtt::ReasonCode code, Effects& out);
    // Null: the client has no such QoS 2 packet under way.
    Receiving* find_receiving(std::uint16_t packet_id);
    void erase_receiving(std::uint16_t packet_id);

    // deliver.cc
    void handle(const mqtt::Puback& packet, Effects& out);
    void handle(const mqtt::Pubrec& packet, Effects& out);
    void handle(const mqtt::Pubcomp& packet, Effects& out);
    // False: the client would not take so large a packet.
    bool send_publish(const Delivery& delivery, std::uint64_t n, const Message& message, SetMs now,
                      Effects& out);
    void send_pubrel(std::uint16_t packet_id, mqtt::ReasonCode code, Effects& out);
    // Sends by alias what was sent with it before; gives the topic one as long as there are any.
    void choose_alias(mqtt::PublishHead& head);
    Outstanding* find_outstanding(std::uint16_t packet_id);
    Outstanding& add_outstanding(std::uint64_t n, std::uint8_t qos);
    [[nodiscard]] std::uint16_t window() const;
    void acknowledge(std::uint64_t n, Effects& out);
    // The core has noted the client's PUBREC of number n.
    void noted(std::uint64_t n, ResultCode code, Effects& out);
    void complete(Outstanding& item, Effects& out);
    void send_held(Effects& out);
    [[nodiscard]] std::size_t outstanding() const {
        return outstanding_.size() - outstanding_head_;
    }
    // The next number of this connection's own may be sent.
    [[nodiscard]] bool window_open() const;

    // subscribe.cc
    void handle(const mqtt::Subscribe& packet, Effects& out);
    void handle(const mqtt::Unsubscribe& packet, Effects& out);
    void subscribed(std::uint16_t packet_id, ResultCode code, std::string_view detail,
                    Effects& out);
    void unsubscribed(ResultCode code, std::string_view detail, Effects& out);

    // queues.cc
    mqtt::ReasonCode subscribe_queue(const mqtt::Subscription& subscription,
                                     std::uint32_t identifier, Effects& out);
    mqtt::ReasonCode unsubscribe_queue(std::string_view filter, Effects& out);
    [[nodiscard]] bool consumes(std::string_view queue) const;
    void send_queue_message(const Delivery& delivery, std::unique_ptr<QueueDelivery> source,
                            const Message& message, Effects& out);
    // A message of a queue is no longer outstanding; `done`: the client has it.
    void queue_delivery_ended(std::uint64_t n, bool done, Effects& out);

    // session.cc
    [[nodiscard]] MonoMs online_deadline() const;
    [[nodiscard]] MonoMs partial_deadline() const;
    [[nodiscard]] const auth::Access* access() const {
        return admission_ ? admission_->access.get() : nullptr;
    }
    // False: the packet is larger than the client takes; nothing was sent, and unless it was
    // CONNACK or DISCONNECT the connection has been failed. Always the last thing a handler does.
    template <typename Packet>
    bool send(const Packet& packet, Effects& out);
    template <typename Command>
    void submit(std::uint64_t token, const Command& command, std::string_view topic, Effects& out);
    void submit_encoded(std::uint64_t token, std::string_view command, Effects& out);
    Extras& extras();
    void drop_idle_extras();
    // Deliveries carry the core's numbers (the session has an inbox), not this connection's own.
    [[nodiscard]] bool numbered_by_core() const { return next_local_n_ == 1; }

    const Limits* limits_;
    Counters* counters_;
    std::uint64_t nonce_;
    std::uint64_t random_;
    std::uint64_t epoch_ = 0;
    std::string client_id_;
    std::string username_;
    Peer peer_;
    std::unique_ptr<Admission> admission_;  // null: a client that needs none
    MonoMs last_packet_at_;
    MonoMs partial_since_ = 0;        // the begin of a packet came; 0: no packet is incomplete
    std::uint64_t next_local_n_ = 1;  // sessions without an inbox number their deliveries here
    std::vector<Outstanding> outstanding_;  // sorted by n; those before outstanding_head_ are done
    std::size_t outstanding_head_ = 0;
    std::unique_ptr<Extras> extras_;
    std::uint32_t client_packet_bytes_max_ = 0;  // 0: no limit
    std::uint32_t results_due_ = 0;
    std::uint32_t asked_expiry_s_ = 0;
    std::uint16_t keep_alive_s_ = 0;
    std::uint16_t client_alias_maximum_ = 0;
    MonoMs held_until_ = 0;         // the client is above its publish rate
    MonoMs unread_since_ = 0;       // it leaves so much unread that it is not read; 0: it is
    std::uint32_t receiving_ = 0;   // its QoS 1 and 2 publishes until PUBACK or PUBCOMP
    std::uint32_t unanswered_ = 0;  // its publishes without PUBACK or PUBREC
    std::uint16_t client_receive_maximum_ = 65'535;
    std::uint16_t unflushed_acks_ = 0;
    Phase phase_ = Phase::kNew;
    mqtt::Version version_ = mqtt::Version::k311;
    bool stale_ = false;  // the core has another owner: no CLOSE
};

}  // namespace causeway::session
